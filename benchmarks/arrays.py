"""NumPy arrays.

All rows are in float64. `np.divide(200, steps)` is a single division into a new array, which is
the least work possible. The plain expression makes four such passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, LONG, LONG_STAIRCASE, STAIRCASE, kind, plain, steps

PLAIN, FLOOR = "the plain expression", "`np.divide`"
WORDS = {EXACT: "", LONG: ", long decimals"}
# Exponent of the number of steps -> the target ratio for each of these.
LIMITS = {
    **dict.fromkeys((0, 1, 2, 3), (2, 5)),
    4: (None, 3),
    **dict.fromkeys((6, 8), (None, None)),
}


def rows() -> Iterator[Row]:
    """Measure both forms for int64, int32 and float64 steps, then from 1 to 100 million steps."""
    for dtype in ("int64", "int32", "float64"):
        n = steps(10_000_000, dtype)
        for schedule in (EXACT, STAIRCASE):
            yield _against_plain(schedule, n, f"1e7 {dtype} steps, {kind(schedule)}")
            row = _against_divide(schedule, n, f"1e7 {dtype} steps, {kind(schedule)}")
            yield row.ratio_at_most(1.25) if (dtype, schedule) == ("int64", EXACT) else row
        for schedule in (LONG, LONG_STAIRCASE):
            row = _against_plain(schedule, n, f"1e7 {dtype} steps, {kind(schedule)}, long decimals")
            yield row.ratio_at_most(6)
    for exponent, limits in LIMITS.items():
        n = steps(10**exponent, "int64")
        for (schedule, words), limit in zip(WORDS.items(), limits, strict=True):
            row = _against_plain(schedule, n, f"1e{exponent} int64 steps, continuous{words}")
            yield row if limit is None else row.ratio_at_most(limit)


def _against_plain(schedule: Any, n: Any, what: str) -> Row:
    peer = plain(schedule, np.floor)
    return compare(what, lambda: schedule(n), lambda: peer(n), against=PLAIN)


def _against_divide(schedule: Any, n: Any, what: str) -> Row:
    divisors = n + 1
    return compare(what, lambda: schedule(n), lambda: np.divide(200, divisors), against=FLOOR)
