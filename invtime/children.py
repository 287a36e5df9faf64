"""Run tasks in worker processes, several at a time, and yield their messages as they arrive.

A worker is a module with a function `work(job, say)`, imported from the same paths as in this
process. Its job arrives on stdin, and its messages go to stdout, both pickled. Inside `work`, stdin
is empty. Other output of the worker is kept, and shown if the worker fails. A worker ends when the
process that started it ends, even if that one is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from tempfile import TemporaryFile
from threading import Lock, Thread
from typing import Any, NamedTuple

MOST = 8  # workers at a time: one that has imported TensorFlow takes about a gigabyte
DONE = None  # the last message of a worker; after it, a framework may crash as the process ends


class Task(NamedTuple):
    """The job of one worker."""

    module: str
    job: Any
    environment: Mapping[str, str]
    """Environment variables of the worker, in addition to those of this process."""


class Ended(NamedTuple):
    """The last message of each task."""

    problem: str | None
    """How the process failed; None if it did not."""


def run(tasks: Sequence[Task]) -> Generator[tuple[int, Any], None, None]:
    """Run the tasks, several at a time; yield each message with the index of its task.

    The processes are killed if the iterator is closed or an exception leaves it, such as that of
    Ctrl-C.
    """
    workers = _Workers()
    threads = ThreadPoolExecutor(min(cores(), MOST))
    try:
        for index, task in enumerate(tasks):
            threads.submit(workers.follow, index, task)
        left = len(tasks)
        while left:
            index, message = workers.messages.get()
            left -= isinstance(message, Ended)
            yield index, message
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        workers.kill()


def cores() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Workers:
    """The running processes and their messages."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock, self._killed = Lock(), False

    def follow(self, index: int, task: Task) -> None:
        """Start the process of a task, and forward its messages until it ends."""
        problem: str | None
        try:
            job, done = pickle.dumps(task.job), False
            with TemporaryFile() as printed:
                process = self._start(task, printed)
                for message in _messages(process, job):
                    if message is DONE:
                        done = True
                    else:
                        self.messages.put((index, message))
                status = process.wait()
                with self._lock:
                    self._running.discard(process)
                problem = None if done else _problem(status, printed)
        except Exception as error:  # the process cannot be started, or the job cannot be pickled
            problem = f"{type(error).__name__}: {error}"
        self.messages.put((index, Ended(problem)))

    def _start(self, task: Task, printed: Any) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._killed:
                raise RuntimeError("the others were interrupted")
            # Import from the same paths as this process; without -P, -m adds the current folder.
            paths = os.pathsep.join(map(str, sys.path))
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "invtime.children", task.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                env={**os.environ, "PYTHONPATH": paths, **task.environment},
            )
            self._running.add(process)
            return process

    def kill(self) -> None:
        """Kill all processes, and start no more."""
        with self._lock:
            self._killed = True
            for process in self._running:
                process.kill()


def _messages(process: subprocess.Popen[bytes], job: bytes) -> Iterator[Any]:
    """Yield the messages of a process until its work is done or it ends, and keep stdin open.

    The worker ends when stdin is closed, so a framework cannot hang while its process ends.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    # It may end before it reads its job, or within a message, where pickle may raise any error.
    with suppress(Exception), process.stdin, process.stdout:
        process.stdin.write(job)
        process.stdin.flush()
        message = object()
        while message is not DONE:
            message = pickle.load(process.stdout)
            yield message


def _problem(status: int, printed: Any) -> str:
    """Describe how a process ended before its work was done, with its last line of output."""
    killed = status < 0 and -status in set(signal.Signals)  # some real-time signals have no name
    name = f" ({signal.Signals(-status).name})" if killed else ""
    printed.seek(0)
    lines = printed.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
    return f"its process ended with status {status}{name}: {lines[-1]}"


def main() -> None:
    """Do the job on stdin, in a process that `run` started."""
    out = os.fdopen(os.dup(1), "wb", closefd=False)  # stays open until the process ends
    os.dup2(2, 1)
    # Move the pipe of stdin to another file descriptor. On Windows, NumPy's DLLs query the type of
    # stdin when they are loaded, which blocks while a thread reads it (numpy/numpy#24290).
    source = os.fdopen(os.dup(0), "rb", closefd=False)
    with open(os.devnull, "rb") as empty:
        os.dup2(empty.fileno(), 0)
    job = pickle.load(source)
    Thread(target=_end_with_the_parent, args=[source.fileno()], daemon=True).start()

    def say(message: Any) -> None:
        pickle.dump(message, out)
        out.flush()

    import_module(sys.argv[1]).work(job, say)
    say(DONE)


def _end_with_the_parent(source: int) -> None:
    os.read(source, 1)  # returns only when the pipe is closed
    os._exit(1)


if __name__ == "__main__":
    main()
