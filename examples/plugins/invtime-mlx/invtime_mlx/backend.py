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
    arrays = mx.array

    def from_numpy(self, x: Any) -> Any:
        return mx.array(x, getattr(mx, x.dtype.name))

    def default_dtype(self) -> str:
        return "float32"

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(getattr(mx, dtype), stream=mx.cpu)

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

    def scope(self, x: Any) -> AbstractContextManager[object]:
        return mx.stream(mx.cpu)  # arrays have no device, operations have

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
