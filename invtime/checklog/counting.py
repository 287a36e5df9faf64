"""Find integers m and c such that row e of a log has the rate of step m * e + c.

Each rate bounds the steps that it may come from. The bounds of all rows form a small integer
problem, which is solved exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import NamedTuple

import numpy as np

from invtime.checklog.case import Case, Steps, overlaps
from invtime.checklog.inverse import Between

TRIED = 4  # intervals to try for an unknown
FAR = 2**62


class Count(NamedTuple):
    """The step of row e: updates * (e + ahead) + beside."""

    updates: int
    ahead: int
    beside: int
    most: float
    """The largest number of updates that the log allows."""

    def of(self, rows: Steps) -> Steps:
        """The steps of these rows."""
        found: Steps = self.updates * (rows + self.ahead) + self.beside
        return found

    def text(self, name: str) -> str:
        """The formula, such as `130 * (e + 1)`."""
        row = f"{name}{signed(self.ahead)}"
        if self.updates != 1:
            row = f"{self.updates} * ({row})" if self.ahead else f"{self.updates} * {name}"
            return f"{row}{signed(self.beside)}"
        return f"{name}{signed(self.ahead + self.beside)}"


def signed(number: int) -> str:
    """A signed term such as " + 3", or "" for 0."""
    return f" {'+' if number > 0 else '-'} {abs(number)}" if number else ""


def counts(case: Case, level: str, ahead: int, beside: int, least: int = 1) -> Iterator[Count]:
    """Counts `m * (e + ahead) + beside` with m >= `least` that explain the rates of a case."""

    def factors(row: int, first: float, last: float) -> Between:
        e = row + ahead
        low, high = first - beside, last - beside
        if e < 0:
            e, low, high = -e, -high, -low
        if e == 0:
            return (-inf, inf) if low <= 0 <= high else (inf, -inf)
        return (low if low == -inf else -(-low // e)), (high if high == inf else high // e)

    def fits(updates: int) -> bool:
        return case.is_of(None, level, Count(updates, ahead, beside, updates).of(case.steps))

    if case.probe is not case and not unknown(case.probe, level, factors):
        return
    for low, high in unknown(case, level, factors)[:TRIED]:
        first = int(max(low, least))
        if first > high:
            continue
        # The bounds are a little too wide: the first m may not fit, although later ones do.
        middle = first if high == inf else (first + int(high)) // 2
        for some in dict.fromkeys((first, middle)):
            if fits(some):
                yield Count(_first(fits, first, some), ahead, beside, high)
                break


def unknown(case: Case, level: str, of: Callable[[int, float, float], Between]) -> list[Between]:
    """The intervals of an unknown that all rates allow.

    `of` turns a log step, and the first and last schedule step it may have, into an interval of
    the unknown.
    """
    rows = zip(case.steps.tolist(), case.spans(level), strict=True)
    return overlaps([of(n, *between) for between in spans] for n, spans in rows)


def any_offset(case: Case, level: str, within: bool) -> Count | None:
    """The smallest m for which some c fits, and the c nearest to 0; `within`: 0 <= c <= m.

    If a and b bound the step of row e, then for one m, c lies between the largest a - m * e and
    the smallest b - m * e. The width of this interval is concave in m, so bisection finds all m.
    """
    spans, top = case.spans(level), int(case.rates.floats.argmax())
    if not all(spans):
        return None
    ends = [each[0] if i < top else each[-1] for i, each in enumerate(spans)]
    rows = case.steps.tolist()
    if within:  # 0 <= c, and c - m <= 0, written as rows
        ends, rows = [*ends, (0, inf), (-inf, 0)], [*rows, 0, -1]
    bounded = [[int(max(-FAR, min(end, FAR))) for end in each] for each in ends]
    least, most = np.array(bounded, np.int64).T
    e = np.array(rows, np.int64)

    def between(m: int) -> tuple[int, int]:
        return int((least - m * e).max()), int((most - m * e).min())

    def room(m: int) -> int:
        low, high = between(m)
        return high - low

    last = FAR // 2 // max(int(np.abs(e).max()), 1)
    best = _first(lambda m: room(m + 1) <= room(m), 1, last)
    if room(best) < 0:
        return None
    first = _first(lambda m: room(m) >= 0, 1, best)
    after = _first(lambda m: room(m) < 0, best, last)
    low, high = between(first)
    return Count(first, 0, min(max(0, low), high), after - 1 if after < last else inf)


def _first(true: Callable[[int], bool], low: int, high: int) -> int:
    """The first number >= `low` for which `true` holds, else `high`."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle + 1, high)
    return low
