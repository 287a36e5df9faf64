"""The PaddlePaddle backend: eager, and `to_static` graphs."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

if "tensorflow" in sys.modules and "paddle" not in sys.modules:  # Paddle would crash
    raise ImportError(
        "Paddle crashes if it is imported after TensorFlow; import paddle before tensorflow"
    )

import paddle

import invtime
from invtime import Backend, InverseTimeDecay, registry
from invtime.backends.operand import OperandBackend
from invtime.placement import PlacedSchedule

# `to_static` rewrites the Python code that it calls, as source or as bytecode. Exclude these
# methods and the frames of both packages.
for _call in (
    registry.Registry.evaluate,
    Backend.__call__,
    InverseTimeDecay.__call__,
    PlacedSchedule.__call__,
):
    paddle.jit.marker.unified(_call)
_folders = tuple(str(Path(file).parent) for file in (invtime.__file__, __file__))
paddle.framework.core.eval_frame_skip_file_prefix(_folders)

# The search for common subexpressions takes twice as long with each shared term. Two double-word
# results in one graph took minutes; without the search, they take a second.
paddle.set_flags({"FLAGS_enable_cse_in_dy2st": False})


@final
class PaddleBackend(OperandBackend):
    """PaddlePaddle tensors.

    Paddle converts a Python int next to an int64 tensor to a double, which is wrong from 2**53.
    In a static graph, it rounds a float next to a float64 tensor to float32. `OperandBackend`
    therefore converts each Python number to a tensor.
    """

    name = "paddle"
    arrays = (paddle.Tensor, paddle.pir.Value)

    def from_numpy(self, x: Any) -> Any:
        if x.dtype.kind == "u" and x.dtype.itemsize > 1:  # Paddle reads uint16 as bfloat16
            raise TypeError
        return paddle.to_tensor(x)

    def number(self, value: float, like: Any) -> Any:
        return paddle.full([], value, like.dtype)

    def default_dtype(self) -> str:
        return str(paddle.get_default_dtype())

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(dtype)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        dtype = "float32" if str(a.dtype)[-7:] == "float16" else a.dtype  # graphs lack float16
        return paddle.where(mask, a.astype(dtype), b.astype(dtype)).astype(a.dtype)

    def divide(self, a: Any, b: Any) -> Any:
        # With AVX-512, the quotient of two tensors of the same shape is not always correctly
        # rounded. A division that broadcasts uses another kernel.
        return paddle.divide(a.unsqueeze(0), b).squeeze(0) if a.ndim else a / b

    def quotient(self, n: Any, divisor: Any) -> Any:
        return paddle.floor_divide(n, divisor)

    def clamp(self, n: Any) -> Any:
        return super().clamp(self.index(n))  # `where` lacks 8-bit and 16-bit integers

    def floor(self, x: Any) -> Any:
        return paddle.floor(x)

    def detach(self, x: Any) -> Any:
        x = paddle.assign(x)  # in a graph, `detach` shares memory that is freed too early
        x.stop_gradient = True
        return x

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        near = x <= last
        if paddle.in_dynamic_mode() and self.plain(near).place.is_cpu_place():
            return exact() if bool(self.plain(near).all()) else otherwise()
        return self.where(near, exact(), otherwise())

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float16":  # Paddle converts 2**-88 to 2**-24
            x = self.where(x < 2.0**-26, 0.0, x)
        return super().round_to(x, dtype)

    def modes(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "eager": lambda function: function,
            "static": lambda function: paddle.jit.to_static(function, full_graph=True),
            "sot": paddle.jit.to_static,
        }

    def derivative(self, function: Callable[[Any], Any], x: Any) -> Any:
        nested = not x.stop_gradient
        x = x.clone() if nested else x.detach()
        x.stop_gradient = False
        return paddle.grad(function(x).sum(), x, create_graph=nested)[0]

    def to_numpy(self, x: Any) -> Any:
        return (x.astype("float32") if x.dtype == paddle.bfloat16 else x).numpy()
