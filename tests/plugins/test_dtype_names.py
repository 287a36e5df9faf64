"""A framework with other dtype names, such as tinygrad's "float" for float32."""

import numpy as np
import pytest

import invtime
from invtime import InverseTimeDecay, PlacementError, registry
from invtime.backends.base import Backend
from invtime.verification import verify


class DType:
    def __init__(self, own, name):
        self.own, self.numpy = own, name

    def __str__(self):
        return f"dtypes.{self.own}"


FLOAT, HALF, LONG = DType("float", "float32"), DType("half", "float16"), DType("long", "int64")
NAMES = {dtype: dtype.numpy for dtype in (FLOAT, HALF, LONG, DType("double", "float64"))}


class Array:
    """It has a method `numpy`, like tinygrad's tensors, and no `__float__`."""

    def __init__(self, data):
        self.data = data
        self.shape = data.shape
        self.dtype = next(d for d, name in NAMES.items() if name == data.dtype.name)

    def numpy(self):
        return self.data


class OddBackend(Backend):
    name = "odd"
    arrays = Array
    differentiable = False

    def dtype_name(self, dtype):
        return NAMES.get(dtype) or super().dtype_name(dtype)

    def from_numpy(self, x):
        return Array(x)

    def to_numpy(self, x):
        return x.data

    def default_dtype(self):
        return "float32"

    def evaluate(self, form, x, dtype):
        return Array(registry.default.load("numpy").evaluate(form, x.data, dtype))

    def cast(self, x, dtype):
        return Array(x.data.astype(dtype))

    where = divide = quotient = floor = None  # its `evaluate` uses none


class Plugin:
    @invtime.hookimpl
    def invtime_backends(self):
        target = f"{__name__}:OddBackend"
        return [invtime.BackendInfo("odd", (__name__.partition(".")[0],), target, "-")]


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    monkeypatch.setattr(registry, "default", registry.Registry())
    registry.default.register(Plugin(), "odd")


@pytest.mark.parametrize(("dtype", "name"), [(FLOAT, "float32"), (HALF, "float16")])
def test_a_result_dtype(dtype, name):
    schedule = InverseTimeDecay(0.1, 1000, 0.5)
    for placed in (schedule.on("odd", dtype=dtype), schedule.on(dtype=dtype)):
        assert placed.dtype == name
        assert placed(Array(np.arange(3))).dtype is dtype
    assert InverseTimeDecay(0.1, 1000, 0.5, dtype=dtype) == InverseTimeDecay(
        0.1, 1000, 0.5, dtype=name
    )
    assert schedule.fingerprint(10, dtype) == schedule.fingerprint(10, name)
    assert verify(schedule, backends=["numpy"], dtypes=[dtype], steps=10).runs[0].dtype == name


def test_one_that_is_no_result_dtype():
    with pytest.raises(PlacementError, match="is not a result dtype; pass one of float64, float32"):
        InverseTimeDecay(0.1, 1000, 0.5).on("odd", dtype=LONG)
    with pytest.raises(PlacementError, match="dtype 3 is not a result dtype"):
        InverseTimeDecay(0.1, 1000, 0.5, dtype=3)


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_a_parameter_means_the_number_as_written(name):
    schedule = InverseTimeDecay(Array(np.array(0.1, name)), Array(np.array(1000)), 0.5)
    assert schedule == InverseTimeDecay(0.1, 1000, 0.5, dtype=name)
    assert schedule.decay_steps == 1000
    assert type(schedule.decay_steps) is int
    steps, floor = Array(np.array(500)), Array(np.array(0.01, name))
    phased = schedule.replace(warmup_steps=steps, minimum_learning_rate=floor)
    assert phased == schedule.replace(warmup_steps=500, minimum_learning_rate=0.01)


def test_a_name_is_never_asked_about():
    with pytest.raises(PlacementError, match="dtype 'float' is not a result dtype"):
        InverseTimeDecay(0.1, 1000, 0.5).on("odd", dtype="float")
