"""The schedules and steps of all benchmarks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from invtime import InverseTimeDecay

EXACT = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 1000, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)
LONG_STAIRCASE = InverseTimeDecay(1 / 3, 1000, 1 / 7, staircase=True)
PHASES = EXACT.replace(
    warmup_steps=1000,
    stable_steps=10_000,
    minimum_learning_rate=0.01,
    cooldown_start=100_000,
    cooldown_steps=10_000,
)

Plain = Callable[[Any], Any]


def plain(schedule: InverseTimeDecay, floor: Callable[[Any], Any] = math.floor) -> Plain:
    """Return the textbook expression of a schedule."""
    lr, steps, rate = (
        schedule.initial_learning_rate,
        schedule.decay_steps,
        schedule.decay_rate,
    )
    if schedule.staircase:
        return lambda n: lr / (1 + rate * floor(n / steps))
    return lambda n: lr / (1 + rate * n / steps)


def steps(count: int, dtype: str) -> Any:
    """Return 0, 1, 2, ... as a NumPy array."""
    return np.arange(count, dtype=dtype)


def kind(schedule: InverseTimeDecay) -> str:
    return "staircase" if schedule.staircase else "continuous"
