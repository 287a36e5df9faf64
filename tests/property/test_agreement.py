"""Every backend returns the bits of the reference, in every mode and dtype."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midpoints import near_midpoint, near_midpoint_on_line
from modes import usable_modes

from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_array
from invtime.testing import strategies
from invtime.testing.bulk import bulk_arrays

MODES = usable_modes()

# Percentage of the profile's examples, by the compilation time of one schedule.
SHARE = {"numpy-eager": 100, "torch-eager": 60, "torch-vmap": 30, "tensorflow-eager": 30}
SHARE |= {"jax-eager": 3, "jax-vmap": 3}
SLOW = {"torch-compile"}  # several seconds for one schedule
LENGTH = 256  # one shape, so that a schedule is compiled once

# A plain schedule, a staircase that compiled floors evaluate wrongly, long decimals, a fractional
# period, and one whose stages outnumber its steps.
FIXED = (
    InverseTimeDecay(0.1, 1000, 0.5),
    InverseTimeDecay(0.1, 41, 0.5, staircase=True),
    InverseTimeDecay(1 / 3, 1e5 / 7, 0.1234567890123),
    InverseTimeDecay(0.1, 0.3, 1 / 7, staircase=True),
    InverseTimeDecay(3e-4, 1e-9, 0.96, staircase=True),
    InverseTimeDecay(1e-7, 977.7, 1e-4, staircase=True),
)

# All phases: in the exact form, and with long decimals and fractional stages.
RECIPE = FIXED[0].replace(
    warmup_steps=500,
    stable_steps=2000,
    minimum_learning_rate=0.01,
    cooldown_start=20_000,
    cooldown_steps=1000,
)
FIXED_RECIPES = (
    RECIPE,
    InverseTimeDecay(
        *(1 / 3, 195.3125, 1 / 7, True),
        warmup_steps=777,
        warmup_learning_rate=0.001 / 7,
        stable_steps=10**6,
        minimum_learning_rate=1e-4 / 3,
        cooldown_start=10**8,
        cooldown_steps=2**40 + 1,
        final_learning_rate=0.5,
    ),
)


def padded(steps, dtype):
    """Return the steps in an array of a fixed length, padded with the last step."""
    return np.array((steps + steps[-1:] * LENGTH)[: max(LENGTH, len(steps))], dtype)


def check(mode, schedule, *arrays, dtypes=()):
    """Compare every element and dtype, and list those that are not allowed."""
    reference = Reference(schedule)
    kernel = mode.kernel(schedule, dtypes)
    for steps in arrays:
        truth = reference.at(steps)
        for dtype, bits in kernel(steps).items():
            wrong = ~truth.allowed(bits, dtype)
            cases = zip(steps[wrong], bits[wrong], truth.bits(dtype)[wrong], strict=True)
            assert not wrong.any(), (dtype, list(cases)[:5])


def both_ways(schedule, steps, dtype):
    """Return the steps that the exact form covers, and all steps, as arrays of equal length."""
    last = Reference(schedule).last_exact_step()
    return [padded(part, dtype) for part in ([n for n in steps if n <= last], steps) if part]


def examples(mode):
    return max(2, settings.default.max_examples * SHARE.get(str(mode), 6) // 100)


@pytest.mark.parametrize("mode", [m for m in MODES if str(m) not in SLOW], ids=str)
def test_integer_steps(mode):
    """backend(n) is v(n), rounded to each dtype (through float32), for every integer step."""

    @settings(max_examples=examples(mode))
    @given(strategies.schedules(), st.data())
    def agrees(schedule, data):
        drawn = data.draw(st.lists(strategies.steps(schedule), max_size=60))
        steps = drawn + strategies.landmarks(schedule)
        check(mode, schedule, *both_ways(schedule, steps, np.int64))

    agrees()


@pytest.mark.parametrize("mode", [m for m in MODES if str(m) not in SLOW], ids=str)
def test_float_steps(mode):
    """Whole float steps below 2**53 have the integer's bits; others are within 1 ULP."""

    @settings(max_examples=examples(mode))
    @given(strategies.schedules(), st.data())
    def agrees(schedule, data):
        drawn = data.draw(st.lists(strategies.float_steps(schedule), max_size=60))
        landmarks = [float(n) for n in strategies.landmarks(schedule)]
        far = strategies.far_steps(schedule)
        steps = drawn + landmarks + far + list(strategies.SPECIAL_FLOATS)
        check(mode, schedule, *both_ways(schedule, steps, np.float64))

    agrees()


@pytest.mark.parametrize("mode", [m for m in MODES if str(m) not in SLOW], ids=str)
def test_steps_at_which_the_rate_nears_the_smallest_number(mode):
    """Intermediate results of a normal value are not subnormal, so flushing changes no bit."""
    for schedule in (*FIXED[:3], InverseTimeDecay(0.1, 1e-9, 7, staircase=True)):
        steps = np.array(strategies.far_steps(schedule))
        found = mode.kernel(schedule, ["float64"])(steps)["float64"]
        reference = Reference(schedule)
        assert [hex(bits) for bits in found] == [hex(reference.bits(n)) for n in steps.tolist()]


@given(strategies.schedules(), st.data())
def test_python_numbers(schedule, data):
    """On the host v(n) is rounded once, for ints of any size and for every float."""
    numbers = strategies.steps(schedule) | strategies.float_steps(schedule) | st.integers()
    steps = data.draw(st.lists(numbers)) + strategies.landmarks(schedule)
    reference = Reference(schedule)
    for step in (*steps, *strategies.SPECIAL_FLOATS):
        value = schedule(step)
        assert type(value) is float
        assert bits_of_array(value, "float64") == reference.bits(step), step


@pytest.mark.parametrize("mode", [m for m in MODES if str(m) not in SLOW], ids=str)
def test_the_chain_of_roundings(mode):
    """float16 and bfloat16 round the float32 value, which here creates a tie."""
    for precision in (11, 8):
        schedule = InverseTimeDecay(1 + 2.0**-precision + 2.0**-40, 1000, 0)
        check(mode, schedule, np.array([0, 1, 2**40]))


@pytest.mark.parametrize("period", [41, 49, 12.5])
@pytest.mark.parametrize("mode", [m for m in MODES if str(m) not in SLOW], ids=str)
def test_fractions_of_a_step_before_a_boundary(mode, period):
    """A staircase does not drop a fraction of a step early, for any other steps in the array."""
    schedule = InverseTimeDecay(0.1, period, 0.5, staircase=True)
    starts = period * np.arange(1.0, 200.0)
    early = np.where(np.arange(starts.size) % 2, starts, starts - 0.25)
    check(mode, schedule, starts, starts - 0.25, early, dtypes=("float64",))


@pytest.mark.parametrize("staircase", [False, True], ids=["slope", "stairs"])
@pytest.mark.parametrize("mode", [m for m in MODES if m.name == "eager"], ids=str)
def test_near_ties(mode, staircase):
    """The value is rounded to the correct side of a tie, at any distance."""
    draw = Random(0)
    for near in (90, 104) if mode.backend == "jax" else range(60, 105):
        case = near_midpoint(draw, near, staircase)
        reference = Reference(case.schedule)
        found = mode.kernel(case.schedule, ("float64",))(np.array([case.step]))
        assert found["float64"].tolist() == [reference.bits(case.step)], case


@pytest.mark.parametrize("cooldown", [False, True], ids=["warm-up", "cool-down"])
@pytest.mark.parametrize("mode", [m for m in MODES if m.name == "eager"], ids=str)
def test_near_ties_on_lines(mode, cooldown):
    """The same in a warm-up and a cool-down, at integer steps and at whole floats."""
    draw = Random(0)
    for near in (90, 104) if mode.backend == "jax" else range(60, 105):
        case = near_midpoint_on_line(draw, near, cooldown)
        reference = Reference(case.schedule)
        kernel = mode.kernel(case.schedule, ("float64",))
        for steps in (np.array([case.step]), np.array([case.step], np.float64)):
            assert kernel(steps)["float64"].tolist() == [reference.bits(case.step)], case


@pytest.mark.parametrize("period", [1e-9, 4.371064209433075e-11, 0.001702107368558598])
@pytest.mark.parametrize("mode", [m for m in MODES if str(m) not in SLOW], ids=str)
def test_whole_float_steps_of_many_stages(mode, period):
    """Whole float steps below 2**53 have the integer's bits up to 2**63 stages."""
    schedule = InverseTimeDecay(2.5, period, 4.5, staircase=True)
    last = min(2**53, int(2**63 * period))
    steps = np.random.default_rng(0).integers(last // 64, last, 4096)
    expected = Reference(schedule).at(steps).bits("float64")
    found = mode.kernel(schedule, ("float64",))(steps.astype(np.float64))["float64"]
    assert steps[found != expected].tolist() == []


def each_mode_with(values, in_slow):
    """Pair each mode with each value; modes that take seconds to compile get a few values."""
    return [
        pytest.param(mode, value, id=f"{mode}-{value}")
        for mode in MODES
        for value in (in_slow if str(mode) in SLOW else values)
    ]


@pytest.mark.parametrize(
    ("mode", "schedule"), each_mode_with((*FIXED, *FIXED_RECIPES), [FIXED[3], RECIPE])
)
def test_many_integer_steps(mode, schedule):
    """The same over a few schedules and thousands of steps."""
    dtypes = ("float64",) if str(mode) in SLOW else ()  # test_bulk covers the others
    check(mode, schedule, *bulk_arrays(schedule, 8192, seed=1), dtypes=dtypes)


STEP_DTYPES = ("int8", "uint8", "int32", "uint64", "float16", "float32")


@pytest.mark.parametrize(("mode", "dtype"), each_mode_with(STEP_DTYPES, ["uint8", "float32"]))
def test_other_dtypes_of_steps(mode, dtype):
    """A step of any width counts as its exact value, for products of any width."""
    schedule = InverseTimeDecay(0.1, 41, 300, staircase=True)
    with np.errstate(over="ignore"):
        steps = np.array([n for n in strategies.FORMAT_EDGES if n <= 65520], "int64")
        wide = np.concatenate([np.arange(256), steps, 41 * np.arange(256)])
        limits = np.iinfo(dtype) if "int" in dtype else np.finfo(dtype)
        steps = np.unique(wide[wide <= limits.max].astype(dtype))
    check(mode, schedule, steps, dtypes=("float32",))
