"""NumPy: arrays are evaluated by `blocks.py`, and scalars in Python integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from invtime.backends.base import Backend
from invtime.backends.blocks import QUIET, fill
from invtime.errors import PlacementError, StepTypeError, cut, typed
from invtime.form import Form
from invtime.table import Table

DATA = (np.ndarray, np.generic)
FLOAT64 = np.dtype(np.float64)


class NumpyBackend(Backend):
    """NumPy arrays and scalars."""

    name = "numpy"
    differentiable = False

    def coerce(self, step: Any, device: Any) -> Any:
        try:
            x = step if isinstance(step, DATA) else np.asarray(step)
        except (TypeError, ValueError):  # a traced array, an accelerator's array, a ragged list
            raise StepTypeError.refusing(typed(step)) from None
        kind = x.dtype.kind
        # ml_dtypes registers bfloat16 and float8 as kind V.
        if kind not in "iuf" and not x.dtype.name.startswith(("bfloat16", "float8")):
            raise StepTypeError.refusing(f"NumPy data of dtype {cut(str(x.dtype))}")
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        result = np.float64(value)
        if dtype != "float64":
            with QUIET():
                result = self.round_to(result, dtype)
        return np.asarray(result) if isinstance(like, np.ndarray) else result

    def default_dtype(self) -> str:
        return "float64"

    def dtype(self, dtype: str) -> str:
        _numpy_dtype(dtype)
        return dtype

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        if x.dtype.kind not in "iu":
            return None
        # The range of this block: most steps are small, even in a wide dtype.
        return int(x.min()), max(0, int(x.max()))

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(_numpy_dtype(dtype), copy=False)

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

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        return exact() if x.max() <= last else otherwise()

    def none(self, mask: Any) -> bool:
        return not mask.any()

    def host_step(self, x: Any) -> int | float | None:
        dtype = x.dtype
        if x.ndim or dtype.itemsize > 8 or _is_masked(x):
            return None
        return int(x) if dtype.kind in "iu" else float(x)

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """Evaluate the array in blocks.

        A masked array keeps its mask. For other subclasses the result is a plain array.
        """
        if _is_masked(x):
            if x is np.ma.masked:
                return x
            found = self.evaluate(form, x.data, dtype)
            return np.ma.masked_array(found, np.ma.getmaskarray(x).copy())
        out = np.empty_like(x, _numpy_dtype(dtype), subok=False)
        if x.dtype.itemsize > 8:  # long doubles mean their exact value: evaluate one by one
            values = np.array([form.at_real(n) for n in x.flat], np.float64).reshape(x.shape)
            with QUIET():
                out[...] = self.round_to(values, dtype)
        else:
            fill(out, form, x, self)
        return out if isinstance(x, np.ndarray) else out[()]

    evaluate_phases = evaluate

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)


def _is_masked(x: Any) -> bool:
    # Compare the types first: accessing `np.ma` imports it.
    return (
        type(x) is not np.ndarray and isinstance(x, np.ndarray) and isinstance(x, np.ma.MaskedArray)
    )


def _numpy_dtype(dtype: str) -> Any:
    if dtype == "float64":
        return FLOAT64
    if dtype != "bfloat16":
        return np.dtype(dtype)
    try:
        import ml_dtypes
    except ImportError:
        raise PlacementError(
            "NumPy itself has no bfloat16; run: python -m pip install ml_dtypes, or pass float32"
        ) from None
    return np.dtype(ml_dtypes.bfloat16)
