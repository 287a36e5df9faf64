"""The CuPy backend: NumPy's interface on an NVIDIA GPU, with one kernel per operation."""

from contextlib import AbstractContextManager
from typing import Any, final

import cupy
import numpy as np

import invtime


@final
class CupyBackend(invtime.Backend):
    """CuPy arrays."""

    name = "cupy"
    arrays = cupy.ndarray
    differentiable = False

    def from_numpy(self, x: Any) -> Any:
        return cupy.asarray(x)

    def place(self, x: Any, device: Any) -> Any:
        with _on(device):
            return cupy.asarray(x)

    def default_dtype(self) -> str:
        return "float64"

    def device(self, device: Any) -> Any:
        return device if isinstance(device, cupy.cuda.Device) else super().device(device)

    def dtype(self, dtype: str) -> str:
        try:
            _dtype(dtype)
        except ImportError:
            raise invtime.PlacementError(
                "bfloat16 needs CuPy 14 or later and ml_dtypes; "
                "run: python -m pip install ml_dtypes, or pass another dtype"
            ) from None
        return dtype

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(_dtype(dtype), copy=False)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        if not isinstance(a, cupy.ndarray):
            a = b.dtype.type(a)  # a Python number would widen a narrow dtype
        elif not isinstance(b, cupy.ndarray):
            b = a.dtype.type(b)
        return cupy.where(mask, a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return n // divisor

    def floor(self, x: Any) -> Any:
        return cupy.floor(x)

    def head(self, x: Any) -> Any:
        return (x.view(cupy.int64) & -(2**27)).view(cupy.float64)

    def scope(self, x: Any) -> AbstractContextManager[Any]:
        return _on(x.device)

    def devices(self) -> list[str]:
        return [f"cuda:{i}" for i in range(cupy.cuda.runtime.getDeviceCount())]

    def to_numpy(self, x: Any) -> Any:
        return cupy.asnumpy(x)


def _on(device: Any) -> AbstractContextManager[Any]:
    """Return the context of a device, which is a `cupy.cuda.Device` or text such as "cuda:0"."""
    if isinstance(device, str):
        device = int(device.rpartition(":")[2])
    return cupy.cuda.Device(device) if not isinstance(device, cupy.cuda.Device) else device


def _dtype(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
