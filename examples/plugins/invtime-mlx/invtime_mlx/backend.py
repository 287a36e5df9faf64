"""MLX: lazy, compiled, vmapped, differentiated; always on the CPU, where it has binary64."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, final

import mlx.core as mx
import numpy as np

import invtime


@final
class MLXBackend(invtime.Backend):
    """Arrays of MLX."""

    name = "mlx"

    def coerce(self, step: Any, device: Any) -> Any:
        if not isinstance(step, mx.array):
            try:
                step = np.asarray(step)
                step = mx.array(step.astype(step.dtype.newbyteorder("=")), _dtype(step.dtype.name))
            except (AttributeError, TypeError, ValueError):  # no such dtype, or no array at all
                raise invtime.StepTypeError.refusing(f"{step!r} of {type(step)}") from None
        if not (_is_integer(step) or mx.issubdtype(step.dtype, mx.floating)):
            raise invtime.StepTypeError.refusing(f"an array of dtype {step.dtype}")
        return step

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        return self.round_to(mx.array(value, mx.float64), dtype)

    def default_dtype(self) -> str:
        return "float32"

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        if not _is_integer(x):
            return None
        return mx.iinfo(x.dtype).min, mx.iinfo(x.dtype).max

    def widest(self, x: Any) -> Any:
        return x.astype(mx.float64)

    def index(self, x: Any) -> Any:
        return x.astype(mx.int64)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        return mx.where(mask, a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return _divide(a if isinstance(a, mx.array) else mx.array(a, b.dtype), b)

    def quotient(self, n: Any, divisor: int) -> Any:
        return n // divisor

    def floor(self, x: Any) -> Any:
        return mx.floor(x)

    def head(self, x: Any) -> Any:
        return (x.view(mx.int64) & -(2**27)).view(mx.float64)

    def detach(self, x: Any) -> Any:
        return mx.stop_gradient(x)

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        return mx.where(x <= last, exact(), otherwise())  # to look at x would evaluate it

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64":
            return x
        return x.astype(mx.float32, stream=mx.cpu).astype(_dtype(dtype), stream=mx.cpu)

    def scope(self, x: Any) -> AbstractContextManager[object]:
        return mx.stream(mx.cpu)  # arrays have no device, operations have

    def devices(self) -> list[str]:
        return ["cpu"]

    def modes(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"eager": lambda function: function, "compile": mx.compile, "vmap": mx.vmap}

    def derivative(self, function: Callable[[Any], Any], x: Any) -> Any:
        return mx.grad(lambda steps: function(steps).sum())(x)

    def to_numpy(self, x: Any) -> Any:
        return np.array(x.astype(mx.float32) if x.dtype == mx.bfloat16 else x)


@mx.custom_function
def _divide(a: Any, b: Any) -> Any:
    """a / b, with a derivative that has itself one at infinity; MLX's own squares b."""
    return a / b


@_divide.vjp
def _divide_vjp(primals: Any, cotangent: Any, output: Any) -> Any:
    a, b = primals
    return _divide(cotangent, b), -_divide(_divide(cotangent * a, b), b)


def _dtype(name: str) -> Any:
    return getattr(mx, name)


def _is_integer(x: Any) -> bool:
    return bool(mx.issubdtype(x.dtype, mx.integer))
