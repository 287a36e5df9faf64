"""Planning, against fractions: when a rate is reached, how to reach one, and sums of rates."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay, StepTypeError, planning
from invtime.decimals import shortest_decimal as number_of
from invtime.reference import Reference, exact_number
from invtime.testing.strategies import decimals, schedules

CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)


def correctly_rounded(value: Fraction) -> float:
    return value.numerator / value.denominator


# -- step_for and half_life ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "lr", "step"),
    [
        (CONTINUOUS, 0.01, 18000),
        (CONTINUOUS, 0.1, 0),
        (CONTINUOUS, 0.0999999, 1),
        (CONTINUOUS, 5, 0),
        (CONTINUOUS, 1e-60, 2000 * 10**59 - 2000),
        (STAIRCASE, 0.05, 82),
        (STAIRCASE, 0.0666, 82),
        (FRACTIONAL, 0.001, 15),  # stage 49.5 at most: stage 50, which begins at step 15
        (CONTINUOUS, 0, None),
        (InverseTimeDecay(0.1, 1000, 0), 0.1, 0),
        (InverseTimeDecay(0.1, 1000, 0), 0.09, None),
        (InverseTimeDecay(0, 1000, 1), 0, 0),
    ],
)
def test_step_for(schedule, lr, step):
    assert schedule.step_for(lr) == step


@given(schedules(), decimals() | st.floats(1e-60, 1e60))
def test_step_for_is_the_first_step_at_or_below_the_rate(schedule, lr):
    """v(n) <= lr < v(n - 1), in exact arithmetic; None only where no step gets there."""
    reference, rate = Reference(schedule), exact_number(lr)
    step = schedule.step_for(lr)
    if step is None:
        assert reference.decay == 0
        assert reference.initial > rate
    else:
        assert reference.exact(step) <= rate
        assert step == 0 or reference.exact(step - 1) > rate


@given(schedules())
def test_half_life_is_the_first_step_at_half_the_rate(schedule):
    """v(n) <= L / 2 < v(n - 1)."""
    reference, step = Reference(schedule), schedule.half_life
    if step is None:
        assert reference.decay == 0
        return
    half = reference.initial / 2
    assert reference.exact(step) <= half
    assert step == 0 or reference.exact(step - 1) > half


def test_half_life_of_a_continuous_schedule_is_a_quotient():
    assert CONTINUOUS.half_life == 2000
    assert InverseTimeDecay(0.1, 1000, 0.3).half_life == 3334
    assert InverseTimeDecay(0.1, 1000, 0.3, staircase=True).half_life == 4000


@pytest.mark.parametrize("lr", [-0.1, float("nan"), "0.1", True, 1e-61])
def test_a_rate_that_is_none_is_refused(lr):
    with pytest.raises(ConfigError, match="lr is"):
        CONTINUOUS.step_for(lr)


# -- from_endpoints ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoints", "steps", "rate"),
    [
        ((0.1, 0.001, 100_000), 100_000, 99),
        ((0.1, 0.05, 1000), 1000, 1),
        ((0.1, 0.03, 1000), 3000, 7),  # 7 / 3 over 1000 steps
        ((1, 3e-4, 390.5), 1171.5, 9997),
        ((0.1, 0.1, 10), 10, 0),
    ],
)
def test_endpoints_that_are_met(endpoints, steps, rate):
    schedule = InverseTimeDecay.from_endpoints(*endpoints)
    assert schedule.decay_rate / schedule.decay_steps == rate / steps
    assert Reference(schedule).exact(endpoints[2]) == exact_number(endpoints[1])
    assert schedule(0) == endpoints[0]
    assert schedule(endpoints[2]) == endpoints[1]


def test_endpoints_may_need_the_decimals_of_the_steps():
    """In integers the rate would be 709199999993000000, which binary64 does not hold."""
    schedule = InverseTimeDecay.from_endpoints(70920.0, 7e-07, 1e-06)
    assert (schedule.decay_steps, schedule.decay_rate) == (7e-06, 709199999993)


@given(decimals(), decimals(), st.integers(1, 10**6) | decimals(), st.booleans(), st.data())
def test_endpoints_are_met_exactly_or_refused(start, end, steps, staircase, data):
    """v(0) = start and v(steps) = end. Short continuous ones are always met."""
    end, start = sorted((start, end))
    period = data.draw(st.just(steps) | decimals()) if staircase else None
    reach = exact_number(steps) // exact_number(period) if staircase else 1
    assume(reach)
    needed = (exact_number(start) / exact_number(end) - 1) / reach
    options = {"decay_steps": period, "staircase": staircase}
    if staircase and number_of(needed) is None:
        with pytest.raises(ConfigError, match="off by"):
            InverseTimeDecay.from_endpoints(start, end, steps, **options)
        return
    schedule = InverseTimeDecay.from_endpoints(start, end, steps, **options)
    reference = Reference(schedule)
    at = reference.initial / (1 + reference.decay * (exact_number(steps) / reference.period))
    if staircase:
        at = reference.initial / (1 + reference.decay * (exact_number(steps) // reference.period))
    assert at == exact_number(end)
    assert reference.initial == exact_number(start)
    assert schedule.staircase is staircase


def test_endpoints_keep_a_period_a_name_and_a_pinned_dtype():
    start = np.array(0.1, "float32")
    schedule = InverseTimeDecay.from_endpoints(
        start, 0.02, 1000, decay_steps=250, staircase=True, name="mine"
    )
    assert schedule == InverseTimeDecay(start, 250, 1, True)
    assert (schedule.name, schedule.dtype) == ("mine", "float32")
    assert InverseTimeDecay.from_endpoints(0.1, 0.02, 1000, decay_steps=500).decay_rate == 2


def test_the_endpoints_of_a_staircase_count_its_whole_plateaus():
    schedule = InverseTimeDecay.from_endpoints(0.1, 0.01, 100, decay_steps=34, staircase=True)
    assert schedule.decay_rate == 4.5  # two of them in 100 steps: 1 + 2 * 4.5 = 10
    assert schedule(100) == 0.01


def test_a_fraction_is_written_as_the_number_that_means_it():
    written = {Fraction(1, 10): "0.1", Fraction(7): "7", Fraction(int(1e23)): "1e+23"}
    assert {value: repr(number_of(value)) for value in written} == written
    assert number_of(Fraction(10**23)) is None  # 1e23 means its neighbour


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0.1, 0, 10), {}, "end is 0"),
        ((0.1, 0.2, 10), {}, "not above the start"),
        ((0.1, -0.1, 10), {}, "end is -0.1"),
        ((0.1, "x", 10), {}, "end is 'x'"),
        ((0.1, 0.01, 0), {}, "steps is 0"),
        ((0.1, 0.01, -5), {}, "steps is -5"),
        ((0.1, 0.01, 100), {"staircase": True}, "pass decay_steps"),
        ((0.1, 0.01, 100), {"staircase": True, "decay_steps": 101}, "at most the 100 steps"),
        ((0.1, 0.01, 100), {"decay_steps": 0}, "decay_steps is 0"),
        ((0.1, 0.03, 100), {"decay_steps": 100}, "would have to be 7/3"),
        ((1 / 3, 1 / 70, 100), {}, "off by 7.5e-18 of it"),
    ],
)
def test_endpoints_that_cannot_be_met(arguments, options, message):
    with pytest.raises(ConfigError, match=message):
        InverseTimeDecay.from_endpoints(*arguments, **options)


# -- rate_sum ------------------------------------------------------------------------------

FEW = st.integers(-3, 400)


@given(schedules(), st.integers(-3, 10**6) | st.integers(0, 10**30), FEW)
def test_a_short_sum_is_correctly_rounded(schedule, start, count):
    """The rounded sum of the exact rates, at most a few hundred of them."""
    reference = Reference(schedule)
    exact = sum((reference.exact(n) for n in range(start, start + count)), Fraction())
    assert schedule.rate_sum(start, start + count) == correctly_rounded(exact)


def enclosed(schedule, start, stop):
    """The rounded sum, by integers alone: each rate is cut off at 2**-400."""
    a, b, c = Reference(schedule).integers()
    p, q = Reference(schedule).period.as_integer_ratio()
    low = 0
    for n in range(start, stop):
        t = n * q // p if schedule.staircase else n * q
        low += (a << 400) // (b + c * t)
    ends = {correctly_rounded(Fraction(end, 2**400)) for end in (low, low + stop - start)}
    (value,) = ends
    return value


@pytest.mark.parametrize(
    "schedule",
    [
        CONTINUOUS,
        STAIRCASE,
        LONG,
        FRACTIONAL,
        InverseTimeDecay(0.1, 97.7, 0.5, staircase=True),
        InverseTimeDecay(1 / 3, 41, 1 / 7, staircase=True),
        InverseTimeDecay(2.0, 1, 1e-30),
        InverseTimeDecay(2.0, 1, 1e30),
        InverseTimeDecay(1, 1, 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize(("start", "stop"), [(0, 50_000), (12_345, 54_321), (10**12, 10**12 + 999)])
def test_a_long_sum_is_correctly_rounded(schedule, start, stop):
    assert schedule.rate_sum(start, stop) == enclosed(schedule, start, stop)


@pytest.mark.parametrize(
    "run", [(1, 256, 1, 257), (3, 7, 5, 3000), (1, 1, 1, 2000), (2, 10**30, 3, 999), (5, 9, 1, 3)]
)
def test_a_progression_is_summed_to_forty_eight_digits(run):
    """Far more than a float shows, so that the margin around the sum can be trusted."""
    weight, first, stride, terms = run
    exact = sum((Fraction(weight, first + stride * i) for i in range(terms)), Fraction())
    with localcontext(Context(prec=100)):
        found = Fraction(planning._nearly(planning._Run(*run)))
    assert abs(found - exact) < exact / 10**48
    assert Fraction(1, 10**48) < planning.MARGIN


STEPS = st.lists(st.integers(0, 10**9), min_size=3, max_size=3).map(sorted)


@given(schedules(), STEPS)
def test_sums_of_neighbouring_ranges_add_up(schedule, steps):
    """sum(a, b) + sum(b, c) = sum(a, c), but for the roundings."""
    a, b, c = steps
    assume(not (schedule.staircase and schedule.form.Q > 1))
    whole = Fraction(schedule.rate_sum(a, c))
    parts = Fraction(schedule.rate_sum(a, b)) + Fraction(schedule.rate_sum(b, c))
    assert abs(whole - parts) <= whole / 2**51


def test_a_sum_exactly_between_two_floats_goes_to_the_even_one(monkeypatch):
    schedule = InverseTimeDecay(1, 2**54 - 2, 1, staircase=True)  # the rate is 1 all the way
    assert schedule.rate_sum(0, 2**53 + 1) == 2.0**53
    assert schedule.rate_sum(0, 2**53 + 3) == 2.0**53 + 4
    asked = []
    exactly = planning._exactly
    monkeypatch.setattr(planning, "_exactly", lambda run: asked.append(run) or exactly(run))
    assert schedule.rate_sum(0, 2**53 + 1) == 2.0**53
    assert len(asked) == 1


def test_the_sum_of_an_empty_range_and_before_the_start():
    assert CONTINUOUS.rate_sum(5, 5) == CONTINUOUS.rate_sum(7, 3) == 0.0
    assert CONTINUOUS.rate_sum(-5, -2) == correctly_rounded(Fraction(3, 10))
    assert CONTINUOUS.rate_sum(-5, 1) == correctly_rounded(Fraction(6, 10))
    assert InverseTimeDecay(0.1, 1000, 0).rate_sum(-1, 10**18) == correctly_rounded(
        Fraction(10**18 + 1, 10)
    )


EULERS_CONSTANT = Decimal("0.57721566490153286060651209008240243104215933593992")


def harmonic(digits: int) -> Fraction:
    """1 + 1/2 + ... + 1/n for n = 10**digits, to more than 38 digits if n is at least 10**6."""
    with localcontext(Context(prec=50)):
        x = 1 / Decimal(10**digits)
        return Fraction(
            digits * Decimal(10).ln() + EULERS_CONSTANT + x / 2 - x**2 / 12 + x**4 / 120
        )


@pytest.mark.parametrize("digits", [6, 12, 300, 5000])
def test_a_range_of_any_length_takes_no_time(digits):
    total = InverseTimeDecay(1, 1, 1).rate_sum(0, 10**digits)
    assert total == correctly_rounded(harmonic(digits))


@pytest.mark.parametrize("bad", [1.0, "3", None])
def test_a_range_that_is_not_of_integers_is_refused(bad):
    with pytest.raises(StepTypeError, match="both must be integers"):
        CONTINUOUS.rate_sum(0, bad)
