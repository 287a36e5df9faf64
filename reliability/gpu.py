"""Bits, steps and times on a GPU: `python -m reliability.gpu [--device cpu] [--write [FILE]]`.

From a bare checkout: invtime need not be installed. Each part runs in a process of its own, and
what one of them does wrong leaves the others working:

    agreement   every mode, dtype and schedule against the exact values, some processes at a time
    steps       what an optimizer step launches, copies, waits for and compiles
    timing      vectors against the plain expression, one framework after the other

The exit status is 1 where a bit is wrong or a part failed. `--device cpu` rehearses all that
needs no CUDA. docs/gpu.md is what `--write` wrote.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import date
from importlib import import_module, metadata
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

from invtime import registry
from reliability.gpu_report import Note, Options, Table, fault, notes

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "plugins" / "invtime-cupy"
FRAMEWORKS = ("torch", "jax", "cupy")
KINDS = ("agreement", "steps", "timing")
TIMING = {"torch": 0.22, "jax": 0.14, "cupy": 0.04}  # of the time
GRACE = 40.0  # seconds for a process to end what it has begun
PAGE = """# On a GPU

`python -m reliability.gpu --write` writes this page, on a machine with an NVIDIA GPU. It needs a
checkout and the frameworks, and a few minutes. `--device cpu` rehearses the same without a GPU.

{about}
"""


class Part(NamedTuple):
    """A process: a function `run` of a module, for a framework, or for a share of its cases."""

    kind: str
    framework: str
    arguments: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}, {self.framework}"


def work(part: Part, options: Options, pipe: Connection) -> None:
    """Send each row as it is found, and what the part raised."""
    try:
        if part.framework == "cupy":
            sys.path.append(str(PLUGIN))
            registry.default.register(import_module("invtime_cupy"), "cupy")
        run = import_module(f"reliability.gpu_{part.kind}").run
        for row in run(options, part.framework, *part.arguments):
            pipe.send(row)
    except BaseException as error:  # the import of a framework can raise anything
        pipe.send(fault(str(part), error))


def together(parts: Iterable[Part], options: Options) -> list[object]:
    """The rows of parts that run at the same time; one that does not end is ended."""
    context = multiprocessing.get_context("spawn")
    found: list[object] = []
    running: dict[Connection, tuple[Part, SpawnProcess]] = {}
    for part in parts:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(part, options, theirs), daemon=True)
        process.start()
        theirs.close()
        running[ours] = part, process
    while running:
        ready = wait(list(running), max(0.0, options.until + GRACE - time.monotonic()))
        for pipe in [pipe for pipe in running if pipe in ready or not ready]:
            row = _next_row(pipe, *running[pipe], late=not ready)
            found += [] if row is None else [row]
            if row is None or not ready:
                del running[pipe]
    for note in (row for row in found if isinstance(row, Note) and row.fault):
        options.say(f"failed: {note.text}")
    return found


def _next_row(pipe: Connection, part: Part, process: SpawnProcess, *, late: bool) -> object:
    """What the process sends next; None once it has ended as it should."""
    if late:
        process.kill()
        return Note(f"{part}: it did not end {GRACE:g} s after its time was over", True)
    try:
        return pipe.recv()
    except EOFError:
        process.join(GRACE)
        if process.exitcode:
            return Note(f"{part}: it ended with status {process.exitcode}", True)
        return None


def rounds(kind: str, frameworks: list[str], shares: int) -> list[tuple[float, list[Part]]]:
    """The parts of a kind that run at the same time, and for how much of the time."""
    if kind == "agreement":
        counts = {name: 1 if name == "cupy" else shares for name in frameworks}
        return [(0.4, [Part(kind, name, (i, n)) for name, n in counts.items() for i in range(n)])]
    if kind == "steps":
        return [(0.2, [Part(kind, name) for name in frameworks if name != "cupy"])]
    return [(TIMING[name], [Part(kind, name)]) for name in frameworks]  # each alone


def measure(options: Options, seconds: float, shares: int, kinds: list[str]) -> list[object]:
    """Everything, or the kinds that were asked for."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # several processes on one GPU
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # in each of the processes
    if options.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
    there = [name for name in FRAMEWORKS if find_spec(name) is not None]
    found: list[object] = [
        Note(f"{name}: it is not installed", False) for name in FRAMEWORKS if name not in there
    ]
    if options.device == "cpu" and "cupy" in there:
        there.remove("cupy")
        found.append(Note("cupy: it needs CUDA", False))
    every = [one for kind in kinds for one in rounds(kind, there, shares)]
    whole = sum(share for share, _ in every)
    for share, parts in every:  # what takes too long takes it from those after it
        until = min(time.monotonic() + seconds * share / whole, options.started + seconds)
        found += together(parts, options._replace(until=until))
    return found


def about(device: str) -> str:
    """The machine and the versions."""
    names = ("torch", "triton", "jax", "jaxlib", "cupy-cuda13x", "cupy-cuda12x", "numpy", "optax")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            pass
    gpu = "no GPU"
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)
            gpu = ", driver ".join(done.stdout.splitlines()[0].split(", "))
        except (OSError, subprocess.SubprocessError, IndexError):
            gpu = "a GPU that nvidia-smi does not name"
    return (
        f"{gpu}; Python {platform.python_version()}; {', '.join(versions)}; "
        f"invtime of {date.today().isoformat()}{_commit()}."
    )


def _commit() -> str:
    """The commit of the checkout, where git is at hand."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {done.stdout.strip()}"


def tables(found: list[object]) -> list[Table]:
    """Those of every kind, empty ones too."""
    return [
        table for kind in KINDS for table in import_module(f"reliability.gpu_{kind}").tables(found)
    ]


def page(found: list[object], machine: str) -> str:
    """The page; what was not measured says so."""
    parts = [PAGE.format(about=machine), *(f"{table.markdown()}\n" for table in tables(found))]
    for title, faults in (("What failed", True), ("What was left out", False)):
        lines = notes(found, faults=faults)
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) + "\n")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(prog="reliability.gpu")
    parser.add_argument("kinds", nargs="*", help=f"some of: {' '.join(KINDS)}; all by default")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=240.0, help="about so long in all")
    parser.add_argument("--points", type=int, default=40_000, help="integer steps of an array")
    parser.add_argument("--shares", type=int, default=6, help="processes of each framework")
    parser.add_argument("--write", type=Path, nargs="?", const=ROOT / "docs" / "gpu.md")
    given = parser.parse_args(arguments)
    if not set(given.kinds) <= set(KINDS):
        parser.error(f"{given.kinds}: there are {', '.join(KINDS)}")
    kinds = [kind for kind in KINDS if kind in (given.kinds or KINDS)]
    started = time.monotonic()
    options = Options(given.device, given.points, started, started)
    found = measure(options, given.seconds, given.shares, kinds)
    print(f"\n{page(found, about(given.device))}", flush=True)
    if given.write is not None:
        # A rehearsal is no measurement of a GPU.
        on_gpu = given.device == "cuda"
        text = page(found, about("cuda")) if on_gpu else page([], "Not measured yet.")
        given.write.write_text(text, "utf-8")
    wrong = sum(getattr(row, "wrong", 0) for row in found)
    failed = notes(found, faults=True)
    options.say(f"{wrong} wrong bits, {len(failed)} failures")
    return int(bool(wrong or failed))


if __name__ == "__main__":
    sys.exit(main())
