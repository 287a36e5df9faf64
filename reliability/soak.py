"""Use schedules for an hour and measure memory: `python -m reliability.soak [SECONDS] [LOG]`.

It runs on Linux, with three kinds of processes:
- the main process: its threads build, evaluate, copy and drop schedules with new parameters;
- one worker, for the same time: its threads do the same and also evaluate tensors;
- fresh processes, one after another: in each, threads make the first calls at the same time.

The exit status is 1 if a bit differs, if an exception is raised, or if the resident memory of the
main process or the worker grows by more than LIMIT in the second half of the time.
"""
# ruff: noqa: T201

from __future__ import annotations

import faulthandler
import multiprocessing
import resource
import sys
import time
from importlib.util import find_spec
from itertools import count, cycle
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import linear_regression
from threading import Event, Thread
from typing import NamedTuple, TextIO

from reliability.work import drawn, first_calls, framework_unit, unit

LIMIT = 2.0  # MiB, from a straight line through the samples
SAMPLE, FRESH = 30.0, 20.0  # seconds between samples and between fresh processes
THREADS, FIRST = 4, 16  # threads in a long-lived process and in a fresh one
SHARE = 0.06  # of a processor, for each thread

# The frameworks of fresh processes. `rounds` inserts NumPy before each.
ROUNDS = ("torch", "jax", "dask", "torch", "jax", "tensorflow")
LONG = ("torch", "jax")  # Dask itself grows by about a kilobyte per computed array


class Sample(NamedTuple):
    """The resident memory in MiB, and the work done so far."""

    seconds: float
    parent: float
    worker: float
    units: int
    worker_units: int
    fresh: int
    fresh_peak: float


class Threads:
    """Threads that repeat units of work. Each uses SHARE of a processor."""

    def __init__(self, seed: int, frameworks: tuple[str, ...] = ()) -> None:
        self.units = 0
        self.failure: BaseException | None = None
        self._stop = Event()
        self._frameworks = frameworks
        # JAX compiles each new form and keeps the result, so a few forms are reused.
        self._few = [drawn(Random(seed + i)) for i in range(8)]
        self._threads = [Thread(target=self._run, args=(seed + i,)) for i in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _run(self, seed: int) -> None:
        random = Random(seed)
        try:
            while not self._stop.is_set():
                before = time.thread_time()
                unit(random)
                for name in self._frameworks:
                    new = name != "jax"
                    framework_unit(name, random, drawn(random) if new else random.choice(self._few))
                self.units += 1
                spent = time.thread_time() - before
                self._stop.wait(spent / SHARE - spent)
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        """Stop the threads and wait for them. Raise the exception of a thread, if any."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure


def long_lived(pipe: Connection) -> None:
    """Run the worker. It answers each True in the pipe with its number of units. False ends it."""
    threads = Threads(10**6, tuple(name for name in LONG if find_spec(name)))
    while pipe.recv():
        pipe.send(threads.units)
    threads.stop()


def fresh(name: str, seed: int, pipe: Connection) -> None:
    """Run a fresh process, and send its peak resident memory in MiB."""
    faulthandler.enable()
    first_calls(name, seed, FIRST)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def rounds() -> list[str]:
    """Return the installed frameworks for fresh processes, in order."""
    there = [name for name in ROUNDS if find_spec(name)]
    return [name for other in there for name in ("numpy", other)] or ["numpy"]


def resident(pid: int | None) -> float:
    """Return the resident memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def soak(seconds: float, log: TextIO) -> tuple[list[Sample], list[str]]:
    """Run for this time. Return the samples and the failures. Samples are logged when taken."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=long_lived, args=(theirs,), daemon=True)
    worker.start()
    threads = Threads(0)
    started, made, peak = time.monotonic(), 0, 0.0
    samples: list[Sample] = []
    failed: list[str] = []
    names, seeds = cycle(rounds()), count()
    next_fresh = next_sample = 0.0
    try:
        while (now := time.monotonic() - started) < seconds:
            if now >= next_fresh:
                next_fresh = now + FRESH
                name = next(names)
                status, its_peak = _one_fresh(context, name, next(seeds))
                peak, made = max(peak, its_peak), made + 1
                if status:
                    failed.append(f"fresh process {made} ({name}) ended with status {status}")
                    print(failed[-1], file=sys.stderr, flush=True)
            if now >= next_sample:
                next_sample = now + SAMPLE
                ours.send(True)
                memory = resident(multiprocessing.current_process().pid), resident(worker.pid)
                samples.append(Sample(now, *memory, threads.units, ours.recv(), made, peak))
                print(",".join(f"{field:.6g}" for field in samples[-1]), file=log, flush=True)
            if threads.failure is not None or not worker.is_alive():
                break
            time.sleep(0.5)
    finally:
        threads.stop()
    ours.send(False)
    worker.join()
    if worker.exitcode:
        failed.append(f"the worker ended with status {worker.exitcode}")
    return samples, failed


def _one_fresh(
    context: multiprocessing.context.SpawnContext, name: str, seed: int
) -> tuple[int | None, float]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=fresh, args=(name, seed, theirs))
    process.start()
    process.join()
    return process.exitcode, ours.recv() if ours.poll() else 0.0


def growth(samples: list[Sample], of: str) -> float:
    """Return the rise, in MiB, of a straight line through the samples."""
    seconds = [sample.seconds for sample in samples]
    slope, _ = linear_regression(seconds, [getattr(sample, of) for sample in samples])
    return slope * (seconds[-1] - seconds[0])


def main(arguments: list[str]) -> int:
    """Run the soak test, for an hour by default; print the results; return the exit status."""
    seconds = float(arguments[0]) if arguments else 3600.0
    path = Path(arguments[1] if len(arguments) > 1 else "soak.csv")
    with path.open("w") as log:
        print(",".join(Sample._fields), file=log, flush=True)
        samples, failed = soak(seconds, log)
    last, warm = samples[-1], [sample for sample in samples if sample.seconds >= seconds / 2]
    print(f"ran for {last.seconds:.0f} s; the samples are in {path}")
    print(f"units of work: {last.units} in the main process, {last.worker_units} in the worker")
    print(f"fresh processes: {last.fresh}; the largest used {last.fresh_peak:.0f} MiB")
    print(*failed, sep="\n")
    status = int(bool(failed))
    for of in ("parent", "worker"):
        grown = growth(warm, of)
        span = warm[-1].seconds - warm[0].seconds
        status |= grown > LIMIT
        print(
            f"{of}: {getattr(last, of):.1f} MiB; growth {grown:+.2f} MiB in {span:.0f} s, "
            f"limit {LIMIT} MiB"
        )
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
