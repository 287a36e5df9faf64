"""Sampled agreement in bulk: INVTIME_BULK_POINTS (schedule, step) pairs for every mode.

Each pair is compared in all dtypes. At the full size, ten million for each mode:

    INVTIME_BULK_POINTS=10000000 python -m pytest tests/property/test_bulk.py -rP

which shows a line of figures for each mode.
"""

import os
import time

import numpy as np
import pytest
from modes import usable_modes

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, Reference
from invtime.testing.bulk import bulk_arrays

POINTS = int(os.environ.get("INVTIME_BULK_POINTS", "20000"))

# Steps for each schedule at the least, by what one costs to compile.
STEPS = {"numpy-eager": 2000, "torch-eager": 2000, "torch-compile": 250_000}
USUAL_STEPS = 10_000 if POINTS < 10**6 else 50_000


def drawn_schedule(random):
    """A schedule of hand-written decimals, of computed doubles, or of a bit of both."""

    def number(low, high):
        value = float(10 ** random.uniform(low, high))
        digits = int(random.choice([1, 2, 3, 17]))
        return float(f"{value:.{digits - 1}e}")

    period = number(-3, 7)
    if random.integers(2):
        period = max(1, round(period))
    return InverseTimeDecay(number(-6, 1), period, number(-5, 2), bool(random.integers(2)))


def count_mismatches(schedule, steps, found, sample):
    """How many bits differ, over all dtypes, from those the contract promises."""
    reference = Reference(schedule)
    truth = reference.at(steps)
    for dtype in FORMATS:  # the bulk route itself, against pure integer rounding
        expected = [reference.bits(int(steps[i]), dtype) for i in sample]
        assert truth.bits(dtype)[list(sample)].tolist() == expected
    return sum(int((~truth.allowed(bits, dtype)).sum()) for dtype, bits in found.items())


@pytest.mark.parametrize("mode", usable_modes(), ids=str)
def test_bulk_agreement(mode, record_property):
    """Not one bit differs from the oracle's, in any dtype, over all the pairs drawn."""
    schedules = max(1, POINTS // STEPS.get(str(mode), USUAL_STEPS))
    random = np.random.default_rng(0)
    points, mismatches, seconds = 0, 0, 0.0
    for seed in range(schedules):
        schedule = drawn_schedule(random)
        kernel = mode.kernel(schedule)
        for steps in bulk_arrays(schedule, -(-POINTS // schedules), seed):
            start = time.perf_counter()
            found = kernel(steps)
            seconds += time.perf_counter() - start
            mismatches += count_mismatches(schedule, steps, found, range(0, len(steps), 997))
            points += len(steps)
    figures = f"{points} points, {len(found)} dtypes, {mismatches} mismatches, {seconds:.1f} s"
    record_property(str(mode), figures)
    print(mode, figures)  # -rP shows it
    assert mismatches == 0, figures
