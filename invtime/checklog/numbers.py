"""Mistakes in a number: a parameter with another value.

A logged rate bounds the exact rate, and all rates together bound the parameter. The simplest
number within the bounds is tried. It is an explanation only if every rate then agrees.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import inf, isfinite
from typing import Any

import numpy as np

from invtime.checklog.agreement import Floats
from invtime.checklog.case import Case, decay_alone, decays
from invtime.checklog.report import Explanation
from invtime.decimals import exact_number
from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay


def other_decay_rate(case: Case, level: str) -> Explanation | None:
    """Another decay_rate, with everything else as in the schedule."""
    return other_number(case, level, "decay_rate", _decay_rate(case, level, case.schedule))


def other_initial_rate(case: Case, level: str) -> Explanation | None:
    """Another initial_learning_rate, with everything else as in the schedule."""
    own = case.schedule
    number = _peak(case, level)
    found = other_number(case, level, "initial_learning_rate", number)
    rate = Fraction(*exact_number(own.initial_learning_rate))
    fixed = own.warmup_learning_rate or own.minimum_learning_rate or own.final_learning_rate
    if not found or fixed or Fraction(*exact_number(found.parameters[found.kind])) != rate**2:
        return found
    why = "the number is squared because LambdaLR multiplies the schedule by the optimizer's lr"
    return replace(found, text=f"{found.text}; {why}")


def _peak(case: Case, level: str) -> int | float | None:
    """The simplest initial_learning_rate that may fit, from the rates before a cool-down."""
    own, reference = case.schedule, case.reference
    alone = decay_alone(own, initial_learning_rate=1)
    shape = case.values(alone, case.steps - reference.start)
    rest = np.zeros(len(shape))
    rising = (case.steps > 0) & (case.steps < reference.warmup)
    if reference.warmup:
        share = (case.steps[rising] / reference.warmup).astype(np.float64)
        shape[rising], rest[rising] = share, float(own.warmup_learning_rate) * (1 - share)
    low, high = case.bounds(level)
    low = np.where(case.in_decay & case.may_be_floor(level), 0, low)
    some = case.in_decay | rising
    return within(((low - rest) / shape)[some], ((high - rest) / shape)[some])


def other_decay_steps(case: Case, level: str) -> Explanation | None:
    """Another decay_steps, with everything else as in the schedule."""
    if not case.moves or not decays(case.schedule):
        return None
    least, most = case.turns_of_rates(level)
    after = 1 if case.schedule.staircase else 0
    n = (case.steps - case.reference.start).astype(np.float64)
    low, high = n / (most + after), np.where(least > 0, n / least, inf)
    low = np.nextafter(low, inf) if after else low
    some = (n > 0) & case.in_decay & (most + after > 0)
    return other_number(case, level, "decay_steps", within(low[some], high[some]))


def two_parameters(case: Case, level: str) -> Explanation | None:
    """Another initial_learning_rate and decay_rate; 1 / rate is linear in n / S."""
    own = case.schedule
    turns = case.turns(own)
    rows = np.flatnonzero(~np.isnan(turns) & ~case.may_be_floor(level))
    if not rows.size or turns[rows[0]] == turns[rows[-1]]:
        return None
    initial = simplest(*rate_at_0(case, level, turns, rows[[0, -1]]))
    if not initial or initial == own.initial_learning_rate:
        return None
    schedule = changed(own, initial_learning_rate=initial)
    decay = schedule and _decay_rate(case, level, schedule)
    if schedule is None or decay is None or decay == own.decay_rate:
        return None
    schedule = changed(schedule, decay_rate=decay)
    if schedule is None or not case.is_of(schedule, level):
        return None
    found = another(own, {"initial_learning_rate": initial, "decay_rate": decay})
    return replace(found, kind="two-parameters")


def rate_at_0(case: Case, level: str, x: Floats, rows: Any) -> tuple[float, float]:
    """Bounds on the rate at x = 0 from two rows, where 1 / rate is linear in x."""
    (a, b), (low, high) = x[rows].tolist(), (ends[rows].tolist() for ends in case.bounds(level))
    if not all(high) or not low[1]:
        return inf, -inf
    most = (b / low[0] - a / high[1]) / (b - a) if low[0] else inf
    least = (b / high[0] - a / low[1]) / (b - a)
    if most * least <= 0:
        return 1 / most if most > 0 else inf, inf
    return 1 / most, 1 / least


def _decay_rate(case: Case, level: str, schedule: InverseTimeDecay) -> int | float | None:
    """The simplest decay_rate with which the schedule may fit."""
    initial, turns = float(schedule.initial_learning_rate), case.turns(schedule)
    low, high = case.bounds(level)
    some = turns > 0
    least, most = (initial / high - 1) / turns, (initial / low - 1) / turns
    most[(low == 0) | case.may_be_floor(level)] = inf
    least[high == 0] = inf
    return within(least[some], most[some])


def other_number(case: Case, level: str, key: str, number: float | None) -> Explanation | None:
    """Another number for one parameter, if it fits."""
    other = None if number is None else changed(case.schedule, **{key: number})
    if other is None or not case.is_of(other, level):
        return None
    return another(case.schedule, {key: number})


def another(own: InverseTimeDecay, changes: dict[str, float | None]) -> Explanation:
    """The explanation for other parameters. Its kind is the first of them."""
    fit = "; ".join(
        f"{key} = {number!r} fits instead of {getattr(own, key)!r}"
        for key, number in changes.items()
    )
    return Explanation(next(iter(changes)), fit, changes)


def changed(schedule: InverseTimeDecay, **changes: object) -> InverseTimeDecay | None:
    """The schedule with some parameters changed, or None if they are not accepted."""
    try:
        return schedule.replace(dtype=None, **changes)
    except ConfigError:
        return None


def within(low: Floats, high: Floats) -> int | float | None:
    """The simplest number that is in all intervals."""
    return simplest(float(low.max()), float(high.min())) if low.size else None


def simplest(low: float, high: float) -> int | float | None:
    """The number with the fewest digits in an interval, of those that are 0 or more."""
    if not low <= high or high < 0:
        return None
    if low <= 0:
        return 0
    if not isfinite(high):
        high = 10 * low
    if not isfinite(high):  # no parameter is so large
        return None
    least, most = Fraction(low), Fraction(high)
    unit = Fraction(10) ** (len(str(int(most))) if most >= 1 else 0)
    while True:
        digits = -(-least // unit)
        if digits * unit <= most:
            number = digits * unit
            return int(number) if number.denominator == 1 else float(number)
        unit /= 10


def digits(number: object) -> int:
    """The number of significant digits of a number; 0 for anything else."""
    if not isinstance(number, int | float):
        return 0
    return len(Decimal(repr(float(number))).normalize().as_tuple().digits) if number else 0
