"""Questions asked before a run, answered exactly through the integers of a form."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from invtime.decimals import exact_number, read_number, shortest_decimal, unwritable
from invtime.errors import ConfigError
from invtime.form import Form


def step_for(form: Form, lr: Any) -> int | None:
    """The first integer step n >= 0 with v(n) <= lr; None where there is none."""
    rate, _ = read_number("lr", lr)
    if rate < 0:
        raise ConfigError(f"lr is {rate!r}; it must be 0 or more; pass a rate")
    p, q = exact_number(rate)
    # A / (B + C * t) <= p / q where C * t * p >= A * q - B * p; and t is reached at a step.
    missing = form.A * q - form.B * p
    if missing <= 0:
        return 0
    if not form.C * p:
        return None
    t = -(-missing // (form.C * p))
    return form.first_step(t) if form.staircase else t


def endpoints(
    start: Any, end: Any, steps: Any, decay_steps: Any, staircase: bool
) -> tuple[Any, int | float]:
    """The decay_steps and the decay_rate that lead from `start` at 0 to `end` at `steps`."""
    first, last, n = (
        _number(key, value) for key, value in (("start", start), ("end", end), ("steps", steps))
    )
    if not 0 < last <= first:
        raise ConfigError(
            f"start is {start!r} and end is {end!r}; the end must be above 0, which is never "
            "reached, and not above the start; pass such a pair"
        )
    if n <= 0:
        raise ConfigError(f"steps is {steps!r}; it must be above 0; pass the step of the end")
    if staircase and decay_steps is None:
        raise ConfigError(
            "staircase is True and decay_steps is None; say how long a plateau is; pass decay_steps"
        )
    # The end is reached where decay_rate * t is this, with t = steps / decay_steps.
    growth = (first - last) / last
    if decay_steps is None:
        return _slope(growth, n, steps)
    period = _number("decay_steps", decay_steps)
    if period <= 0 or (staircase and n < period):
        raise ConfigError(
            f"decay_steps is {decay_steps!r}; it must be above 0 and, for a staircase, at most "
            f"the {steps!r} steps, or there is no drop before their end; pass such a number"
        )
    rate = growth / (n // period if staircase else n / period)
    decay = shortest_decimal(rate)
    if decay is None:
        remedy = "pass another decay_steps, end or steps, or build the schedule with the nearest"
        raise unwritable("decay_rate", rate, remedy)
    return decay_steps, decay


def _number(key: str, value: Any) -> Fraction:
    return Fraction(*exact_number(read_number(key, value)[0]))


def _slope(growth: Fraction, n: Fraction, steps: Any) -> tuple[Any, int | float]:
    """`steps` itself and the decay rate for it, or else another two of the same ratio."""
    decay = shortest_decimal(growth)
    if decay is not None:
        return steps, decay
    # In integers, or with the decimals of `steps`, which may take fewer digits.
    ratio = growth / n
    integers = Fraction(ratio.numerator), Fraction(ratio.denominator)
    for pair in (integers, (Fraction(growth.numerator), n * growth.denominator)):
        rate, period = map(shortest_decimal, pair)
        if rate is not None and period is not None:
            return period, rate
    remedy = "round start, end or steps to fewer digits"
    raise unwritable(f"decay_rate, with decay_steps {steps!r},", growth, remedy)
