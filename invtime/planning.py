"""Plan a run: find the step for a rate, or the parameters for two endpoints, exactly."""

from __future__ import annotations

from fractions import Fraction
from math import inf
from typing import Any

from invtime.decimals import exact_number, read_count, read_number, shortest_decimal, unwritable
from invtime.errors import ConfigError, shown
from invtime.form import Form
from invtime.table import Line, Table


def step_for(form: Form | Table, lr: Any) -> int | None:
    """Return the first integer step n after the warm-up with v(n) <= lr, or None."""
    rate, _ = read_number("lr", lr)
    if rate < 0:
        raise ConfigError(f"lr is {shown(rate)}; it must be 0 or more; pass such a rate")
    p, q = exact_number(rate)
    if isinstance(form, Form):
        return _reached(form, p, q)
    for row, end in zip(form.rows, (*form.starts[1:], inf), strict=True):
        t = None if row.name == "warm-up" else _reached(row.piece, p, q)
        if t is not None:
            step = max(row.first, row.origin + t)
            if step < end:
                return step
    return None


def _reached(piece: Form | Line, p: int, q: int) -> int | None:
    """Return the first integer t >= 0 at which the piece is at most p / q, or None."""
    if isinstance(piece, Line):
        # (a * K - (a - b) * t) / d <= p / q if (a - b) * q * t >= a * K * q - d * p.
        missing, gain = piece.a * piece.K * q - piece.d * p, (piece.a - piece.b) * q
    else:
        # A / (B + C * t) <= p / q if C * p * t >= A * q - B * p.
        missing, gain = piece.A * q - piece.B * p, piece.C * p
    if missing <= 0:
        return 0
    if gain <= 0:
        return None
    t = -(-missing // gain)
    # For a staircase, t is a stage: return its first step.
    return piece.first_step(t) if isinstance(piece, Form) and piece.staircase else t


def endpoints(
    start: Any,
    end: Any,
    steps: Any,
    *,
    decay_steps: Any = None,
    staircase: bool = False,
    warmup_steps: Any = 0,
    stable_steps: Any = 0,
    minimum_learning_rate: Any = 0,
) -> tuple[Any, int | float]:
    """Return the decay_steps and decay_rate that reach `end` at `steps` from the peak `start`."""
    first, last, n = (
        _number(key, value) for key, value in (("start", start), ("end", end), ("steps", steps))
    )
    if not 0 < last <= first:
        raise ConfigError(
            f"start is {shown(start)} and end is {shown(end)}; end must be above 0, which the "
            "decay never reaches, and at most start; pass such a pair"
        )
    if n <= 0:
        raise ConfigError(
            f"steps is {shown(steps)}; it must be above 0; pass the step at which the rate is end"
        )
    if _number("minimum_learning_rate", minimum_learning_rate) > last:
        raise ConfigError(
            f"minimum_learning_rate is {shown(minimum_learning_rate)} and end is {shown(end)}; "
            "the rate cannot reach an end below the floor; pass a floor of at most end"
        )
    lead = read_count("warmup_steps", warmup_steps) + read_count("stable_steps", stable_steps)
    if n <= lead:
        raise ConfigError(
            f"steps is {shown(steps)}, warmup_steps is {shown(warmup_steps)} and stable_steps is "
            f"{shown(stable_steps)}; steps counts from step 0, so no step is left for the decay; "
            f"pass steps above {lead}, or shorter phases"
        )
    if staircase and decay_steps is None:
        raise ConfigError(
            "staircase is True and decay_steps is None; a staircase needs the length of its "
            "plateaus; pass decay_steps"
        )
    # The rate is `end` if decay_rate * t equals growth, with t = decaying / decay_steps.
    growth = (first - last) / last
    decaying = n - lead
    written = shortest_decimal(decaying) if lead else steps
    if decay_steps is None:
        return _slope(growth, decaying, written)
    period = _number("decay_steps", decay_steps)
    if period <= 0 or (staircase and decaying < period):
        raise ConfigError(
            f"decay_steps is {shown(decay_steps)}; it must be above 0 and, for a staircase, at "
            f"most the {shown(written)} steps of the decay, which otherwise has no drop; "
            "pass such a number"
        )
    rate = growth / (decaying // period if staircase else decaying / period)
    decay = shortest_decimal(rate)
    if decay is None:
        remedy = "pass another decay_steps, end or steps, or build the schedule with the nearest"
        raise unwritable("decay_rate", rate, remedy)
    return decay_steps, decay


def _number(key: str, value: Any) -> Fraction:
    return Fraction(*exact_number(read_number(key, value)[0]))


def _slope(growth: Fraction, n: Fraction, written: Any) -> tuple[Any, int | float]:
    """Return decay_steps and decay_rate: n as `written` if possible, else a pair of that ratio."""
    decay = shortest_decimal(growth)
    if decay is not None and written is not None:
        return written, decay
    # Try integers first, then the decimals of n, which may need fewer digits.
    ratio = growth / n
    integers = Fraction(ratio.numerator), Fraction(ratio.denominator)
    for pair in (integers, (Fraction(growth.numerator), n * growth.denominator)):
        rate, period = map(shortest_decimal, pair)
        if rate is not None and period is not None:
            return period, rate
    remedy = "round start, end or steps to fewer digits"
    if written is None:
        raise unwritable("decay_steps", n, remedy)
    raise unwritable(f"decay_rate, with decay_steps {shown(written)},", growth, remedy)
