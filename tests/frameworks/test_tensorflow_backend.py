"""What TensorFlow's backend says of itself: devices, modes, derivative, what it takes and how."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from invtime import InverseTimeDecay, PlacementError, StepTypeError
from invtime.backends import blocks

tf = pytest.importorskip("tensorflow", exc_type=ImportError)
from invtime.backends import tensorflow as module  # noqa: E402
from invtime.backends.tensorflow import TensorflowBackend  # noqa: E402

BACKEND = TensorflowBackend()
SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
CPU = "/CPU:0"


def test_its_modes():
    modes = BACKEND.modes()
    assert list(modes) == ["eager", "function", "xla"]
    assert modes["eager"](SCHEDULE) is SCHEDULE
    assert modes["function"] is tf.function
    compiled = modes["xla"](SCHEDULE.on("tensorflow"))
    steps = tf.range(3)
    assert compiled(steps).numpy().tolist() == SCHEDULE(steps).numpy().tolist()
    assert compiled._jit_compile is True


def test_its_derivative_is_that_of_a_tape():
    place = SCHEDULE.on("tensorflow", dtype="float64")
    steps = tf.constant([-1.0, 0.0, 500.0, 1000.0], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(steps)
        expected = tape.gradient(place(steps), steps)
    assert BACKEND.derivative(place, steps).numpy().tolist() == expected.numpy().tolist()
    unconnected = BACKEND.derivative(lambda x: tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0]))
    assert unconnected.numpy().tolist() == [0, 0]


def test_numpy_arrays_of_every_dtype():
    for dtype in ("float16", "bfloat16", "float32", "float64", "int64", "int8"):
        found = BACKEND.to_numpy(tf.constant([1, 2], dtype))
        assert type(found) is np.ndarray
        assert (found.tolist(), found.dtype.name) == ([1, 2], dtype)


def test_the_devices_by_their_short_names(monkeypatch):
    assert CPU in BACKEND.devices()
    names = ("/device:CPU:0", "/device:CPU:1", "/device:GPU:0")
    listed = [SimpleNamespace(name=name) for name in names]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: listed)
    assert BACKEND.devices() == ["/CPU:0", "/CPU:1", "/GPU:0"]
    taken = ["/CPU:0", "/CPU:1", "/GPU:0", "GPU:0", "/device:CPU:1", "cpu:0", "/CPU", "/gpu:0"]
    taken.append("/job:localhost/replica:0/task:0/device:CPU:0")
    for name in taken:
        assert BACKEND.device(name) == name
    assert BACKEND.device(None) is None
    for name in ("/CPU:2", "/GPU:1", "/TPU:0", "cuda:0", "", 3):
        with pytest.raises(PlacementError):
            BACKEND.device(name)


def test_a_device_whose_text_raises():
    class Silent:
        def __str__(self):
            raise RuntimeError("no")

        __repr__ = __str__

    with pytest.raises(PlacementError, match="does not exist"):
        BACKEND.device(Silent())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_constant_rounds_along_the_chain_and_overflows_to_infinity(dtype):
    halfway = 2.0**128 - 2.0**103
    for value in (0.1, 65504.0, 65519.0, 65520.0, halfway, np.nextafter(halfway, 0), 1e39, 1e300):
        found = BACKEND.constant(value, dtype, None, None)
        with np.errstate(over="ignore"):
            wide = value if dtype == "float64" else np.float32(value)
            expected = np.asarray(wide).astype(getattr(tf, dtype).as_numpy_dtype)
        assert (float(found.numpy()), found.dtype.name) == (float(expected), dtype)
        assert found.shape == ()


def test_a_constant_overflows_without_a_warning():
    with np.errstate(over="raise"):
        assert BACKEND.constant(1e300, "float32", None, None).numpy() == np.inf


def test_the_device_of_a_constant(monkeypatch):
    entered = []
    monkeypatch.setattr(tf, "device", lambda name: entered.append(name) or nullcontext())
    like = SimpleNamespace(device="/GPU:0")
    BACKEND.constant(0.5, "float32", like, None)
    BACKEND.constant(0.5, "float32", like, "/CPU:0")
    BACKEND.constant(0.5, "float32", None, None)
    BACKEND.constant(0.5, "float32", SimpleNamespace(device=""), None)
    BACKEND.scope(like).__enter__()
    assert entered == ["/GPU:0", "/CPU:0", "/GPU:0"]


def test_a_tensor_is_taken_as_it_is_and_a_variable_by_its_value():
    tensor, variable = tf.constant([1, 2]), tf.Variable([3.0])
    assert BACKEND.coerce(tensor, None) is tensor
    found = BACKEND.coerce(variable, None)
    assert tf.is_tensor(found)
    assert not isinstance(found, tf.Variable)
    assert found.numpy().tolist() == [3]
    for step in (tensor, variable, np.arange(2), 3):
        found = BACKEND.coerce(step, CPU)
        assert isinstance(found, tf.Tensor)
        assert "CPU:0" in found.device
        assert found.numpy().tolist() == np.asarray(step).tolist()


def test_numbers_keep_numpys_width():
    for value, dtype in ((2**40, "int64"), (3, "int64"), (0.1, "float64"), (np.uint8(3), "uint8")):
        for device in (None, CPU):
            found = BACKEND.coerce(value, device)
            assert (found.numpy().item(), found.dtype.name) == (value, dtype)
    for dtype in ("float16", "bfloat16", "uint16", "int32", "uint64"):
        assert BACKEND.coerce(tf.zeros(2, dtype), None).dtype.name == dtype


def test_what_is_no_step():
    int4 = tf.dtypes.experimental.int4
    short = int4.as_numpy_dtype
    wrong = ["3", None, True, 3j, [[1], [1, 2]], object(), np.zeros(2, short)]
    tensors = [tf.constant([True]), tf.constant(["1"]), tf.constant([1j]), tf.cast([1], int4)]
    for step in (*wrong, *tensors):
        for device in (None, CPU):
            with pytest.raises(StepTypeError):
                BACKEND.coerce(step, device)


def test_the_range_of_integers_is_that_of_the_dtype():
    assert BACKEND.integer_range(tf.constant(1.0)) is None
    for dtype, expected in {
        "int8": (-128, 127),
        "uint16": (0, 65535),
        "int64": (-(2**63), 2**63 - 1),
    }.items():
        assert BACKEND.integer_range(tf.zeros(1, dtype)) == expected


def test_its_primitives():
    n = tf.constant([-7, 0, 6, 7, 2**40], tf.int64)
    assert BACKEND.quotient(n, 7).numpy().tolist() == [-1, 0, 0, 1, 2**40 // 7]
    assert BACKEND.clamp(n).numpy().tolist() == [0, 0, 6, 7, 2**40]
    assert BACKEND.where(n > 6, n, 1).numpy().tolist() == [1, 1, 1, 7, 2**40]
    assert BACKEND.where(n > 6, 1, n).numpy().tolist() == [-7, 0, 6, 1, 1]
    x = tf.constant([-2.5, 0.1, 3.0], tf.float64)
    for found in (BACKEND.where(x > 0, 0.3, x), BACKEND.where(x < 0, x, 0.3)):
        assert found.dtype == tf.float64
        assert found.numpy().tolist() == [-2.5, 0.3, 0.3]
    assert BACKEND.floor(x).numpy().tolist() == [-3, 0, 3]
    assert BACKEND.divide(1.0, x).numpy().tolist() == [-0.4, 10.0, 1 / 3]
    assert BACKEND.cast(x, "int64").numpy().tolist() == [-2, 0, 3]
    head = BACKEND.head(x).numpy()
    assert head.tolist() == ((x.numpy().view(np.int64) >> 27) << 27).view(np.float64).tolist()
    assert head[1] != x[1]
    assert type(BACKEND.integer(3)) is np.int64
    assert BACKEND.default_dtype() == "float32"
    with tf.GradientTape() as tape:
        tape.watch(x)
        product = BACKEND.detach(x) * x
    assert tape.gradient(product, x).numpy().tolist() == x.numpy().tolist()


def chosen(steps, last=5):
    return BACKEND.choose(steps, last, lambda: tf.constant(1.0), lambda: tf.constant(2.0))


def test_the_choice_is_for_the_whole_array_on_the_host():
    for steps, expected in (([0, 5], 1.0), ([0, 6], 2.0), (5, 1.0), (6, 2.0)):
        x = tf.constant(steps)
        assert chosen(x).numpy() == expected
        assert tf.function(chosen)(x).numpy() == expected


def test_the_choice_is_for_each_element_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(module, "_on_host", lambda x: False)
    x = tf.constant([0, 5, 6])
    found = BACKEND.choose(x, 5, lambda: tf.ones(3), lambda: tf.ones(3) * 2)
    assert found.numpy().tolist() == [1, 1, 2]
    assert BACKEND.host_step(tf.constant(3)) is None
    assert not BACKEND.none(tf.constant([False]))
    assert not module._in_numpy(x)


def test_what_the_host_can_see():
    assert BACKEND.none(tf.constant([False, False]))
    assert not BACKEND.none(tf.constant([False, True]))
    assert BACKEND.host_step(tf.constant(3)) == 3
    assert type(BACKEND.host_step(tf.constant(3))) is int
    for step in (tf.constant([3]), tf.constant(3.0)):
        assert BACKEND.host_step(step) is None

    @tf.function
    def traced(x):
        assert BACKEND.host_step(x) is None
        assert not BACKEND.none(x < 0)
        assert not module._in_numpy(x)
        return x

    traced(tf.constant(3))


def test_what_numpy_computes():
    """Integers on the host, eagerly, so many that one core is not outdone."""
    assert module._in_numpy(tf.range(4))
    assert module._in_numpy(tf.zeros(blocks.ONE_CORE, tf.int8))
    assert not module._in_numpy(tf.zeros(blocks.ONE_CORE + 1, tf.int8))
    assert not module._in_numpy(tf.range(4.0))
    assert not module._in_numpy(tf.zeros(4, tf.uint64))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_numpys_way_and_tensorflows_are_one(dtype, monkeypatch):
    place = SCHEDULE.on("tensorflow", dtype=dtype)
    steps = tf.constant([[-1, 0, 3], [999, 1000, 2**40]], tf.int64)
    found = place(steps)
    assert (found.dtype.name, found.shape) == (dtype, steps.shape)
    monkeypatch.setattr(module, "_in_numpy", lambda x: False)
    assert found.numpy().tolist() == place(steps).numpy().tolist()
