"""The MLX backend: eager, `mx.compile`, `mx.vmap`, `mx.grad`; always on the CPU.

MLX has float64 on the CPU only.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, final

import mlx.core as mx
import numpy as np

import invtime


@final
class MLXBackend(invtime.Backend):
    """MLX arrays."""

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
        return mx.stream(mx.cpu)  # devices belong to operations, not to arrays

    def modes(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"eager": lambda function: function, "compile": mx.compile, "vmap": mx.vmap}

    def derivative(self, function: Callable[[Any], Any], x: Any) -> Any:
        return mx.grad(lambda steps: function(steps).sum())(x)

    def to_numpy(self, x: Any) -> Any:
        return np.array(x.astype(mx.float32) if x.dtype == mx.bfloat16 else x)


@mx.custom_function
def _divide(a: Any, b: Any) -> Any:
    """Return a / b, twice differentiable where b is infinite.

    MLX's own derivative squares b, so its second derivative is NaN there.
    """
    return a / b


@_divide.vjp
def _divide_vjp(primals: Any, cotangent: Any, output: Any) -> Any:
    a, b = primals
    return _divide(cotangent, b), -_divide(_divide(cotangent * a, b), b)
