"""What JAX's backend says of itself: devices, modes, derivative, constants, what it refuses."""

import numpy as np
import pytest

from invtime import InverseTimeDecay, PlacementError, StepTypeError
from invtime.backends.base import Backend

jax = pytest.importorskip("jax", exc_type=ImportError)
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from invtime.backends import jax as module  # noqa: E402
from invtime.backends.jax import JaxBackend, _platform, _to_float32  # noqa: E402

BACKEND = JaxBackend()
NARROW = JaxBackend(precision=24)
SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
CPU = jax.devices("cpu")[0]


@pytest.fixture
def wide():
    with module.enable_x64(True):
        yield


def test_its_name_and_precision():
    assert BACKEND.name == "jax"
    assert isinstance(BACKEND, Backend)
    assert (BACKEND.precision(None), NARROW.precision(None)) == (53, 24)
    narrow = BACKEND._narrow()
    assert narrow.precision(None) == 24
    assert BACKEND._narrow() is narrow


def test_its_default_dtype_is_read_at_the_call():
    assert BACKEND.default_dtype() == "float32"
    with module.enable_x64(True):
        assert BACKEND.default_dtype() == "float64"


def test_its_modes():
    modes = BACKEND.modes()
    assert list(modes) == ["eager", "jit", "vmap"]
    assert modes["eager"](SCHEDULE) is SCHEDULE
    assert modes["jit"] is jax.jit
    assert modes["vmap"] is jax.vmap
    steps = jnp.arange(3)
    for mode in modes.values():
        assert mode(SCHEDULE)(steps).tolist() == SCHEDULE(steps).tolist()


def test_its_derivative_is_that_of_grad(wide):
    place = SCHEDULE.on("jax", dtype="float64")
    steps = jnp.array([-1.0, 0.0, 500.0, 1000.0])
    found = BACKEND.derivative(place, steps)
    assert found.tolist() == [jax.grad(place)(step).item() for step in steps]
    assert found[0] == 0 > found[1]


def test_numpy_arrays_of_every_dtype(wide):
    for dtype in ("float16", "bfloat16", "float32", "float64", "int64", "int8"):
        found = BACKEND.to_numpy(jnp.array([1, 2], dtype))
        assert type(found) is np.ndarray
        assert (found.tolist(), found.dtype.name) == ([1, 2], dtype)


def test_the_devices_are_the_hosts_and_the_accelerators(monkeypatch):
    count = len(jax.devices("cpu"))
    host = [f"cpu:{i}" for i in range(count)]
    assert BACKEND.devices() == host
    made = {"cpu": jax.devices("cpu"), "odd": [type("Device", (), {"id": 7})]}
    monkeypatch.setattr(jax, "devices", made.__getitem__)
    monkeypatch.setattr(jax, "default_backend", lambda: "odd")
    assert BACKEND.devices() == [*host, "odd:7"]


def test_a_device_by_every_name():
    sharding = jax.sharding.SingleDeviceSharding(CPU)
    assert BACKEND.device(None) is None
    for device in (CPU, sharding):
        assert BACKEND.device(device) is device
    for name in ("cpu", "cpu:0"):
        assert BACKEND.device(name) is CPU
    for index, device in enumerate(jax.devices("cpu")):
        assert BACKEND.device(f"cpu:{index}") is device
    for wrong in ("cpu:9999", "cpu:x", "nothing", 3):
        with pytest.raises(PlacementError) as caught:
            BACKEND.device(wrong)
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_constant_rounds_along_the_chain_and_overflows_to_infinity(dtype):
    for value in (0.1, 65504.0, 65519.0, 65520.0, 1e39, 0.30000001192092893):
        found = BACKEND.constant(value, dtype, None, None)
        with np.errstate(over="ignore"):
            single = np.float32(value)
            expected = value if dtype == "float64" else single.astype(jnp.dtype(dtype))
        assert (float(found), found.dtype.name) == (float(expected), dtype)
        assert found.shape == ()
    assert BACKEND.constant(0.5, dtype, None, CPU).devices() == {CPU}


def test_a_constant_warns_of_no_overflow():
    with np.errstate(over="raise"):
        assert BACKEND.constant(1e300, "float32", None, None) == np.inf


def test_a_device_is_passed_on(monkeypatch):
    placed = []

    def device_put(x, device="nowhere"):
        placed.append(device)
        return x

    monkeypatch.setattr(jax, "device_put", device_put)
    BACKEND.coerce(jnp.arange(3), "there")
    BACKEND.coerce(3, "there")
    BACKEND.constant(0.5, "float32", None, "there")
    assert placed == ["there"] * 3
    BACKEND.coerce(jnp.arange(3), None)
    assert len(placed) == 3


def test_a_step_keeps_its_dtype_and_its_value():
    """Whatever width JAX would give it by default."""
    for value, dtype in ((2**40, "int64"), (0.1, "float64"), (np.float32(0.1), "float32")):
        found = BACKEND.coerce(value, None)
        assert (found.item(), found.dtype.name) == (value, dtype)
    array = jnp.arange(3)
    assert BACKEND.coerce(array, None) is array
    assert BACKEND.coerce(array, CPU).devices() == {CPU}
    for dtype in ("uint8", "int16", "float16", "bfloat16"):
        assert BACKEND.coerce(jnp.zeros(2, dtype), None).dtype.name == dtype


def test_what_is_no_step():
    wrong = ["3", None, True, 3j, [[1], [1, 2]], 10**30, object(), np.array([None])]
    short = [np.zeros(2, jnp.int4), jnp.zeros(2, "int4"), jnp.zeros(2, "uint4")]
    for step in (*wrong, *short, jnp.zeros(2, bool), jnp.zeros(2, "complex64")):
        with pytest.raises(StepTypeError):
            BACKEND.coerce(step, None)


def test_a_traced_number_keeps_the_width_of_its_trace():
    seen = []

    def look(step):
        with module.enable_x64(True):
            seen.append(BACKEND.coerce(step, None))
        return step

    jax.jit(look)(3)
    assert seen[0].dtype.name == "int32"


def test_its_primitives_in_both_precisions(wide):
    for backend, float_, bits in ((BACKEND, "float64", 26), (NARROW, "float32", 12)):
        x = jnp.array([-2.5, 0.1, 1e5 + 1 / 3, 3.0], float_)
        head = backend.head(x)
        assert head.dtype.name == float_
        assert (x - head + head == x).all()
        for high, rest in zip(head.tolist(), (x - head).tolist(), strict=True):
            for part in (high, rest):
                numerator = abs(part.as_integer_ratio()[0])
                zeros = (numerator & -numerator).bit_length() - 1
                assert numerator.bit_length() - max(zeros, 0) <= bits + 1
        assert backend.head(x)[1] != x[1]
        assert backend.floor(x).tolist() == [-3, 0, 100000, 3]
        assert backend.widest(jnp.arange(2)).dtype.name == float_
    n = jnp.array([0, 6, 7, 2**40])
    assert BACKEND.quotient(n, 7).tolist() == [0, 0, 1, 2**40 // 7]
    assert BACKEND.quotient(n, 7).dtype == n.dtype
    assert BACKEND.where(n > 6, n, 0).tolist() == [0, 0, 7, 2**40]
    assert BACKEND.divide(1.0, jnp.array([3.0, 4.0])).tolist() == [1 / 3, 0.25]
    assert BACKEND.cast(jnp.array([-1.7, 2.7]), "int64").tolist() == [-1, 2]
    assert jax.grad(lambda y: BACKEND.detach(y) * y)(3.0) == 3.0


def test_the_choice_is_for_the_whole_array(wide):
    """The common way where all is at most `last`, and the other where one step is not."""
    for steps, expected in (([0, 5], 1.0), ([0, 6], 2.0), ([], 1.0), ([-3, -2], 1.0)):
        x = jnp.array(steps, "int64")
        found = BACKEND.choose(x, 5, lambda: jnp.array(1.0), lambda: jnp.array(2.0))
        assert found == expected
    # Of an empty array the largest step is 0, which is past -1.
    empty = jnp.array([], "int64")
    assert BACKEND.choose(empty, 0, lambda: jnp.array(1.0), lambda: jnp.array(2.0)) == 1.0


def test_float32_is_rounded_in_software_as_in_hardware(wide):
    values = [0.1, 1 / 3, 2.0**-126, 2.0**-126 - 2.0**-151, 2.0**-127, 3e-45, 2.0**-150, 1e39]
    values += [1.5 * 2.0**-149, 2.5 * 2.0**-149, -1e-40, 0.0, 1 + 2.0**-24, 1 + 3 * 2.0**-24]
    x = jnp.array(values)
    with np.errstate(over="ignore"):
        expected = np.array(values).astype(np.float32).astype(np.float64)
    assert _to_float32(x).tolist() == expected.tolist()
    assert _to_float32(x).dtype.name == "float64"
    value, tangent = jax.jvp(_to_float32, (x,), (x * 3,))
    assert value.tolist() == expected.tolist()
    assert tangent.tolist() == (x * 3).tolist()
    with module.enable_x64(False):
        assert _to_float32(x).tolist() == expected.tolist()


def test_results_are_rounded_along_the_chain(wide):
    x = jnp.array([1 + 2.0**-11 + 2.0**-40, 0.1, 65503.0])
    assert BACKEND.round_to(x, "float64") is x
    for dtype in ("float32", "float16", "bfloat16"):
        found = BACKEND.round_to(x, dtype)
        expected = np.array(x).astype(np.float32).astype(jnp.dtype(dtype))
        assert (found.tolist(), found.dtype.name) == (expected.tolist(), dtype)
        single = x.astype("float32")
        assert NARROW.round_to(single, dtype).tolist() == expected.tolist()
    with pytest.raises(PlacementError, match="binary64"):
        NARROW.round_to(x, "float64")


def test_another_platform_rounds_in_software(wide):
    def chosen(x):
        return BACKEND.round_to(x, "float16")

    text = jax.jit(chosen).trace(jnp.ones(2)).lower(lowering_platforms=("cuda",)).as_text()
    assert "reduce_precision" in text
    text = jax.jit(chosen).trace(jnp.ones(2)).lower(lowering_platforms=("cpu",)).as_text()
    assert "reduce_precision" not in text


def test_where_an_array_is():
    assert _platform(jnp.ones(2)) == "cpu"
    seen = []
    jax.jit(lambda x: seen.append(_platform(x)) or x)(1.0)
    assert seen == [jax.default_backend()]


def test_platforms_without_binary64_take_the_narrow_way(monkeypatch):
    steps = jnp.array([0, 1, 500, 2**30])
    expected = SCHEDULE(steps)
    assert module.NARROW_PLATFORMS
    monkeypatch.setattr(module, "NARROW_PLATFORMS", {"cpu"})
    assert SCHEDULE(steps).tolist() == expected.tolist()
    assert SCHEDULE(steps).dtype.name == "float32"
    with pytest.raises(PlacementError, match="binary64"):
        SCHEDULE.on("jax", dtype="float64")(steps)


def test_the_scope_is_of_64_bits_and_ends():
    before = jax.config.jax_enable_x64
    with BACKEND.scope(None):
        assert lax.convert_element_type(1, jnp.dtype("int64")).dtype.name == "int64"
    assert jax.config.jax_enable_x64 == before


def test_a_form_is_compiled_once_for_a_dtype_and_a_shape():
    own = JaxBackend()
    steps = jnp.arange(4)
    for _ in range(3):
        own(SCHEDULE.form, steps)
    assert own._compiled._cache_size() == 1
    own(SCHEDULE.form, steps, "float16")
    own(SCHEDULE.form, jnp.arange(5))
    assert own._compiled._cache_size() == 3
