"""NumPy: evaluated block by block, so that temporaries stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from invtime.backends.base import Backend
from invtime.errors import PlacementError, StepTypeError
from invtime.exact import ExactForm, evaluate

BLOCK = 8192  # elements: 64 KiB a temporary, about eight alive at a time


@final
class NumpyBackend(Backend):
    name = "numpy"
    differentiable = False

    def coerce(self, step: Any, device: Any) -> Any:
        x = step if isinstance(step, np.ndarray | np.generic) else np.asarray(step)
        kind = x.dtype.kind
        if kind not in "iuf" and not (kind == "V" and x.dtype.name in ("bfloat16", "float8")):
            raise StepTypeError.refusing(f"NumPy data of dtype {x.dtype}")
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        result = self.round_to(np.float64(value), dtype)
        return np.asarray(result) if isinstance(like, np.ndarray) else result

    def default_dtype(self) -> str:
        return "float64"

    def dtype(self, dtype: str) -> str:
        _numpy_dtype(dtype)
        return dtype

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        if x.dtype.kind not in "iu":
            return None
        limits = np.iinfo(x.dtype)
        return int(limits.min), int(limits.max)

    def widest(self, x: Any) -> Any:
        return x.astype(np.float64)

    def index(self, x: Any) -> Any:
        return x.astype(np.int64)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        return np.where(mask, a, b)

    def divide(self, a: float, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return n // divisor

    def clamp(self, n: Any) -> Any:
        return np.maximum(n, 0)

    def floor(self, x: Any) -> Any:
        return np.floor(x)

    def head(self, x: Any) -> Any:
        return (x.view(np.int64) & -(2**27)).view(np.float64)

    def choose(self, mask: Any, exact: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        return exact() if mask.all() else otherwise()

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64":
            return x
        return x.astype(np.float32).astype(_numpy_dtype(dtype), copy=False)

    def host_step(self, x: Any) -> int | None:
        return int(x) if x.ndim == 0 and x.dtype.kind in "iu" else None

    def evaluate(self, form: ExactForm, x: Any, dtype: str) -> Any:
        """The shared formula, over blocks; long doubles one by one on the host."""
        with np.errstate(all="ignore"):  # overflow to infinity and NaN steps are meant
            if x.dtype.itemsize > 8:
                values = np.array([form.at(n) for n in x.flat], np.float64).reshape(x.shape)
                return self.round_to(values, dtype) if x.ndim else self.round_to(values, dtype)[()]
            out = np.empty_like(x, dtype=_numpy_dtype(dtype), subok=False)
            native = x.dtype.newbyteorder("=")
            if x.flags.c_contiguous and native == x.dtype:
                steps, results = x.reshape(-1), out.reshape(-1)
                for start in range(0, steps.size, BLOCK):
                    block = steps[start : start + BLOCK]
                    results[start : start + BLOCK] = evaluate(form, self, block, dtype)
            else:
                for index in np.ndindex(x.shape[:-1]) if x.ndim else ((),):
                    out[index] = evaluate(form, self, np.atleast_1d(x[index]).astype(native), dtype)
        return out if isinstance(x, np.ndarray) else out[()]

    def devices(self) -> list[str]:
        return ["cpu"]

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)


def _numpy_dtype(dtype: str) -> Any:
    if dtype != "bfloat16":
        return np.dtype(dtype)
    try:
        import ml_dtypes
    except ImportError:
        raise PlacementError(
            "NumPy has no bfloat16 of its own; run `pip install ml_dtypes`, or pass float32"
        ) from None
    return np.dtype(ml_dtypes.bfloat16)
