"""Instructions of a call with a Python int.

callgrind counts them. The counts are independent of machine load, so `nox -s instructions` checks
them against the targets.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.measure import Row

VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
LAMBDA = "lr, steps, rate = 0.1, 1000, 0.5\nf = lambda n: lr / (1 + rate * n / steps)"
SUBJECTS = {
    "continuous": ("0.1, 1000, 0.5", 2.0),
    "staircase": ("0.1, 1000, 0.5, staircase=True", 2.2),
    "continuous, long decimals": ("1 / 3, 1000, 1 / 7", 3.0),
    "staircase, long decimals": ("1 / 3, 1000, 1 / 7, staircase=True", 3.1),
}
PROGRAM = """
import gc
gc.disable()
{setup}
def main(f, calls):
    for n in range(100_000, 100_000 + calls):
        f(n)
main(f, 100)
main(f, {calls})
"""


def rows() -> Iterator[Row]:
    peer = per_call(LAMBDA)
    for what, (arguments, limit) in SUBJECTS.items():
        ours = per_call(call_of(arguments))
        row = Row(what, "the lambda", ours, peer, ours / peer, "instructions")
        yield row.ratio_at_most(limit)


def call_of(arguments: str) -> str:
    return f"from invtime import InverseTimeDecay\nf = InverseTimeDecay({arguments})"


@cache
def per_call(setup: str) -> float:
    """Return the instructions of one call: the difference of 3000 and 1000 calls, per call."""
    _count(setup, 1)  # compile everything to bytecode first
    return (_count(setup, 3000) - _count(setup, 1000)) / 2000


def _count(setup: str, calls: int) -> int:
    import invtime

    program = PROGRAM.format(setup=setup, calls=calls)
    where = str(Path(invtime.__file__).parents[1])
    done = subprocess.run(
        [*VALGRIND, sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": where, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"valgrind printed no count: {done.stderr[-500:]}")
    return int(found[1])
