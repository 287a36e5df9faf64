"""Hypothesis strategies for schedules, and for the steps where a schedule is likely to fail.

`schedules()` draws from the whole accepted range, half of them with phases. `steps(schedule)` and
`float_steps(schedule)` favour knots, plateau boundaries and the limits of every format.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import inf, nan, nextafter
from typing import Any

from hypothesis import strategies as st

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, Reference, fraction_of_bits

SMALLEST, LARGEST = 1e-60, 1e60

# If `floor(step / decay_steps)` is compiled to a product with the reciprocal, it is one stage late
# at a boundary for these periods: in binary64 for the last three, in float32 for the others.
LATE_PERIODS = (41, 47, 55, 61, 82, 97, 980, 1950, 49, 103, 107)

HAND_WRITTEN_RATES = (1.0, 0.5, 0.1, 0.05, 0.01, 3e-4, 2.5e-4, 1e-3, 1e-5, 2)
HAND_WRITTEN_PERIODS = (1, 10, 100, 390, 1000, 7813, 10_000, 100_000, 1_000_000, 30.5)
HAND_WRITTEN_DECAYS = (0.5, 0.1, 0.9, 0.96, 1, 2, 1e-4, 0.01, 0.3)
HAND_WRITTEN_COUNTS = (0, 1, 2, 3, 10, 100, 500, 1000, 2000, 10_000)
PARTS = ("warm-up", "stable", "floor", "cool-down")
FRACTIONAL_PERIODS = (0.3, 0.1, 1.5, 2.5, 1 / 3, 1e-3, 97.7, 1e-9, 195.3125, 1e15 + 0.125)

# The limits of the formats: the last consecutive integers of bfloat16, float16, float32, binary64,
# int32 and int64, float16's largest number, and the first one that it rounds to infinity.
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
    """Draw numbers with few significant digits, as people write them."""
    significands = st.integers(1, 10**digits - 1)
    return st.builds(lambda s, e: float(f"{s}e{e}"), significands, st.integers(-8, 4))


def computed() -> st.SearchStrategy[float]:
    """Draw numbers with all digits of a double, as programs compute them."""
    ratios = st.builds(lambda a, b: a / b, st.integers(1, 10**6), st.integers(1, 10**6))
    return ratios | st.floats(2.0**-30, 2.0**30)


def extremes() -> st.SearchStrategy[float]:
    """Draw the limits of the accepted range, and doubles from the whole range."""
    ends = (SMALLEST, nextafter(SMALLEST, 1.0), LARGEST, nextafter(LARGEST, 1.0), 1e23, 1e22)
    anywhere = st.floats(SMALLEST, LARGEST, allow_subnormal=False)
    whole = st.integers(0, 198).map(lambda e: 2**e)  # above 2**53 an int must equal a double
    return st.sampled_from(ends) | anywhere | whole.map(float) | whole


@cache  # building a strategy takes as long as drawing from it
def counts(lowest: int = 0) -> st.SearchStrategy[int]:
    """Draw numbers of steps from `lowest` to 2**53 of every bit length, simple ones first."""
    usual = st.sampled_from(HAND_WRITTEN_COUNTS) | st.integers(0, 1000)
    return (usual | magnitudes(53) | st.just(2**53)).map(lambda n: max(n, lowest))


def schedules(
    staircase: bool | None = None, phases: bool | None = None
) -> st.SearchStrategy[InverseTimeDecay]:
    """Draw schedules from the whole accepted range, simple ones first.

    Args:
        staircase: True draws only staircases, False only continuous schedules, None both.
        phases: True draws only schedules with phases, False only schedules without, None half of
            each.
    """
    shape = st.booleans() if staircase is None else st.just(staircase)
    bare = st.builds(InverseTimeDecay, _rates(), _periods(), _decays(), shape)
    if phases is None:
        return bare | recipes(bare)
    return recipes(bare) if phases else bare


def _usual() -> st.SearchStrategy[float]:
    return decimals() | computed()


@cache
def _rates() -> st.SearchStrategy[float]:
    return st.sampled_from((*HAND_WRITTEN_RATES, 0)) | _usual() | extremes()


@cache
def _periods() -> st.SearchStrategy[float]:
    return (
        st.sampled_from((*HAND_WRITTEN_PERIODS, *LATE_PERIODS))
        | st.sampled_from(FRACTIONAL_PERIODS)
        | st.integers(1, 10**7)
        | _usual()
        | extremes()
    )


@cache
def _decays() -> st.SearchStrategy[float]:
    return st.just(0) | st.sampled_from(HAND_WRITTEN_DECAYS) | _usual() | extremes()


@st.composite
def recipes(draw: st.DrawFn, bare: st.SearchStrategy[InverseTimeDecay]) -> InverseTimeDecay:
    """Draw one or more phases, of any length from 0 on, and add them to a bare schedule."""
    schedule = draw(bare)
    peak = schedule.initial_learning_rate
    chosen = draw(st.integers(1, 2 ** len(PARTS) - 1))
    parts = {part for i, part in enumerate(PARTS) if chosen >> i & 1}
    phases: dict[str, Any] = {}
    if "warm-up" in parts:
        phases["warmup_steps"] = draw(counts(lowest=1))
        phases["warmup_learning_rate"] = draw(st.just(0) | _rates_near(peak))
    if "stable" in parts:
        phases["stable_steps"] = draw(counts())
    if "floor" in parts:
        phases["minimum_learning_rate"] = min(draw(_floors(schedule)), peak)
    if "cool-down" in parts:
        begins = draw(_cooldown_starts(schedule.replace(**phases)))
        phases["cooldown_start"] = begins
        phases["cooldown_steps"] = draw(counts(lowest=1))
        phases["final_learning_rate"] = draw(st.just(0) | _rates_near(peak))
    return schedule.replace(**phases)


def _rates_near(peak: float) -> st.SearchStrategy[float]:
    """Draw other rates of a recipe: often a simple fraction or multiple of its peak."""
    parts = (peak * part for part in (0.1, 0.5, 1, 2, 1 / 3, 1e-6))
    return st.sampled_from([*filter(_accepted, parts)]) | _rates()


def _floors(schedule: InverseTimeDecay) -> st.SearchStrategy[float]:
    """Draw floors: the rate of the decay at an integer step, any rate, or a very small one."""
    met = (st.integers(0, 1000) | magnitudes(60)).map(schedule)
    return _rates_near(schedule.initial_learning_rate) | met.filter(_accepted) | st.just(SMALLEST)


def _accepted(rate: float) -> bool:
    return not rate or SMALLEST <= rate <= LARGEST


def _cooldown_starts(schedule: InverseTimeDecay) -> st.SearchStrategy[int]:
    """Draw cool-down starts: at or next to a knot, at a stage, or anywhere after the warm-up."""
    first = schedule.warmup_steps
    special = [n for n in (first, *_near_knots(Reference(schedule))) if first <= n <= 2**53]
    return (
        st.sampled_from(special)
        | counts().map(lambda n: min(first + n, 2**53))
        | boundaries(schedule).map(lambda n: min(max(first, n), 2**53))
    )


def _near_knots(reference: Reference) -> list[int]:
    return [knot + offset for knot in reference.knots for offset in (-1, 0, 1)]


def landmarks(schedule: Any) -> list[int]:
    """Return the int64 steps that every test of this schedule should include."""
    reference = Reference(schedule)
    found = {0, 1, 2, 3, -1, -(2**31), -(2**63), *FORMAT_EDGES}
    for stage in (1, 2, 3, 10, 1000, 10**6, 2**31, 2**53):
        first = reference.first_step(stage)
        found.update((first - 1, first, first + 1))
    last = reference.last_exact_step()
    found.update((last - 1, last, last + 1, *_near_knots(reference)))
    found.update((a + b) // 2 for a, b in spans(reference))
    return sorted(n for n in found if -(2**63) <= n < 2**63)


def far_steps(schedule: Any, dtype: str = "float64") -> list[float]:
    """Return float steps at which the value is near the smallest normal number of the dtype.

    There the correction of a quotient is subnormal, and some frameworks flush it to zero. A
    warm-up from 0 has such values next to step 0, a decay at very large steps.
    """
    reference, kind = Reference(schedule), FORMATS[dtype]
    if not reference.initial:
        return []
    smallest = fraction_of_bits(kind.smallest_normal, dtype)
    bits = kind.precision
    values = [smallest * 2**k * Fraction(bits + k + 1, bits) for k in range(bits)]
    found = []
    if reference.warmup and not reference.first:
        found += [value * reference.warmup / reference.initial for value in values]
    if reference.decay:
        slope = reference.decay / reference.period
        found += [reference.start + (reference.initial / value - 1) / slope for value in values]
    return [float(n) for n in found if smallest < n < Fraction(2) ** (kind.overflow - 1)]


def magnitudes(bits: int = 63) -> st.SearchStrategy[int]:
    """Draw integers of 1 to `bits` bits, with every length equally likely."""
    return st.integers(1, bits).flatmap(lambda b: st.integers(2 ** (b - 1), 2**b - 1))


def boundaries(schedule: Any) -> st.SearchStrategy[int]:
    """Draw the last step of a stage, or one of the first two of the next."""
    reference = Reference(schedule)
    highest = reference.stage(2**63 - 2)
    if not highest:
        return st.just(2**63 - 1)
    stages = magnitudes(highest.bit_length()).map(lambda k: min(k, highest))
    offsets = st.integers(-1, 1)
    return st.builds(lambda k, o: reference.first_step(k) + o, stages, offsets)


def spans(reference: Reference) -> list[tuple[int, int]]:
    """Return the integer steps of each phase as (first, last + 1), within int64."""
    knots = [0, *(knot for knot in reference.knots if knot < 2**63), 2**63]
    return list(pairwise(knots))


def in_phases(schedule: Any) -> st.SearchStrategy[int]:
    """Draw steps of each phase with equal probability; often its first or last step."""
    found = spans(Reference(schedule))
    return st.sampled_from(found).flatmap(lambda span: st.integers(span[0], span[1] - 1))


def steps(schedule: Any) -> st.SearchStrategy[int]:
    """Draw integer steps in [-2**63, 2**63), often near knots, boundaries and format limits."""
    anywhere = magnitudes() | st.integers(-(2**63), 2**63 - 1)
    inside = st.sampled_from(landmarks(schedule)) | boundaries(schedule) | anywhere
    if Reference(schedule).phased:
        inside |= in_phases(schedule)
    return inside.filter(lambda n: -(2**63) <= n < 2**63)


def whole_float_steps(schedule: Any) -> st.SearchStrategy[float]:
    """Draw float steps that are integers below 2**53 in magnitude."""
    return steps(schedule).filter(lambda n: abs(n) < 2**53).map(float)


def float_boundaries(schedule: Any) -> st.SearchStrategy[float]:
    """Draw floats at or next to the exact start of a stage or of the floor."""
    reference = Reference(schedule)
    stages = st.integers(1, 10) | magnitudes(40)
    starts = stages.map(lambda k: float(reference.start + k * reference.period))
    met = reference.floor_met
    if met is not None:
        starts |= st.just(float(met))
    return starts | st.builds(nextafter, starts, st.sampled_from((-inf, inf)))


def float_steps(schedule: Any) -> st.SearchStrategy[float]:
    """Draw float steps: whole, fractional, huge, subnormal, infinite, NaN and negative zero."""
    near = st.builds(nextafter, whole_float_steps(schedule), st.sampled_from((-inf, inf)))
    fractional = st.floats(0.0, 2.0**53) | st.floats(0.0, 1.0)
    near |= float_boundaries(schedule)
    special = st.sampled_from((*SPECIAL_FLOATS, *far_steps(schedule)))
    return whole_float_steps(schedule) | near | fractional | special | st.floats()
