"""Schedules with phases under a compiler that contracts, folds, flushes and divides wrongly."""

import random

import numpy as np
import pytest
from hostile import LAWFUL, MOODS, HostileBackend
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from midpoints import near_midpoint_on_line

from invtime import InverseTimeDecay
from invtime.evaluate import _last_exact
from invtime.reference import Reference, bits_of_array
from invtime.testing import strategies

seeds = st.integers(0, 2**32)


def forbidden(backend, schedule, steps, dtype="float64"):
    """Return the steps of an array whose bits the contract does not allow."""
    x = backend.coerce(steps, None)
    result = backend.to_numpy(backend(schedule.form, x, dtype))
    found = bits_of_array(result, dtype)
    allowed = Reference(schedule).at(steps).allowed(found, dtype, backend.precision(x))
    return steps[~allowed].tolist()


def integers(schedule, data):
    drawn = data.draw(st.lists(strategies.steps(schedule), max_size=20))
    return np.array(strategies.landmarks(schedule) + drawn, np.int64)


def floats(schedule, data):
    drawn = data.draw(st.lists(strategies.float_steps(schedule), max_size=20))
    return np.array([*map(float, strategies.landmarks(schedule)), *drawn])


@pytest.mark.parametrize("mood", LAWFUL)
@given(schedule=strategies.schedules(phases=True), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_the_exact_form_needs_only_a_correct_division(mood, schedule, seed, data):
    """A row of a table is selected exactly, for any contraction, folding or flushing."""
    steps = integers(schedule, data)
    within = steps[steps <= _last_exact(schedule.form, 53, short=False)]
    backend = HostileBackend(LAWFUL[mood], seed=seed)
    assert not forbidden(backend, schedule, steps)
    assert not within.size or not forbidden(backend, schedule, within)


def test_a_knot_that_is_no_float():
    """A cool-down whose last step is 2**53: binary64 cannot hold the next one, where it ends."""
    schedule = InverseTimeDecay(1, 1, 0, cooldown_start=1, cooldown_steps=2**53)
    assert schedule.phases[-1].start == 2**53 + 1
    steps = np.array([1, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1])
    assert not forbidden(HostileBackend(MOODS["tame"], seed=1), schedule, steps)


@pytest.mark.parametrize("mood", MOODS)
@given(schedule=strategies.schedules(phases=True), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_double_words_need_nothing(mood, schedule, seed, data):
    """Double-word pieces are right at every integer step, except within 2**-98 of a tie."""
    assume(_last_exact(schedule.form, 53, short=False) < 2**63 - 1)  # else nothing is compensated
    backend = HostileBackend(MOODS[mood], always_compensated=True, seed=seed)
    assert not forbidden(backend, schedule, integers(schedule, data))


@pytest.mark.parametrize("mood", MOODS)
@given(schedule=strategies.schedules(phases=True), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_float_steps(mood, schedule, seed, data):
    """Whole float steps have the bits of the integer; any other is within 1 ULP."""
    backend = HostileBackend(MOODS[mood], always_compensated=True, seed=seed)
    assert not forbidden(backend, schedule, floats(schedule, data))


@pytest.mark.parametrize("mood", LAWFUL)
@given(schedule=strategies.schedules(phases=True), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_float32_words(mood, schedule, seed, data):
    """Without binary64 each value is within 1 ULP of float32."""
    backend = HostileBackend(LAWFUL[mood], "float32", seed=seed)
    assert not forbidden(backend, schedule, integers(schedule, data), "float32")
    with np.errstate(over="ignore"):
        steps = floats(schedule, data).astype(np.float32)
    assert not forbidden(backend, schedule, steps, "float32")


@pytest.mark.parametrize("cooldown", [False, True], ids=["warm-up", "cool-down"])
@pytest.mark.parametrize("mood", MOODS)
def test_lines_near_a_tie(mood, cooldown, record_property):
    """The value is rounded to the correct side of a tie, at any distance."""
    draw = random.Random(f"{mood} {cooldown}")
    backend = HostileBackend(MOODS[mood], always_compensated=True, seed=1)
    count = settings.default.max_examples // 4
    failures = {}
    for near in (90, 94, 96, 98, 100, 102, 104):
        cases = [near_midpoint_on_line(draw, near, cooldown) for _ in range(count)]
        failures[near] = sum(wrong(backend, case) for case in cases)
    record_property("cases of each closeness", count)
    record_property("wrong at a closeness of 2**-x", failures)
    assert not any(failures.values()), failures


def wrong(backend, case):
    found = backend.to_numpy(backend(case.schedule.form, np.array([case.step]), "float64"))
    true = Reference(case.schedule).bits(case.step)
    return bits_of_array(found, "float64").tolist() != [true]
