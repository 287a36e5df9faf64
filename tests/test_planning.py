"""Planning, against fractions: when a rate is reached, and how to reach one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay
from invtime.decimals import shortest_decimal as number_of
from invtime.reference import Reference, exact_number
from invtime.testing.strategies import decimals, schedules

CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)


# -- step_for ------------------------------------------------------------------------------


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


def test_half_the_rate_of_a_continuous_schedule_takes_s_over_r_steps():
    assert CONTINUOUS.step_for(0.1 / 2) == 2000
    assert InverseTimeDecay(0.1, 1000, 0.3).step_for(0.05) == 3334
    assert InverseTimeDecay(0.1, 1000, 0.3, staircase=True).step_for(0.05) == 4000


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
