"""The laws of a schedule with phases, and of the knots between the phases."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from invtime import InverseTimeDecay
from invtime.backends.base import Backend
from invtime.reference import Bits, Reference, Steps, chained
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import (
    FLOAT_DTYPES,
    STEP_DTYPES,
    agree,
    agree_all,
    asked,
    bits_of_result,
    float_dtype,
    hold,
    holds,
    in_words,
    number,
    result_dtypes,
    widest,
)
from invtime.testing.checks.law import Broken, law
from invtime.testing.strategies import SMALLEST

# For each of these lengths, some quotient differs from the product with the reciprocal.
LENGTHS = (3, 7, 41, 49, 97, 103, 107, 161, 187, 199)

# Knots beyond the range of a narrow dtype: at 100, 200, 300, 40000, 70000 and 2**32 + 70000.
WIDE = InverseTimeDecay(
    *(0.1, 300, 0.01),
    warmup_steps=100,
    stable_steps=100,
    minimum_learning_rate=0.01,
    cooldown_start=40_000,
    cooldown_steps=30_000,
)
WIDER = WIDE.replace(
    staircase=True, warmup_steps=300, cooldown_start=70_000, cooldown_steps=2**32, decay_rate=0.1
)

LAST = 2**63 - 1


@law
def check_phase_bits(backend: Backend) -> None:
    """In every phase, and at and next to every knot, the bits are those of the exact value."""
    dtypes = result_dtypes(backend)
    narrowed = (cases.WHOLE, cases.DECIMALS, cases.STAIRS_UP_TO_A_FLOOR)

    def steps_of(schedule: InverseTimeDecay) -> list[Steps]:
        ends = [-(2**63), -1, LAST - 1, LAST, 2**53 + 1, 2**54 + 1]
        return [cases.dense(), *cases.at_knots(schedule), cases.padded(ends)]

    def dtypes_of(schedule: InverseTimeDecay) -> list[str]:
        return dtypes if schedule in narrowed else dtypes[:2]

    agree_all(backend, (*cases.RECIPES, *cases.FAR_RECIPES), steps_of, dtypes_of)


@law
def check_linear_phases(backend: Backend) -> None:
    """A warm-up and a cool-down are linear, with the bits of the exact value."""
    dtypes = result_dtypes(backend)[:2]
    for length in LENGTHS:
        level = InverseTimeDecay(1, 1, 0)
        up = level.replace(warmup_steps=length)
        down = level.replace(cooldown_start=3, cooldown_steps=length, final_learning_rate=0.1)
        for schedule in (up, down):
            agree(backend, schedule, [cases.padded(range(length + 5))], dtypes)


@law
def check_phase_steps(backend: Backend) -> None:
    """A step of any dtype is compared with a knot by its exact value, for every width."""
    dtypes = result_dtypes(backend)
    floats = FLOAT_DTYPES[: FLOAT_DTYPES.index(float_dtype(backend)) + 1]
    for kind in [kind for kind in (*STEP_DTYPES, *floats) if holds(backend, kind)]:
        whole = kind not in floats
        top = np.iinfo(kind).max if whole else 2 ** (np.finfo(kind).nmant + 1)
        for schedule in (WIDE, WIDER):
            beside = {knot + j for knot in Reference(schedule).knots for j in (-1, 0, 1)}
            last = min(int(top), LAST)
            steps = sorted(n for n in {0, 1, 44, 127, 255, last - 1, last, *beside} if n <= last)
            agree(backend, schedule, [cases.padded(np.array(steps, kind), kind)], dtypes)


@law
def check_phase_float_steps(backend: Backend) -> None:
    """In every phase a whole float step has the integer's bits; any other is within 1 ULP."""
    kind, dtype = float_dtype(backend), widest(backend)

    def steps_of(schedule: InverseTimeDecay) -> list[Steps]:
        special = [cases.padded([np.nan, -np.inf, -0.5, np.inf, 1.5], kind)]
        return [*cases.floats_at_knots(schedule, kind), *cases.floats(schedule, kind), *special]

    agree_all(backend, (*cases.RECIPES, *cases.FAR_RECIPES), steps_of, lambda schedule: [dtype])


@law
def check_continuity(backend: Backend) -> None:
    """A warm-up ends at the peak; a cool-down starts from the rate at its first step."""
    for recipe in (*cases.RECIPES, *cases.FAR_RECIPES):
        peak = InverseTimeDecay(recipe.initial_learning_rate, 1, 0)
        _same(backend, recipe, [recipe.warmup_steps], peak, [0])
        start = recipe.cooldown_start
        if start is not None:
            plain = {"cooldown_start": None, "cooldown_steps": 0, "final_learning_rate": 0}
            _same(backend, recipe, [start], recipe.replace(**plain), [start])
            end = start + recipe.cooldown_steps
            final = InverseTimeDecay(recipe.final_learning_rate, 1, 0)
            _same(backend, recipe, [end, end + 1], final, [0, 0])


@law
def check_floor(backend: Backend) -> None:
    """Between warm-up and cool-down no rate is below the floor; in a cool-down a rate may be."""
    dtypes = result_dtypes(backend)[:2]
    recipes = *cases.RECIPES, *cases.FAR_RECIPES
    for recipe in [one for one in recipes if one.minimum_learning_rate]:
        end = LAST if recipe.cooldown_start is None else recipe.cooldown_start
        near = [*cases.at_knots(recipe)[0].tolist(), *range(400)]
        steps = cases.padded([n for n in near if recipe.warmup_steps <= n <= end])
        for dtype in dtypes:
            found, precision = _bits(backend, recipe, steps, dtype)
            floor = chained(Reference(recipe).floor, dtype)
            below = np.flatnonzero(found + np.uint64(precision < 53) < floor)
            if below.size:
                raise Broken(
                    schedule=recipe,
                    step=in_words(steps[below[0]], steps),
                    dtype=dtype,
                    returned=number(int(found[below[0]]), dtype),
                    expected=f"{number(floor, dtype)} or more",
                )
    over = cases.WHOLE.replace(cooldown_start=180, final_learning_rate=0)
    agree(backend, over, [cases.dense()], dtypes[:1])


@law
def check_idle_phases(backend: Backend) -> None:
    """Phases that have no effect do not change any bit."""
    for bare in cases.SCHEDULES:
        steps = cases.huge(bare)[0]
        early = np.minimum(steps, 2**53 - 1)
        _same(backend, bare.replace(cooldown_start=2**53, cooldown_steps=1), early, bare, early)
        floored = bare.replace(minimum_learning_rate=SMALLEST)
        above = np.minimum(steps, min([LAST + 1, *Reference(floored).knots]) - 1)
        _same(backend, floored, above, bare, above)
    level = InverseTimeDecay(0.3, 41, 0)
    for idle in (
        {"warmup_steps": 49, "warmup_learning_rate": 0.3},
        {"stable_steps": 100},
        {"minimum_learning_rate": 0.3},
        {"cooldown_start": 41, "cooldown_steps": 97, "final_learning_rate": 0.3},
    ):
        _same(backend, level.replace(**idle), cases.dense(), level, cases.dense())


@law
def check_shift(backend: Backend) -> None:
    """After a warm-up and a stable phase, the bits are those of the bare decay, shifted."""
    for bare in cases.SCHEDULES:
        for warmup, stable in ((0, 1), (1000, 7), (2**31, 2**31), (2**53, 2**53)):
            shifted = bare.replace(warmup_steps=warmup, stable_steps=stable)
            by = warmup + stable
            for steps in (cases.dense(), np.minimum(cases.huge(bare)[0], LAST - by)):
                _same(backend, shifted, steps + by, bare, steps)


def _same(
    backend: Backend,
    recipe: InverseTimeDecay,
    steps: Any,
    other: InverseTimeDecay,
    at: Any,
) -> None:
    """Compare the recipe at some steps with what is allowed for another schedule at others."""
    dtype = widest(backend)
    found, precision = _bits(backend, recipe, cases.padded(steps), dtype)
    try:
        hold(other, cases.padded(at), {dtype: found}, precision)
    except Broken as broken:
        raise Broken(recipe=recipe, **broken.example) from None


def _bits(
    backend: Backend, schedule: InverseTimeDecay, steps: Steps, dtype: str
) -> tuple[Bits, int]:
    """Return the bits at the steps, and the precision of the device."""
    x = backend.coerce(steps, None)
    result = asked(partial(backend, schedule.form, x, dtype), schedule, steps, [dtype])
    return bits_of_result(backend, schedule, steps, result, dtype), backend.precision(x)
