"""Find the steps at which a schedule has a rate, by inverting each piece in exact integers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import inf
from sys import float_info

from invtime.reference import Reference
from invtime.spec import InverseTimeDecay

Between = tuple[float, float]
Ratio = tuple[int, int]
Turned = Callable[[Ratio, Ratio], Between]
"""The inverse of a piece: from the two ends of an interval of rates to the first and last step
in it. The piece is treated as if it had no start and no end."""


class Inverse:
    """The steps at which a schedule has a rate in an interval.

    Args:
        schedule: with or without phases. Negative steps have the rate of step 0.
    """

    def __init__(self, schedule: InverseTimeDecay) -> None:
        reference = Reference(schedule)
        self._pieces = [
            (phase.start, inf if phase.stop is None else phase.stop - 1, turned)
            for phase in schedule.phases
            for turned in (_turned(reference, phase.name, phase.start, phase.stop),)
        ]

    def steps(self, low: float, high: float) -> list[Between]:
        """The intervals of steps with a rate from `low` to `high`; -inf includes negative steps."""
        found: list[Between] = []
        ends = low.as_integer_ratio(), min(high, float_info.max).as_integer_ratio()
        for start, end, turned in self._pieces:
            first, last = turned(*ends)
            first, last = max(first, start), min(last, end)
            if first > last:
                continue
            if found and first <= found[-1][1] + 1:
                first, _ = found.pop()
            found.append((first if first > 0 else -inf, last))
        return found


def _turned(reference: Reference, name: str, start: int, stop: int | None) -> Turned:
    """The inverse of a phase."""
    begin = reference.exact(start)
    end = reference.exact(inf if stop is None else stop)
    assert begin is not None  # a step is never NaN here
    assert end is not None
    if name == "decay" and reference.initial and reference.decay:
        return _decay(reference)
    if name in ("warm-up", "cool-down") and begin != end:
        assert stop is not None  # warm-up and cool-down have an end
        return _line(begin, (end - begin) / (stop - start), start)
    return _constant(float(begin))


def _decay(reference: Reference) -> Turned:
    """The inverse of a / (b + c * t), where t is the step since the decay started, or its stage."""
    slope = reference.decay if reference.staircase else reference.decay / reference.period
    a = reference.initial.numerator * slope.denominator
    b = reference.initial.denominator * slope.denominator
    c = reference.initial.denominator * slope.numerator

    def turned(low: Ratio, high: Ratio) -> Between:
        if not high[0]:
            return inf, -inf
        least = max(-((b * high[0] - a * high[1]) // (c * high[0])), 0)  # rounded up
        most = (a * low[1] - b * low[0]) // (c * low[0]) if low[0] else None
        if not reference.staircase:
            return reference.start + least, inf if most is None else reference.start + most
        last = inf if most is None else reference.first_step(most + 1) - 1
        return reference.first_step(least), last

    return turned


def _line(begin: Fraction, slope: Fraction, start: int) -> Turned:
    """The inverse of begin + slope * t, where t is the step since the line started."""
    first, d = begin.as_integer_ratio()
    rise, run = slope.as_integer_ratio()

    def turned(low: Ratio, high: Ratio) -> Between:
        if slope < 0:
            low, high = high, low
        (low_n, low_d), (high_n, high_d) = (
            ((n * d - first * rate_d) * run, rate_d * d * rise) for n, rate_d in (low, high)
        )
        return start - (-low_n // low_d), start + high_n // high_d

    return turned


def _constant(rate: float) -> Turned:
    def turned(low: Ratio, high: Ratio) -> Between:
        here = low[0] / low[1] <= rate <= high[0] / high[1]
        return (-inf, inf) if here else (inf, -inf)

    return turned
