"""TensorFlow: eager, functions with and without XLA, v1 graphs, variables, SavedModel, Keras."""

import re
import subprocess
import sys

import numpy as np
import pytest

from invtime import InverseTimeDecay, PlacementError, StepTypeError

tf = pytest.importorskip("tensorflow", exc_type=ImportError)

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)
MODES = {
    "eager": lambda f: f,
    "function": tf.function,
    "xla": lambda f: tf.function(f, jit_compile=True),
}

# Two logical CPUs, which must be configured before TensorFlow starts in this process.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
SECOND = "/CPU:1"


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_eager_bits_in_operations_of_tensorflow(
    schedule, dtype, assert_bits, integers, monkeypatch
):
    """Evaluate in TensorFlow, like long tensors, which NumPy does not evaluate."""
    monkeypatch.setattr("invtime.backends.blocks.ONE_CORE", 0)
    result = schedule.on(dtype=dtype)(tf.constant(integers))
    assert_bits(schedule, integers, result.numpy(), dtype)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_bits(schedule, dtype, mode, assert_bits, integers):
    result = MODES[mode](schedule.on(dtype=dtype))(tf.constant(integers))
    assert result.dtype == tf.as_dtype(dtype)
    assert_bits(schedule, integers, result.numpy(), dtype)


@pytest.mark.parametrize("mode", MODES)
def test_bits_of_every_step_dtype(schedule, steps, mode, assert_bits):
    result = MODES[mode](schedule.on(dtype="float64"))(tf.constant(steps))
    assert_bits(schedule, steps, result.numpy())


@pytest.mark.parametrize("mode", MODES)
def test_narrow_steps(schedule, mode, assert_bits):
    """One function gets steps of every width, because each compilation takes long."""
    names = ["int8", "int16", "uint8", "uint16", "uint32", "uint64", "half", "bfloat16", "float32"]
    steps = np.array([0, 1, 41, 82, 100, 127])
    rate = schedule.on(dtype="float64")
    rates = MODES[mode](lambda *several: [rate(step) for step in several])
    vectors = rates(*(tf.cast(steps, name) for name in names))
    scalars = rates(*(tf.cast(82, name) for name in names))
    for vector, scalar in zip(vectors, scalars, strict=True):
        assert_bits(schedule, steps, vector.numpy())
        assert_bits(schedule, steps[3], scalar.numpy())


def test_variables():
    for step in (tf.Variable(41, dtype=tf.int64), tf.Variable(41.0)):
        for schedule in (SCHEDULE, STAIRCASE, LONG):
            assert schedule(step) == np.float32(schedule(41))
            assert tf.function(schedule)(step) == np.float32(schedule(41))


def test_keras_variable():
    keras = pytest.importorskip("keras", exc_type=ImportError)
    step = keras.Variable(41, dtype="int64")
    assert float(STAIRCASE(step)) == np.float32(STAIRCASE(41))
    pinned = InverseTimeDecay(keras.Variable(0.1), 1000, 0.5)
    assert (pinned.initial_learning_rate, pinned.dtype) == (0.1, "float32")


def test_derivative():
    x = tf.constant([-1.0, 0.0, 2.5, np.inf], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            rate = SCHEDULE.on(dtype="float64")(x)
        slope = inner.gradient(rate, x)
    second = outer.gradient(slope, x)
    n = np.array([0.0, 2.5])
    np.testing.assert_array_max_ulp(slope.numpy()[1:3], -200 / (2000 + n) ** 2, maxulp=4)
    np.testing.assert_array_max_ulp(second.numpy()[1:3], 400 / (2000 + n) ** 3, maxulp=8)
    assert not slope.numpy()[[0, 3]].any()
    with tf.GradientTape() as tape:
        tape.watch(x)
        rate = STAIRCASE(x)
    assert not tape.gradient(rate, x).numpy().any()


def test_saved_model(tmp_path):
    class Rate(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
        def at(self, step):
            return STAIRCASE(step)

    tf.saved_model.save(Rate(), str(tmp_path))
    steps = tf.constant([40, 41, 2**40], tf.int64)
    loaded = tf.saved_model.load(str(tmp_path)).at(steps)
    assert (loaded.numpy() == STAIRCASE(steps).numpy()).all()


def test_a_version_1_graph(integers, assert_bits):
    with tf.Graph().as_default():
        steps = tf.compat.v1.placeholder(tf.int64, [None])
        unknown = tf.compat.v1.placeholder(tf.int64)
        counter = tf.compat.v1.train.get_or_create_global_step()
        fetches = [
            STAIRCASE.on(dtype="float64")(steps),
            LONG.on(dtype="float64")(unknown),
            SCHEDULE(counter),
        ]
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            found = session.run(fetches, {steps: integers, unknown: integers[None]})
    assert_bits(STAIRCASE, integers, found[0])
    assert_bits(LONG, integers[None], found[1])
    assert found[2] == np.float32(0.1)


def test_no_retracing_as_the_step_changes():
    traces = []

    @tf.function
    def rate(n):
        traces.append(n)
        return SCHEDULE(n)

    for n in range(5):
        assert rate(tf.constant(n)) == np.float32(SCHEDULE(n))
    assert len(traces) == 1


def test_devices():
    for step in (5, np.arange(3), tf.range(3), tf.constant(5)):
        assert SCHEDULE.on("tensorflow", device=SECOND)(step).device.endswith("CPU:1")
    with tf.device(SECOND):
        steps, step = tf.constant([1, 2**40], tf.int64), tf.constant(3)
    for schedule in (SCHEDULE, STAIRCASE, LONG):
        assert schedule(steps).device.endswith("CPU:1")
        assert schedule(step).device.endswith("CPU:1")
    graph = (
        tf.function(SCHEDULE.on("tensorflow", device=SECOND))
        .get_concrete_function(tf.range(3))
        .graph
    )
    assert {op.device for op in graph.get_operations() if op.type == "RealDiv"} == {"/device:CPU:1"}


def test_a_device_that_does_not_exist():
    for device in ("/CPU:9", "/GPU:7", "nonsense"):
        with pytest.raises(PlacementError, match="/CPU:0"):
            SCHEDULE.on("tensorflow", device=device)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.constant(True),
        lambda: tf.constant("3"),
        lambda: tf.constant(1j),
        lambda: tf.ragged.constant([[1], [2, 3]]),
        lambda: tf.sparse.from_dense([1, 0, 2]),
    ],
    ids=["bool", "text", "complex", "ragged", "sparse"],
)
def test_steps_that_are_no_numbers(make):
    with pytest.raises(StepTypeError):
        SCHEDULE(make())


def test_the_dtype_follows_the_parameter_and_never_the_step():
    for step in (tf.constant(3), tf.constant(3.0, tf.float64), tf.constant(3.0, tf.bfloat16)):
        assert SCHEDULE(step).dtype == tf.float32
    pinned = InverseTimeDecay(tf.constant(0.1, tf.bfloat16), 1000, 0.5)
    assert pinned.initial_learning_rate == 0.1
    assert pinned(tf.range(3)).dtype == tf.bfloat16
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no value yet"):
        InverseTimeDecay(tf.compat.v1.placeholder(tf.float32, []), 1000, 0.5)


def test_in_a_data_pipeline():
    rates = [float(rate) for rate in tf.data.Dataset.range(3).map(SCHEDULE)]
    assert rates == [np.float32(SCHEDULE(n)) for n in range(3)]


COLD = """
import warnings, tensorflow as tf, invtime
schedule = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
@tf.function
def rate(n):
    return schedule(n)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    # Python 3.13 warns of what AutoGraph itself does, up to TensorFlow 2.21 at least.
    warnings.filterwarnings("ignore", ".*'___pyct_anno'", DeprecationWarning)
    result = rate(tf.range(40, 42))
assert (result.numpy() == tf.constant([0.1, 0.1 / 1.5]).numpy()).all(), result
"""


def test_the_first_call_of_a_process_may_be_inside_a_function(tmp_path):
    script = tmp_path / "cold.py"  # AutoGraph converts only functions whose source is in a file
    script.write_text(COLD)
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    # On Python 3.13 its gast warns, and AutoGraph then does not transform the function.
    told = re.findall(r"AutoGraph could not transform <(?:bound )?\w+ (\S+)", done.stderr)
    assert set(told) <= {"rate"}, done.stderr


TRANSFORMED = """
import tensorflow as tf, invtime
from invtime import registry
tf.autograph.set_verbosity(3, alsologtostdout=True)
schedule = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
placed = schedule.on(dtype="float64")
@tf.function
def rates(n):
    return schedule(n), placed(n), registry.default.evaluate(schedule.form, n)
rates(tf.constant(41))
"""


def test_autograph_transforms_the_function_of_the_user_and_nothing_of_ours(tmp_path):
    script = tmp_path / "transformed.py"
    script.write_text(TRANSFORMED)
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    transformed = re.findall(r"Transformed <(?:function|bound method) (\S+)", done.stdout)
    assert transformed == ["rates"]


def test_sparse_and_ragged_steps_are_refused_with_the_way_on():
    with pytest.raises(StepTypeError, match=r"tf\.sparse\.to_dense\(step\)"):
        SCHEDULE(tf.sparse.from_dense([0, 1000]))
    with pytest.raises(StepTypeError, match=r"step\.to_tensor\(\)"):
        SCHEDULE(tf.ragged.constant([[0], [1, 2]]))


@pytest.mark.parametrize("mode", ["eager", "function"])
def test_steps_of_less_than_a_byte_are_refused(mode):
    for dtype in (tf.dtypes.experimental.int4, tf.dtypes.experimental.uint4):
        with pytest.raises(StepTypeError, match="int4"):
            MODES[mode](SCHEDULE)(tf.cast(tf.constant([0, 1]), dtype))


@pytest.fixture
def _checked_numerics():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


@pytest.mark.usefixtures("_checked_numerics")
@pytest.mark.parametrize("mode", ["eager", "function"])
@pytest.mark.parametrize(
    "schedule",
    [
        *(SCHEDULE, STAIRCASE, LONG, InverseTimeDecay(1 / 3, 0.7, 1 / 7, staircase=True)),
        InverseTimeDecay(1, 9, 1 / 3, warmup_steps=50, cooldown_start=99, cooldown_steps=7),
        InverseTimeDecay(0.21875, 1754246075931009, 497553737754239, minimum_learning_rate=1e-9),
    ],
    ids=repr,
)
def test_no_infinity_on_the_way_to_finite_values(schedule, mode, assert_bits):
    """A user's numeric checks reject any infinity or NaN, even one that is not selected."""
    for steps in ([0.0, 1.0, 1000.0], [-1.0, 0.5, 1000.0, 2.0**60], [-1, 1, 1000, 2**62]):
        rate = MODES[mode](schedule.on(dtype="float64"))
        assert_bits(schedule, np.array(steps), rate(tf.constant(np.array(steps))).numpy())


NUMPY_BEHAVIOUR = """
import sys
import numpy as np, tensorflow as tf
tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode=sys.argv[1])
from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_array

steps = np.array([-(2**63), -1, 0, 1, 41, 1000, 2**31, 2**40, 2**53 + 1, 2**62, 2**63 - 1])
schedules = (
    InverseTimeDecay(0.1, 1000, 0.5),
    InverseTimeDecay(1 / 3, 1000, 1 / 7),
    InverseTimeDecay(0.1, 0.3, 0.5, staircase=True),
    InverseTimeDecay(0.21875, 1754246075931009, 497553737754239),
    InverseTimeDecay(0.1, 1e10, 1 / 7, True, warmup_steps=10**10, minimum_learning_rate=0.01),
    InverseTimeDecay(1 / 3, 7, 0.1, warmup_steps=9, cooldown_start=2**40, cooldown_steps=2**52 + 1),
)
placed = [schedule.on(dtype="float64") for schedule in schedules]
for mode in (lambda f: f, tf.function, lambda f: tf.function(f, jit_compile=True)):
    rates = mode(lambda n: [rate(n) for rate in placed])
    for dtype in ("int64", "uint64", "int32", "float64"):
        info = np.iinfo(dtype) if "int" in dtype else None
        fit = steps if info is None else steps[(steps >= info.min) & (steps <= info.max)]
        fit = fit.astype(dtype)
        for schedule, rate in zip(schedules, rates(tf.constant(fit)), strict=True):
            truth = Reference(schedule).at(fit)
            found = bits_of_array(rate.numpy(), "float64")
            assert truth.allowed(found, "float64").all(), (schedule, dtype, fit, found)
    if sys.argv[1] == "all":
        last = rates(tf.constant(np.array([2**64 - 1], np.uint64)))
        assert [rate.numpy().tolist() for rate in last] == [[s(2**63 - 1)] for s in schedules]
"""


@pytest.mark.parametrize("promotion", ["all", "safe", "legacy"])
def test_under_the_behaviour_of_numpy(promotion):
    command = [sys.executable, "-c", NUMPY_BEHAVIOUR, promotion]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        (InverseTimeDecay(1.2e-38, 100, 1e-3), 2099),
        (InverseTimeDecay(1.2e-38, 100, 1e-3, staircase=True), 2299),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_a_normal_bfloat16_whose_float32_is_subnormal(schedule, step, mode, assert_bits):
    rate = MODES[mode](schedule.on(dtype="bfloat16"))
    found = rate(tf.constant([step, step]))
    assert_bits(schedule, np.array([step, step]), found.numpy(), "bfloat16")
    assert (found.numpy() == 2.0**-126).all()


BEFORE_TRITON = """
from importlib.util import find_spec
from invtime.registry import default
default.load("tensorflow")
if find_spec("triton"):
    import triton
"""


def test_the_compiler_of_pytorch_may_come_later():
    subprocess.run([sys.executable, "-c", BEFORE_TRITON], check=True)
