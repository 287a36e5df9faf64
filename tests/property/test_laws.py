"""Laws that need no reference value."""

import copy
from math import isnan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from modes import usable_modes

from invtime import InverseTimeDecay, registry
from invtime.reference import FORMATS, Reference, bits_of_array
from invtime.testing import strategies
from invtime.testing.bulk import bulk_arrays, bulk_steps

MODES = usable_modes()
EAGER = [mode for mode in MODES if mode.name == "eager"]
# Inductor compiles for several seconds, so only test_agreement uses it.
COMPILED = [mode for mode in MODES if mode.name != "eager" and str(mode) != "torch-compile"]
FEW = settings(max_examples=max(2, settings.default.max_examples // 20))


def sample(mode):
    """Use the profile's number of examples for NumPy, and fewer for modes that compile."""
    share = {"numpy": 1, "jax": 20}.get(mode.backend, 10)
    return settings(max_examples=max(2, settings.default.max_examples // share))


def array_of(mode, schedule, steps, dtype):
    """Return the results of a backend, of any dtype, as a NumPy array of float64."""
    backend = registry.default.load(mode.backend)
    result = schedule.on(mode.backend, dtype=dtype)(backend.coerce(np.asarray(steps), None))
    return backend.to_numpy(result).astype(np.float64)


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_monotone(mode):
    """n <= m implies lr(n) >= lr(m), in every dtype; and lr(n) >= 0."""

    @sample(mode)
    @given(strategies.schedules(phases=False), st.data())
    def holds(schedule, data):
        drawn = data.draw(st.lists(strategies.steps(schedule), max_size=60))
        steps = np.array(sorted(strategies.landmarks(schedule) + drawn), np.int64)
        for dtype in mode.dtypes():
            values = array_of(mode, schedule, steps, dtype)
            assert (values[1:] <= values[:-1]).all()
            assert values[-1] >= 0

    holds()


@given(strategies.schedules(phases=False), st.data())
def test_monotone_on_the_host(schedule, data):
    """n <= m implies lr(n) >= lr(m) for Python ints and floats, mixed and of any size."""
    numbers = st.integers() | strategies.steps(schedule) | strategies.float_steps(schedule)
    drawn = data.draw(st.lists(numbers, min_size=2))
    steps = sorted(step for step in drawn if not isnan(step))
    values = [schedule(step) for step in steps]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_a_staircase_meets_the_slope_at_its_edges(mode):
    """At multiples of an integer decay_steps the staircase is the continuous schedule."""

    @sample(mode)
    @given(strategies.schedules(phases=False), st.integers(1, 10**6), st.data())
    def holds(schedule, period, data):
        rate, decay = schedule.initial_learning_rate, schedule.decay_rate
        pair = [InverseTimeDecay(rate, period, decay, shape) for shape in (False, True)]
        stages = data.draw(st.lists(strategies.magnitudes(40), min_size=1))
        steps = [stage * period for stage in (0, *stages)]
        assert pair[0](steps[-1]) == pair[1](steps[-1])
        slope, stairs = (array_of(mode, one, steps, "float64") for one in pair)
        assert slope.tobytes() == stairs.tobytes()

    holds()


@given(strategies.schedules(staircase=True, phases=False), st.data())
def test_a_staircase_is_flat_and_never_below_the_slope(schedule, data):
    """A staircase is constant between two edges, and never below the continuous schedule."""
    reference = Reference(schedule)
    step = abs(data.draw(strategies.steps(schedule)))
    first = reference.first_step(reference.stage(step))
    assert schedule(first) == schedule(step)
    numbers = schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate
    assert schedule(step) >= InverseTimeDecay(*numbers)(step)


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_an_array_is_its_elements(mode):
    """lr of an array is the array of lr of its elements, for any shape and any other steps."""

    @(sample(mode) if mode.backend != "jax" else FEW)
    @given(strategies.schedules(), st.data())
    def holds(schedule, data):
        steps = data.draw(st.lists(strategies.steps(schedule), min_size=6, max_size=6))
        # Near a tie of long fractions an array may differ by one ULP (docs/numerics.md).
        assume(not any(Reference(schedule).near_ties(np.array(steps))))
        together = array_of(mode, schedule, np.array(steps).reshape(2, 3), "float64")
        assert together.shape == (2, 3)
        alone = [array_of(mode, schedule, np.int64(step), "float64") for step in steps]
        assert {one.shape for one in alone} == {()}
        assert together.reshape(-1).tolist() == [float(one) for one in alone]
        assert together.reshape(-1).tolist() == [schedule(step) for step in steps]

    holds()


@given(strategies.schedules(), st.data())
def test_memory_layout_does_not_matter(schedule, data):
    """Strided, transposed, byte-swapped and empty NumPy arrays have the bits of a plain one."""
    steps = np.array(data.draw(st.lists(strategies.steps(schedule), min_size=24, max_size=24)))
    plain = schedule(steps)
    assert schedule(steps[::-2]).tobytes() == plain[::-2].tobytes()
    assert schedule(steps.reshape(4, 6).T).tobytes() == plain.reshape(4, 6).T.tobytes()
    assert schedule(steps.astype(">i8")).tobytes() == plain.tobytes()
    assert schedule(steps[:0]).shape == (0,)


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_narrowing_is_the_cast(mode):
    """A cast of lr(n), through float32, equals the evaluation in the narrow dtype."""

    @sample(mode)
    @given(strategies.schedules(), st.data())
    def holds(schedule, data):
        drawn = data.draw(st.lists(strategies.steps(schedule), max_size=40))
        steps = np.array(strategies.landmarks(schedule) + drawn, np.int64)
        backend = registry.default.load(mode.backend)
        wide = schedule.on(mode.backend, dtype="float64")(backend.coerce(steps, None))
        for dtype in mode.dtypes():
            with np.errstate(over="ignore"):
                cast = backend.to_numpy(backend.round_to(wide, dtype))
            narrow = schedule.on(mode.backend, dtype=dtype)(backend.coerce(steps, None))
            found = bits_of_array(backend.to_numpy(narrow), dtype)
            assert found.tolist() == bits_of_array(cast, dtype).tolist()

    holds()


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_before_the_start(mode):
    """lr(n) = lr(0) for every n <= 0, integer or float."""

    @sample(mode)
    @given(strategies.schedules(), st.lists(st.integers(-(2**63), 0), min_size=1))
    def holds(schedule, steps):
        first = Reference(schedule).value(0)
        assert {schedule(step) for step in steps} == {first}
        start = array_of(mode, schedule, [0], "float64")
        assert start[0] == first
        for dtype in (np.int64, np.float64):
            values = array_of(mode, schedule, np.array(steps, dtype), "float64")
            assert set(values.tolist()) == set(start.tolist())

    holds()


LAW_SCHEDULES = (
    InverseTimeDecay(0.1, 1000, 0.5),
    InverseTimeDecay(1 / 3, 0.7, 1 / 7, staircase=True),
)


@pytest.mark.parametrize("schedule", LAW_SCHEDULES, ids=repr)
@pytest.mark.parametrize("mode", COMPILED, ids=str)
def test_compiled_is_eager(mode, schedule):
    """A compiled schedule returns the bits of the eager evaluation."""
    eager = next(other for other in EAGER if other.backend == mode.backend)
    kernels = [way.kernel(schedule) for way in (mode, eager)]
    for steps in bulk_arrays(schedule, 4000, seed=2):
        compiled, plain = (kernel(steps) for kernel in kernels)
        for dtype, bits in plain.items():
            assert (compiled[dtype] == bits).all(), dtype


@pytest.mark.parametrize("schedule", LAW_SCHEDULES, ids=repr)
@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_every_device_is_the_host(mode, schedule):
    """A step on any available device has the bits that Python numbers have."""
    steps = bulk_steps(schedule, 500, seed=3)
    host = np.array([schedule(step) for step in steps.tolist()])
    for device in registry.default.load(mode.backend).devices():
        found = mode.kernel(schedule, ["float64"], device)(steps)
        assert found["float64"].tolist() == bits_of_array(host, "float64").tolist()


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_a_number_placed_is_the_number_in_an_array(mode):
    """`.on(backend)` of a Python number is the array's element, in every dtype."""

    @sample(mode)
    @given(strategies.schedules(), st.data())
    def holds(schedule, data):
        step = data.draw(strategies.steps(schedule))
        backend = registry.default.load(mode.backend)
        for dtype in mode.dtypes():
            value = backend.to_numpy(schedule.on(mode.backend, dtype=dtype)(step))
            expected = Reference(schedule).bits(step, dtype)
            flushed = 0 if expected < FORMATS[dtype].smallest_normal else expected
            assert int(bits_of_array(value, dtype)) in (expected, flushed)
            assert value.shape == ()

    holds()


@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_a_head_is_short(mode):
    """head(x) is x without its last 27 significand bits: products of heads are exact."""
    backend = registry.default.load(mode.backend)
    x = np.random.default_rng(0).uniform(-1, 1, 1000) * 2.0 ** np.arange(-500, 500)
    # JAX runs the formula in this scope; its primitives are not used outside of it.
    with backend.scope(x):
        head = backend.to_numpy(backend.head(backend.coerce(x, None)))
    assert (head.view(np.int64) == x.view(np.int64) >> 27 << 27).all()


@given(strategies.schedules(phases=False), st.floats(0.5, 2))
def test_scaling_the_rate_keeps_the_order(schedule, factor):
    """A larger initial rate gives no smaller value at any step."""
    rate = schedule.initial_learning_rate * factor
    assume(rate == 0 or 1e-60 <= rate <= 1e60)
    other = InverseTimeDecay(rate, schedule.decay_steps, schedule.decay_rate, schedule.staircase)
    low, high = sorted((schedule, other), key=lambda one: one.initial_learning_rate)
    for step in strategies.landmarks(schedule):
        assert low(step) <= high(step)


@given(strategies.schedules())
def test_equal_schedules_agree_and_hash_alike(schedule):
    """A schedule equals its copies with any name, and differs from its neighbours."""
    twin = copy.copy(schedule)
    renamed = InverseTimeDecay.from_config(schedule.get_config() | {"name": "other"})
    assert schedule == twin == renamed
    assert len({schedule, twin, renamed}) == 1
    flipped = schedule.get_config() | {"staircase": not schedule.staircase}
    assert schedule != InverseTimeDecay.from_config(flipped)
