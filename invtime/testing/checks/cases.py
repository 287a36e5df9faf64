"""The schedules and steps of the fixed grid: few, difficult, and the simplest first."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from invtime import InverseTimeDecay
from invtime.reference import Reference, Steps
from invtime.testing.bulk import bulk_arrays
from invtime.testing.strategies import SPECIAL_FLOATS, far_steps, landmarks

# One length for all arrays: frameworks that compile for each shape compile a schedule once.
LENGTH = 512

SLOPE = InverseTimeDecay(0.1, 1000, 0.5)
STAIRS = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)
LONG_STAIRS = InverseTimeDecay(1 / 3, 12.34567890123, 1 / 7, staircase=True)

# Exact form, staircase, constant, fractional period, double-word form, both at once, extremes.
SCHEDULES = (
    InverseTimeDecay(1, 1, 1),
    SLOPE,
    STAIRS,
    InverseTimeDecay(0.3, 1000, 0),
    FRACTIONAL,
    LONG,
    LONG_STAIRS,
    InverseTimeDecay(1e60, 3, 1e60, staircase=True),
)

# All phases among the first steps: knots at 50, 70, 170 (the floor), 200 and 249.
WHOLE = InverseTimeDecay(
    *(0.1, 50, 0.5),
    warmup_steps=50,
    stable_steps=20,
    minimum_learning_rate=0.05,
    cooldown_start=200,
    cooldown_steps=49,
    final_learning_rate=0.001,
)
# The same phases in the double-word form, and with a floor that is met between two steps.
DECIMALS = InverseTimeDecay(
    *(1 / 3, 12.34567890123, 0.1 / 7),
    warmup_steps=49,
    warmup_learning_rate=0.01 / 7,
    stable_steps=21,
    minimum_learning_rate=0.3,
    cooldown_start=203,
    cooldown_steps=47,
    final_learning_rate=1 / 1113,
)
STAIRS_UP_TO_A_FLOOR = WHOLE.replace(decay_steps=7.5, decay_rate=0.06, staircase=True)

# Schedules with one phase, then with all phases. Their cool-downs start at once, in the stable
# phase or within a stage, and some go up.
RECIPES = (
    InverseTimeDecay(1, 1, 1, warmup_steps=1),
    InverseTimeDecay(1, 1, 0, warmup_steps=49),
    InverseTimeDecay(0.1, 41, 0.5, staircase=True, stable_steps=100),
    InverseTimeDecay(0.1, 7, 0.3, minimum_learning_rate=0.03),
    InverseTimeDecay(0.1, 10, 1, minimum_learning_rate=0.1, stable_steps=5),
    InverseTimeDecay(0.1, 10, 0.5, cooldown_start=0, cooldown_steps=49),
    InverseTimeDecay(0.1, 10, 0.5, cooldown_start=60, cooldown_steps=1, final_learning_rate=1),
    WHOLE,
    WHOLE.replace(cooldown_start=50, warmup_learning_rate=0.3),
    WHOLE.replace(cooldown_start=60, final_learning_rate=0.2),
    STAIRS_UP_TO_A_FLOOR,
    STAIRS_UP_TO_A_FLOOR.replace(cooldown_start=90),
    WHOLE.replace(decay_steps=0.3, decay_rate=0.01, staircase=True, cooldown_start=100),
    WHOLE.replace(decay_steps=195.3125, staircase=True, minimum_learning_rate=0.07),
    DECIMALS,
    DECIMALS.replace(staircase=True, cooldown_start=95),
)

# Knots at the ends of int32, beyond binary64's integers and beyond int64; rates of all sizes.
FAR_RECIPES = (
    WHOLE.replace(minimum_learning_rate=1e-60, cooldown_start=2**53, cooldown_steps=2**53),
    WHOLE.replace(warmup_steps=2**31 - 1, stable_steps=2**31 + 1, cooldown_start=2**33),
    WHOLE.replace(warmup_steps=2**53, stable_steps=2**53, cooldown_start=2**53),
    InverseTimeDecay(1e60, 1e-60, 1e60, minimum_learning_rate=1e-60, warmup_steps=3),
    InverseTimeDecay(1e60, 1e60, 1e60, minimum_learning_rate=1e-60, stable_steps=2**53),
    InverseTimeDecay(
        *(1e-60, 1e60, 1e-60, True),
        warmup_steps=2**53,
        warmup_learning_rate=1e60,
        cooldown_start=2**53,
        cooldown_steps=2**53 - 1,
        final_learning_rate=1 / 3,
    ),
    InverseTimeDecay(
        *(1 / 3, 12.34567890123, 0.1 / 7, True),
        warmup_steps=2**52 + 1,
        stable_steps=2**52 + 3,
        minimum_learning_rate=1e-15,
    ),
    InverseTimeDecay(0, 10, 1, warmup_steps=5, warmup_learning_rate=1e-60),
)

# With the integers a compiled floor drops late. The others are fractions: short, long and tiny.
PERIODS = (1, 41, 49, 97, 980, 1950, 2.5, 0.3, 97.7, 195.3125, 1 / 3, 1e-9, 1e15 + 0.125)


def padded(steps: Any, dtype: str = "int64") -> Steps:
    """Return the steps in an array of `LENGTH`, padded with the last step."""
    array = np.asarray(steps).astype(dtype)[:LENGTH]
    return np.pad(array, (0, LENGTH - array.size), mode="edge")


def dense() -> Steps:
    """Return the first steps, and those around the limits of narrow formats."""
    edges = [999, 1000, 1001, 2047, 2049, 4097, 65504, 65519, 65520, 2**20 + 1, 2**24 - 1]
    return padded([*range(258), *edges])


def short(schedule: InverseTimeDecay) -> list[Steps]:
    """Return arrays for which the exact form is sufficient; none if it covers no step."""
    arrays = bulk_arrays(schedule, 2 * LENGTH, seed=1)
    return [padded(np.maximum(array, 0)) for array in arrays[:-1]]


def huge(schedule: InverseTimeDecay) -> list[Steps]:
    """Return steps from all of int64: its limit, those of formats, and of the exact form."""
    last = Reference(schedule).last_exact_step()
    ends = [last - 1, last, last + 1, 2**53 - 1, 2**53, 2**53 + 1, 2**62 + 1, 2**63 - 1]
    found = [n for n in (*ends, *landmarks(schedule)) if 0 <= n < 2**63]
    whole = bulk_arrays(schedule, 2 * LENGTH, seed=2)[-1]
    alone = [padded([n]) for n in (2**24 + 1, 2**53 + 1, 2**63 - 1)]
    near = [padded([n for n in found if n <= last])] if last >= 0 else []
    return [padded(found), padded(abs(whole)), *near, *alone]


def at_knots(schedule: InverseTimeDecay) -> list[Steps]:
    """Return the steps next to every knot, then for each knot only the steps before it."""
    knots = Reference(schedule).knots
    near = sorted({knot + offset for knot in (0, *knots) for offset in range(-3, 4)})
    near = [n for n in near if n < 2**63]
    parts = [near, *([n for n in near if n < knot] for knot in knots if knot < 2**63)]
    return [padded(part) for part in parts]


def boundaries(schedule: InverseTimeDecay) -> list[Steps]:
    """Return the last step of each stage and the first two of the next: near, then far ones."""
    stages = [*range(1, 170), *(2**k + j for k in range(7, 53) for j in (0, 1)), 10**6, 10**9]
    reference = Reference(schedule)
    steps = [reference.first_step(stage) + j for stage in stages for j in (-1, 0, 1)]
    steps = [n for n in steps if 0 <= n < 2**62]
    near = [n for n in steps[:LENGTH] if n <= reference.last_exact_step()]
    return [padded(part) for part in (near, steps[LENGTH:] + steps[: LENGTH // 4]) if part]


def floats(schedule: InverseTimeDecay, dtype: str) -> list[Steps]:
    """Return float steps from 0 on: an array of whole steps, and an array of all kinds."""
    largest = 2 ** (np.finfo(dtype).nmant + 1)
    whole = [n for n in (*range(200), *landmarks(schedule)) if 0 <= n < largest]
    parts = [n + part for n in (0, 1, 40, 41, 999) for part in (0.25, 0.5, 0.999, 0.1)]
    top = float(np.finfo(dtype).max)
    special = [x for x in SPECIAL_FLOATS if 0 <= x < top]
    beyond = [float(n) for n in landmarks(schedule) if n >= largest]
    reference = Reference(schedule)
    starts = [reference.start + k * reference.period for k in (*range(1, 10), 97, 1001)]
    starts = [float(start) for start in starts if start < top]
    all_kinds = [*whole, *parts, *starts, *special, *beyond, *far_steps(schedule, dtype)]
    return [padded(whole, dtype), padded(all_kinds, dtype)]


def floats_at_knots(schedule: InverseTimeDecay, dtype: str) -> list[Steps]:
    """Return float steps next to every knot, including a floor that is met between two steps."""
    reference = Reference(schedule)
    knots = [0.0, *map(float, reference.knots)]
    if reference.floor_met is not None:
        knots.append(float(reference.floor_met))
    limits = np.finfo(dtype)
    numbers = np.array([knot for knot in knots if knot <= float(limits.max) / 2], dtype)
    sides = [np.nextafter(numbers, np.array(end, dtype)) for end in (-inf, inf)]
    parts = [numbers + np.array(part, dtype) for part in (-0.75, -0.5, 0.1, 0.25, 3.5)]
    found = np.unique(np.concatenate([numbers, *sides, *parts, numbers / 2, numbers / 3]))
    return [padded(found[(found == 0) | (abs(found) >= limits.tiny)], dtype)]
