"""The kit and `verify` give the same verdict for the same wrong results.

Both call `Reference.at(steps).allowed`. Each case below is a result of one backend at a few
steps; `plugins/test_faults.py` tests both with complete faulty backends.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan
from random import Random
from typing import NamedTuple

import numpy as np
import pytest
from midpoints import closeness, long_near_midpoint, near_midpoint

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, Reference, fraction_of_bits
from invtime.testing.checks.agreement import hold
from invtime.testing.checks.law import Broken
from invtime.verification.tally import Tally

SLOPE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRS = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)

LONG = InverseTimeDecay(0.1, 1e15 + 0.125, 0.5, staircase=True)  # 16 periods are 16e15 + 2


def kit_accepts(schedule, steps, found, dtype="float64", precision=53):
    try:
        hold(schedule, steps, {dtype: found.reshape(steps.shape)}, precision)
    except Broken:
        return False
    return True


def verify_accepts(schedule, steps, found, dtype="float64", precision=53):
    tally = Tally(dtype)
    tally.add(Reference(schedule).at(steps), found, precision)
    return tally.mismatches == 0


class Case(NamedTuple):
    """The bits at one step, and whether the contract allows them."""

    words: str
    schedule: InverseTimeDecay
    step: int | float
    bits: int
    right: bool
    dtype: str = "float64"
    precision: int = 53


def beside_a_tie(near, as_float=False):
    """The double on the other side of a tie, at a step whose value is that close to the tie.

    It is allowed if the denominator is long, as in the cases without a distance.
    """
    draw = Random(near)
    step = 2**53
    while step >= 2**53:
        schedule, step, *_ = near_midpoint(draw, near) if near else long_near_midpoint(draw)
    reference = Reference(schedule)
    true, exact = reference.bits(step), reference.exact(step)
    other = true + (1 if exact > fraction_of_bits(true, "float64") else -1)
    words = f"2**-{near} from a tie" if near else "from a tie of a long denominator"
    return Case(words, schedule, float(step) if as_float else step, other, near is None)


def beside_a_tie_itself():
    """The odd double at an exact tie, which must round to the even one."""
    schedule = InverseTimeDecay(0.21875, 1754246075931009, 497553737754239)
    true = Reference(schedule).bits(1)
    assert closeness(Reference(schedule).exact(1)) == inf
    assert true % 2 == 0
    return Case("the odd one at a tie", schedule, 1, true + 1, False)


def off(words, schedule, step, ulps, right, dtype="float64", precision=53):
    bits = Reference(schedule).bits(step, dtype) + ulps
    return Case(words, schedule, step, bits, right, dtype, precision)


def other_stage(words, schedule, step, at, ulps, right):
    """The value of another step."""
    return Case(words, schedule, step, Reference(schedule).bits(at) + ulps, right)


HALF = 2.0**-126 * (1 - 2.0**-23)  # a subnormal float32, and the smallest normal bfloat16
NEAR = float(Fraction(15) * Fraction(3, 10))  # 15 stages of 0.3

CASES = [
    off("right", SLOPE, 7, 0, True),
    off("1 ULP at an integer", SLOPE, 7, 1, False),
    off("1 ULP at a whole float", SLOPE, 7.0, -1, False),
    off("1 ULP at a fraction", SLOPE, 7.5, -1, True),
    off("2 ULP at a fraction", SLOPE, 7.5, 2, False),
    off("1 ULP at a whole float past 2**53", SLOPE, 2.0**60, 1, True),
    off("1 ULP before the start", SLOPE, -3, 1, False),
    off("1 ULP at a whole float before the start", SLOPE, -3.0, 1, False),
    off("1 ULP at a fraction before the start", SLOPE, -2.5, 1, False),
    off("1 ULP just before the start", SLOPE, -5e-324, 1, False),
    off("1 ULP far before the start", SLOPE, -1e300, 1, False),
    off("1 ULP at minus infinity", SLOPE, -inf, 1, False),
    off("1 ULP at infinity", SLOPE, inf, 1, False),
    Case("NaN at infinity", SLOPE, inf, FORMATS["float64"].nan, False),
    Case("a number at NaN", SLOPE, nan, Reference(SLOPE).bits(0), False),
    *(beside_a_tie(near) for near in (97, 102, None)),
    *(beside_a_tie(near, as_float=True) for near in (102, None)),
    beside_a_tie_itself(),
    Case("zero for a subnormal", InverseTimeDecay(1e-40, 1, 0), 0, 0, True, "float32"),
    Case("-0.0 for a subnormal", InverseTimeDecay(1e-40, 1, 0), 0, 1 << 31, False, "float32"),
    Case("zero for a subnormal link", InverseTimeDecay(HALF, 1, 0), 0, 0, False, "bfloat16"),
    Case(
        "zero for a subnormal at infinity", InverseTimeDecay(1e-40, 1, 0), inf, 0, True, "float32"
    ),
    Case("zero for a normal number", InverseTimeDecay(2e-38, 1, 0), 0, 0, False, "float32"),
    Case("-0.0 for 0.0", SLOPE, inf, 1 << 63, False),
    other_stage("the stage before, at its end", FRACTIONAL, NEAR, 4.4, 0, True),
    other_stage("1 ULP off the stage before, at its end", FRACTIONAL, NEAR, 4.4, 1, True),
    other_stage("2 ULP off the stage before, at its end", FRACTIONAL, NEAR, 4.4, 2, False),
    other_stage("the stage before, past its end", FRACTIONAL, NEAR + 2.0**-40, 4.4, 0, False),
    other_stage("the stage two before", FRACTIONAL, NEAR, 4.1, 0, False),
    other_stage("a stage early, at a whole float", FRACTIONAL, 3.0, 2.9, 0, False),
    other_stage("a stage early, at a whole float past 2**53", LONG, 16e15 + 2, 16e15, 0, False),
    other_stage("a stage early, at an integer", FRACTIONAL, 3, 2.9, 0, False),
    other_stage("a stage early, of a whole period", STAIRS, 41.0, 40, 0, False),
    other_stage("a stage late, of a whole period", STAIRS, np.nextafter(41.0, 0), 41, 0, False),
    Case("anything from stage 2**63 on", InverseTimeDecay(1, 1e-15, 1, True), 10**5, 1, True),
    Case("anything before stage 2**63", InverseTimeDecay(1, 1e-15, 1, True), 9000, 1, False),
    Case("anything at infinity", InverseTimeDecay(1, 1e-15, 1, True), inf, 1, False),
    off("1 ULP without binary64", SLOPE, 7, 1, True, "float32", 24),
    off("2 ULP without binary64", SLOPE, 7, 2, False, "float32", 24),
    off("1 ULP at infinity without binary64", SLOPE, inf, 1, True, "float32", 24),
]


def whole(case, length):
    """Return an array that ends with the step of a case, its bits, and the exact bits elsewhere."""
    steps = np.array([case.step] * length)
    found = Reference(case.schedule).at(steps).bits(case.dtype).copy()
    found[-1] = case.bits
    return case.schedule, steps, found, case.dtype, case.precision


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
def test_the_engines_agree_on_a_result(case, length):
    given = whole(case, length)
    assert kit_accepts(*given) == verify_accepts(*given) == case.right


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("precision", [53, 24])
@pytest.mark.parametrize("schedule", [SLOPE, STAIRS, FRACTIONAL], ids=repr)
def test_the_engines_agree_on_any_result(schedule, precision, dtype):
    """Small and large errors at steps of every kind, one step at a time."""
    random = np.random.default_rng(5)
    integers = random.integers(-5, 2**62, 40) >> random.integers(0, 62, 40)
    floats = [*integers / 8, 0.3, 4.5, np.nextafter(4.5, 0), 1e300, 2.0**-70, -0.0, -1.5, inf, nan]
    verdicts = set()
    for steps in (integers, np.array(floats)):
        true = Reference(schedule).at(steps).bits(dtype)
        errors = random.choice([-2, -1, 0, 1, 2, 10**4], steps.size)
        found = (true.astype(np.int64) + errors).clip(0, FORMATS[dtype].nan).astype(np.uint64)
        for i in range(steps.size):
            given = schedule, steps[i : i + 1], found[i : i + 1], dtype, precision
            verdicts.add(kit_accepts(*given))
            assert kit_accepts(*given) == verify_accepts(*given), (steps[i], errors[i])
    assert verdicts == {True, False}
