"""`verify` with executors: the same report, constant memory, and workers that die."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

import invtime
from invtime import (
    BackendUnavailableError,
    ConfigError,
    PlacementError,
    UnknownBackendError,
    children,
    registry,
)
from invtime.dtypes import DTYPES
from invtime.registry import Registry
from invtime.verification import runner, sweep, to_junit, verify
from invtime.verification.apart import verify_apart
from invtime.verification.grid import CHUNK
from invtime.verification.worker import Progress

SCHEDULE = invtime.InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)

# Backends in an installed distribution, which the worker processes find too.
PLUGIN = """
    import os
    from pathlib import Path

    import invtime
    import numpy as np
    from invtime.backends.numpy import NumpyBackend

    def taken():
        '''Whether there was a file in the folder, which is gone: each is taken by one process.'''
        for file in Path(os.environ["INVTIME_TEST_DEATHS"]).iterdir():
            try:
                file.unlink()
                return True
            except FileNotFoundError:
                continue
        return False

    class Off(NumpyBackend):
        name = "off"

        def evaluate(self, form, x, dtype):
            out = super().evaluate(form, x, dtype)
            return np.where(x == 777, np.nextafter(out, np.array(np.inf, out.dtype)), out)

    class Mortal(NumpyBackend):
        '''Ends its process at the first int32 steps, once for each file in the folder.'''

        name = "mortal"

        def evaluate(self, form, x, dtype):
            if x.dtype == np.int32 and x[0] == 0 and x[1] == 1 and taken():
                os._exit(1)
            return super().evaluate(form, x, dtype)

    class Failing(NumpyBackend):
        name = "failing"

        def evaluate(self, form, x, dtype):
            if x.dtype == np.int32:
                raise RuntimeError("the kernel was lost")
            return super().evaluate(form, x, dtype)

    @invtime.hookimpl
    def invtime_backends():
        for name in ("off", "mortal", "failing"):
            yield invtime.BackendInfo(name, ("numpy",), f"invtime_off:{name.title()}", "-")
        yield invtime.BackendInfo("gone", ("numpy",), "no_such_framework:Gone", "-")
        for name in ("fatal", "dying", "ill"):
            target = f"invtime_{name}:NumpyBackend"
            yield invtime.BackendInfo(name, ("numpy",), target, "-")

    @invtime.hookimpl
    def invtime_backend_for(step_type):
        return None  # the types of NumPy stay with NumPy's own backend
"""


# Backend modules that end or fail their process on import, always or once for each file.
ON_IMPORT = {
    "fatal": "import os, sys; print('no symbol found', file=sys.stderr, flush=True); os._exit(6)",
    "dying": """
        import os
        from invtime_off import NumpyBackend, taken
        if taken():
            os._exit(7)
    """,
    "ill": """
        from invtime_off import NumpyBackend, taken
        if taken():
            raise MemoryError("no room")
    """,
}


class Deaths:
    """A folder with one file for each remaining death of a worker."""

    def __init__(self, folder):
        self.folder = folder

    def set(self, count):
        for file in self.folder.iterdir():
            file.unlink()
        for number in range(count):
            (self.folder / str(number)).touch()

    def left(self):
        return len([*self.folder.iterdir()])


@pytest.fixture(scope="module")
def deaths(tmp_path_factory):
    """Return a function that sets how often a worker dies; the plugin above is installed."""
    path = tmp_path_factory.mktemp("plugin")
    info = path / "invtime_off-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: invtime-off\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[invtime]\noff = invtime_off\n")
    (path / "invtime_off.py").write_text(textwrap.dedent(PLUGIN))
    for name, text in ON_IMPORT.items():
        (path / f"invtime_{name}.py").write_text(textwrap.dedent(text))
    left = Deaths(path / "deaths")
    left.folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path))
        patch.setenv("PYTHONPATH", str(path), prepend=os.pathsep)
        patch.setenv("INVTIME_TEST_DEATHS", str(left.folder))
        patch.setattr(registry, "default", Registry())
        yield left


@pytest.fixture
def small(monkeypatch):
    """Use pieces of one chunk, so that there are many."""
    monkeypatch.setattr(runner, "PIECE", CHUNK)


def both(schedule, executor, **options):
    """Return the report with the executor, which must equal the one without."""
    report = verify(schedule, executor=executor, **options)
    assert report == verify(schedule, **options)
    assert all(run.points == run.asked for run in report.runs)
    return report


# -- threads -------------------------------------------------------------------------------


class Counting(ThreadPoolExecutor):
    submitted = 0

    def submit(self, *call):
        self.submitted += 1
        return super().submit(*call)


@pytest.mark.usefixtures("deaths", "small")
def test_the_queue_is_bounded(monkeypatch):
    monkeypatch.setattr(runner, "AHEAD", 2)
    ahead, entered = [], []
    with Counting(2) as executor:

        def note(done, total):
            entered.append((done, total))
            ahead.append(executor.submitted - len(entered))

        options = {"backends": ["off"], "dtypes": ["float64"], "steps": CHUNK}
        report = verify(STAIRCASE, executor=executor, progress=note, **options)
    assert report == verify(STAIRCASE, **options)
    assert not report.ok
    assert executor.submitted == len(entered) > 20
    assert max(ahead) <= 2
    assert entered[-1] == (entered[0][1],) * 2


@pytest.mark.usefixtures("small")
def test_threads_of_one_process_take_turns(monkeypatch):
    from invtime.backends.numpy import NumpyBackend

    evaluate, inside, threads = NumpyBackend.evaluate, threading.Lock(), set()

    def alone(*call):
        assert inside.acquire(blocking=False)
        threads.add(threading.get_ident())
        try:
            return evaluate(*call)
        finally:
            inside.release()

    monkeypatch.setattr(NumpyBackend, "evaluate", alone)
    with ThreadPoolExecutor(4) as executor:
        options = {"backends": ["numpy"], "dtypes": ["float32"], "steps": 4 * CHUNK}
        assert verify(SCHEDULE, executor=executor, **options).ok
    assert len(threads) > 1


@pytest.mark.usefixtures("small")
def test_nothing_is_left_in_work_after_an_interrupt():
    futures = []

    class Held(ThreadPoolExecutor):
        def submit(self, *call):
            futures.append(super().submit(*call) if len(futures) < 2 else Future())
            return futures[-1]

    def interrupt(done, total):
        raise KeyboardInterrupt

    with Held(1) as executor, pytest.raises(KeyboardInterrupt):
        verify(SCHEDULE, backends=["numpy"], executor=executor, progress=interrupt)
    assert len(futures) > 10
    assert all(future.cancelled() for future in futures[2:])


class Apart(ThreadPoolExecutor):
    """Each piece runs in a new worker, which shares nothing with the others."""

    def submit(self, compare, job, piece, attempt):
        return super().submit(compare, job._replace(token=str(piece)), piece, attempt)


@pytest.mark.usefixtures("deaths")
def test_a_run_that_has_ended_stays_so_wherever_its_other_pieces_are():
    options = {"backends": ["failing", "numpy"], "dtypes": ["float64"], "steps": 1000}
    with Apart(1) as executor:
        report = verify(SCHEDULE, executor=executor, **options)
    assert report == verify(SCHEDULE, **options)
    assert report.runs[0].error == "at int32 steps: RuntimeError: the kernel was lost"
    assert report.runs[1].ok


class Losing(ThreadPoolExecutor):
    """Loses points of the float64 pieces, a number of times for each."""

    def __init__(self, lose, times):
        super().__init__(1)
        self.lose, self.times = lose, times

    def submit(self, compare, job, piece, attempt):
        def call():
            outcomes = compare(job, piece, attempt)
            return (
                self.lose(outcomes)
                if piece.dtype == "float64" and attempt < self.times
                else outcomes
            )

        return super().submit(call)


def fewer(outcomes):
    outcomes[1].tally.points -= 5
    return outcomes


def raising(outcomes):
    raise RuntimeError("the machine\nwas taken back")


LOSSES = [
    (fewer, r"InvTimeError: \d+ of 1000 points came back"),
    (lambda outcomes: outcomes[:1], "ValueError: "),
    (lambda outcomes: None, "TypeError: "),
    (raising, "RuntimeError: the machine was taken back"),
]


@pytest.mark.parametrize("lose", [lose for lose, _ in LOSSES])
def test_what_is_lost_once_is_done_again(lose):
    with Losing(lose, 2) as executor:
        both(SCHEDULE, executor, backends=["numpy"], dtypes=["float64", "float32"], steps=1000)


@pytest.mark.parametrize(("lose", "reason"), LOSSES)
def test_what_is_lost_each_time_is_reported(lose, reason):
    options = {"backends": ["numpy"], "dtypes": ["float64", "float32"], "steps": 1000}
    with Losing(lose, 3) as executor:
        report = verify(SCHEDULE, executor=executor, **options)
    assert not report.ok
    whole = verify(SCHEDULE, **options)
    for run, complete in zip(report.runs, whole.runs, strict=True):
        assert 1000 < run.points < run.asked == complete.points
        assert not run.ok
        assert run.error.startswith("the float64 steps 0 to 999 were lost in 3 tries: ")
        assert re.search(reason, run.error)
    found = json.loads(report.to_json())["runs"][0]
    assert found["points"] < found["asked"]
    assert "were lost" in to_junit(report)


def test_a_worker_that_is_silent_is_reported():
    class Silent(ThreadPoolExecutor):
        def submit(self, compare, job, piece, attempt):
            whole = super().submit(compare, job, piece, attempt)
            if piece.dtype != "float64":
                return whole
            silent.append(Future())
            return silent[-1]

    silent = []
    with Silent(1) as executor:
        options = {"backends": ["numpy"], "dtypes": ["float64"], "steps": 1000, "timeout": 2}
        report = verify(SCHEDULE, executor=executor, **options)
    assert not report.ok
    assert all("were lost in 3 tries: TimeoutError" in run.error for run in report.runs)
    assert all(0 < run.points < run.asked for run in report.runs)
    assert all(future.cancelled() for future in silent)


def test_an_executor_that_takes_no_work_is_reported():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    report = verify(SCHEDULE, backends=["numpy"], dtypes=["float64"], executor=executor)
    assert not report.ok
    assert report.runs[0].points == 0
    assert "after shutdown" in report.runs[0].error


# -- processes -----------------------------------------------------------------------------


def processes():
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


@pytest.mark.usefixtures("deaths")
def test_processes_give_the_same_report(monkeypatch):
    monkeypatch.setattr(runner, "PIECE", CHUNK)
    with processes() as executor:
        for schedule in (SCHEDULE, STAIRCASE):
            options = {"backends": ["numpy", "off"], "dtypes": ["float64", "float16"]}
            report = both(schedule, executor, steps=2 * CHUNK, **options)
            assert [run.ok for run in report.runs] == [True, True, False, False]
            assert report.runs[2].first.step == 777


def test_a_process_that_dies_is_reported(deaths):
    deaths.set(1)
    with processes() as executor:
        report = verify(SCHEDULE, backends=["mortal"], dtypes=["float64"], executor=executor)
    assert not report.ok
    (run,) = report.runs
    assert run.points < run.asked
    assert "were lost in 3 tries: BrokenProcessPool" in run.error


# -- processes of the command ----------------------------------------------------------------


@pytest.mark.usefixtures("deaths")
@pytest.mark.parametrize("cores", [1, 3])
def test_backends_apart_give_the_same_report_in_the_same_order(monkeypatch, cores):
    monkeypatch.setattr(children, "cores", lambda: cores)
    options = {"backends": ["off", "numpy", "failing"], "steps": 2000}
    report = verify_apart(STAIRCASE, **options)
    assert report == verify(STAIRCASE, **options)
    assert [run.dtype for run in report.runs] == [*DTYPES] * 3
    assert report.runs[0].first.step == 777
    assert report.runs[8].error == "at int32 steps: RuntimeError: the kernel was lost"


@pytest.mark.usefixtures("deaths")
def test_a_choice_of_modes_devices_and_dtypes_is_the_same_apart():
    for options in (
        {"modes": ["eager"], "devices": ["cpu"]},
        {"dtypes": ["bfloat16", "float64"]},
        {"modes": ["eager"], "dtypes": [np.float32]},
        {"dtypes": []},
    ):
        options |= {"backends": ["numpy", "off"], "steps": 10}
        assert verify_apart(SCHEDULE, **options) == verify(SCHEDULE, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backends": ["nope"]}, UnknownBackendError, "nope"),
        ({"backends": ["gone"]}, BackendUnavailableError, "'gone' .* cannot be loaded"),
        (
            {"backends": ["gone"], "modes": ["eager"]},
            BackendUnavailableError,
            "'gone' .* be loaded",
        ),
        ({"modes": ["eager", "jitted"]}, PlacementError, r"'jitted'; available: 'eager'"),
        ({"devices": ["cuda"]}, PlacementError, r"'cuda'; available: 'cpu'"),
        ({"dtypes": ["float8"]}, PlacementError, "float8"),
        ({"steps": 0}, ConfigError, "steps is 0"),
        ({"modes": ["eager"], "devices": ["gpu"]}, PlacementError, "'gpu'; available"),
    ],
)
@pytest.mark.usefixtures("deaths")
def test_what_cannot_be_verified_apart_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        verify_apart(SCHEDULE, **{"backends": ["numpy"], **options})


@pytest.mark.usefixtures("deaths")
def test_what_does_not_import_apart_is_missing(monkeypatch):
    known = registry.default.plugins.announced
    for name in set(known) - {"off", "gone"}:
        monkeypatch.delitem(known, name)
    report = verify_apart(SCHEDULE, steps=10)
    assert report.ok
    assert report == verify(SCHEDULE, steps=10)
    assert [missing.backend for missing in report.missing] == ["gone"]


def test_a_framework_that_ends_its_process_fails_alone(deaths, monkeypatch):
    monkeypatch.setattr(children, "cores", lambda: 2)
    deaths.set(1)
    options = {"backends": ["mortal", "numpy"], "steps": 1000}
    report = verify_apart(SCHEDULE, **options)
    whole = verify(SCHEDULE, **options)
    assert not report.ok
    lost = [run for run in report.runs if run.error is not None]
    assert len(lost) == 2  # the dtypes of one of the two processes
    assert {run.backend for run in lost} == {"mortal"}
    assert {run.error for run in lost} == {"its process ended with status 1: no message"}
    pairs = zip(report.runs, whole.runs, strict=True)
    assert all(run in (one, replace(run, asked=0)) for run, one in pairs if run not in lost)
    assert [run.dtype for run in report.runs] == [*DTYPES] * 2


@pytest.mark.usefixtures("deaths")
def test_a_framework_that_ends_its_process_on_import_fails(monkeypatch):
    monkeypatch.setattr(children, "cores", lambda: 2)
    report = verify_apart(SCHEDULE, backends=["fatal", "numpy"], dtypes=["float64"], steps=10)
    fatal, fine = report.runs
    assert (fatal.backend, fatal.mode, fatal.dtype) == ("fatal", "", "float64")
    assert fatal.error == "its process ended with status 6: no symbol found"
    assert fine.ok
    assert not report.ok


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("dying", "its process ended with status 7: no message"),
        ("ill", "MemoryError: no room; fix or uninstall that distribution"),
    ],
)
def test_a_framework_that_does_not_import_each_time_fails_there(deaths, monkeypatch, name, error):
    monkeypatch.setattr(children, "cores", lambda: 2)
    deaths.set(1)
    report = verify_apart(SCHEDULE, backends=[name], steps=10)
    assert not report.ok
    assert deaths.left() == 0
    lost = [run for run in report.runs if run.error is not None]
    assert all(run.error.endswith(error) for run in lost)
    assert sorted(run.dtype for run in report.runs) == sorted(DTYPES)
    others = [run for run in report.runs if run.error is None]
    assert len(others) == len(lost) == 2
    assert any(run.points for run in others)  # bfloat16 is skipped without ml_dtypes


@pytest.mark.parametrize("options", [{"modes": ["compile"]}, {"devices": ["cuda"]}])
@pytest.mark.usefixtures("deaths")
def test_what_a_framework_has_that_ends_its_process_is_not_known(options):
    for backends in (["fatal"], ["fatal", "numpy"]):
        report = verify_apart(SCHEDULE, backends=backends, dtypes=["float64"], steps=10, **options)
        (run,) = report.runs
        assert run.error == "its process ended with status 6: no symbol found"


def test_progress_and_memory_of_processes(monkeypatch):
    """A worker sends its progress, and shares a GPU unless the user set it otherwise."""
    tasks, seen = [], []

    def run(own):
        tasks.extend(own)
        yield 0, Progress(0.25)
        yield from ((index, children.Ended("lost")) for index in range(len(own)))

    monkeypatch.setattr(children, "cores", lambda: 2)
    monkeypatch.setattr(children, "run", run)
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    verify_apart(SCHEDULE, backends=["numpy"], progress=lambda *counts: seen.append(counts))
    assert seen == [(250, 2000), (1000, 2000), (2000, 2000)]
    assert [task.environment for task in tasks] == [
        {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "false"}
    ] * 2


def test_progress_of_processes_reaches_its_total():
    seen = []
    options = {"backends": ["numpy"], "steps": 10}
    verify_apart(SCHEDULE, progress=lambda *counts: seen.append(counts), **options)
    done, total = zip(*seen, strict=True)
    assert sorted(done) == list(done)
    assert len(set(total)) == 1
    assert done[-1] == total[-1]


# -- Dask ----------------------------------------------------------------------------------


@contextmanager
def cluster():
    """A client of two worker processes; Dask reports a death at once and does not retry."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=2, **options) as workers,
        distributed.Client(workers, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client(deaths):
    with cluster() as client:
        yield client


def test_a_dask_cluster_gives_the_same_report(client, small):
    with client.get_executor() as executor:
        options = {"backends": ["numpy", "off"], "dtypes": ["float64", "bfloat16"]}
        report = both(STAIRCASE, executor, steps=2 * CHUNK, **options)
        assert [run.ok for run in report.runs] == [True, True, False, False]
        assert report.runs[2].first.step == 777
        assert both(SCHEDULE, executor, backends=["numpy"], steps=10).ok


def test_both_workers_of_a_cluster_work_and_keep_their_sweep(client, small):
    def misses():
        return client.run(lambda: sweep._sweep.cache_info().misses)

    before = misses()
    with client.get_executor() as executor:
        options = {"backends": ["numpy"], "dtypes": ["float32"], "steps": 20 * CHUNK}
        assert verify(SCHEDULE, executor=executor, **options).ok
    assert len(before) == 2
    assert misses() == {worker: count + 1 for worker, count in before.items()}


MORTAL = {"backends": ["mortal"], "dtypes": ["float64"], "steps": 1000}


def test_a_worker_of_a_cluster_that_dies_is_replaced(client, deaths):
    deaths.set(1)
    with client.get_executor() as executor:
        report = verify(SCHEDULE, executor=executor, timeout=60, **MORTAL)
    assert deaths.left() == 0
    assert report.ok
    assert report == verify(SCHEDULE, **MORTAL)


def test_workers_of_a_cluster_that_die_each_time_are_reported(deaths):
    deaths.set(99)
    # Dask gives up a worker that dies at its start; with none left, only the timeout ends the wait.
    with cluster() as client, client.get_executor() as executor:
        report = verify(SCHEDULE, executor=executor, timeout=20, **MORTAL)
        deaths.set(0)
    assert not report.ok
    (run,) = report.runs
    assert run.points < run.asked
    assert re.search("were lost in 3 tries: (KilledWorker|TimeoutError)", run.error)


def command(*arguments):
    """Run `invtime verify --dask` in a process; return the exit status, stdout and stderr."""
    numbers = ["--initial-learning-rate", "0.1", "--decay-steps", "1000", "--decay-rate", "0.5"]
    line = [sys.executable, "-m", "invtime.cli", "verify", *numbers, "--steps", "1000"]
    done = subprocess.run(
        [*line, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_works_on_a_cluster(client):
    pytest.importorskip("typer")
    address = client.scheduler.address
    only = ["--dask", address, "--dtype", "float64", "--format", "json"]
    status, out, err = command(*only, "--backend", "numpy")
    assert (status, err) == (0, "")
    assert json.loads(out)["runs"][0]["points"] == json.loads(out)["runs"][0]["asked"]
    status, out, err = command(*only, "--backend", "off")
    assert (status, err) == (1, "")
    assert json.loads(out)["runs"][0]["first"]["step"] == "777"


@pytest.mark.parametrize(
    ("address", "message"),
    [("tcp://127.0.0.1:1", "imed out"), ("nonsense://a", "nonsense")],
)
def test_the_command_refuses_what_is_no_cluster(address, message):
    pytest.importorskip("typer")
    pytest.importorskip("distributed")
    status, out, err = command("--dask", address, "--backend", "numpy")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
