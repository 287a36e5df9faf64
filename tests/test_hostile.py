"""Correct bits from a compiler that contracts, folds, flushes and divides inaccurately.

The double words alone are within 2**-98 of the value. Near a tie the integers of the fraction
decide (`invtime/ties.py`), so a result is correct at any distance, as long as the denominator
is below 2**104.
"""

import random
from fractions import Fraction

import numpy as np
import pytest
from hostile import LAWFUL, MOODS, Arithmetic, HostileArray, HostileBackend, Mood
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from midpoints import near_midpoint

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, Reference, bits_of_array, ulp_distance
from invtime.stage import stage_index
from invtime.testing import strategies
from invtime.testing.bulk import bulk_steps

seeds = st.integers(0, 2**32)


def doubles(backend, schedule, steps):
    """Return the binary64 bits of the backend at each of the steps."""
    result = backend(schedule.form, np.asarray(steps), "float64")
    return bits_of_array(backend.to_numpy(result), "float64").tolist()


def wrong(backend, schedule, steps):
    """Return (step, got, expected) for each integer step with wrong bits."""
    reference = Reference(schedule)
    found = doubles(backend, schedule, np.array(steps, np.int64))
    cases = ((n, got, reference.bits(n)) for n, got in zip(steps, found, strict=True))
    return [case for case in cases if case[1] != case[2]]


def forbidden(backend, schedule, steps):
    """Return the steps of an array whose bits the contract does not allow."""
    truth, found = Reference(schedule).at(steps), doubles(backend, schedule, steps)
    return steps[~truth.allowed(np.array(found, np.uint64), "float64")].tolist()


@pytest.mark.parametrize("mood", LAWFUL)
@given(schedule=strategies.schedules(phases=False), seed=seeds, data=st.data())
def test_the_exact_form_needs_only_a_correct_division(mood, schedule, seed, data):
    """Up to `last_exact_step` the bits are right for any contraction, folding or flushing."""
    last = schedule.form.last_exact_step(53)
    near_end = [n for n in range(last - 3, last + 1) if 0 <= n < 2**63]
    drawn = data.draw(st.lists(strategies.steps(schedule), max_size=20))
    steps = [n for n in strategies.landmarks(schedule) + drawn + near_end if n <= last]
    if last >= 0:
        assert not wrong(HostileBackend(LAWFUL[mood], seed=seed), schedule, steps)


@pytest.mark.parametrize("mood", MOODS)
@given(schedule=strategies.schedules(phases=False), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_the_compensated_form_needs_nothing(mood, schedule, seed, data):
    """The bits are right at every integer step if the denominator is not long."""
    assume(schedule.form.last_exact_step(53) < 2**63 - 1)  # otherwise nothing is compensated
    steps = strategies.landmarks(schedule) + data.draw(st.lists(strategies.steps(schedule)))
    backend = HostileBackend(MOODS[mood], always_compensated=True, seed=seed)
    assert not forbidden(backend, schedule, np.array(steps))


@pytest.mark.parametrize("mood", MOODS)
def test_a_quotient_and_a_denominator_of_ones_alone(mood):
    """Their heads drop the most bits, and the residual needs all 53 bits."""
    schedule = InverseTimeDecay(1, 1, 2**27)
    for seed in range(20):
        backend = HostileBackend(MOODS[mood], always_compensated=True, seed=seed)
        assert not wrong(backend, schedule, range(2**53 - 3, 2**53 + 3))


@pytest.mark.parametrize("mood", ["all", "sloppy"])
@given(schedule=strategies.schedules(phases=False), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_whole_float_steps_have_the_bits_of_the_integer(mood, schedule, seed, data):
    """A float step that is an integer below 2**53 has the integer's bits, unless near a tie."""
    drawn = data.draw(st.lists(strategies.whole_float_steps(schedule), max_size=20))
    steps = [float(n) for n in strategies.landmarks(schedule) if abs(n) < 2**53] + drawn
    backend = HostileBackend(MOODS[mood], always_compensated=True, seed=seed)
    assert not forbidden(backend, schedule, np.array(steps))


@pytest.mark.parametrize("staircase", [False, True])
@pytest.mark.parametrize("mood", MOODS)
def test_the_compensated_form_near_a_tie(mood, staircase, record_property):
    """The value is rounded to the correct side of a tie, at any distance."""
    draw = random.Random(f"{mood} {staircase}")
    backend = HostileBackend(MOODS[mood], always_compensated=True, seed=1)
    count = settings.default.max_examples // 4
    failures = {}
    for near in (90, 94, 96, 98, 100, 102, 104, 106):
        cases = [near_midpoint(draw, near, staircase) for _ in range(count)]
        failures[near] = sum(bool(wrong(backend, c.schedule, [c.step])) for c in cases)
    record_property("cases of each closeness", count)
    record_property("wrong at a closeness of 2**-x", failures)
    assert not any(failures.values()), failures


@pytest.mark.parametrize("words", ["float64", "float32"])
@pytest.mark.parametrize("mood", MOODS)
@given(schedule=strategies.schedules(staircase=True, phases=False), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_the_stage_index_is_exact(mood, words, schedule, seed, data):
    """floor(n / S) is exact for integer steps wherever it stays below 2**63."""
    reference = Reference(schedule)
    drawn = data.draw(st.lists(strategies.steps(schedule)))
    steps = [
        n for n in strategies.landmarks(schedule) + drawn if n >= 0 and reference.stage(n) < 2**63
    ]
    backend = HostileBackend(MOODS[mood], words, seed=seed)
    n = backend.coerce(np.array(steps, np.int64), None)
    found = stage_index(schedule.form, backend, n, 2**63 - 1)
    stages = np.broadcast_to(backend.to_numpy(found), len(steps)).tolist()
    assert stages == [reference.stage(step) for step in steps]


@pytest.mark.parametrize("mood", MOODS)
@given(schedule=strategies.schedules(phases=False), seed=seeds, data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_float32_words_are_within_one_ulp(mood, schedule, seed, data):
    """Without binary64 a value that is a normal float32 is at most 1 ULP off.

    If the division is wrong, this holds for the compensated form, which corrects it.
    """
    steps = strategies.landmarks(schedule) + data.draw(st.lists(strategies.steps(schedule)))
    assume(schedule.form.last_exact_step(24) < 2**63 - 1)
    mended = MOODS[mood].division != "correct"
    backend = HostileBackend(MOODS[mood], "float32", always_compensated=mended, seed=seed)
    result = backend(schedule.form, np.array(steps, np.int64), "float32")
    found = bits_of_array(backend.to_numpy(result), "float32").tolist()
    reference = Reference(schedule)
    for step, got in zip(steps, found, strict=True):
        expected = reference.bits(step, "float32")
        if expected >= FORMATS["float32"].smallest_normal:
            assert ulp_distance(got, expected, "float32") <= 1, (step, hex(got), hex(expected))
        else:
            assert got <= FORMATS["float32"].smallest_normal, (step, hex(got), hex(expected))


def test_the_first_stage_of_a_rate_past_binary32():
    """float32 cannot hold C = 1e60; times the stage 0 it is exact, and not NaN."""
    schedule = InverseTimeDecay(0.5, 1000, 1e60, staircase=True)
    backend = HostileBackend(MOODS["tame"], "float32", seed=1)
    steps = np.array([0, 1, 999], np.int16)
    result = backend(schedule.form, np.array([0, 1, 999, 1000], np.int64), "float32")
    assert backend.to_numpy(result).tolist() == [0.5, 0.5, 0.5, 0.0]
    short = InverseTimeDecay(0.5, 40_000, 1e60, staircase=True)  # no int16 step is past stage 0
    assert backend.to_numpy(backend(short.form, steps, "float32")).tolist() == [0.5] * 3


def test_the_usual_formula_is_wrong_here():
    """L / (1 + R * n / S) in the same arrays has wrong bits, so the changes have an effect."""
    schedule = InverseTimeDecay(0.1, 1000, 0.7)
    steps = bulk_steps(schedule, 200, seed=0)
    steps = steps[(steps >= 0) & (steps < 2**50)]
    expected = Reference(schedule).doubles(steps)
    for mood in MOODS.values():
        backend = HostileBackend(mood)
        n = backend.widest(backend.coerce(steps, None))
        usual = backend.to_numpy(backend.divide(0.1, 1.0 + 0.7 * (n / 1000)))
        assert (usual != expected).mean() > 0.1


def rules(**mood):
    tame = {"contract": False, "fold": False, "flush": False}
    return Arithmetic(Mood(**(tame | mood)), "float64", seed=0)


def test_contraction_rounds_once_or_twice():
    """a * b + c, a * b - c and c - a * b are rounded in both ways, at random."""
    a, b, c = 1 + 2.0**-30, 1 - 2.0**-30, -1.0
    x = HostileArray(np.full(100, a), rules(contract=True))
    once, twice = float(Fraction(a) * Fraction(b) + Fraction(c)), a * b + c
    assert once != twice
    assert set((x * b + c).data) == {once, twice}
    assert set((x * b - -c).data) == {once, twice}
    assert set((-c - x * b).data) == {-once, -twice}
    assert set(((x * b + 0.0) + c).data) == {twice}  # it is rounded now, and no longer a product


def test_folding_multiplies_the_constants_first():
    """(x * 1e300) * 1e300 overflows even if x is tiny."""
    with np.errstate(over="ignore"):
        folded = HostileArray(np.array([1e-300]), rules(fold=True)) * 1e300 * 1e300
    plain = HostileArray(np.array([1e-300]), rules()) * 1e300 * 1e300
    assert folded.data.tolist() == [np.inf]
    assert np.isfinite(plain.data).all()


def test_flushing_drops_subnormals():
    """A subnormal result is zero; the smallest normal number stays."""
    x = HostileArray(np.array([2.0**-1021, 2.0**-1022, 1.0]), rules(flush=True))
    assert (x * 0.5).data.tolist() == [2.0**-1022, 0.0, 0.5]


@pytest.mark.parametrize(("division", "most"), [("correct", 0), ("reciprocal", 1), ("sloppy", 2)])
def test_sloppy_division_is_off_by_as_much_as_said(division, most):
    """Inaccurate division errs by up to 2 ULP, division by a reciprocal by up to 1."""
    b = np.random.default_rng(0).uniform(1, 2, 1000)
    found = rules(division=division).divided(np.float64(1.5), b)
    off = bits_of_array(found, "float64").astype(int) - bits_of_array(1.5 / b, "float64").astype(
        int
    )
    assert abs(off).max() == most
    if division == "sloppy":
        assert set(off.tolist()) == {-2, -1, 0, 1, 2}


FRACTIONS = st.floats(2.0**-60, 2.0**127, width=32)


@pytest.mark.parametrize("mood", MOODS)
@given(schedule=strategies.schedules(phases=False), seed=seeds, drawn=st.lists(FRACTIONS))
@settings(max_examples=settings.default.max_examples // 2)
def test_float32_words_at_float32_steps(mood, schedule, seed, drawn):
    """The same for float steps, except within 2**-30 of a stage of a fractional period."""
    reference = Reference(schedule)
    assume(reference.decay / reference.period < 2**96 and reference.period < 2**96)
    far = strategies.far_steps(schedule, "float32")
    steps = np.array([0.0, *drawn, *far], np.float32)
    backend = HostileBackend(MOODS[mood], "float32", always_compensated=True, seed=seed)
    result = backend(schedule.form, steps, "float32")
    found = bits_of_array(backend.to_numpy(result), "float32").tolist()
    for step, got in zip(steps.tolist(), found, strict=True):
        expected, turns = reference.bits(step, "float32"), Fraction(step) / reference.period
        near = schedule.staircase and abs(turns - round(turns)) <= turns / 2**30
        if near and reference.period.denominator != 1:
            continue
        if expected > FORMATS["float32"].smallest_normal:
            assert ulp_distance(got, expected, "float32") <= 1, (step, hex(got), hex(expected))
