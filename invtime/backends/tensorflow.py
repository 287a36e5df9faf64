"""TensorFlow 2: eager, `tf.function` with and without XLA, and `tf.compat.v1` graphs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from math import inf
from typing import Any, final

import numpy as np

if "tensorflow" not in sys.modules:
    # PyTorch's compiler imports Triton, which ends the process if it is imported after TensorFlow
    # 2.20 or 2.21: github.com/tensorflow/tensorflow/issues/124205. Remove this with their support.
    with suppress(ImportError):
        import_module("triton")

import tensorflow as tf

from invtime.backends import blocks
from invtime.backends.base import Backend, Kernel
from invtime.backends.numpy import NumpyBackend
from invtime.dtypes import is_short
from invtime.errors import PlacementError, StepTypeError, shown, typed
from invtime.evaluate import rounded
from invtime.form import Form
from invtime.table import Table

# From this value on, a double rounds to infinity in float32.
OVERFLOW = 2.0**128 - 2.0**103
HOST = NumpyBackend()


@final
class TensorflowBackend(Backend):
    """TensorFlow tensors and variables."""

    name = "tensorflow"

    def coerce(self, step: Any, device: Any) -> Any:
        if device is None and isinstance(step, tf.Tensor):
            x = step
        elif device is None and isinstance(step, tf.Variable):
            x = step.value()  # takes a third less time than `convert_to_tensor`
        else:
            try:
                with _on(device):
                    if not tf.is_tensor(step):
                        step = np.asarray(step)
                        if is_short(step.dtype):
                            raise TypeError
                    x = tf.identity(step) if device else tf.convert_to_tensor(step)
            except (TypeError, ValueError):
                raise StepTypeError.refusing(typed(step), _remedy(step)) from None
        if not (x.dtype.is_integer or x.dtype.is_floating) or is_short(x.dtype):
            raise StepTypeError.refusing(f"a tensor of dtype {x.dtype.name}")
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        if dtype != "float64":
            value = float(np.float32(value)) if value < OVERFLOW else inf
        with _on(like.device if device is None and like is not None else device):
            return tf.constant(value, getattr(tf, dtype))

    def default_dtype(self) -> str:
        return "float32"

    def device(self, device: Any) -> Any:
        if device is None:
            return None
        try:
            wanted = tf.DeviceSpec.from_string(str(device))
        except Exception:  # a ValueError, or any error of str()
            wanted = None
        for found in tf.config.list_logical_devices():
            spec = tf.DeviceSpec.from_string(found.name)
            if wanted and (spec.device_type, spec.device_index) == (
                wanted.device_type,
                wanted.device_index or 0,
            ):
                return str(device)
        raise PlacementError(
            f"device {shown(device)} does not exist for backend 'tensorflow'; "
            f"there are {self.devices()}; pass one of these"
        )

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        return None if x.dtype.is_floating else (x.dtype.min, x.dtype.max)

    def cast(self, x: Any, dtype: str) -> Any:
        return tf.cast(x, dtype)

    def integer(self, value: int) -> Any:
        return np.int64(value)  # see _number

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        dtype = a.dtype if tf.is_tensor(a) else b.dtype
        return tf.where(mask, _number(a, dtype), _number(b, dtype))

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return tf.truncatediv(n, _number(divisor, n.dtype))

    def clamp(self, n: Any) -> Any:
        return tf.maximum(n, _number(0, n.dtype))

    def floor(self, x: Any) -> Any:
        return tf.floor(x)

    def head(self, x: Any) -> Any:
        bits = tf.bitwise.bitwise_and(tf.bitcast(x, tf.int64), tf.constant(-(2**27), tf.int64))
        return tf.bitcast(bits, tf.float64)

    def detach(self, x: Any) -> Any:
        return tf.stop_gradient(x)

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        end = _number(last, x.dtype)
        near = (x if x.shape.rank == 0 else tf.reduce_max(x)) <= end
        if not tf.executing_eagerly():
            # XLA turns a tf.cond without side effects into a select, which computes both branches.
            # The executor of a graph visits the nodes of both, unless the rare branch is a call.
            rare = tf.function(
                otherwise, autograph=False, experimental_attributes={"_noinline": True}
            )
            return tf.switch_case(tf.cast(near, tf.int32), [rare, exact])
        if _on_host(x):
            return exact() if near else otherwise()
        return tf.where(x <= end, exact(), otherwise())

    def none(self, mask: Any) -> bool:
        return tf.executing_eagerly() and _on_host(mask) and not tf.reduce_any(mask)

    def host_step(self, x: Any) -> int | None:
        if x.shape.rank == 0 and x.dtype.is_integer and tf.executing_eagerly() and _on_host(x):
            return int(x)
        return None

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """Use NumPy's blocks if NumPy can read the steps, else the shared evaluator."""
        if not _in_numpy(x):
            return self._shared(form, x, dtype)
        wide = "float32" if dtype == "float32" else "float64"
        out = np.empty(x.shape, wide)
        blocks.fill(out, form, np.asarray(x), HOST)
        with self.scope(x):
            result = tf.constant(out)
            return result if wide == dtype else rounded(result, self, dtype)

    evaluate_phases = evaluate

    def scope(self, x: Any) -> AbstractContextManager[object]:
        return _on(x.device)  # eager TensorFlow would use the first device

    def devices(self) -> list[str]:
        names = (device.name for device in tf.config.list_logical_devices())
        return [name.removeprefix("/device:").join(("/", "")) for name in names]

    def modes(self) -> Mapping[str, Callable[[Kernel], Kernel]]:
        return {
            "eager": lambda function: function,
            "function": tf.function,
            "xla": lambda function: tf.function(function, jit_compile=True),
        }

    def derivative(self, function: Kernel, x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = function(x)
        return tape.gradient(result, x, unconnected_gradients="zero")

    def to_numpy(self, x: Any) -> Any:
        return x.numpy()


def _number(x: Any, dtype: tf.DType) -> Any:
    """Convert a number to a tensor without loss; return a tensor unchanged.

    TensorFlow itself would round a bare 0.3 to float32, and with
    `experimental_enable_numpy_behavior` convert a bare integer to int32.
    """
    return x if tf.is_tensor(x) else tf.constant(np.array(x, dtype.as_numpy_dtype))


def _on(device: str | None) -> AbstractContextManager[object]:
    """Return the scope of a device; an empty one for None or "", which reset `tf.device`."""
    return tf.device(device) if device else nullcontext()


def _remedy(step: Any) -> str:
    if isinstance(step, tf.SparseTensor):
        return "pass tf.sparse.to_dense(step)"
    return "pass step.to_tensor()" if isinstance(step, tf.RaggedTensor) else "convert it first"


def _in_numpy(x: Any) -> bool:
    """Return whether NumPy can read x and is faster, and no derivative is requested.

    The result is copied to TensorFlow's memory, so large tensors gain nothing.
    """
    return (
        x.dtype.is_integer
        and x.dtype != tf.uint64  # on tensors, uint64 steps are limited to 2**63 - 1
        and tf.executing_eagerly()
        and _on_host(x)
        and x.shape.num_elements() <= blocks.ONE_CORE
    )


def _on_host(x: Any) -> bool:
    return bool("device:CPU" in x.device)
