"""NumPy arrays of ten million steps: against the plain NumPy expression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, LONG, LONG_STAIRCASE, STAIRCASE, plain, steps

COUNT = 10_000_000
SUBJECTS = {
    "exact form": (EXACT, "<= 0.7"),
    "staircase": (STAIRCASE, ""),
    "double word": (LONG, "<= 8"),
    "double word, staircase": (LONG_STAIRCASE, "<= 8"),
}


def rows() -> Iterator[Row]:
    """Each form for int64, int32 and float64 steps."""
    for dtype in ("int64", "int32", "float64"):
        n = steps(COUNT, dtype)
        for what, (schedule, promised) in SUBJECTS.items():
            peer = plain(schedule, np.floor)
            yield compare(
                f"NumPy, 1e7 {dtype} steps, {what}",
                lambda schedule=schedule, n=n: schedule(n),  # type: ignore[misc]
                lambda peer=peer, n=n: peer(n),  # type: ignore[misc]
                promised,
                against="the plain NumPy expression",
                seconds=4.0,
            )
