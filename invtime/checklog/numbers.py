"""Another number in place of a parameter's.

A logged rate says between which values the exact one lies, and all rates together leave an
interval for the number. The simplest one of it is tried; it counts only if every rate then agrees.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, isfinite, nextafter

from invtime.checklog.case import Case, decay_alone, overlap
from invtime.checklog.inverse import Between
from invtime.checklog.report import Explanation
from invtime.decimals import exact_number
from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay


def other_decay_rate(case: Case, level: str) -> Explanation | None:
    """Another decay_rate, everything else as it was to be."""
    return other_number(case, level, "decay_rate", _decay_rate(case, level, case.schedule))


def other_initial_rate(case: Case, level: str) -> Explanation | None:
    """Another initial_learning_rate, everything else as it was to be."""
    own = case.schedule
    number = _peak(case, level)
    found = other_number(case, level, "initial_learning_rate", number)
    rate = Fraction(*exact_number(own.initial_learning_rate))
    fixed = own.warmup_learning_rate or own.minimum_learning_rate or own.final_learning_rate
    if not found or fixed or Fraction(*exact_number(found.parameters[found.kind])) != rate**2:
        return found
    why = "which is that squared: LambdaLR multiplied the schedule by the optimizer's rate"
    return replace(found, text=f"{found.text}, {why}")


def _peak(case: Case, level: str) -> int | float | None:
    """The simplest initial_learning_rate that may fit, from the rates before a cool-down."""
    own, reference = case.schedule, case.reference
    shape = case.values(
        decay_alone(own, initial_learning_rate=1), lambda n: n - reference.start
    ).tolist()
    found: list[Between] = []
    for n, (low, high), part in zip(case.steps, case.bounds(level), shape, strict=True):
        if case.in_decay(n):
            found.append((0 if case.may_be_floor(low, high) else low / part, high / part))
        elif 0 < n < reference.warmup:
            share = n / reference.warmup
            rest = own.warmup_learning_rate * (1 - share)
            found.append(((low - rest) / share, (high - rest) / share))
    return simplest(*overlap(found)) if found else None


def other_decay_steps(case: Case, level: str) -> Explanation | None:
    """Another decay_steps, everything else as it was to be."""
    if not case.moves or not (case.schedule.initial_learning_rate and case.schedule.decay_rate):
        return None
    after = 1 if case.schedule.staircase else 0
    found = []
    for step, (least, most) in zip(case.steps, case.turns_of_rates(level), strict=True):
        n = step - case.reference.start
        if n > 0 and case.in_decay(step) and most + after > 0:
            low = n / (most + after)
            found.append((nextafter(low, inf) if after else low, n / least if least > 0 else inf))
    return other_number(case, level, "decay_steps", simplest(*overlap(found)) if found else None)


def two_parameters(case: Case, level: str) -> Explanation | None:
    """Another initial_learning_rate, and another decay_rate; needs a row of the first rate."""
    own = case.schedule
    rows = zip(case.bounds(level), case.turns(own), strict=True)
    start = [between for between, turns in rows if turns == 0]
    initial = simplest(*overlap(start)) if start else None
    if not initial or initial == own.initial_learning_rate:
        return None
    schedule = changed(own, initial_learning_rate=initial)
    decay = schedule and _decay_rate(case, level, schedule)
    if schedule is None or decay is None or decay == own.decay_rate:
        return None
    schedule = changed(schedule, decay_rate=decay)
    if schedule is None or not case.is_of(schedule, level):
        return None
    text = f"another initial_learning_rate and decay_rate: {initial} and {decay} fit"
    parameters = {"initial_learning_rate": initial, "decay_rate": decay}
    return Explanation("two-parameters", text, parameters)


def _decay_rate(case: Case, level: str, schedule: InverseTimeDecay) -> int | float | None:
    """The simplest decay_rate with which a schedule may fit."""
    initial = schedule.initial_learning_rate
    found = [
        (
            (initial / high - 1) / turns if high else inf,
            (initial / low - 1) / turns if low and not case.may_be_floor(low, high) else inf,
        )
        for (low, high), turns in zip(case.bounds(level), case.turns(schedule), strict=True)
        if turns
    ]
    return simplest(*overlap(found)) if found else None


def other_number(case: Case, level: str, key: str, number: float | None) -> Explanation | None:
    """Another number for one parameter, where it fits."""
    other = None if number is None else changed(case.schedule, **{key: number})
    if other is None or not case.is_of(other, level):
        return None
    own = getattr(case.schedule, key)
    return Explanation(key, f"another {key}: {number!r} fits, in place of {own!r}", {key: number})


def changed(schedule: InverseTimeDecay, **changes: object) -> InverseTimeDecay | None:
    """The schedule with some parameters changed, None where they are not accepted."""
    try:
        return schedule.replace(dtype=None, **changes)
    except ConfigError:
        return None


def simplest(low: float, high: float) -> int | float | None:
    """The number of the fewest digits in an interval of numbers of 0 or more."""
    if low > high or high < 0:
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
