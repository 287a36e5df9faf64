"""Random agreement tests: INVTIME_BULK_POINTS (schedule, step) pairs for every mode.

Each pair is compared in all dtypes, separately for bare decays and recipes. The full size is
ten million pairs for each mode and kind:

    INVTIME_BULK_POINTS=10000000 python -m pytest tests/property/test_bulk.py -rP

This prints a line of results for each test; `-k "phases and jax"` selects some tests.
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

# The least number of steps for each schedule, by its compilation time.
STEPS = {"numpy-eager": 2000, "torch-eager": 2000, "torch-compile": 250_000}
USUAL_STEPS = 10_000 if POINTS < 10**6 else 50_000


def drawn_number(random, low, high):
    """Draw a number between two powers of ten, with few digits or all digits of a double."""
    value = float(10 ** random.uniform(low, high))
    digits = int(random.choice([1, 2, 3, 17]))
    return float(f"{value:.{digits - 1}e}")


def drawn_decay(random):
    """Draw a schedule with hand-written decimals, computed doubles, or both."""
    period = drawn_number(random, -3, 7)
    if random.integers(2):
        period = max(1, round(period))
    rate, decay = drawn_number(random, -6, 1), drawn_number(random, -5, 2)
    return InverseTimeDecay(rate, period, decay, bool(random.integers(2)))


def drawn_recipe(random):
    """Draw a schedule with one or more phases of 1 to 2**53 steps."""

    def length():
        return int(random.integers(1, 2 ** int(random.integers(1, 54))))

    decay = drawn_decay(random)
    peak = decay.initial_learning_rate
    warmup, stable, floor, cooldown = random.permutation([1, *random.integers(2, size=3)])
    phases = {}
    if warmup:
        low = random.choice([0, peak, drawn_number(random, -6, 1)])
        phases |= {"warmup_steps": length(), "warmup_learning_rate": low}
    if stable:
        phases["stable_steps"] = length()
    if floor:
        phases["minimum_learning_rate"] = min(peak, drawn_number(random, -12, 1))
    if cooldown:
        start = min(phases.get("warmup_steps", 0) + length() - 1, 2**53)
        final = random.choice([0, drawn_number(random, -9, 1)])
        phases |= {"cooldown_start": start, "cooldown_steps": length()}
        phases["final_learning_rate"] = final
    return decay.replace(**phases)


def count_mismatches(schedule, steps, found, sample):
    """Count the results, over all dtypes, whose bits the contract does not allow."""
    reference = Reference(schedule)
    truth = reference.at(steps)
    for dtype in FORMATS:  # checks the vectorised reference against pure integer rounding
        expected = [reference.bits(int(steps[i]), dtype) for i in sample]
        assert truth.bits(dtype)[list(sample)].tolist() == expected
    return sum(int((~truth.allowed(bits, dtype)).sum()) for dtype, bits in found.items())


@pytest.mark.parametrize("drawn", [drawn_decay, drawn_recipe], ids=["decay", "phases"])
@pytest.mark.parametrize("mode", usable_modes(), ids=str)
def test_bulk_agreement(mode, drawn, record_property):
    """No bit differs from the reference, in any dtype, for all drawn pairs."""
    schedules = max(1, POINTS // STEPS.get(str(mode), USUAL_STEPS))
    random = np.random.default_rng(0)
    points, mismatches, seconds = 0, 0, 0.0
    for seed in range(schedules):
        schedule = drawn(random)
        kernel = mode.kernel(schedule)
        for steps in bulk_arrays(schedule, -(-POINTS // schedules), seed):
            start = time.perf_counter()
            found = kernel(steps)
            seconds += time.perf_counter() - start
            mismatches += count_mismatches(schedule, steps, found, range(0, len(steps), 997))
            points += len(steps)
    figures = (
        f"{schedules} schedules, {points} points, {len(found)} dtypes, {mismatches} mismatches, "
        f"{seconds:.1f} s"
    )
    record_property(str(mode), figures)
    print(mode, figures)  # -rP shows it
    assert mismatches == 0, figures
