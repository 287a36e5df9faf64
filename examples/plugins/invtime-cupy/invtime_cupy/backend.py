"""CuPy: NumPy's interface on an NVIDIA GPU, one kernel for each operation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, final

import cupy
import numpy as np

import invtime


@final
class CupyBackend(invtime.Backend):
    """Arrays of CuPy."""

    name = "cupy"
    differentiable = False

    def coerce(self, step: Any, device: Any) -> Any:
        if not isinstance(step, cupy.ndarray) or device is not None:
            try:
                with _on(device):
                    step = cupy.asarray(step)
            except (AttributeError, TypeError, ValueError):
                raise invtime.StepTypeError.refusing(f"{step!r} of {type(step)}") from None
        if step.dtype.kind not in "iuf" and step.dtype.name != "bfloat16":
            raise invtime.StepTypeError.refusing(f"an array of dtype {step.dtype}")
        return step

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        with _on(like.device if device is None and like is not None else device):
            return self.round_to(cupy.asarray(value, cupy.float64), dtype)

    def default_dtype(self) -> str:
        return "float64"

    def device(self, device: Any) -> Any:
        return device if isinstance(device, cupy.cuda.Device) else super().device(device)

    def dtype(self, dtype: str) -> str:
        try:
            _dtype(dtype)
        except ImportError:
            raise invtime.PlacementError(
                "CuPy has bfloat16 from version 14 on, with ml_dtypes; "
                "run: python -m pip install ml_dtypes, or pass another dtype"
            ) from None
        return dtype

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        if x.dtype.kind not in "iu":
            return None
        limits = cupy.iinfo(x.dtype)
        return int(limits.min), int(limits.max)

    def widest(self, x: Any) -> Any:
        return x.astype(cupy.float64, copy=False)

    def index(self, x: Any) -> Any:
        return x.astype(cupy.int64, copy=False)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        if not isinstance(a, cupy.ndarray):
            a = b.dtype.type(a)  # a bare number would widen what is narrow
        elif not isinstance(b, cupy.ndarray):
            b = a.dtype.type(b)
        return cupy.where(mask, a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return n // divisor

    def clamp(self, n: Any) -> Any:
        return cupy.maximum(n, n.dtype.type(0))

    def floor(self, x: Any) -> Any:
        return cupy.floor(x)

    def head(self, x: Any) -> Any:
        return (x.view(cupy.int64) & -(2**27)).view(cupy.float64)

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        return cupy.where(x <= last, exact(), otherwise())  # a look at x would wait for the GPU

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64":
            return x
        return x.astype(cupy.float32).astype(_dtype(dtype), copy=False)

    def scope(self, x: Any) -> AbstractContextManager[Any]:
        return _on(x.device)

    def devices(self) -> list[str]:
        return [f"cuda:{i}" for i in range(cupy.cuda.runtime.getDeviceCount())]

    def to_numpy(self, x: Any) -> Any:
        return cupy.asnumpy(x)


def _on(device: Any) -> AbstractContextManager[Any]:
    """The context of a device, given as CuPy has it or as text; None is the current one."""
    if isinstance(device, str):
        device = int(device.rpartition(":")[2])
    return cupy.cuda.Device(device) if not isinstance(device, cupy.cuda.Device) else device


def _dtype(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
