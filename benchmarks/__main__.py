"""Run the benchmarks: `python -m benchmarks [--write FILE] [--check] [host arrays ...]`.

This prints all tables as Markdown. Each part runs in a separate process. Keras has one backend per
process, and the imports and allocations of one part must not affect the next.
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
# The modules, and the arguments of their `rows`. Each argument gets its own process.
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

This page compares the cost of invtime with that of other ways to compute the schedule. It is for
readers who want to know whether exact rates slow down their training. Whole training steps are
measured in [PyTorch](#an-optimizer-step-in-pytorch),
[Optax](#a-compiled-training-step-with-optax) and [Keras](#a-training-step-in-keras). The other
tables measure the schedule alone. `nox -s bench` measured all of it in one run and wrote this page.

How to read a table:

- **invtime** and **other** are the costs of one call or one step: a time, a memory size or a number
  of instructions.
- **ratio** is invtime divided by other. Smaller is better, and below 1 invtime is faster.
- Both are measured in turn, in many rounds. A row shows the round with the median ratio. The ratio
  has two significant digits.
- **target** is a limit that was set before the measurement. A missed target stays in the table, and
  [Missed targets](#missed-targets) gives the reason.

Three terms recur. The *plain expression* is `lr / (1 + rate * n / steps)`, for a staircase with
`floor`. *Long decimals* are parameters such as 1/3 and 1/7, whose integers do not fit in a float64.
*Same mode* means that the other computation runs in the same mode of the framework, eager or
compiled.

Machine and versions: """


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"parts to run: {', '.join(PARTS)}; default: all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page to FILE")
    parser.add_argument(
        "--check", action="store_true", help="exit with status 1 if a target is missed"
    )
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
    yield "\n## Missed targets\n"
    yield f"{count} of {total} targets were missed. The run took {minutes:.0f} minutes.\n"
    for why, rows in missed.items():
        yield f"{why}\n"
        yield from (f"- {row.what}, compared with {row.peer}: {row.shortfall}" for row in rows)
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
    """Yield the rows that the process of a part prints; skip its other output."""
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
