"""JAX: eager, jit, transforms, several devices with sharded steps, x64 on and off."""

import os
import subprocess
import sys

# Four host devices, unless JAX has already started in this process.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

import numpy as np
import pytest

from invtime import ConfigError, InverseTimeDecay, PlacementError, StepTypeError, registry

jax = pytest.importorskip("jax", exc_type=ImportError)
import jax.numpy as jnp  # noqa: E402
from jax import export, lax  # noqa: E402
from jax.sharding import NamedSharding, PartitionSpec  # noqa: E402

from invtime.backends.jax import _to_float32, enable_x64  # noqa: E402

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)
MODES = {"eager": lambda f: f, "jit": jax.jit, "vmap": jax.vmap}


def wide(steps):
    """Return a JAX array of NumPy steps that keeps their dtype, with and without x64."""
    with enable_x64(True):
        return jnp.asarray(steps)


@pytest.fixture(scope="module")
def mesh():
    if len(jax.devices()) < 4:
        pytest.skip("JAX was started with fewer than four devices")
    return jax.make_mesh((4,), ("data",))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_bits(schedule, steps, dtype, mode, assert_bits):
    result = MODES[mode](schedule.on(dtype=dtype))(wide(steps))
    assert result.dtype == jnp.dtype(dtype)
    assert_bits(schedule, steps, result, dtype)


def test_bits_with_x64_on(schedule, steps, assert_bits):
    with enable_x64(True):
        for mode in MODES.values():
            result = mode(schedule)(jnp.asarray(steps))
            assert result.dtype == jnp.float64
            assert_bits(schedule, steps, result)


@pytest.mark.parametrize(
    "name", ["int8", "int16", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16"]
)
def test_every_step_dtype_under_strict_promotion(schedule, name, assert_bits):
    steps = np.array([0, 1, 41, 82, 100, 127])
    with enable_x64(True):
        narrow = jnp.asarray(steps).astype(name)
    with jax.numpy_dtype_promotion("strict"):
        assert_bits(schedule, steps, schedule.on(dtype="float64")(narrow))


def test_scan_and_static_argument():
    _, rates = lax.scan(lambda n, _: (n + 1, STAIRCASE(n)), jnp.int32(39), None, length=4)
    assert rates.tolist() == STAIRCASE(jnp.arange(39, 43)).tolist()
    static = jax.jit(lambda schedule, n: schedule(n), static_argnums=0)
    assert static(STAIRCASE, 41) == STAIRCASE(jnp.int32(41))


def test_no_retracing_as_the_step_changes():
    traces = []

    @jax.jit
    def rate(n):
        traces.append(n)
        return SCHEDULE(n)

    for n in range(5):
        assert rate(n) == np.float32(SCHEDULE(n))
    assert len(traces) == 1
    kernel = registry.default.load("jax")._compiled
    SCHEDULE(jnp.int32(0))
    compiled = kernel._cache_size()
    for n in range(1, 5):
        SCHEDULE(jnp.int32(n))
    assert kernel._cache_size() == compiled


def test_derivative():
    with enable_x64(True):
        slope = jax.vmap(jax.grad(SCHEDULE))(jnp.array([-1.0, 0.0, 2.5, jnp.inf]))
        plain = np.array([0.0, -200 / 2000.0**2, -200 / 2002.5**2, 0.0])
        np.testing.assert_array_max_ulp(np.abs(np.asarray(slope)), np.abs(plain), maxulp=4)
        second = jax.hessian(SCHEDULE)(3.0)
        np.testing.assert_array_max_ulp(np.asarray(second), 400 / 2003.0**3, maxulp=8)
    assert jax.grad(STAIRCASE)(41.0) == 0
    assert jax.jvp(SCHEDULE, (2.0,), (1.0,))[1] == np.float32(-200 / 2002.0**2)


@pytest.mark.parametrize("schedule", [SCHEDULE, LONG, SCHEDULE.replace(warmup_steps=2)])
def test_derivative_of_a_checkpoint(schedule):
    if jax.__version_info__ < (0, 8):
        pytest.skip(f"JAX {jax.__version__} forgets enable_x64 in the derivative of a checkpoint")
    jax.clear_caches()  # the trace of an earlier derivative would hide a missing scope
    again = jax.grad(jax.checkpoint(schedule))(3.0)
    assert again == jax.grad(schedule)(3.0)


def test_the_dtype_follows_jax_and_never_the_step():
    for step in (jnp.int32(3), jnp.bfloat16(3), jnp.arange(3)):
        assert SCHEDULE(step).dtype == jnp.float32
    assert SCHEDULE.on("jax")(2**70) == np.float32(SCHEDULE(2**70))
    pinned = InverseTimeDecay(jnp.asarray(0.1, jnp.bfloat16), 1000, 0.5)
    assert pinned.initial_learning_rate == 0.1
    assert pinned(jnp.arange(3)).dtype == jnp.bfloat16


def test_sharded_steps_keep_their_sharding(mesh):
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    steps = jax.device_put(jnp.arange(16), sharding)
    for schedule in (SCHEDULE, STAIRCASE, LONG):
        wanted = schedule(jnp.arange(16)).tolist()
        spread = jax.shard_map(
            schedule, mesh=mesh, in_specs=PartitionSpec("data"), out_specs=PartitionSpec("data")
        )
        for rate in (schedule, jax.jit(schedule), spread):
            assert rate(steps).sharding.is_equivalent_to(sharding, 1)
            assert rate(steps).tolist() == wanted
        placed = schedule.on("jax", device=sharding)(jnp.arange(16))
        assert placed.sharding.is_equivalent_to(sharding, 1)
        with enable_x64(True):
            long_steps = jax.device_put(jnp.arange(16), sharding)
        assert schedule(long_steps).sharding.is_equivalent_to(sharding, 1)


def test_devices(mesh):
    second = jax.devices()[2]
    assert SCHEDULE.on("jax", device=second)(5).devices() == {second}
    assert SCHEDULE.on("jax", device="cpu:2")(np.arange(3)).devices() == {second}
    assert SCHEDULE(jax.device_put(jnp.arange(3), second)).devices() == {second}
    assert SCHEDULE(jax.device_put(jnp.int32(3), second)).devices() == {second}


def test_a_device_that_does_not_exist():
    for device in ("cpu:99", "tpu", "nonsense", "cpu:x"):
        with pytest.raises(PlacementError, match="cpu:0"):
            SCHEDULE.on("jax", device=device)


def test_transforms_of_numpy_and_python_steps():
    for steps in (np.arange(4), np.arange(4.0), [0, 1, 2, 3], [0.0, 1.0, 2.0, 3.0]):
        mapped = jax.vmap(SCHEDULE)(np.asarray(steps))
        assert mapped.tolist() == SCHEDULE(jnp.arange(4)).tolist()
    assert jax.jvp(LONG, (np.float64(2.0),), (np.float64(1.0),))[0] == np.float32(LONG(2.0))


def test_no_transfer():
    step, steps = jnp.int32(3), jnp.arange(3)
    with jax.transfer_guard("disallow"):
        SCHEDULE(step), LONG(steps), jax.jit(SCHEDULE)(steps)


def test_export():
    exported = export.export(jax.jit(SCHEDULE))(jax.ShapeDtypeStruct((3,), jnp.int32))
    assert exported.call(jnp.arange(3)).tolist() == SCHEDULE(jnp.arange(3)).tolist()


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_traced_step_is_not_for_another_backend(backend):
    pytest.importorskip(backend)
    with pytest.raises(StepTypeError, match="Tracer"):
        jax.jit(SCHEDULE.on(backend))(3)


@pytest.mark.parametrize("make", [lambda: jnp.array([True]), lambda: jnp.array(1j)])
def test_steps_that_are_no_numbers(make):
    with pytest.raises(StepTypeError, match="dtype"):
        SCHEDULE(make())
    with pytest.raises(StepTypeError, match="key"):
        SCHEDULE(jax.random.key(0))


def test_a_traced_parameter_is_refused():
    with pytest.raises(ConfigError, match="no value yet"):
        jax.jit(lambda rate: InverseTimeDecay(rate, 1000, 0.5)(3))(0.1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_gpu_is_given_no_conversion_to_fold(dtype):
    """Checked without a GPU: only the program for a GPU contains the rounding to binary32."""
    traced = jax.jit(SCHEDULE.on(dtype=dtype)).trace(jnp.arange(3))
    for platform, count in (("cuda", 1), ("cpu", 0)):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.reduce_precision") == count
        assert "optimization_barrier" not in text


def test_rounding_to_float32_before_the_conversion():
    """The GPU code, run on the CPU, rounds like NumPy: to nearest even, subnormals included."""
    random = np.random.default_rng(0)
    normal = random.integers(0, 2**64, 10**5, np.uint64).view(np.float64)
    near = 2.0 ** random.uniform(-151, 129, 10**5)
    ties = (random.integers(0, 2**25, 10**5) + 0.5) * 2.0 ** random.integers(-151, 100, 10**5)
    edges = 2.0 ** np.array([-150, -149, -126, -127, 127, 128])
    edges = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, np.inf)])
    x = np.concatenate([normal, near, -near, ties, edges, [0.0, -0.0, np.inf, -np.inf, np.nan]])
    x = x[(x == 0) | (np.abs(x) >= 2.0**-1022) | np.isnan(x)]
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = x.astype(np.float32).astype(np.float64)
    with enable_x64(True):
        rounded = jax.jit(_to_float32)(jnp.asarray(x))
        assert [jax.grad(_to_float32)(value) for value in (0.1, 2.0**-140, 0.0)] == [1, 1, 1]
    np.testing.assert_array_equal(np.asarray(rounded), wanted)
    assert (np.signbit(rounded) == np.signbit(wanted))[~np.isnan(x)].all()


def test_a_device_without_binary64(schedule, monkeypatch, integers, assert_float32_words):
    """Forced on the CPU: the stage is exact, and the value is within 1 ULP of float32."""
    monkeypatch.setattr("invtime.backends.jax.NARROW_PLATFORMS", {"cpu"})
    assert_float32_words(schedule, integers, schedule(wide(integers)))
    with pytest.raises(PlacementError, match="no binary64"):
        schedule.on(dtype="float64")(wide(integers))


COLD = """
import jax, invtime
schedule = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
result = jax.jit(schedule)(jax.numpy.arange(40, 42))
assert (result == jax.numpy.array([0.1, 0.1 / 1.5])).all(), result
"""


def test_the_first_call_of_a_process_may_be_inside_jit():
    subprocess.run([sys.executable, "-c", COLD], check=True)


def test_a_schedule_as_an_argument_of_jit_is_an_error_that_names_it():
    def rate(schedule, step):
        return schedule(step)

    for each in (SCHEDULE, SCHEDULE.on(dtype="float32")):
        with pytest.raises(TypeError, match=r"passed to the function at path schedule[^$]*static"):
            jax.jit(rate)(each, 3)
        assert jax.jit(rate, static_argnums=0)(each, 3) == SCHEDULE(jnp.int32(3))
        rates = jax.vmap(rate, in_axes=(None, 0))(each, jnp.arange(3))
        assert (rates == SCHEDULE(jnp.arange(3))).all()


@pytest.mark.parametrize("dtype", [jnp.int4, jnp.uint4, jnp.int2])
def test_steps_of_less_than_a_byte_are_refused(dtype):
    with pytest.raises(StepTypeError, match=jnp.dtype(dtype).name):
        SCHEDULE(jnp.array([0, 1]).astype(dtype))


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        (InverseTimeDecay(1.2e-38, 100, 1e-3), 2099),
        (InverseTimeDecay(1.2e-38, 100, 1e-3, staircase=True), 2299),
    ],
)
@pytest.mark.parametrize("compiler", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_a_normal_bfloat16_whose_float32_is_subnormal(schedule, step, compiler):
    rate = compiler(schedule.on(dtype="bfloat16"))
    for steps in (jnp.array([step, step]), jnp.array([float(step)])):
        assert (np.asarray(rate(steps)).astype(np.float64) == 2.0**-126).all()
