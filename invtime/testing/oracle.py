"""The reference value: fractions and integers only, and none of the code under test.

    parameters -> fractions -> v(step) -> bits of float64 -> of float32 -> of float16, bfloat16

A schedule here is anything with `initial_learning_rate`, `decay_steps`, `decay_rate` (plain
Python numbers) and `staircase`. Slow and plain on purpose; `bulk` is for millions of steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, inf, nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Format(NamedTuple):
    """A binary interchange format, by the numbers that rounding to it needs."""

    width: int
    """Bits in all."""
    precision: int
    """Bits of the significand, the leading one included."""
    smallest: int
    """The exponent of the smallest subnormal: 2**smallest."""
    overflow: int
    """The exponent of the first power of two that is too large."""

    @property
    def infinity(self) -> int:
        """The bits of infinity."""
        biased = self.overflow - self.precision - self.smallest + 2
        return biased << (self.precision - 1)

    @property
    def nan(self) -> int:
        """The bits that stand for every NaN."""
        return self.infinity | 1 << (self.precision - 2)

    @property
    def smallest_normal(self) -> int:
        """The bits of the smallest normal number."""
        return 1 << (self.precision - 1)


FORMATS = {
    "float64": Format(64, 53, -1074, 1024),
    "float32": Format(32, 24, -149, 128),
    "float16": Format(16, 11, -24, 16),
    "bfloat16": Format(16, 8, -133, 128),
}

# What a value is rounded to on its way to a dtype, from the exact value on.
CHAINS = {
    "float64": ("float64",),
    "float32": ("float64", "float32"),
    "float16": ("float64", "float32", "float16"),
    "bfloat16": ("float64", "float32", "bfloat16"),
}


def as_written(parameter: int | float) -> Fraction:
    """The number that a parameter means: its integer, or its shortest decimal.

    >>> as_written(0.1), as_written(1e23) == 10**23
    (Fraction(1, 10), False)
    """
    if parameter == int(parameter):
        return Fraction(int(parameter))
    return Fraction(float.__repr__(float(parameter)))


def bits_of_fraction(value: Fraction, dtype: str) -> int:
    """The bits of a non-negative fraction, rounded once, ties to even.

    >>> hex(bits_of_fraction(Fraction(1, 10), "float32"))
    '0x3dcccccd'
    """
    kind = FORMATS[dtype]
    numerator, denominator = value.numerator, value.denominator
    if numerator == 0:
        return 0
    magnitude = numerator.bit_length() - denominator.bit_length()
    if numerator << max(0, -magnitude) < denominator << max(0, magnitude):
        magnitude -= 1  # now 2**magnitude <= value < 2**(magnitude + 1)
    unit = max(magnitude - kind.precision + 1, kind.smallest)
    scaled, scale = numerator << max(0, -unit), denominator << max(0, unit)
    significand, rest = divmod(scaled, scale)
    if 2 * rest > scale or (2 * rest == scale and significand % 2):
        significand += 1
    # The leading bit of a normal significand, and a carry out of it, count the exponent up.
    bits = significand + ((unit - kind.smallest) << (kind.precision - 1))
    return min(bits, kind.infinity)


def fraction_of_bits(bits: int, dtype: str) -> Fraction:
    """The value of the bits of a non-negative finite number, exactly."""
    kind = FORMATS[dtype]
    if not 0 <= bits < kind.infinity:
        raise ValueError(f"{bits:#x} is not a non-negative finite {dtype}")
    exponent, significand = divmod(bits, kind.smallest_normal)
    if exponent:
        significand += kind.smallest_normal
    return significand * Fraction(2) ** (max(exponent, 1) - 1 + kind.smallest)


def float_of_bits(bits: int, dtype: str) -> float:
    """The Python float that has the value of the bits of a non-negative number.

    >>> float_of_bits(0x3C00, "float16"), float_of_bits(0x7F80, "bfloat16")
    (1.0, inf)
    """
    kind = FORMATS[dtype]
    if bits >= kind.infinity:
        return inf if bits == kind.infinity else nan
    return float(fraction_of_bits(bits, dtype))


class Reference:
    """The true values of one schedule.

    >>> import invtime
    >>> reference = Reference(invtime.InverseTimeDecay(0.1, 1000, 0.5))
    >>> reference.exact(1000), reference.value(1000), hex(reference.bits(1000, "bfloat16"))
    (Fraction(1, 15), 0.06666666666666667, '0x3d89')
    """

    def __init__(self, schedule: Any) -> None:
        self.initial = as_written(schedule.initial_learning_rate)
        self.period = as_written(schedule.decay_steps)
        self.decay = as_written(schedule.decay_rate)
        self.staircase = bool(schedule.staircase)

    def exact(self, step: Any) -> Fraction | None:
        """v(step) at an int or a float of any kind; None for NaN."""
        if step != step:
            return None
        if step == inf:
            return Fraction(0) if self.decay else self.initial
        n = Fraction(*step.as_integer_ratio()) if step > 0 else Fraction(0)
        turns = n / self.period
        if self.staircase:
            turns = Fraction(turns.numerator // turns.denominator)
        return self.initial / (1 + self.decay * turns)

    def bits(self, step: Any, dtype: str = "float64") -> int:
        """The bits of the value, rounded along the chain to `dtype`."""
        value = self.exact(step)
        if value is None:
            return FORMATS[dtype].nan
        bits = 0
        for link in CHAINS[dtype]:
            bits = bits_of_fraction(value, link)
            if bits == FORMATS[link].infinity:
                return FORMATS[dtype].infinity
            value = fraction_of_bits(bits, link)
        return bits

    def value(self, step: Any, dtype: str = "float64") -> float:
        """The value rounded along the chain to `dtype`, as a Python float."""
        return float_of_bits(self.bits(step, dtype), dtype)

    def stage(self, step: Any) -> int:
        """floor(step / decay_steps) at a finite step, 0 before the start."""
        return int(max(Fraction(step), Fraction(0)) // self.period)

    def first_step(self, stage: int) -> int:
        """The first integer step of a stage."""
        return int(-(-stage * self.period // 1))

    def integers(self) -> tuple[int, int, int]:
        """(A, B, C), not reduced, for which the value is A / (B + C * t).

        t is the step in units of 1 / denominator(decay_steps), or the stage of a staircase.
        """
        ratio = self.decay if self.staircase else self.decay / self.period.numerator
        common = ratio.denominator * self.initial.denominator
        return (
            self.initial.numerator * ratio.denominator,
            common,
            ratio.numerator * self.initial.denominator,
        )


def values(schedule: Any, steps: Iterable[Any], dtype: str = "float64") -> list[float]:
    """The value at each step, rounded along the chain to `dtype`."""
    reference = Reference(schedule)
    return [reference.value(step, dtype) for step in steps]


def last_exact_step(schedule: Any) -> int:
    """The last int64 step up to which A and B + C * t fit a significand; -1 if there is none.

    On its two sides the values are computed in two ways, so both want testing, each alone.
    """
    reference = Reference(schedule)
    a, b, c = reference.integers()
    if not schedule.staircase:  # count in steps
        c *= reference.period.denominator
    common = gcd(a, b, c)
    a, b, c = a // common, b // common, c // common
    if max(a, b) > 2**53:
        return -1
    if c == 0:
        return 2**63 - 1
    t = (2**53 - b) // c
    last = reference.first_step(t + 1) - 1 if schedule.staircase else t
    return min(last, 2**63 - 1)


def bits_of_array(array: Any, dtype: str) -> npt.NDArray[np.uint64]:
    """The bits of a NumPy array of `dtype` (bfloat16 may come widened), one pattern for NaN."""
    array = np.asarray(array)
    if dtype == "bfloat16" and array.dtype == np.float32:
        wide = array.view(np.uint32)
        if (wide & 0xFFFF)[array == array].any():
            raise ValueError("these float32 are not widened bfloat16")
        bits = wide >> 16
    elif array.dtype.name == dtype:
        bits = array.view(f"u{array.dtype.itemsize}")
    else:
        raise ValueError(f"expected an array of {dtype}, got {array.dtype}")
    return np.where(array == array, bits.astype(np.uint64), np.uint64(FORMATS[dtype].nan))


def ulp_distance(first: int, second: int, dtype: str = "float64") -> int:
    """How many representable numbers apart two bit patterns of `dtype` are.

    >>> ulp_distance(0x3C00, 0x3C02, "float16"), ulp_distance(0x8001, 0x0001, "float16")
    (2, 2)
    """
    return abs(_ordered(first, dtype) - _ordered(second, dtype))


def _ordered(bits: int, dtype: str) -> int:
    """Bits as an integer that orders as the numbers do."""
    kind = FORMATS[dtype]
    magnitude = bits % (1 << (kind.width - 1))
    if magnitude > kind.infinity:
        raise ValueError("a NaN is at no distance from anything")
    return magnitude if bits == magnitude else -magnitude
