"""Questions asked before a run, answered exactly through the integers of `ExactForm`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction
from operator import index
from typing import Any, NamedTuple

from invtime.errors import ConfigError, StepTypeError
from invtime.exact import ExactForm
from invtime.parameters import read_number
from invtime.written import as_written, fraction, refusal


def step_for(form: ExactForm, lr: Any) -> int | None:
    """The first integer step n >= 0 with v(n) <= lr; None where there is none."""
    rate, _ = read_number("lr", lr)
    if rate < 0:
        raise ConfigError(f"lr is {rate!r}; it must be 0 or more; pass a rate")
    return _first_step(form, fraction(rate))


def half_life(form: ExactForm) -> int | None:
    """The first integer step n >= 0 with v(n) <= v(0) / 2; None where there is none."""
    return _first_step(form, Fraction(form.A, 2 * form.B))


def _first_step(form: ExactForm, rate: Fraction) -> int | None:
    """A / (B + C * t) <= p / q where C * t * p >= A * q - B * p; and t is reached at a step."""
    p, q = rate.as_integer_ratio()
    missing = form.A * q - form.B * p
    if missing <= 0:
        return 0
    if not form.C * p:
        return None
    t = -(-missing // (form.C * p))
    return -(-t * form.P // form.Q) if form.staircase else t


def endpoints(
    start: Any, end: Any, steps: Any, decay_steps: Any, staircase: bool
) -> tuple[Any, int | float]:
    """The decay_steps and the decay_rate that lead from `start` at 0 to `end` at `steps`."""
    first, last, n = (
        fraction(read_number(key, value)[0])
        for key, value in (("start", start), ("end", end), ("steps", steps))
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
    period = fraction(read_number("decay_steps", decay_steps)[0])
    if period <= 0 or (staircase and n < period):
        raise ConfigError(
            f"decay_steps is {decay_steps!r}; it must be above 0 and, for a staircase, at most "
            f"the {steps!r} steps, or there is no drop before their end; pass such a number"
        )
    rate = growth / (n // period if staircase else n / period)
    decay = as_written(rate)
    if decay is None:
        remedy = "pass another decay_steps, end or steps, or build the schedule with the nearest"
        raise refusal("decay_rate", rate, remedy)
    return decay_steps, decay


def _slope(growth: Fraction, n: Fraction, steps: Any) -> tuple[Any, int | float]:
    """`steps` itself and the decay rate for it, or else another two of the same ratio."""
    decay = as_written(growth)
    if decay is not None:
        return steps, decay
    # In integers, or with the decimals of `steps`, which may take fewer digits.
    ratio = growth / n
    integers = Fraction(ratio.numerator), Fraction(ratio.denominator)
    for pair in (integers, (Fraction(growth.numerator), n * growth.denominator)):
        rate, period = map(as_written, pair)
        if rate is not None and period is not None:
            return period, rate
    remedy = "round start, end or steps to fewer digits"
    raise refusal(f"decay_rate, with decay_steps {steps!r},", growth, remedy)


class _Run(NamedTuple):
    """The terms weight / (first + stride * i) for 0 <= i < terms."""

    weight: int
    first: int
    stride: int = 1
    terms: int = 1


# Up to so many terms of a progression are added one by one, and until the denominators are so
# many strides; then the Euler-Maclaurin formula is exact to 48 digits with these coefficients,
# the Bernoulli numbers B(2k) / 2k.
DIRECT = 256
EULER_MACLAURIN = (
    *((1, 12), (-1, 120), (1, 252), (-1, 240), (1, 132)),
    *((-691, 32760), (1, 12), (-3617, 8160), (43867, 14364), (-174611, 6600)),
)
DIGITS = 60
MARGIN = Fraction(1, 10**40)


def rate_sum(form: ExactForm, start: Any, stop: Any) -> float:
    """The sum of v(n) over the steps start <= n < stop, correctly rounded to binary64.

    The sum is found to more than 40 digits, and those decide how it rounds. Where they do not,
    as for a sum that lies exactly in the middle of two floats, it is added up in fractions.
    """
    try:
        begin, end = index(start), index(stop)
    except TypeError:
        raise StepTypeError(
            f"the range is from {start!r} to {stop!r}; both must be integers; pass two ints"
        ) from None
    longest = form.B + form.C * form.Q * abs(end)
    digits = DIGITS + longest.bit_length() // 3  # so that z / y keeps DIGITS of what is past 1
    with localcontext(Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX)):
        near = Fraction(sum(map(_nearly, _runs(form, begin, end)), Decimal()))
    low, high = (_float(form.A * near * (1 + side * MARGIN)) for side in (-1, 1))
    if low == high:
        return low
    return _float(form.A * sum(map(_exactly, _runs(form, begin, end)), Fraction()))


def _runs(form: ExactForm, start: int, stop: int) -> Iterable[_Run]:
    """The denominators of the range: equal ones together, and progressions as one."""
    if start < min(stop, 0):  # before the start the rate is that of step 0
        yield _Run(min(stop, 0) - start, form.B)
        start = 0
    if start >= stop:
        return
    first, last = -(-start // form.P), stop // form.P  # the whole stages, if S is an integer
    if not form.C:
        yield _Run(stop - start, form.B)
    elif not form.staircase:
        yield _Run(1, form.B + form.C * start, form.C, stop - start)
    elif form.Q == 1 and first < last:
        yield from _stages(form, start, first * form.P)
        yield _Run(form.P, form.B + form.C * first, form.C, last - first)
        yield from _stages(form, last * form.P, stop)
    else:
        yield from _stages(form, start, stop)


def _stages(form: ExactForm, start: int, stop: int) -> Iterable[_Run]:
    while start < stop:
        t = start * form.Q // form.P
        end = min(stop, -(-(t + 1) * form.P // form.Q))
        yield _Run(end - start, form.B + form.C * t)
        start = end


def _nearly(run: _Run) -> Decimal:
    """The sum of a run to more than 40 digits, in the context at hand."""
    weight, first, stride, terms = run
    direct = terms if terms <= DIRECT else max(0, DIRECT - first // stride)
    total = sum((1 / Decimal(first + stride * i) for i in range(direct)), Decimal())
    if direct < terms:
        y, z = (Decimal(first + stride * i) / stride for i in (direct, terms))
        tail = (z / y).ln() + (1 / y - 1 / z) / 2
        for k, (numerator, denominator) in enumerate(EULER_MACLAURIN, 1):
            tail += (y ** (-2 * k) - z ** (-2 * k)) * numerator / denominator
        total += tail / stride
    return weight * total


def _exactly(run: _Run) -> Fraction:
    weight, first, stride, terms = run
    return sum((Fraction(weight, first + stride * i) for i in range(terms)), Fraction())


def _float(value: Fraction) -> float:
    return value.numerator / value.denominator
