"""A Python int in, a Python float out: against the lambda that one would write by hand."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, LONG, LONG_STAIRCASE, STAIRCASE, plain

SUBJECTS = {
    "int step, exact form": (EXACT, "<= 1.5"),
    "int step, staircase": (STAIRCASE, "<= 1.9"),
    "int step, past the exact form": (LONG, "<= 3"),
    "int step, staircase past the exact form": (LONG_STAIRCASE, "<= 3"),
}


def rows() -> Iterator[Row]:
    """The scalar calls; timed in a loop compiled by timeit, without a wrapper's overhead."""
    peer = plain(EXACT)
    for what, (schedule, promised) in SUBJECTS.items():
        yield compare(what, _loop(schedule), _loop(peer), promised, against="the plain lambda")


def _loop(function: Callable[[int], Any]) -> Callable[[], object]:
    """1000 calls, so that the figures read as nanoseconds a call."""
    timer = timeit.Timer("function(123456)", globals={"function": function})
    return lambda: timer.timeit(1000)
