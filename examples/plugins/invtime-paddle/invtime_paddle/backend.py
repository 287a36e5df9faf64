"""PaddlePaddle: eager, and compiled to a static graph."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

if "tensorflow" in sys.modules and "paddle" not in sys.modules:  # it would end the process
    raise ImportError("paddle crashes when it is imported after tensorflow: import it before")

import paddle

import invtime
from invtime import Backend, InverseTimeDecay, StepTypeError, registry
from invtime.backends.array_api import ArrayAPIBackend
from invtime.placement import PlacedSchedule
from invtime_paddle.operand import Operand, tensor_of

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
class PaddleBackend(Backend):
    """Tensors of PaddlePaddle; the formula sees each as an `Operand`."""

    name = "paddle"

    def coerce(self, step: Any, device: Any) -> Any:
        if not isinstance(step, paddle.Tensor | paddle.pir.Value):
            try:
                step = np.asarray(step)
                if step.dtype.kind == "u" and step.dtype.itemsize > 1:  # it takes uint16 for bits
                    raise TypeError
                step = paddle.to_tensor(step.astype(step.dtype.newbyteorder("=")))
            except (TypeError, ValueError):
                raise StepTypeError.refusing(f"{step!r} of {type(step)}") from None
        if step.dtype == paddle.bool or step.is_complex():
            raise StepTypeError.refusing(f"a tensor of dtype {step.dtype}")
        return step

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        return tensor_of(self.round_to(paddle.full([], value, "float64"), dtype))

    def default_dtype(self) -> str:
        return str(paddle.get_default_dtype())

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        dtype = tensor_of(x).dtype
        if tensor_of(x).is_floating_point():
            return None
        return paddle.iinfo(dtype).min, paddle.iinfo(dtype).max

    def widest(self, x: Any) -> Any:
        return Operand(tensor_of(x).astype("float64"))

    def index(self, x: Any) -> Any:
        return Operand(tensor_of(x).astype("int64"))

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        a, b = tensor_of(a, b), tensor_of(b, a)
        dtype = "float32" if str(a.dtype)[-7:] == "float16" else a.dtype  # what there is in a graph
        return Operand(
            paddle.where(tensor_of(mask), a.astype(dtype), b.astype(dtype)).astype(a.dtype)
        )

    def divide(self, a: Any, b: Any) -> Any:
        # Of two tensors of one shape Paddle's quotient is not always the nearest float, on
        # processors with AVX-512; where it broadcasts, it divides with another kernel.
        a, b = tensor_of(a, b), tensor_of(b)
        return Operand(paddle.divide(a.unsqueeze(0), b).squeeze(0) if a.ndim else a / b)

    def quotient(self, n: Any, divisor: int) -> Any:
        return Operand(paddle.floor_divide(tensor_of(n), tensor_of(divisor, n)))

    def clamp(self, n: Any) -> Any:
        return super().clamp(self.index(n))  # `paddle.where` has no integers of 8 or 16 bits

    def floor(self, x: Any) -> Any:
        return Operand(paddle.floor(tensor_of(x)))

    head = ArrayAPIBackend.head  # by arithmetic, since a static graph cannot look at bits

    def detach(self, x: Any) -> Any:
        x = paddle.assign(tensor_of(x))  # in a graph `detach` shares memory that is freed too early
        x.stop_gradient = True
        return Operand(x)

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        near = tensor_of(x) <= tensor_of(last, x)
        if paddle.in_dynamic_mode() and near.place.is_cpu_place():
            return exact() if bool(near.all()) else otherwise()
        return self.where(near, exact(), otherwise())

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64":
            return Operand(tensor_of(x))
        x = Operand(tensor_of(x).astype("float32"))
        if dtype == "float16":  # Paddle takes 2**-88 for 2**-24
            x = self.where(x < 2.0**-26, 0.0, x)
        return Operand(x.tensor.astype(dtype))

    def evaluate(self, form: Any, x: Any, dtype: str) -> Any:
        return tensor_of(super().evaluate(form, Operand(x), dtype))

    evaluate_phases = evaluate

    def devices(self) -> list[str]:
        return ["cpu"]

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
        x = tensor_of(x)
        return (x.astype("float32") if x.dtype == paddle.bfloat16 else x).numpy()
