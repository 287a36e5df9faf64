"""Search for wrong roundings at and near ties: `python -m reliability.ties [SECONDS] [SEED]`.

Some schedules have exact ties, up to hundreds of them. The others have a value so close to a tie
that double-word arithmetic alone cannot decide the rounding. Both are constructed, because a
random search would practically never find one. The code is in tests/support/midpoints.py:
tests/support must be on PYTHONPATH. All modes of all installed frameworks get the same share of the
time. Compiled modes take seconds per schedule.

The exit status is 1 if a bit differs from the exact fraction, rounded.
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

NEAR = (60, 72, 84, 92, 96, 100, 104, 108)  # -log2 of the distance from a tie


def cases(random: Random) -> Iterator[tuple[str, InverseTimeDecay, list[int]]]:
    """Yield "ties" or "near ties", a schedule, and the steps where they occur."""
    while True:
        yield "ties", *tied_often(random)
        for make, near in ((tie, ()), (near_midpoint, NEAR), (near_midpoint_on_line, NEAR[3:6])):
            for other in (False, True) if near else (None,):
                options = (random.choice(near), other) if near else ()
                schedule, step, *_ = make(random, *options)
                yield "near ties" if near else "ties", schedule, [step]


def run(mode: Mode, seconds: float, random: Random, counts: Counter[str]) -> list[str]:
    """Test one mode for this time. Add to `counts`, and return a line for each wrong value."""
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
            # A fixed length avoids recompiling. The other elements are random steps of the list.
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
    """Test every mode, print the counts, and return the exit status."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3600.0
    random = Random(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    modes = usable_modes()
    counts: dict[Mode, Counter[str]] = {mode: Counter() for mode in modes}
    wrong: list[str] = []
    end = time.monotonic() + seconds
    for mode in cycle(modes):  # in short turns, so an interrupted search has tested every mode
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
