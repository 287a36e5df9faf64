"""The whole table as Markdown: `python -m benchmarks [--write FILE] [--check] [host arrays ...]`.

Each part runs in a process of its own, since Keras has one backend in a process, and what one
part has imported or allocated must not meet the next.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

from benchmarks.measure import HEADER, Row
from benchmarks.missed import reason

KERAS = ("tensorflow", "jax", "torch")
# Each module, and what its `rows` is called with, in a process for each.
PARTS: dict[str, tuple[str, ...]] = {
    "host": ("",),
    "instructions": ("",),
    "scalars": ("numpy", *KERAS),
    "arrays": ("",),
    "vectors": KERAS,
    "phases": ("numpy", *KERAS),
    "torch_scheduler": ("",),
    "torch_step": ("",),
    "optax_step": ("",),
    "keras_fit": KERAS,
    "start": ("",),
    "growth": ("",),
}
VERSIONS = ("numpy", "torch", "jax", "tensorflow-cpu", "keras", "optax", "lrsched", "thinc")
PAGE = """# Benchmarks

Every figure is a ratio against a named peer, both measured in turn in one run, by `nox -s bench`,
which wrote this page. In each round both are timed. The row shows the round with the median
ratio: its two times, and their ratio with two significant digits. A target says what was aimed at
before it was measured, and a miss stays in the table.

"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {' '.join(PARTS)}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there too")
    parser.add_argument("--check", action="store_true", help="status 1 where a target is missed")
    parser.add_argument("--rows", nargs=2, metavar=("PART", "VARIANT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rows:
        part, variant = arguments.rows
        for row in import_module(f"benchmarks.{part}").rows(*[variant] * bool(variant)):
            print(json.dumps(row), flush=True)
        return
    lines = []
    for line in page(arguments.parts or list(PARTS)):
        print(line, flush=True)
        lines.append(line)
    if arguments.check and "missed**" in "".join(lines):
        raise SystemExit(1)
    if arguments.write:
        arguments.write.write_text(PAGE + "\n".join(lines) + "\n", encoding="utf-8")


def page(parts: list[str]) -> Iterator[str]:
    start = time.monotonic()
    yield machine()
    missed: dict[str, list[Row]] = {}
    total = 0
    for part in parts:
        title, *about = (import_module(f"benchmarks.{part}").__doc__ or "").strip().split("\n\n")
        yield f"\n## {title.removesuffix('.')}\n"
        yield from (f"{' '.join(text.split())}\n" for text in about)
        yield HEADER
        for variant in PARTS[part]:
            for row in _rows(part, variant):
                yield row.markdown()
                total += row.met is not None
                if row.met is False:
                    missed.setdefault(reason(row.what), []).append(row)
    minutes = (time.monotonic() - start) / 60
    count = sum(map(len, missed.values()))
    yield f"\n## Missed\n\n{count} of {total} targets; the run took {minutes:.0f} minutes.\n"
    for why, rows in missed.items():
        yield f"{why}\n"
        yield from (f"- {row.what}, against {row.peer}: {row.shortfall}" for row in rows)
        yield ""


def machine() -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in VERSIONS)
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return f"{_processor()}; {system}; Python {platform.python_version()}; {versions}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(none)"


def _rows(part: str, variant: str) -> Iterator[Row]:
    """The rows of a part, as its process prints them among whatever else it prints."""
    command = [sys.executable, "-m", "benchmarks", "--rows", part, variant]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": variant or "torch"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        for line in process.stdout or ():
            if line.startswith("["):
                yield Row(*json.loads(line))
    if process.returncode:
        raise SystemExit(f"`{' '.join(command[1:])}` ended with {process.returncode}")


if __name__ == "__main__":
    main()
