"""Hypothesis strategies: schedules, and the steps at which a schedule is worth asking.

`schedules()` draws from the whole accepted range; `steps(schedule)` and
`float_steps(schedule)` crowd around plateau boundaries and the ends of every format.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan, nextafter
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, Reference, fraction_of_bits

SMALLEST, LARGEST = 1e-60, 1e60

# For these `floor(step / decay_steps)`, compiled to a product with the reciprocal, is one stage
# late at a boundary: in float32, the last three in binary64.
LATE_PERIODS = (41, 47, 55, 61, 82, 97, 980, 1950, 49, 103, 107)

HAND_WRITTEN_RATES = (1.0, 0.5, 0.1, 0.05, 0.01, 3e-4, 2.5e-4, 1e-3, 1e-5, 2)
HAND_WRITTEN_PERIODS = (1, 10, 100, 390, 1000, 7813, 10_000, 100_000, 1_000_000, 30.5)
HAND_WRITTEN_DECAYS = (0.5, 0.1, 0.9, 0.96, 1, 2, 1e-4, 0.01, 0.3)
FRACTIONAL_PERIODS = (0.3, 0.1, 1.5, 2.5, 1 / 3, 1e-3, 97.7, 1e-9, 195.3125, 1e15 + 0.125)

# Ends of what the formats hold exactly: float16's largest number and the first one that
# rounds to infinity, bfloat16's last consecutive integer, float32's, binary64's, int64's.
FORMAT_EDGES = tuple(
    edge + offset
    for edge in (256, 2048, 65504, 65520, 2**24, 2**31, 2**32, 2**53, 2**63)
    for offset in (-1, 0, 1)
    if edge + offset < 2**63
)
SPECIAL_FLOATS = (
    0.0,
    -0.0,
    0.5,
    -0.5,
    -1.5,
    5e-324,
    2.2250738585072014e-308,
    1e-40,
    2.0**53,
    2.0**63,
    1e18,
    3e38,
    1e300,
    1.7976931348623157e308,
    -1e300,
    inf,
    -inf,
    nan,
)


def decimals(digits: int = 4) -> st.SearchStrategy[float]:
    """Numbers as a person writes them: few significant digits."""
    significands = st.integers(1, 10**digits - 1)
    return st.builds(lambda s, e: float(f"{s}e{e}"), significands, st.integers(-8, 4))


def computed() -> st.SearchStrategy[float]:
    """Numbers as a program computes them: all the digits of a double."""
    ratios = st.builds(lambda a, b: a / b, st.integers(1, 10**6), st.integers(1, 10**6))
    return ratios | st.floats(2.0**-30, 2.0**30)


def extremes() -> st.SearchStrategy[float]:
    """The ends of the accepted range, and doubles from all over it."""
    ends = (SMALLEST, nextafter(SMALLEST, 1.0), LARGEST, nextafter(LARGEST, 1.0), 1e23, 1e22)
    anywhere = st.floats(SMALLEST, LARGEST, allow_subnormal=False)
    whole = st.integers(0, 198).map(lambda e: 2**e)  # past 2**53 an int must be a double
    return st.sampled_from(ends) | anywhere | whole.map(float) | whole


def schedules(staircase: bool | None = None) -> st.SearchStrategy[InverseTimeDecay]:
    """Schedules from the whole accepted range, simple ones first."""
    usual = decimals() | computed()
    rates = st.sampled_from((*HAND_WRITTEN_RATES, 0)) | usual | extremes()
    periods = (
        st.sampled_from((*HAND_WRITTEN_PERIODS, *LATE_PERIODS))
        | st.sampled_from(FRACTIONAL_PERIODS)
        | st.integers(1, 10**7)
        | usual
        | extremes()
    )
    decays = st.just(0) | st.sampled_from(HAND_WRITTEN_DECAYS) | usual | extremes()
    shape = st.booleans() if staircase is None else st.just(staircase)
    return st.builds(InverseTimeDecay, rates, periods, decays, shape)


def landmarks(schedule: Any) -> list[int]:
    """Integer steps that every test of this schedule should ask for, in int64's range."""
    reference = Reference(schedule)
    found = {0, 1, 2, 3, -1, -(2**31), -(2**63), *FORMAT_EDGES}
    for stage in (1, 2, 3, 10, 1000, 10**6, 2**31, 2**53):
        first = reference.first_step(stage)
        found.update((first - 1, first, first + 1))
    last = reference.last_exact_step()
    found.update((last - 1, last, last + 1))
    return sorted(n for n in found if -(2**63) <= n < 2**63)


def far_steps(schedule: Any, dtype: str = "float64") -> list[float]:
    """Float steps at which the value nears the smallest normal number of the dtype.

    What mends a quotient there is subnormal, and some frameworks flush that to zero.
    """
    reference, kind = Reference(schedule), FORMATS[dtype]
    if not reference.initial or not reference.decay:
        return []
    smallest = fraction_of_bits(kind.smallest_normal, dtype)
    slope = reference.decay / reference.period
    bits = kind.precision
    values = (smallest * 2**k * Fraction(bits + k + 1, bits) for k in range(bits))
    found = ((reference.initial / value - 1) / slope for value in values)
    return [float(n) for n in found if 0 < n < Fraction(2) ** (kind.overflow - 1)]


def magnitudes(bits: int = 63) -> st.SearchStrategy[int]:
    """Integers of 1 to `bits` bits, every length equally likely."""
    return st.integers(1, bits).flatmap(lambda b: st.integers(2 ** (b - 1), 2**b - 1))


def boundaries(schedule: Any) -> st.SearchStrategy[int]:
    """The last step of a stage, the first of the next, and the one after it."""
    reference = Reference(schedule)
    highest = reference.stage(2**63 - 2)
    if not highest:
        return st.just(2**63 - 1)
    stages = magnitudes(highest.bit_length()).map(lambda k: min(k, highest))
    offsets = st.integers(-1, 1)
    return st.builds(lambda k, o: reference.first_step(k) + o, stages, offsets)


def steps(schedule: Any) -> st.SearchStrategy[int]:
    """Integer steps in [-2**63, 2**63)."""
    anywhere = magnitudes() | st.integers(-(2**63), 2**63 - 1)
    inside = st.sampled_from(landmarks(schedule)) | boundaries(schedule) | anywhere
    return inside.filter(lambda n: -(2**63) <= n < 2**63)


def whole_float_steps(schedule: Any) -> st.SearchStrategy[float]:
    """Float steps that are integers below 2**53 in magnitude."""
    return steps(schedule).filter(lambda n: abs(n) < 2**53).map(float)


def float_boundaries(schedule: Any) -> st.SearchStrategy[float]:
    """The floats at and beside a whole number of periods, which is seldom a float itself."""
    period = Reference(schedule).period
    stages = st.integers(1, 10) | magnitudes(40)
    starts = stages.map(lambda k: float(k * period))
    return starts | st.builds(nextafter, starts, st.sampled_from((-inf, inf)))


def float_steps(schedule: Any) -> st.SearchStrategy[float]:
    """Float steps: whole, fractional, huge, subnormal, infinite, NaN and negative zero."""
    near = st.builds(nextafter, whole_float_steps(schedule), st.sampled_from((-inf, inf)))
    fractional = st.floats(0.0, 2.0**53) | st.floats(0.0, 1.0)
    near |= float_boundaries(schedule)
    special = st.sampled_from((*SPECIAL_FLOATS, *far_steps(schedule)))
    return whole_float_steps(schedule) | near | fractional | special | st.floats()


# -- arrays of steps for tests in bulk -----------------------------------------------------


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
    last = Reference(schedule).last_exact_step()
    short = bulk_steps(schedule, count // 2, seed, last) if last >= 0 else None
    whole = bulk_steps(schedule, count - count // 2, seed)
    return [whole] if short is None else [short, whole]


def _any_length(random: np.random.Generator, count: int, longest: int) -> npt.NDArray[np.int64]:
    """Integers of up to `longest` bits, every length equally likely."""
    drawn = random.integers(2**63, size=count)
    return drawn >> random.integers(63 - longest, 63, count)
