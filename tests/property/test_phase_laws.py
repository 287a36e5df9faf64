"""Laws of schedules with phases that need no reference value."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from modes import usable_modes

from invtime.reference import Reference
from invtime.testing import strategies

EAGER = [mode for mode in usable_modes() if mode.name == "eager"]
NO_COOLDOWN = {"cooldown_start": None, "cooldown_steps": 0, "final_learning_rate": 0}


def sample(mode):
    """Use the profile's number of examples for NumPy, and fewer for modes that compile."""
    share = {"numpy": 1, "jax": 20}.get(mode.backend, 10)
    return settings(max_examples=max(2, settings.default.max_examples // share))


def bits(mode, schedule, steps):
    """Return the binary64 bits at integer steps."""
    return mode.kernel(schedule, ["float64"])(np.array(steps, np.int64))["float64"]


@given(strategies.schedules(phases=True))
def test_the_phases_are_in_a_row(schedule):
    """The first phase begins at 0, each other where the one before it ends; the last is open."""
    phases = schedule.phases
    assert phases[0].start == 0
    assert phases[-1].stop is None
    assert all(one.stop == following.start for one, following in pairwise(phases))
    assert all(phase.start < phase.stop for phase in phases[:-1])
    assert [phase.start for phase in phases[1:]] == Reference(schedule).knots


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_monotone_in_each_phase(mode):
    """A phase is monotone between its ends, in every dtype; a constant phase does not change."""

    @sample(mode)
    @given(strategies.schedules(phases=True), st.data())
    def holds(schedule, data):
        drawn = data.draw(st.lists(strategies.steps(schedule), max_size=60))
        steps = np.array(sorted(strategies.landmarks(schedule) + drawn), np.int64)
        peak, final = (
            getattr(schedule, key) for key in ("initial_learning_rate", "final_learning_rate")
        )
        for values in mode.kernel(schedule)(steps).values():
            for phase in schedule.phases:
                last = 2**63 if phase.stop is None else min(phase.stop, 2**63)
                part = values[(steps >= phase.start) & (steps < last)].astype(np.int64)
                if phase.name == "warm-up":
                    rises = schedule.warmup_learning_rate <= peak
                elif phase.name == "cool-down":
                    rises = schedule(phase.start) <= final
                else:
                    rises = False
                ahead = np.diff(part)
                assert (ahead >= 0).all() if rises else (ahead <= 0).all()
                if phase.name in ("stable", "floor", "end"):
                    assert (ahead == 0).all()

    holds()


@given(strategies.schedules(phases=True), st.data())
def test_monotone_on_the_host(schedule, data):
    """The same for Python ints and floats, from the peak to the cool-down."""
    numbers = st.integers() | strategies.steps(schedule) | strategies.float_steps(schedule)
    end = schedule.cooldown_start
    drawn = [n for n in data.draw(st.lists(numbers, min_size=2)) if n >= schedule.warmup_steps]
    values = [schedule(n) for n in sorted(drawn) if end is None or n < end]
    assert values == sorted(values, reverse=True)


@given(strategies.schedules(phases=False), strategies.counts(), strategies.counts(), st.data())
def test_a_shift_on_the_host(schedule, warmup, stable, data):
    """A decay after a warm-up and a stable phase is the bare decay, shifted."""
    shifted = schedule.replace(warmup_steps=warmup, stable_steps=stable)
    steps = data.draw(st.lists(strategies.steps(schedule) | st.integers()))
    for step in (*steps, *strategies.landmarks(schedule)):
        if step >= 0:
            assert shifted(step + warmup + stable) == schedule(step)


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_a_shift(mode):
    """The same in bits, at integer steps of int64."""

    @sample(mode)
    @given(strategies.schedules(phases=False), strategies.counts(lowest=1), st.data())
    def holds(schedule, stable, data):
        drawn = data.draw(st.lists(strategies.steps(schedule), max_size=60))
        steps = np.array([n for n in (0, *drawn) if 0 <= n < 2**63 - stable], np.int64)
        reference = Reference(schedule)
        assume(not any(reference.near_ties(steps)))
        shifted = schedule.replace(stable_steps=stable)
        assert bits(mode, shifted, steps + stable).tolist() == bits(mode, schedule, steps).tolist()

    holds()


@given(strategies.schedules(phases=False), strategies.counts(lowest=1), st.data())
def test_a_warmup_from_the_peak_is_a_stable_phase(schedule, steps, data):
    """The rates of the two schedules are equal at every step."""
    peak = schedule.initial_learning_rate
    stable = schedule.replace(stable_steps=steps)
    level = schedule.replace(warmup_steps=steps, warmup_learning_rate=peak)
    numbers = strategies.steps(stable) | strategies.float_steps(stable)
    for step in data.draw(st.lists(numbers.filter(lambda n: n == n))):
        assert level(step) == stable(step)


@given(strategies.schedules(), st.data())
def test_a_cooldown_to_come_changes_nothing(schedule, data):
    """The rates before a cool-down do not depend on it."""
    plain = schedule.replace(**NO_COOLDOWN)
    start = data.draw(strategies.counts(lowest=schedule.warmup_steps))
    cooled = plain.replace(cooldown_start=start, cooldown_steps=7)
    numbers = strategies.steps(cooled) | strategies.float_steps(cooled)
    for step in data.draw(st.lists(numbers.filter(lambda n: n <= start))):
        assert cooled(step) == plain(step)


@given(strategies.schedules(phases=True), st.data())
def test_between_the_rates_of_the_recipe(schedule, data):
    """Every rate is between the smallest and largest rate of the recipe, and not below a floor."""
    reference = Reference(schedule)
    numbers = strategies.steps(schedule) | strategies.float_steps(schedule)
    steps = [n for n in data.draw(st.lists(numbers)) if n == n]
    floor, peak = schedule.minimum_learning_rate, schedule.initial_learning_rate
    for step in steps:
        value = schedule(step)
        assert value <= max(peak, schedule.warmup_learning_rate, schedule.final_learning_rate)
        if step >= reference.warmup and (reference.cooldown is None or step <= reference.cooldown):
            assert floor <= value <= peak


@given(strategies.schedules(phases=True))
def test_continuous_at_the_knots(schedule):
    """A warm-up ends at the peak; a cool-down goes from the rate before it to the final rate."""
    warmup, start = schedule.warmup_steps, schedule.cooldown_start
    if warmup:
        assert schedule(warmup) == schedule.initial_learning_rate
        assert schedule(0) == schedule.warmup_learning_rate
    if start is not None:
        assert schedule(start) == schedule.replace(**NO_COOLDOWN)(start)
        for step in (0, 1, 10**6):
            end = start + schedule.cooldown_steps + step
            assert schedule(end) == schedule(float("inf")) == schedule.final_learning_rate
