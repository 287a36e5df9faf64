"""PaddlePaddle: eager, and compiled to a static graph."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

if "tensorflow" in sys.modules and "paddle" not in sys.modules:  # it would end the process
    raise ImportError("paddle crashes when it is imported after tensorflow: import it before")

import paddle

import invtime
from invtime import Backend, InverseTimeDecay, registry
from invtime.backends.operand import OperandBackend
from invtime.placement import PlacedSchedule

# `to_static` rewrites the Python that it meets, as source or as bytecode. It is told to take
# these as they are, and to leave the frames of both packages alone.
for _call in (
    registry.Registry.evaluate,
    Backend.__call__,
    InverseTimeDecay.__call__,
    PlacedSchedule.__call__,
):
    paddle.jit.marker.unified(_call)
_folders = tuple(str(Path(file).parent) for file in (invtime.__file__, __file__))
paddle.framework.core.eval_frame_skip_file_prefix(_folders)

# Its search for common subexpressions takes a time that doubles with each term that is shared:
# two double-word results in one graph took minutes, and without the search a second.
paddle.set_flags({"FLAGS_enable_cse_in_dy2st": False})


@final
class PaddleBackend(OperandBackend):
    """Tensors of PaddlePaddle.

    Paddle passes a Python int beside an int64 tensor through a double, which is wrong from 2**53
    on, and in a static graph a float beside a float64 tensor through a float32: so it is given
    tensors alone.
    """

    name = "paddle"
    arrays = (paddle.Tensor, paddle.pir.Value)

    def from_numpy(self, x: Any) -> Any:
        if x.dtype.kind == "u" and x.dtype.itemsize > 1:  # it takes uint16 for the bits of bfloat16
            raise TypeError
        return paddle.to_tensor(x)

    def number(self, value: float, like: Any) -> Any:
        return paddle.full([], value, like.dtype)

    def default_dtype(self) -> str:
        return str(paddle.get_default_dtype())

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(dtype)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        dtype = "float32" if str(a.dtype)[-7:] == "float16" else a.dtype  # what there is in a graph
        return paddle.where(mask, a.astype(dtype), b.astype(dtype)).astype(a.dtype)

    def divide(self, a: Any, b: Any) -> Any:
        # Of two tensors of one shape Paddle's quotient is not always the nearest float, on
        # processors with AVX-512; where it broadcasts, it divides with another kernel.
        return paddle.divide(a.unsqueeze(0), b).squeeze(0) if a.ndim else a / b

    def quotient(self, n: Any, divisor: Any) -> Any:
        return paddle.floor_divide(n, divisor)

    def clamp(self, n: Any) -> Any:
        return super().clamp(self.index(n))  # `paddle.where` has no integers of 8 or 16 bits

    def floor(self, x: Any) -> Any:
        return paddle.floor(x)

    def detach(self, x: Any) -> Any:
        x = paddle.assign(x)  # in a graph `detach` shares memory that is freed too early
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
        if dtype == "float16":  # Paddle takes 2**-88 for 2**-24
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
