"""The dtypes of results and of steps, by the names that all frameworks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invtime.errors import PlacementError, shown

# The dtypes of results: the bits of the significand, and the exponent of the smallest subnormal.
DTYPES = {
    "float64": (53, -1074),
    "float32": (24, -149),
    "float16": (11, -24),
    "bfloat16": (8, -133),
}

# The dtypes of steps: the integers, with their smallest and largest values, and the four floats.
INTEGERS = {
    f"{'u' if low == 0 else ''}int{bits}": (low, (1 << bits) + low - 1)
    for bits in (8, 16, 32, 64)
    for low in (-(1 << (bits - 1)), 0)
}
STEPS = {*INTEGERS, *DTYPES}

# Integers of less than a byte: the frameworks have no arithmetic for them.
SHORT_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)}


def is_short(dtype: Any) -> bool:
    """Return whether a dtype has less than 8 bits, like int4 or float4: too few to count steps."""
    name = bare_name(dtype)
    return name in SHORT_INTEGERS or name.startswith(("float4_", "float6_"))


def bare_name(dtype: Any) -> str:
    """Return the name of a framework's dtype, such as "float32" for `torch.float32`."""
    if dtype is float:
        return "float64"
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or dtype
    text = str.__str__(name) if isinstance(name, str) else shown(name)
    return text.rpartition(".")[2].lower()  # Paddle writes FLOAT32


def dtype_name(dtype: Any, spelled: Callable[[Any], str] = bare_name) -> str:
    """Return the name of a result dtype.

    `dtype` may be a name, a NumPy dtype or scalar type, or the dtype of a framework, whose name
    `spelled` returns. Raises a `PlacementError` if it is not one of the four.
    """
    name = spelled(dtype)
    if name not in DTYPES:
        raise PlacementError(
            f"dtype {shown(dtype)} is not a result dtype; pass one of {', '.join(DTYPES)}, "
            "or the framework's own object for it"
        )
    return name
