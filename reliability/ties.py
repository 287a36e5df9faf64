"""A search for values that round wrongly beside a tie: `python -m reliability.ties [SECONDS]`.

Half of the schedules have an exact tie, or hundreds of them, and half a value so near to one that
the double words alone cannot tell the side. Both are constructed (tests/support/midpoints.py, the
folder of which must be on PYTHONPATH), for a search at random would meet none in a lifetime. Each
mode of each framework that is installed has the same share of the time; the compiled ones take
seconds for a schedule.

The exit status is 1 where a bit differs from the exact fraction's.
"""
# ruff: noqa: T201

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from random import Random

import numpy as np
from midpoints import near_midpoint, near_midpoint_on_line, tie, tied_often
from modes import Mode, usable_modes

from invtime import InverseTimeDecay
from invtime.reference import Reference

NEAR = (60, 72, 84, 92, 96, 100, 104, 108)  # -log2 of the distances from a tie


def cases(random: Random) -> Iterator[tuple[str, InverseTimeDecay, list[int]]]:
    """Schedules, each with the steps of its ties, or of its near tie."""
    while True:
        yield "ties", *tied_often(random)
        for make, near in ((tie, ()), (near_midpoint, NEAR), (near_midpoint_on_line, NEAR[3:6])):
            for other in (False, True) if near else (None,):
                options = (random.choice(near), other) if near else ()
                schedule, step, *_ = make(random, *options)
                yield "near ties" if near else "ties", schedule, [step]


def run(mode: Mode, seconds: float, random: Random, counts: Counter[str]) -> list[str]:
    """Try one mode for a time; what differed, in words."""
    wrong = []
    end = time.monotonic() + seconds
    for sort, schedule, steps in cases(random):
        reference = Reference(schedule)
        bits = {n: reference.bits(n) for n in steps}
        kernel = mode.kernel(schedule, ["float64"])
        for kind in (np.int64, np.float64):
            fit = [n for n in steps if kind is np.int64 or n < 2**53]
            if not fit:
                continue
            # Of one length, so that what was compiled serves again; and beside other steps.
            held = np.array([*fit, *(random.choice(fit) for _ in range(256 - len(fit)))], kind)
            found = kernel(held)["float64"]
            counts[sort] += len(fit)
            for n, one in zip(fit, found.tolist(), strict=False):
                if one != bits[n]:
                    wrong.append(f"{mode}: {schedule!r} at {kind(n)!r}: {one:#x}")
        counts["schedules"] += 1
        if time.monotonic() > end:
            return wrong
    raise AssertionError("the cases never end")


def main() -> int:
    """Run every mode, print the counts, and return the exit status."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3600.0
    random = Random(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    modes = usable_modes()
    counts: dict[Mode, Counter[str]] = {mode: Counter() for mode in modes}
    wrong: list[str] = []
    end = time.monotonic() + seconds
    for mode in cycle(modes):  # in turns, so that a search that is cut short has seen them all
        wrong += run(mode, seconds / len(modes) / 4, random, counts[mode])
        if mode is modes[-1] and time.monotonic() > end - seconds / 8:
            break
    print(f"{'mode':24}{'schedules':>12}{'ties':>12}{'near ties':>12}{'wrong':>8}")
    for mode, count in counts.items():
        own = sum(line.startswith(f"{mode}:") for line in wrong)
        numbers = (count[key] for key in ("schedules", "ties", "near ties"))
        print(f"{mode!s:24}{''.join(f'{number:>12,}' for number in numbers)}{own:>8,}", flush=True)
    print(*wrong[:20], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
