"""The Python array API standard: arrays of any library that has `__array_namespace__`.

Uses only functions of version 2023.12 of the standard, or later.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, final

import numpy as np

from invtime.backends.base import Backend
from invtime.dtypes import dtype_name
from invtime.errors import PlacementError, StepTypeError, cut, shown
from invtime.form import Form
from invtime.table import Table

# The standard has neither dtype; some namespaces have them in addition.
EXTRA = ("float16", "bfloat16")


@final
class ArrayAPIBackend(Backend):
    """Arrays that no other backend claims, evaluated in their own namespace."""

    name = "array_api"
    differentiable = False

    def coerce(self, step: Any, device: Any) -> Any:
        if not hasattr(step, "__array_namespace__"):
            raise StepTypeError(
                f"a step of type {type(step).__name__} has no `__array_namespace__`, which "
                "backend 'array_api' needs; pass no backend, or the backend of its framework"
            )
        xp = step.__array_namespace__()
        if not xp.isdtype(step.dtype, ("integral", "real floating")):
            raise StepTypeError.refusing(f"an array of dtype {cut(str(step.dtype))}")
        if device is None:
            return step
        there = _info(step).devices()
        if device not in there:
            raise PlacementError(
                f"device {shown(device)} does not exist in {xp.__name__}; there are {list(there)}; "
                "pass one of these"
            )
        return step.to_device(device)

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        raise _no_framework("convert a number to an array")

    def default_dtype(self) -> str:
        raise _no_framework("convert a number to an array")

    def device(self, device: Any) -> Any:
        return device  # only the step's namespace knows whether it exists

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        xp = x.__array_namespace__()
        if xp.isdtype(x.dtype, "real floating"):
            return None
        limits = xp.iinfo(x.dtype)
        return int(limits.min), int(limits.max)

    def precision(self, x: Any) -> int:
        return 53 if "float64" in _info(x).dtypes(device=x.device) else 24

    def cast(self, x: Any, dtype: str) -> Any:
        """Convert x to the named dtype, or raise a `PlacementError` that lists the device's."""
        xp = x.__array_namespace__()
        there = _info(x).dtypes(device=x.device)
        found = getattr(xp, dtype, None) if dtype in EXTRA else there.get(dtype)
        if found is None:
            raise PlacementError(
                f"{xp.__name__} has no {dtype} on device {x.device}; it has {sorted(there)}; "
                "pass a dtype of these, or a step on another device"
            )
        # NumPy's operators turn 0-d arrays into scalars.
        return xp.astype(xp.asarray(x), found, copy=False)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        xp = mask.__array_namespace__()
        if type(a) in (int, float):  # `xp.where` accepts numbers only from version 2024.12 on
            a = xp.full((), a, dtype=b.dtype, device=b.device)
        elif type(b) in (int, float):
            b = xp.full((), b, dtype=a.dtype, device=a.device)
        return xp.where(mask, a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return n // divisor

    def floor(self, x: Any) -> Any:
        return x.__array_namespace__().floor(x)

    def round_to(self, x: Any, dtype: str) -> Any:
        return self.cast(x if dtype == "float64" else self.cast(x, "float32"), dtype)

    def scope(self, x: Any) -> AbstractContextManager[object]:
        return np.errstate(all="ignore")  # NumPy, which some namespaces wrap, would warn

    def __call__(
        self, form: Form | Table, step: Any, dtype: str | None = None, device: Any = None
    ) -> Any:
        """Return the schedule at an array, in `dtype` or the default float of its device."""
        x = self.coerce(step, device)
        default = _info(x).default_dtypes(device=x.device)["real floating"]
        return super().__call__(form, x, dtype or dtype_name(default))

    def devices(self) -> list[str]:
        raise _no_framework("list devices")

    def to_numpy(self, x: Any) -> Any:
        return np.from_dlpack(x, device="cpu")


def _info(x: Any) -> Any:
    return x.__array_namespace__().__array_namespace_info__()


def _no_framework(what: str) -> PlacementError:
    return PlacementError(
        f"backend 'array_api' has no framework of its own and cannot {what}; pass an array that "
        "has `__array_namespace__`, or use the backend of a framework"
    )
