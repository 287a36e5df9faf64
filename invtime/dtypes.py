"""The four result dtypes, by the name that every framework knows them by."""

from __future__ import annotations

from typing import Any

from invtime.errors import PlacementError

DTYPES = ("float64", "float32", "float16", "bfloat16")


def dtype_name(dtype: Any) -> str:
    """The canonical name of a framework's dtype: "float32" for `torch.float32`, and so on.

    Takes the names themselves, NumPy dtypes and scalar types, and the dtypes of torch, JAX and
    TensorFlow. Raises `PlacementError` for anything but the four.
    """
    name = _bare_name(dtype)
    if name not in DTYPES:
        raise PlacementError(
            f"dtype {dtype!r} is not a result dtype; pass one of {', '.join(DTYPES)}, "
            "or the framework's own object for it"
        )
    return name


def _bare_name(dtype: Any) -> str:
    if dtype is float:
        return "float64"
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or dtype
    return str(name).rpartition(".")[2].lower()  # Paddle has FLOAT32
