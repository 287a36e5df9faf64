"""Expected bits for millions of integer steps: the oracle's integers, one division each.

Python's `int / int` is correctly rounded at any size, so one division gives the double;
`tests/test_oracle.py` holds it, and the chain below, against the oracle's own rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.testing.oracle import Reference, bits_of_array, last_exact_step


def expected_doubles(schedule: Any, steps: Iterable[int]) -> npt.NDArray[np.float64]:
    """The value at every integer step, correctly rounded to binary64."""
    reference = Reference(schedule)
    a, b, c = reference.integers()
    p, q = reference.period.numerator, reference.period.denominator
    if schedule.staircase:
        values = [a / (b + c * (n * q // p)) if n > 0 else a / b for n in steps]
    else:
        c *= q
        values = [a / (b + c * n) if n > 0 else a / b for n in steps]
    return np.array(values, np.float64)


def expected_bits(doubles: npt.NDArray[np.float64], dtype: str) -> npt.NDArray[np.uint64]:
    """The bits of non-negative doubles, none of them NaN, rounded along the chain to `dtype`."""
    if dtype == "float64":
        return bits_of_array(doubles, dtype)
    with np.errstate(over="ignore", under="ignore"):
        single = doubles.astype(np.float32)
        if dtype != "bfloat16":
            return bits_of_array(single.astype(dtype), dtype)
    # NumPy has no bfloat16: the upper half of a float32, rounded to even in integers.
    bits = single.view(np.uint32).astype(np.uint64)
    return (bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)


def bulk_steps(
    schedule: Any, count: int, seed: int, highest: int = 2**63 - 1
) -> npt.NDArray[np.int64]:
    """`count` steps up to `highest`: two thirds beside a stage's start, the rest anywhere.

    Both are drawn with every bit length equally likely; a few are negative.
    """
    random = np.random.default_rng(seed)
    reference = Reference(schedule)
    longest = max(reference.stage(highest).bit_length(), 1)
    stages = _any_length(random, count, min(longest, 63))
    firsts = (reference.first_step(int(k)) for k in stages)
    offsets = random.integers(-1, 2, count).tolist()
    near = [min(n + o, highest) for n, o in zip(firsts, offsets, strict=True)]
    anywhere = np.minimum(_any_length(random, count, max(highest.bit_length(), 1)), highest)
    return np.where(random.integers(3, size=count) > 0, np.array(near, np.int64), anywhere)


def bulk_arrays(schedule: Any, count: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Two arrays of steps: one that the exact form can serve whole, and one from all of int64."""
    last = last_exact_step(schedule)
    short = bulk_steps(schedule, count // 2, seed, last) if last >= 0 else None
    whole = bulk_steps(schedule, count - count // 2, seed)
    return [whole] if short is None else [short, whole]


def _any_length(random: np.random.Generator, count: int, longest: int) -> npt.NDArray[np.int64]:
    """Integers of up to `longest` bits, every length equally likely."""
    drawn = random.integers(2**63, size=count)
    return drawn >> random.integers(63 - longest, 63, count)
