"""A log paired with a schedule, and what the logged rates imply about their steps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.checklog.agreement import Floats, Mask, Rates
from invtime.checklog.inverse import Between, Inverse
from invtime.parameters import DEFAULTS
from invtime.reference import Reference
from invtime.spec import InverseTimeDecay

PROBES = 64  # rows to test before all rows are tested

Steps = npt.NDArray[np.object_]
"""Steps as Python integers, which do not overflow."""


class Case:
    """The rates of a log, their steps, and the schedule.

    Args:
        steps: in ascending order, numbered as in the schedule.
        rates: one for each step.
        schedule: the schedule that the run should follow.
        first: the log's number for step 0, if the case is a whole log that counts updates.
    """

    def __init__(
        self, steps: Steps, rates: Rates, schedule: InverseTimeDecay, first: int | None = None
    ) -> None:
        self.steps = steps
        self.rates = rates
        self.schedule = schedule
        self.first = first
        self.reference = Reference(schedule)
        # Caches of this instance: a cached method would keep its results until the process ends.
        self.bounds = cache(self.rates.bounds)
        self.spans = cache(self._spans)

    @cached_property
    def expected(self) -> Floats:
        """The exact values of the schedule."""
        return self.values(self.schedule)

    @cached_property
    def scales(self) -> Floats:
        """What the rounding errors of other formulas are relative to."""
        return self.reference.scales(self.steps) if self.reference.phased else self.expected

    @cached_property
    def moves(self) -> bool:
        """Whether the log has more than one distinct rate."""
        return bool((self.rates.floats != self.rates.floats[0]).any())

    @cached_property
    def probe(self) -> Case:
        """A sample of the rows. An explanation of all rows also explains these."""
        count = len(self.steps)
        if count <= 4 * PROBES:
            return self
        top = int(self.rates.floats.argmax())
        rows = {*np.linspace(0, count - 1, PROBES).astype(int).tolist(), 1, 2, 3, top, count - 2}
        return self.part(sorted(rows))

    def part(self, rows: Any) -> Case:
        """Some of the rows; `rows` is a NumPy index."""
        return Case(self.steps[rows], self.rates.part(rows), self.schedule)

    def of(self, schedule: InverseTimeDecay) -> Case:
        """The same rates and steps with another schedule."""
        return Case(self.steps, self.rates, schedule, self.first)

    def counted(self, steps: Steps) -> Case:
        """The same rates at other steps."""
        return Case(steps, self.rates, self.schedule)

    def values(self, schedule: InverseTimeDecay, steps: Steps | None = None) -> Floats:
        """The exact values of a schedule at the steps of the case, or at `steps`."""
        return Reference(schedule).doubles(self.steps if steps is None else steps)

    def agrees(self, level: str) -> bool:
        """Whether every rate agrees with the schedule."""
        scales = self.scales if level == "rounding" else None
        return self.rates.agree(self.expected, level, scales)

    def differing(self, level: str) -> Mask:
        """A mask of the rows that do not agree with the schedule."""
        scales = self.scales if level == "rounding" else None
        return self.rates.differing(self.expected, level, scales)

    def furthest(self) -> tuple[int, int]:
        """How many rates differ from the schedule in float32, and the largest difference in ULP.

        In a warm-up or cool-down, the unit is the ULP of the larger end of the line.
        """
        exact, logged = (
            values.astype(np.float32).view(np.int32).astype(np.int64)
            for values in (self.expected, self.rates.floats)
        )
        distance = np.abs(logged - exact)
        units = np.exp2(np.frexp(self.scales)[1] - 24.0)
        on_line = np.ceil(np.abs(self.rates.floats - self.expected) / units).astype(np.int64)
        distance = np.where(self.scales > self.expected, on_line, distance)
        return int(np.count_nonzero(distance)), int(distance.max())

    def fits(self, values: Floats, level: str) -> bool:
        """Whether every rate agrees with these values."""
        return self.rates.agree(values, level)

    def is_of(
        self, schedule: InverseTimeDecay | None, level: str, steps: Steps | None = None
    ) -> bool:
        """Whether every rate agrees with another schedule, or with this one at other steps."""
        schedule = self.schedule if schedule is None else schedule
        steps = self.steps if steps is None else steps
        low, high = self.bounds(level)
        probes = np.unique(np.linspace(0, len(steps) - 1, PROBES).astype(np.int64))
        values = self.values(schedule, steps[probes])
        if not ((low[probes] <= values) & (values <= high[probes])).all():
            return False
        return self.fits(self.values(schedule, steps), level)

    @cached_property
    def in_decay(self) -> Mask:
        """The steps in the stable phase or the decay; without a warm-up, also negative steps."""
        reference = self.reference
        found = (self.steps >= reference.warmup) | (not reference.warmup)
        if reference.cooldown is not None:
            found &= self.steps < reference.cooldown
        return np.asarray(found, np.bool_)

    def turns(self, schedule: InverseTimeDecay) -> Floats:
        """n / S of each step since the start of the decay, or its plateau; NaN in other phases."""
        own = Reference(schedule)
        p, q = own.period.as_integer_ratio()
        counts = np.maximum(self.steps - own.start, 0) * q
        turns = counts // p if schedule.staircase else counts / p
        return np.where(self.in_decay, turns.astype(np.float64), np.nan)

    def turns_of_rates(self, level: str) -> tuple[Floats, Floats]:
        """Bounds on n / S (or the plateau) for each rate; inf if the rate may be the floor.

        The schedule must decay.
        """
        own = self.schedule  # NumPy 1 would make objects of an array and an int of 2**64
        initial, decay = float(own.initial_learning_rate), float(own.decay_rate)
        low, high = self.bounds(level)
        least, most = (initial / high - 1) / decay, (initial / low - 1) / decay
        most[self.may_be_floor(level)] = inf
        return (np.ceil(least), np.floor(most)) if self.schedule.staircase else (least, most)

    def may_be_floor(self, level: str) -> Mask:
        """Which rates may come from the floor."""
        (low, high), floor = self.bounds(level), float(self.reference.floor)
        return np.asarray((low <= floor) & (floor <= high) & bool(floor))

    def _spans(self, level: str) -> list[list[Between]]:
        """The intervals of steps at which the schedule has each rate."""
        steps = cache(Inverse(self.schedule).steps)
        low, high = self.bounds(level)
        return [steps(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]


def decay_alone(schedule: InverseTimeDecay, **changes: object) -> InverseTimeDecay:
    """The schedule without its phases."""
    return schedule.replace(**{**DEFAULTS, "dtype": None, **changes})


def moves(schedule: InverseTimeDecay) -> bool:
    """Whether a schedule has more than one rate."""
    return len(schedule.phases) > 1 or decays(schedule)


def decays(schedule: InverseTimeDecay) -> bool:
    """Whether the decay of a schedule has more than one rate."""
    return bool(schedule.initial_learning_rate and schedule.decay_rate)


def overlap(intervals: Iterable[Between]) -> Between:
    """The intersection of the intervals; empty if its first end is above the second."""
    found = list(intervals)
    return max(low for low, _ in found), min(high for _, high in found)


def overlaps(rows: Iterable[list[Between]]) -> list[Between]:
    """The intersection of the rows, each of which is a union of intervals."""
    found: list[Between] = [(-inf, inf)]
    for row in rows:
        both = ((max(a, c), min(b, d)) for a, b in found for c, d in row)
        found = [(low, high) for low, high in both if low <= high]
        if not found:
            break
    return found
