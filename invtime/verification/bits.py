"""Floats as integers: rounding along the chain, and ranks that order bits by value.

A rank is the bits of a float read as a signed integer, the negative half turned over. Ranks
order floats by value, equal ranks are equal bits, and the difference of two ranks is their
distance in units in the last place (ULP). Every NaN has one rank, above infinity.

bfloat16 is rounded here by integer arithmetic, as NumPy has none of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]

# dtype -> (bits in all, bits of the fraction)
LAYOUTS = {"float64": (64, 52), "float32": (32, 23), "float16": (16, 10), "bfloat16": (16, 7)}


def round_to(values: Floats, dtype: str) -> Ranks:
    """The ranks of binary64 values rounded to float32 and on to `dtype`, ties to even.

    >>> hex(round_to(np.array([0.1]), "bfloat16")[0])
    '0x3dcd'
    """
    if dtype == "float64":
        return ranks(values, dtype)
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32)
        if dtype != "bfloat16":
            return ranks(single.astype(dtype), dtype)
    word = single.view(np.int32).astype(np.int64)
    # Half a unit less one, and one more where the kept part is odd: a tie goes to even.
    upper = (word + 0x7FFF + (word >> 16 & 1)) >> 16
    return _rank(np.where(np.isnan(single), 0x7FC0, upper), dtype)


def ranks(array: npt.NDArray[Any], dtype: str) -> Ranks:
    """The ranks of an array of `dtype`; a bfloat16 may come widened to float32."""
    array = np.ascontiguousarray(array)
    word = array.view(f"i{array.itemsize}").astype(np.int64)
    return _rank(word >> 16 if dtype == "bfloat16" and array.itemsize == 4 else word, dtype)


def value(rank: int, dtype: str) -> float:
    """The float of a rank, exactly, as a Python float."""
    word = _turn(rank, dtype)
    if dtype == "bfloat16":
        word, dtype = word << 16, "float32"
    return float(np.array(word, f"i{LAYOUTS[dtype][0] // 8}").view(dtype))


def bits(rank: int, dtype: str) -> str:
    """The bits of a rank in hexadecimal, such as '0x3dcccccd' for a float32 0.1."""
    width = LAYOUTS[dtype][0]
    return f"0x{_turn(rank, dtype) % 2**width:0{width // 4}x}"


def smallest_normal(dtype: str) -> int:
    """The rank of the smallest normal number; the subnormals lie between 0 and it."""
    return 1 << LAYOUTS[dtype][1]


def distance(a: Ranks, b: Ranks) -> npt.NDArray[np.uint64]:
    """|a - b| in ULP, element by element; unsigned, as it can reach 2**64 - 1."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(high.view(np.uint64) - low.view(np.uint64))


def _rank(word: Ranks, dtype: str) -> Ranks:
    width, fraction = LAYOUTS[dtype]
    infinity = 2 ** (width - 1) - 2**fraction
    if word.size and word.min() >= 0 and word.max() <= infinity:  # as rates are
        return word
    rank = word ^ ((word >> 63) & (2 ** (width - 1) - 1))
    quiet_nan = infinity + 2 ** (fraction - 1)
    return np.asarray(np.where((rank > infinity) | (rank < ~infinity), quiet_nan, rank))


def _turn(rank: int, dtype: str) -> int:
    """The bits of a rank as a signed integer; turning over is its own inverse."""
    return rank ^ 2 ** (LAYOUTS[dtype][0] - 1) - 1 if rank < 0 else rank
