"""Work in processes of its own: some of them at a time, each message as it comes, and its end.

A worker is a module with a function `work(job, say)`, imported from where this process imports. Its
job comes on stdin and what it says goes to stdout, pickled; the work itself finds stdin empty. What
else it prints is kept, and shown where it failed. A worker ends with the process that started it,
however that ends.
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
DONE = None  # what a worker says last; a framework may crash as its process ends, after that


class Task(NamedTuple):
    """The job of one worker."""

    module: str
    job: Any
    environment: Mapping[str, str]
    """What is set in the worker's environment beside what this process has."""


class Ended(NamedTuple):
    """The last message of each task."""

    problem: str | None
    """How its process failed; None where it did not."""


def run(tasks: Sequence[Task]) -> Generator[tuple[int, Any], None, None]:
    """Every message of every task, with the task's index; some tasks are in work at a time.

    The processes are killed where the iterator is closed, or an exception, such as that of
    Ctrl-C, leaves it.
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
    """The number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Workers:
    """The processes that are running, and what they say."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock, self._killed = Lock(), False

    def follow(self, index: int, task: Task) -> None:
        """Start the process of a task, and hand on its messages until it has ended."""
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
        except Exception as error:  # no process can be made, or the job cannot be pickled
            problem = f"{type(error).__name__}: {error}"
        self.messages.put((index, Ended(problem)))

    def _start(self, task: Task, printed: Any) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._killed:
                raise RuntimeError("the others were interrupted")
            # It imports from where this process does: -m without -P adds the current folder.
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
        """End all of them, and start no more."""
        with self._lock:
            self._killed = True
            for process in self._running:
                process.kill()


def _messages(process: subprocess.Popen[bytes], job: bytes) -> Iterator[Any]:
    """What a process says until its work is done or it ends; stdin is open until then.

    The worker ends where stdin does, so that a framework cannot hang as its process ends.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    # It may end before it has read its job, or amid a message, where pickle raises anything.
    with suppress(Exception), process.stdin, process.stdout:
        process.stdin.write(job)
        process.stdin.flush()
        message = object()
        while message is not DONE:
            message = pickle.load(process.stdout)
            yield message


def _problem(status: int, printed: Any) -> str:
    """How a process ended before its work was done, with the last line that it printed."""
    killed = status < 0 and -status in set(signal.Signals)  # some real-time signals have no name
    name = f" ({signal.Signals(-status).name})" if killed else ""
    printed.seek(0)
    lines = printed.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
    return f"its process ended with status {status}{name}: {lines[-1]}"


def main() -> None:
    """Do the job on stdin, in a process that `run` has started."""
    out = os.fdopen(os.dup(1), "wb", closefd=False)  # its end says that the process has ended
    os.dup2(2, 1)
    # The pipe of stdin moves to another number. On Windows, NumPy's DLLs ask for the type of stdin
    # as they are loaded, and that waits until no thread reads it (numpy/numpy#24290).
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
    os.read(source, 1)  # nothing comes, but its end
    os._exit(1)


if __name__ == "__main__":
    main()
