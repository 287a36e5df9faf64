"""A call with a Python int.

The other function is a lambda with the plain expression. At a quarter of the steps its result is
not correctly rounded.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, LONG, LONG_STAIRCASE, STAIRCASE, plain

CALLS = 1000
SUBJECTS = {
    "continuous": (EXACT, 2.0),
    "staircase": (STAIRCASE, 2.2),
    "continuous, long decimals": (LONG, 3.0),
    "staircase, long decimals": (LONG_STAIRCASE, 3.0),
}


def rows() -> Iterator[Row]:
    """Measure scalar calls in a loop compiled by timeit, without the overhead of a wrapper."""
    for what, (schedule, limit) in SUBJECTS.items():
        for floor in (False, True) if schedule.staircase else (False,):
            peer = plain(STAIRCASE if floor else EXACT)
            against = "the lambda with `math.floor`" if floor else "the lambda"
            row = _compare(what, schedule, peer, against)
            yield row if floor else row.ratio_at_most(limit)
    if find_spec("lrsched"):
        from lrsched import inverse_sqrt

        peer = inverse_sqrt(base_lr=0.1, warmup_steps=1000)
        yield _compare("continuous", EXACT, peer, "`lrsched.inverse_sqrt`")
    if find_spec("thinc"):
        from thinc.schedules import decaying

        yield _compare("continuous", EXACT, decaying(0.1, 0.0005), "`thinc.schedules.decaying`")


def _compare(what: str, schedule: Any, peer: Callable[[int], Any], against: str) -> Row:
    return compare(what, loop(schedule), loop(peer), against=against, calls=CALLS)


def loop(function: Callable[[int], Any], step: int = 123456) -> Callable[[], object]:
    """Return a function that makes CALLS calls at a step."""
    timer = timeit.Timer(f"function({step})", globals={"function": function})
    return lambda: timer.timeit(CALLS)
