"""The dtypes of results and of steps, by the names that every framework knows them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invtime.errors import PlacementError, shown

# The dtypes of results: significand bits and exponent of the smallest subnormal, as IEEE 754 and
# bfloat16 have them.
DTYPES = {
    "float64": (53, -1074),
    "float32": (24, -149),
    "float16": (11, -24),
    "bfloat16": (8, -133),
}

# The dtypes of steps: an integer's smallest and largest value, and the four floats.
INTEGERS = {
    f"{'u' if low == 0 else ''}int{bits}": (low, (1 << bits) + low - 1)
    for bits in (8, 16, 32, 64)
    for low in (-(1 << (bits - 1)), 0)
}
STEPS = {*INTEGERS, *DTYPES}

# Integers of less than a byte, whose arithmetic the frameworks lack.
SHORT_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)}


def is_short(dtype: Any) -> bool:
    """Whether a dtype has less than 8 bits, as int4 and float4: too few to count steps in."""
    name = bare_name(dtype)
    return name in SHORT_INTEGERS or name.startswith(("float4_", "float6_"))


def bare_name(dtype: Any) -> str:
    """The name of a framework's dtype: "float32" for `torch.float32`, "int64" for `tf.int64`."""
    if dtype is float:
        return "float64"
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or dtype
    text = str.__str__(name) if isinstance(name, str) else shown(name)
    return text.rpartition(".")[2].lower()  # Paddle has FLOAT32


def dtype_name(dtype: Any, spelled: Callable[[Any], str] = bare_name) -> str:
    """The name of a result dtype.

    Takes the names themselves, NumPy dtypes and scalar types, and the dtypes of a framework, which
    `spelled` names. Raises `PlacementError` for anything but the four.
    """
    name = spelled(dtype)
    if name not in DTYPES:
        raise PlacementError(
            f"dtype {shown(dtype)} is not a result dtype; pass one of {', '.join(DTYPES)}, "
            "or the framework's own object for it"
        )
    return name
