"""Planning, compared with fractions: when a rate is reached, and how to reach a rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay
from invtime.decimals import shortest_decimal as number_of
from invtime.reference import Reference, exact_number
from invtime.testing.strategies import decimals, schedules, steps

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


RECIPE = InverseTimeDecay(
    0.1,
    1000,
    0.5,
    warmup_steps=500,
    stable_steps=2000,
    minimum_learning_rate=0.03,
    cooldown_start=9000,
    cooldown_steps=1000,
    final_learning_rate=0.001,
)
UP = RECIPE.replace(cooldown_start=4500, final_learning_rate=0.2)  # from 0.05 at 4500


@pytest.mark.parametrize(
    ("schedule", "lr", "step"),
    [
        (RECIPE, 0.1, 500),  # and not in the warm-up, which is below this rate
        (RECIPE, 0.0999999, 2501),
        (RECIPE, 0.05, 4500),
        (RECIPE, 0.03, 2500 + 4667),  # the floor, which the decay meets between two steps
        (RECIPE, 0.029, 9000 + 35),  # 1000 / 29
        (RECIPE, 0.001, 10_000),
        (RECIPE, 0.0009, None),
        (UP, 0.05, 4500),
        (UP, 0.0499, None),
        (UP, 0.06, 2500 + 1334),
        (UP.replace(final_learning_rate=0.05), 0.05, 4500),
        (RECIPE.replace(cooldown_start=500), 0.1, 500),
        (RECIPE.replace(cooldown_start=500), 0.001, 1500),
        (RECIPE.replace(staircase=True), 0.05, 4500),
        (RECIPE.replace(staircase=True), 0.0499, 5500),
        (RECIPE.replace(staircase=True), 0.03, 7500),
        (RECIPE.replace(staircase=True, decay_steps=0.3), 0.03, 2502),  # stage 5, step 1.5
        (RECIPE.replace(warmup_learning_rate=0.1), 1, 500),
        (InverseTimeDecay(0, 1000, 1, warmup_steps=7, warmup_learning_rate=1), 0, 7),
    ],
)
def test_step_for_counts_from_the_peak_on(schedule, lr, step):
    assert schedule.step_for(lr) == step


@st.composite
def rates_of(draw, schedule):
    """Draw a rate of the schedule, as a decimal, or any rate."""
    step = draw(steps(schedule))
    return draw(st.sampled_from([abs(schedule(step)), schedule(step) * 0.999]))


@given(schedules().flatmap(lambda s: st.tuples(st.just(s), rates_of(s) | decimals())))
def test_step_for_is_the_first_step_at_or_below_the_rate(drawn):
    """v(n) <= lr first holds at n, in exact arithmetic; None only if it never holds.

    v does not rise before a cool-down, and a cool-down is monotone.
    """
    schedule, lr = drawn
    assume(lr == 0 or 1e-60 <= lr <= 1e60)
    reference, rate = Reference(schedule), exact_number(lr)
    peak, turn = schedule.warmup_steps, schedule.cooldown_start
    step = schedule.step_for(lr)
    if step is None:
        lowest = [reference.exact(float("inf")), *([] if turn is None else [reference.exact(turn)])]
        assert min(lowest) > rate or (turn is None and not rate)
        return
    assert step >= peak
    assert reference.exact(step) <= rate
    if step > peak:
        before = {step - 1, step - 1 if turn is None else min(turn, step - 1)}
        assert all(reference.exact(n) > rate for n in before)


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
    """In integers the rate would be 709199999993000000, which binary64 cannot hold."""
    schedule = InverseTimeDecay.from_endpoints(70920.0, 7e-07, 1e-06)
    assert (schedule.decay_steps, schedule.decay_rate) == (7e-06, 709199999993)


@given(decimals(), decimals(), st.integers(1, 10**6) | decimals(), st.booleans(), st.data())
def test_endpoints_are_met_exactly_or_refused(start, end, steps, staircase, data):
    """v(0) = start and v(steps) = end. Short continuous schedules always reach the end."""
    end, start = sorted((start, end))
    period = data.draw(st.just(steps) | decimals()) if staircase else None
    reach = exact_number(steps) // exact_number(period) if staircase else 1
    assume(reach)
    needed = (exact_number(start) / exact_number(end) - 1) / reach
    options = {"decay_steps": period, "staircase": staircase}
    if staircase and number_of(needed) is None:
        with pytest.raises(ConfigError, match="relative error"):
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


def test_endpoints_with_phases_count_from_step_0():
    phases = {"warmup_steps": 500, "stable_steps": 2000, "minimum_learning_rate": 0.01}
    schedule = InverseTimeDecay.from_endpoints(0.1, 0.01, 10_000, **phases)
    assert schedule == InverseTimeDecay(0.1, 7500, 9, **phases)
    given_period = {"decay_steps": 2500, "staircase": True, "warmup_learning_rate": 0.02}
    schedule = InverseTimeDecay.from_endpoints(0.1, 0.01, 10_000, **phases, **given_period)
    assert schedule == InverseTimeDecay(0.1, 2500, 3, True, warmup_learning_rate=0.02, **phases)


def test_a_length_of_the_decay_that_is_no_parameter_takes_another_pair():
    schedule = InverseTimeDecay.from_endpoints(1, 0.25, 2**54, warmup_steps=1)
    assert number_of(Fraction(2**54 - 1)) is None
    assert (schedule.decay_steps, schedule.decay_rate) == ((2**54 - 1) // 3, 1)
    assert Reference(schedule).exact(2**54) == Fraction(1, 4)


@given(
    decimals(),
    decimals(),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.booleans(),
    st.sampled_from([0, 0.5, 1]),
)
def test_endpoints_with_phases_are_met_exactly(
    start, end, warmup, stable, decaying, staircase, floor
):
    end, start = sorted((start, end))
    steps = warmup + stable + decaying
    assume(not staircase or number_of(exact_number(start) / exact_number(end) - 1) is not None)
    schedule = InverseTimeDecay.from_endpoints(
        start,
        end,
        steps,
        decay_steps=decaying if staircase else None,
        staircase=staircase,
        warmup_steps=warmup,
        stable_steps=stable,
        minimum_learning_rate=floor * end,
    )
    reference = Reference(schedule)
    for step in (warmup, warmup + stable):
        assert reference.exact(step) == exact_number(start)
    assert reference.exact(steps) == exact_number(end)
    held = reference.exact(steps + 10 * decaying) == exact_number(end)
    assert held is (floor == 1 or start == end)
    assert (reference.warmup, reference.start) == (warmup, warmup + stable)


def test_a_fraction_is_written_as_the_number_that_means_it():
    written = {Fraction(1, 10): "0.1", Fraction(7): "7", Fraction(int(1e23)): "1e+23"}
    assert {value: repr(number_of(value)) for value in written} == written
    assert number_of(Fraction(10**23)) is None  # 1e23 means its neighbour


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0.1, 0, 10), {}, "end is 0"),
        ((0.1, 0.2, 10), {}, "and at most start"),
        ((0.1, -0.1, 10), {}, "end is -0.1"),
        ((0.1, "x", 10), {}, "end is 'x'"),
        ((0.1, 0.01, 0), {}, "steps is 0"),
        ((0.1, 0.01, -5), {}, "steps is -5"),
        ((0.1, 0.01, 100), {"staircase": True}, "pass decay_steps"),
        ((0.1, 0.01, 100), {"staircase": True, "decay_steps": 101}, "at most the 100 steps"),
        ((0.1, 0.01, 100), {"decay_steps": 0}, "decay_steps is 0"),
        ((0.1, 0.03, 100), {"decay_steps": 100}, "would have to be 7/3"),
        ((1 / 3, 1 / 70, 100), {}, "relative error of 7.5e-18"),
        ((0.1, 0.01, 100), {"warmup_steps": 100}, "steps is 100, warmup_steps is 100 and stable"),
        ((0.1, 0.01, 100), {"warmup_steps": 60, "stable_steps": 40}, "steps above 100, or shorter"),
        ((0.1, 0.01, 100), {"minimum_learning_rate": 0.02}, "minimum_learning_rate is 0.02 and"),
        ((0.1, 0.01, 100), {"warmup_learning_rate": 0.02}, "warmup_steps is 0"),
        ((0.1, 0.01, 100), {"stable_steps": 2.5}, "stable_steps is 2.5"),
        ((0.1, 0.01, 100), {"minimum_learning_rate": "x"}, "minimum_learning_rate is 'x'"),
        (
            (0.1, 0.01, 100),
            {"staircase": True, "decay_steps": 51, "warmup_steps": 50},
            "at most the 50 steps of the decay",
        ),
        ((1, 0.5, 2**54), {"warmup_steps": 1}, "decay_steps would have to be 18014398509481983"),
    ],
)
def test_endpoints_that_cannot_be_met(arguments, options, message):
    with pytest.raises(ConfigError, match=message):
        InverseTimeDecay.from_endpoints(*arguments, **options)
