"""Work in processes: their messages, how they end, and that none is left."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from invtime import children
from invtime.children import Ended, Task, run

ROOT = Path(__file__).parents[1]

# A worker whose job tells it what to do.
WORKER = """
    import atexit
    import os
    import pickle
    import signal
    import sys
    import time

    def work(job, say):
        print("noise on stdout")
        print("noise on stderr", file=sys.stderr)
        say(os.getpid())
        exec(job)
"""


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Return the task for a job."""
    (tmp_path / "invtime_worker.py").write_text(textwrap.dedent(WORKER))
    monkeypatch.syspath_prepend(tmp_path)
    return lambda job: Task("invtime_worker", job, {"INVTIME_TEST": "here"})


def of(messages, index):
    """Return the messages of one task, without the first one, which is the process number."""
    return [message for own, message in messages if own == index][1:]


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def gone(process):
    """Return whether a process ends within ten seconds."""
    for _ in range(100):
        if not alive(process):
            return True
        time.sleep(0.1)
    return False


def test_messages_come_in_order_with_the_environment_of_their_task(task, capfd):
    job = "for n in range(100): say((n, float('nan')))\nsay(os.environ['INVTIME_TEST'])"
    *pairs, there, end = of(list(run([task(job)])), 0)
    assert repr(pairs) == repr([(n, float("nan")) for n in range(100)])
    assert (there, end) == ("here", Ended(None))
    assert capfd.readouterr() == ("", "")


def test_modules_of_the_folder_it_runs_in_are_not_imported(task, tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "signal.py").write_text("raise RuntimeError('a file of the user')")
    monkeypatch.chdir(folder)
    assert of(list(run([task("say('all')")])), 0) == ["all", Ended(None)]


@pytest.mark.parametrize(
    ("job", "problem"),
    [
        ("input()", "status 1: EOFError: EOF when reading a line"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "status -9 (SIGKILL): noise on stderr"),
        ("os._exit(3)", "status 3: noise on stderr"),
        ("os._exit(0)", "status 0: noise on stderr"),
        ("raise MemoryError('no\\nroom')", "status 1: room"),
        ("sys.exit('left early')", "status 1: left early"),
        ("atexit.register(lambda: (time.sleep(0.5), print('late')))\nsys.exit()", "status 0: late"),
        ("say(bytes(10**6)); os._exit(4)", "status 4: noise on stderr"),
        ("os.write(3, pickle.dumps('half')[:9]); os._exit(5)", "status 5: noise on stderr"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_how_a_process_failed_is_its_last_message(task, job, problem):
    messages = list(run([task(job), task("say('fine')")]))
    assert of(messages, 0)[-1] == Ended(f"its process ended with {problem}")
    assert of(messages, 1) == ["fine", Ended(None)]


@pytest.mark.parametrize("end", ["os._exit, 9", "time.sleep, 600"])
def test_a_crash_or_a_hang_after_the_work_is_no_failure(task, end):
    job = f"atexit.register({end}); say('all')"
    assert of(list(run([task(job)])), 0) == ["all", Ended(None)]


def test_a_job_that_cannot_be_sent_is_a_failure(task):
    ((index, message),) = run([task(lambda: None)])
    assert index == 0
    assert "local object" in message.problem  # the text of pickle in each version of Python


def test_one_process_for_each_core_at_a_time(task, monkeypatch, tmp_path):
    monkeypatch.setattr(children, "cores", lambda: 2)
    there = tmp_path / "there"
    there.mkdir()
    own = f"own = {str(there)!r} + '/' + str(os.getpid()); open(own, 'w').close()"
    job = f"{own}; time.sleep(0.3); say(len(os.listdir({str(there)!r}))); os.remove(own)"
    messages = list(run([task(job)] * 5))
    counts = [of(messages, index)[0] for index in range(5)]
    assert max(counts) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_processes_are_killed_where_the_messages_are_left(task, monkeypatch):
    monkeypatch.setattr(children, "cores", lambda: 2)
    messages = run([task("time.sleep(600)")] * 4)
    started = [next(messages)[1], next(messages)[1]]
    assert all(map(alive, started))
    messages.close()
    assert all(map(gone, started))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_processes_end_with_the_one_that_started_them(task):
    script = f"""
        import sys
        sys.path[:] = {sys.path!r}
        from invtime.children import Task, run
        for _, message in run([Task({task("").module!r}, "time.sleep(600)", {{}})]):
            print(message, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
    assert gone(worker)
