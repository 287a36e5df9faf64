"""A log beside a schedule, and what the logged rates say about the steps they were taken at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import ceil, floor, inf

import numpy as np
import numpy.typing as npt

from invtime.checklog.agreement import Floats, Rates
from invtime.checklog.inverse import Between, Inverse
from invtime.parameters import DEFAULTS
from invtime.reference import Reference
from invtime.spec import InverseTimeDecay

PROBES = 64  # rows that are looked at before all are


class Case:
    """The rates of a log, the steps that they should be of, and the schedule.

    Args:
        steps: counted as the schedule counts them.
        rates: one for each.
        schedule: the one that the run was to have.
    """

    def __init__(self, steps: Sequence[int], rates: Rates, schedule: InverseTimeDecay) -> None:
        self.steps = steps
        self.rates = rates
        self.schedule = schedule
        self.reference = Reference(schedule)
        self.expected = self.values(schedule)
        self._scales = self.reference.scales(_array(steps))
        self.moves = len(set(rates.printed)) > 1
        # Kept in the case: what a cached method keeps lives as long as the process.
        self.bounds = cache(self._bounds)
        self.turns_of_rates = cache(self._turns_of_rates)
        self.steps_of_rates = cache(self._steps_of_rates)

    def values(
        self, schedule: InverseTimeDecay, count: Callable[[int], int] = lambda n: n
    ) -> Floats:
        """The exact values of a schedule at the steps, or at what `count` makes of them."""
        return Reference(schedule).doubles(_array([count(n) for n in self.steps]))

    def agrees(self, level: str) -> bool:
        """Whether every rate agrees with the schedule."""
        return self.rates.agree(self.expected, level, self._scales)

    def differing(self, level: str) -> npt.NDArray[np.bool_]:
        """The rows that do not agree with the schedule."""
        return self.rates.differing(self.expected, level, self._scales)

    def furthest(self) -> tuple[int, int]:
        """How many rates have other float32 bits than the schedule's, and the ULP of the furthest.

        On a line these are ULP of its larger end.
        """
        with np.errstate(over="ignore", under="ignore"):
            exact, logged = (
                values.astype(np.float32).view(np.int32).astype(np.int64)
                for values in (self.expected, self.rates.floats)
            )
        distance = np.abs(logged - exact)
        units = np.exp2(np.frexp(self._scales)[1] - 24.0)
        on_line = np.ceil(np.abs(self.rates.floats - self.expected) / units).astype(np.int64)
        distance = np.where(self._scales > self.expected, on_line, distance)
        return int(np.count_nonzero(distance)), int(distance.max())

    def fits(self, values: Floats, level: str) -> bool:
        """Whether every rate agrees with these values."""
        return self.rates.agree(values, level)

    def is_of(self, schedule: InverseTimeDecay, level: str) -> bool:
        """Whether every rate agrees with another schedule."""
        low, high = self.rates.bounds(level)
        probes = np.unique(np.linspace(0, len(self.steps) - 1, PROBES).astype(np.int64))
        values = Reference(schedule).doubles(_array([self.steps[i] for i in probes.tolist()]))
        if ((values < low[probes]) | (values > high[probes])).any():
            return False
        return self.fits(self.values(schedule), level)

    def in_decay(self, n: int) -> bool:
        """Whether a step is in the stable phase or the decay, or before all of a bare decay."""
        reference = self.reference
        cooled = reference.cooldown is not None and n >= reference.cooldown
        return (n >= reference.warmup or not reference.warmup) and not cooled

    def turns(self, schedule: InverseTimeDecay) -> list[float | None]:
        """n / S of each step from the start of the decay, or its plateau; None in a line."""
        own = Reference(schedule)
        p, q = own.period.as_integer_ratio()
        counts = (max(n - own.start, 0) * q if self.in_decay(n) else None for n in self.steps)
        if schedule.staircase:
            return [None if n is None else n // p for n in counts]
        return [None if n is None else n / p for n in counts]

    def plateaus(self, stages: Iterable[int]) -> list[float]:
        """The rates of plateaus of the decay, where there were no cool-down."""
        reference = Reference(
            self.schedule.replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
        )
        return [reference.value(reference.start + stage * reference.period) for stage in stages]

    def may_be_floor(self, low: float, high: float) -> bool:
        """Whether a rate between these may be the floor's."""
        floor = self.reference.floor
        return bool(floor) and low <= float(floor) <= high

    def _bounds(self, level: str) -> list[Between]:
        """Between what the exact value of each rate lies."""
        low, high = self.rates.bounds(level)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def _turns_of_rates(self, level: str) -> list[Between]:
        """Between which n / S, or plateaus, the decay has each rate; no end where it is a floor."""
        initial, decay = self.schedule.initial_learning_rate, self.schedule.decay_rate
        turns = [
            (
                (initial / high - 1) / decay if high else inf,
                (initial / low - 1) / decay if low and not self.may_be_floor(low, high) else inf,
            )
            for low, high in self.bounds(level)
        ]
        if self.schedule.staircase:
            return [(_up(least), _down(most)) for least, most in turns]
        return turns

    def _steps_of_rates(self, level: str) -> list[list[Between]]:
        """Between which steps the schedule has each rate."""
        inverse = Inverse(self.schedule)
        return [inverse.steps(low, high) for low, high in self.bounds(level)]


def decay_alone(schedule: InverseTimeDecay, **changes: object) -> InverseTimeDecay:
    """The schedule without its phases."""
    return schedule.replace(**{**DEFAULTS, "dtype": None, **changes})


def overlap(intervals: Iterable[Between]) -> Between:
    """What all intervals have in common; empty where the first is above the second."""
    found = list(intervals)
    return max(low for low, _ in found), min(high for _, high in found)


def overlaps(rows: Iterable[list[Between]]) -> list[Between]:
    """What all rows have in common, each of which is some intervals."""
    found: list[Between] = [(-inf, inf)]
    for row in rows:
        both = ((max(a, c), min(b, d)) for a, b in found for c, d in row)
        found = [(low, high) for low, high in both if low <= high]
        if not found:
            break
    return found


def _array(steps: Sequence[int]) -> npt.NDArray[np.object_]:
    return np.array(steps, object)


def _up(value: float) -> float:
    return ceil(value) if abs(value) < 2**62 else value


def _down(value: float) -> float:
    return floor(value) if abs(value) < 2**62 else value
