"""The array API: NumPy's namespace; versions and devices of `array_api_strict`."""

import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import invtime
from invtime import InverseTimeDecay, PlacementError, StepTypeError, registry
from invtime.reference import Reference, bits_of_array
from invtime.registry import Registry
from invtime.testing import strategies
from invtime.verification import verify

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 12.34567890123, 1 / 7, staircase=True)

OLD = "this NumPy is older than version 2023.12 of the standard"
STEP_DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
STEP_DTYPES += ["float32", "float64"]


@pytest.fixture
def strict():
    return pytest.importorskip("array_api_strict")


@pytest.fixture(params=["numpy", "2023.12", "2024.12", "2025.12"])
def xp(request):
    """A namespace: NumPy's own, or the strict one at a version of the standard."""
    if request.param == "numpy":
        if not hasattr(np, "__array_namespace_info__"):
            pytest.skip(OLD)
        yield np
        return
    strict = pytest.importorskip("array_api_strict")
    with strict.ArrayAPIStrictFlags(api_version=request.param):
        yield strict


@pytest.fixture
def backend():
    return registry.default.load("array_api")


def on(schedule, dtype=None):
    """The backend is given by name, because NumPy arrays have their own backend."""
    return schedule.on("array_api", dtype=dtype)


def to_numpy(result):
    return registry.default.load("array_api").to_numpy(result)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits(schedule, steps, dtype, xp, assert_bits):
    result = on(schedule, dtype)(xp.asarray(steps))
    assert result.dtype == getattr(xp, dtype)
    assert_bits(schedule, steps, to_numpy(result), dtype)


@pytest.mark.parametrize("step_dtype", STEP_DTYPES)
def test_every_step_dtype(schedule, step_dtype, xp, assert_bits):
    steps = np.array([0, 1, 41, 82, 100, 127], step_dtype)
    result = on(schedule)(xp.asarray(steps))
    assert result.dtype == xp.float64
    assert_bits(schedule, steps, to_numpy(result))


@given(strategies.schedules(), st.data())
def test_integer_steps_of_any_schedule(schedule, data):
    strict = pytest.importorskip("array_api_strict")
    drawn = data.draw(st.lists(strategies.steps(schedule), max_size=60))
    steps = np.array(drawn + strategies.landmarks(schedule))
    found = bits_of_array(to_numpy(schedule(strict.asarray(steps))), "float64")
    assert Reference(schedule).at(steps).allowed(found, "float64").all()


def test_steps_past_int64_count_as_its_last(xp):
    steps = xp.asarray(np.array([2**64 - 1, 2**63], np.uint64))
    for schedule in (SCHEDULE, STAIRCASE):
        assert to_numpy(on(schedule)(steps)).tolist() == [schedule(2**63 - 1)] * 2


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3, 4)])
def test_shapes(shape, schedule, xp, assert_bits):
    for steps in (np.arange(int(np.prod(shape))), np.arange(np.prod(shape)) / 1.0):
        found = on(schedule)(xp.asarray(steps.reshape(shape)))
        assert_bits(schedule, steps.reshape(shape), to_numpy(found))


def test_steps_at_the_ends_of_binary64(schedule, xp, assert_bits):
    edge = sys.float_info.max
    steps = [edge * (1 - k * 2.0**-28) for k in range(4)]
    steps += [2.0**k for k in (1023, 996, 995, -994, -995, -1022, -1074)] + [np.inf, np.nan, -edge]
    assert_bits(schedule, np.array(steps), to_numpy(on(schedule)(xp.asarray(steps))))


def bits_of(value):
    """Return the number of bits from the first 1 to the last."""
    numerator = abs(Fraction(value).numerator)
    return (numerator // (numerator & -numerator or 1)).bit_length()


@pytest.mark.parametrize(
    ("device", "dtype", "bits"), [("CPU_DEVICE", "d", 53), ("no_float64", "f", 24)]
)
def test_a_head_and_a_rest_are_short_and_exact_over_the_whole_range(
    device, dtype, bits, strict, backend
):
    width = np.dtype(dtype).itemsize * 8
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2 ** (width - 1), 20_000, f"u{width // 8}")
    words[:2000] >>= rng.integers(0, width - 2, 2000, words.dtype)  # subnormals, and small ones
    largest = np.finfo(dtype).max.view(words.dtype)
    words[2000:2500] = largest - (words[2000:2500] >> (width - bits + 2)) % 2 ** (bits // 2 + 2)
    x = np.concatenate(
        [words.view(dtype), np.finfo(dtype).max * 2.0 ** -np.arange(99, dtype=dtype)]
    )
    x = x[np.isfinite(x)].astype(dtype)
    with np.errstate(all="ignore"):
        head = backend.head(strict.asarray(x, device=strict.Device(device)))
    for one, first in zip(x.tolist(), backend.to_numpy(head).tolist(), strict=True):
        assert bits_of(first) <= bits // 2
        assert bits_of(Fraction(one) - Fraction(first)) <= bits - bits // 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_dtype_that_the_namespace_lacks(dtype, strict):
    with pytest.raises(PlacementError, match=rf"array_api_strict has no {dtype} .*'float32'"):
        SCHEDULE.on(dtype=dtype)(strict.arange(3))


def test_a_dtype_with_which_the_namespace_exceeds_the_standard(integers, assert_bits):
    if not hasattr(np, "__array_namespace_info__"):
        pytest.skip(OLD)
    chained = [
        28723,
        35543,
        57629,
    ]  # float32 rounds these to a tie of float16, which rounds to even
    steps = np.concatenate([integers, chained])
    assert_bits(SCHEDULE, steps, on(SCHEDULE, "float16")(steps), "float16")
    steps = np.array([0, 1, 100])
    assert_bits(SCHEDULE, steps, on(SCHEDULE)(steps.astype(np.float16)))


def test_the_dtype_is_that_of_the_device_and_never_of_the_step(strict):
    for name, default in {"CPU_DEVICE": "float64", "device2": "float32"}.items():
        for step_dtype in ("int8", "uint64", "float32", "float64"):
            steps = strict.arange(3, dtype=getattr(strict, step_dtype), device=strict.Device(name))
            assert SCHEDULE(steps).dtype == getattr(strict, default)
    pinned = InverseTimeDecay(np.asarray(0.1, np.float32), 1000, 0.5)
    assert pinned(strict.arange(3)).dtype == strict.float32


def test_results_stay_on_the_device_of_the_step(schedule, steps, strict, assert_bits):
    device = strict.Device("device1")
    result = schedule(strict.asarray(steps, device=device))
    assert result.device == device
    assert_bits(schedule, steps, to_numpy(result))
    moved = schedule.on("array_api", device=device)(strict.asarray(steps))
    assert moved.device == device
    assert (to_numpy(moved).view(np.int64) == to_numpy(result).view(np.int64)).all()


def test_nothing_is_read_on_the_host(schedule, steps, strict, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the host waits for the device")

    array = strict.asarray(steps, device=strict.Device("device1"))
    for name in ("bool", "int", "float", "index", "getitem", "array", "dlpack"):
        monkeypatch.setattr(strict._array_object.Array, f"__{name}__", refuse)
    assert schedule(array).shape == steps.shape


def test_a_device_without_binary64(schedule, strict, integers, assert_float32_words):
    """The stage is exact, the value within 1 ULP of float32."""
    device = strict.Device("no_float64")
    whole = integers[np.abs(integers.astype(np.float64)) < 2**24]
    for steps in (integers, whole.astype(np.float32)):
        result = schedule(strict.asarray(steps, device=device))
        assert (result.dtype, result.device) == (strict.float32, device)
        assert_float32_words(schedule, steps, to_numpy(result))
    with pytest.raises(PlacementError, match=r"no float64 on device .*'float32'"):
        schedule.on(dtype="float64")(strict.asarray(integers, device=device))


def test_a_device_without_int64(strict, assert_float32_words):
    steps = strict.asarray([0, 40, 41], dtype=strict.int32, device=strict.Device("no_x64"))
    assert_float32_words(STAIRCASE, np.array([0, 40, 41]), to_numpy(STAIRCASE(steps)))
    with pytest.raises(PlacementError, match="no int64 on device"):
        LONG(steps)


def test_steps_that_are_no_numbers(xp, backend):
    for step in (xp.asarray([True]), xp.asarray(1j)):
        with pytest.raises(StepTypeError, match="dtype"):
            on(SCHEDULE)(step)
    with pytest.raises(StepTypeError, match="object has no `__array_namespace__`"):
        backend.coerce(object(), None)


def test_a_device_that_does_not_exist(strict):
    with pytest.raises(PlacementError, match=r"'nowhere' does not exist.*device1"):
        SCHEDULE.on("array_api", device="nowhere")(strict.arange(3))


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_a_number_has_no_namespace_to_build_in(dtype):
    with pytest.raises(PlacementError, match="pass an array"):
        on(SCHEDULE, dtype)(5)


class Duck:
    """A type that names its namespace but belongs to no known framework."""

    def __array_namespace__(self, *, api_version=None):
        return np


def test_the_fallback_comes_last():
    fresh = Registry()
    assert fresh.backend_name_for(Duck) == "array_api"
    assert fresh.backend_name_for(np.ndarray) == "numpy"
    assert fresh.backend_name_for(type("Steps", (Duck, np.ndarray), {})) == "numpy"

    class First:
        @invtime.hookimpl
        def invtime_backend_for(self, step_type):
            return "numpy" if step_type is Duck else None

    fresh.register(First(), "first")
    assert fresh.backend_name_for(Duck) == "numpy"


def test_its_state_says_that_it_has_no_framework(monkeypatch):
    states = {state.name: state for state in invtime.list_backends()}
    state = states["array_api"]
    assert (state.version, state.install) == (None, "")
    assert "no framework of its own" in state.problem
    monkeypatch.setattr(registry, "list_backends", lambda: [states["numpy"], state])
    report = verify(SCHEDULE, dtypes=["float64"], steps=10)
    assert {run.backend for run in report.runs} == {"numpy"}
    assert report.missing == ()
    with pytest.raises(PlacementError, match="list devices"):
        verify(SCHEDULE, backends=["array_api"])
