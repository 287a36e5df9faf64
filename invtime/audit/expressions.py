"""The schedule as the plain textbook expression, and as Levanter and DeePMD-kit compute it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from invtime.parameters import PHASES
from invtime.reference import Reference
from invtime.spec import InverseTimeDecay

Rates = Callable[[Any], Any]
"""A function from steps to their rates."""


class UnsupportedError(Exception):
    """The peer cannot express the schedule; the message says why."""


class Library(NamedTuple):
    """The functions of a framework that the plain expression calls."""

    floor: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    maximum: Callable[[Any, Any], Any]


PYTHON = Library(math.floor, lambda here, one, other: one if here else other, max)
NUMPY = Library(np.floor, np.where, np.maximum)


def has_phases(schedule: InverseTimeDecay) -> bool:
    """Return whether the schedule has a parameter that Keras's schedule does not have."""
    return not schedule.get_config().keys().isdisjoint(PHASES)


def numbers(schedule: InverseTimeDecay) -> tuple[Any, Any, Any]:
    """Return initial_learning_rate, decay_steps and decay_rate."""
    return schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate


def decay(schedule: InverseTimeDecay, library: Library) -> Rates:
    """Return the textbook expression of the decay and its floor; step 0 is the decay's start."""
    rate, steps, decay, least = *numbers(schedule), schedule.minimum_learning_rate

    def rates(n: Any) -> Any:
        if schedule.staircase:
            found = rate / (1 + decay * library.floor(n / steps))
        else:
            found = rate / (1 + decay * n / steps)
        return library.maximum(found, least) if least else found

    return rates


def plain(schedule: InverseTimeDecay, library: Library) -> Rates:
    """Return the whole schedule: one expression for each phase, and `where` to select them."""
    plateau, from_start = schedule.initial_learning_rate, decay(schedule, library)
    warmup, first = schedule.warmup_steps, schedule.warmup_learning_rate
    start = warmup + schedule.stable_steps
    cooldown, cooling, final = (
        schedule.cooldown_start,
        schedule.cooldown_steps,
        schedule.final_learning_rate,
    )
    begin = before_cooldown(schedule) if cooldown is not None else 0.0

    def rates(n: Any) -> Any:
        found = from_start(library.maximum(n - start, 0) if start else n)
        if warmup:
            found = library.where(n < warmup, first + (plateau - first) * n / warmup, found)
        if cooldown is not None:
            line = begin + (final - begin) * (n - cooldown) / cooling
            found = library.where(n < cooldown, found, line)
            found = library.where(n < cooldown + cooling, found, float(final))
        return found

    return rates


def before_cooldown(schedule: InverseTimeDecay) -> float:
    """Return the rate at the start of the cool-down, from the plain expression in Python."""
    uncooled = schedule.replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
    return float(plain(uncooled, PYTHON)(schedule.cooldown_start))


def stretches(schedule: InverseTimeDecay) -> list[tuple[str, int]]:
    """Return the phases to join from separate schedules, each with its first step.

    The floor belongs to the decay. The end has no schedule: a line stays at its last rate.
    """
    found: list[tuple[str, int]] = []
    for phase in schedule.phases:
        name = "decay" if phase.name == "floor" else phase.name
        if name != "end" and name not in dict(found):
            found.append((name, phase.start))
    return found


def levanter(schedule: InverseTimeDecay) -> Rates:
    """Return Levanter's `inv` with its warm-up and stable phase.

    Source: `InvLrSchedule` and `OptimizerConfig.lr_scheduler` in levanter/optim/config.py. At the
    first step of the decay, Levanter returns the rate of the second step.
    """
    import jax.numpy as jnp
    import optax

    if schedule.warmup_learning_rate:
        raise UnsupportedError("its warm-up always starts at 0")
    steps = _steps_to_the_floor(schedule)
    rate = float(schedule.initial_learning_rate)
    least = rate * (schedule.minimum_learning_rate / rate)  # Levanter takes min_lr_ratio

    def inverse(count: Any) -> Any:
        share = jnp.maximum(count, 1) / steps
        return jnp.maximum(rate * jnp.minimum(1.0, 1.0 / ((rate / least - 1) * share + 1)), least)

    of = {
        "warm-up": optax.linear_schedule(0.0, rate, schedule.warmup_steps),
        "stable": optax.constant_schedule(rate),
        "decay": inverse,
    }
    names, starts = zip(*stretches(schedule), strict=True)
    joined: Rates = optax.join_schedules([of[name] for name in names], starts[1:])
    return joined


def deepmd(schedule: InverseTimeDecay) -> Rates:
    """Return DeePMD-kit's `wsd` with `inverse_linear`, in NumPy.

    Source: `LearningRateWSD` in deepmd/dpmodel/utils/learning_rate.py.
    """
    steps = _steps_to_the_floor(schedule)
    rate, last = float(schedule.initial_learning_rate), float(schedule.minimum_learning_rate)
    warmup, stable = schedule.warmup_steps, schedule.stable_steps
    first = rate * (schedule.warmup_learning_rate / rate)  # DeePMD-kit takes warmup_start_factor

    def rates(n: Any) -> Any:
        after = np.maximum(n - warmup, 0.0)
        gone = np.clip((after - stable) / steps, 0.0, 1.0)
        found = np.where(after < stable, rate, 1.0 / (gone / last + (1.0 - gone) / rate))
        found = np.where(after >= stable + steps, last, found)
        if not warmup:
            return found
        return np.where(n < warmup, first + (rate - first) * (n / warmup), found)

    return rates


def _steps_to_the_floor(schedule: InverseTimeDecay) -> int:
    """Return the length of the decay, which both libraries end at the floor."""
    if schedule.staircase:
        raise UnsupportedError("it has no staircase")
    if schedule.cooldown_start is not None:
        raise UnsupportedError("it has no cool-down after the decay")
    reference = Reference(schedule)
    met = reference.floor_met
    if met is None or met.denominator != 1 or met == reference.start:
        raise UnsupportedError("its decay always ends at a floor after a whole number of steps")
    return int(met) - reference.start
