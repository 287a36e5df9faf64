"""Measure bits, steps and times on a GPU.

    python -m reliability.gpu [--device cpu] [--write [FILE]]

This needs a checkout and the frameworks. invtime need not be installed. Each part runs in a
separate process, so a failure in one does not stop the others:

    agreement   compare every mode, dtype and schedule with the exact rates, in parallel processes
    steps       count what an optimizer step launches, copies, waits for and compiles
    timing      time vectors of steps against the plain expression, one framework after another

The exit status is 1 if a bit is wrong or a part failed. `--device cpu` runs everything that does
not need CUDA, as a rehearsal. `--write` writes docs/gpu.md.
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
TIMING = {"torch": 0.22, "jax": 0.14, "cupy": 0.04}  # share of the total time
GRACE = 40.0  # seconds for a process to finish after its time limit
PAGE = """# GPU measurements

This page shows what was measured on an NVIDIA GPU: whether every bit is right, what an optimizer
step with a schedule costs, and how long vectors of steps take. It is for readers who want to check
the guarantees on a GPU.

On a machine with a GPU, `python -m reliability.gpu --write` measures all of this again and writes
this page. It needs a checkout and the frameworks, and takes a few minutes. `--device cpu` runs the
same without a GPU, as a rehearsal.

Machine and versions: {about}
"""


class Part(NamedTuple):
    """A process. It calls `run` of a module for a framework, or for a share of its cases."""

    kind: str
    framework: str
    arguments: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}, {self.framework}"


def work(part: Part, options: Options, pipe: Connection) -> None:
    """Send each row as soon as it is found, and any exception of the part."""
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
    """Run parts at the same time and return their rows; kill a part that does not end."""
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
    """Return the next row of the process, or None after it ended normally."""
    if late:
        process.kill()
        return Note(f"{part}: killed, {GRACE:g} s after its time limit", True)
    try:
        return pipe.recv()
    except EOFError:
        process.join(GRACE)
        if process.exitcode:
            return Note(f"{part}: a process ended with status {process.exitcode}", True)
        return None


def rounds(kind: str, frameworks: list[str], shares: int) -> list[tuple[float, list[Part]]]:
    """Return the groups of parts that run at the same time, each with its share of the time."""
    if kind == "agreement":
        counts = {name: 1 if name == "cupy" else shares for name in frameworks}
        return [(0.4, [Part(kind, name, (i, n)) for name, n in counts.items() for i in range(n)])]
    if kind == "steps":
        return [(0.2, [Part(kind, name) for name in frameworks if name != "cupy"])]
    return [(TIMING[name], [Part(kind, name)]) for name in frameworks]  # each alone


def measure(options: Options, seconds: float, shares: int, kinds: list[str]) -> list[object]:
    """Run all parts of the given kinds and return their rows."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # several processes on one GPU
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # in each of the processes
    if options.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
    there = [name for name in FRAMEWORKS if find_spec(name) is not None]
    found: list[object] = [
        Note(f"{name}: not installed", False) for name in FRAMEWORKS if name not in there
    ]
    if options.device == "cpu" and "cupy" in there:
        there.remove("cupy")
        found.append(Note("cupy: needs CUDA", False))
    every = [one for kind in kinds for one in rounds(kind, there, shares)]
    whole = sum(share for share, _ in every)
    for share, parts in every:  # a slow group shortens the time of the later ones
        until = min(time.monotonic() + seconds * share / whole, options.started + seconds)
        found += together(parts, options._replace(until=until))
    return found


def about(device: str) -> str:
    """Describe the machine and the versions."""
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
            gpu = "a GPU of unknown name (nvidia-smi failed)"
    return (
        f"{gpu}; Python {platform.python_version()}; {', '.join(versions)}; "
        f"invtime of {date.today().isoformat()}{_commit()}."
    )


def _commit() -> str:
    """Return the commit of the checkout, or an empty string without git."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {done.stdout.strip()}"


def tables(found: list[object]) -> list[Table]:
    """Return the tables of every kind, including empty ones."""
    return [
        table for kind in KINDS for table in import_module(f"reliability.gpu_{kind}").tables(found)
    ]


def page(found: list[object], machine: str) -> str:
    """Return the page. A table without rows says that it was not measured."""
    parts = [PAGE.format(about=machine), *(f"{table.markdown()}\n" for table in tables(found))]
    for title, faults in (("Failures", True), ("Not measured", False)):
        lines = notes(found, faults=faults)
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) + "\n")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables, and write the page if `--write` is given."""
    parser = argparse.ArgumentParser(prog="reliability.gpu")
    parser.add_argument("kinds", nargs="*", help=f"parts to run: {', '.join(KINDS)}; default: all")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=240.0, help="approximate total time")
    parser.add_argument("--points", type=int, default=40_000, help="integer steps per array")
    parser.add_argument("--shares", type=int, default=6, help="processes per framework")
    parser.add_argument("--write", type=Path, nargs="?", const=ROOT / "docs" / "gpu.md")
    given = parser.parse_args(arguments)
    if not set(given.kinds) <= set(KINDS):
        parser.error(f"unknown part in {given.kinds}; the parts are {', '.join(KINDS)}")
    kinds = [kind for kind in KINDS if kind in (given.kinds or KINDS)]
    started = time.monotonic()
    options = Options(given.device, given.points, started, started)
    found = measure(options, given.seconds, given.shares, kinds)
    print(f"\n{page(found, about(given.device))}", flush=True)
    if given.write is not None:
        # A rehearsal does not measure a GPU, so the page stays empty.
        on_gpu = given.device == "cuda"
        text = page(found, about("cuda")) if on_gpu else page([], "Not measured yet.")
        given.write.write_text(text, "utf-8")
    wrong = sum(getattr(row, "wrong", 0) for row in found)
    failed = notes(found, faults=True)
    options.say(f"{wrong} wrong bits, {len(failed)} failures")
    return int(bool(wrong or failed))


if __name__ == "__main__":
    sys.exit(main())
