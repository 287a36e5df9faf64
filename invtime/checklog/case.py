"""A log beside a schedule, and what the logged rates say about the steps they were taken at."""

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

PROBES = 64  # rows that are looked at before all are

Steps = npt.NDArray[np.object_]
"""Steps as Python's integers, which no arithmetic wraps around."""


class Case:
    """The rates of a log, the steps that they should be of, and the schedule.

    Args:
        steps: counted as the schedule counts them, ascending.
        rates: one for each.
        schedule: the one that the run was to have.
        first: what the log calls step 0, where the case is a whole log that counts updates.
    """

    def __init__(
        self, steps: Steps, rates: Rates, schedule: InverseTimeDecay, first: int | None = None
    ) -> None:
        self.steps = steps
        self.rates = rates
        self.schedule = schedule
        self.first = first
        self.reference = Reference(schedule)
        # Kept in the case: what a cached method keeps lives as long as the process.
        self.bounds = cache(self.rates.bounds)
        self.spans = cache(self._spans)

    @cached_property
    def expected(self) -> Floats:
        """The exact values of the schedule."""
        return self.values(self.schedule)

    @cached_property
    def scales(self) -> Floats:
        """What the rounding of another expression is relative to."""
        return self.reference.scales(self.steps) if self.reference.phased else self.expected

    @cached_property
    def moves(self) -> bool:
        """Whether there are two rates."""
        return bool((self.rates.floats != self.rates.floats[0]).any())

    @cached_property
    def probe(self) -> Case:
        """Some rows of it: what explains all of them explains these."""
        count = len(self.steps)
        if count <= 4 * PROBES:
            return self
        top = int(self.rates.floats.argmax())
        rows = {*np.linspace(0, count - 1, PROBES).astype(int).tolist(), 1, 2, 3, top, count - 2}
        return self.part(sorted(rows))

    def part(self, rows: Any) -> Case:
        """Some of the rows; `rows` is an index of NumPy's."""
        return Case(self.steps[rows], self.rates.part(rows), self.schedule)

    def of(self, schedule: InverseTimeDecay) -> Case:
        """The same rates and steps, beside another schedule."""
        return Case(self.steps, self.rates, schedule, self.first)

    def counted(self, steps: Steps) -> Case:
        """The same rates, at other steps."""
        return Case(steps, self.rates, self.schedule)

    def values(self, schedule: InverseTimeDecay, steps: Steps | None = None) -> Floats:
        """The exact values of a schedule at the steps, or at others."""
        return Reference(schedule).doubles(self.steps if steps is None else steps)

    def agrees(self, level: str) -> bool:
        """Whether every rate agrees with the schedule."""
        scales = self.scales if level == "rounding" else None
        return self.rates.agree(self.expected, level, scales)

    def differing(self, level: str) -> Mask:
        """The rows that do not agree with the schedule."""
        scales = self.scales if level == "rounding" else None
        return self.rates.differing(self.expected, level, scales)

    def furthest(self) -> tuple[int, int]:
        """How many rates have other float32 bits than the schedule's, and the ULP of the furthest.

        On a line these are ULP of its larger end.
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
        """Whether every rate agrees with another schedule, or with its own at other steps."""
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
        """Which steps are in the stable phase or the decay, or before all of a bare decay."""
        reference = self.reference
        found = (self.steps >= reference.warmup) | (not reference.warmup)
        if reference.cooldown is not None:
            found &= self.steps < reference.cooldown
        return np.asarray(found, np.bool_)

    def turns(self, schedule: InverseTimeDecay) -> Floats:
        """n / S of each step from the start of the decay, or its plateau; NaN in a line."""
        own = Reference(schedule)
        p, q = own.period.as_integer_ratio()
        counts = np.maximum(self.steps - own.start, 0) * q
        turns = counts // p if schedule.staircase else counts / p
        return np.where(self.in_decay, turns.astype(np.float64), np.nan)

    def turns_of_rates(self, level: str) -> tuple[Floats, Floats]:
        """Between which n / S, or plateaus, the decay has each rate; inf where it may be a floor's.

        The schedule decays.
        """
        own = self.schedule  # NumPy 1 would make objects of an array and an int of 2**64
        initial, decay = float(own.initial_learning_rate), float(own.decay_rate)
        low, high = self.bounds(level)
        least, most = (initial / high - 1) / decay, (initial / low - 1) / decay
        most[self.may_be_floor(level)] = inf
        return (np.ceil(least), np.floor(most)) if self.schedule.staircase else (least, most)

    def may_be_floor(self, level: str) -> Mask:
        """Which rates may be the floor's."""
        (low, high), floor = self.bounds(level), float(self.reference.floor)
        return np.asarray((low <= floor) & (floor <= high) & bool(floor))

    def _spans(self, level: str) -> list[list[Between]]:
        """Between which steps the schedule has each rate."""
        steps = cache(Inverse(self.schedule).steps)
        low, high = self.bounds(level)
        return [steps(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]


def decay_alone(schedule: InverseTimeDecay, **changes: object) -> InverseTimeDecay:
    """The schedule without its phases."""
    return schedule.replace(**{**DEFAULTS, "dtype": None, **changes})


def moves(schedule: InverseTimeDecay) -> bool:
    """Whether a schedule has two rates."""
    return len(schedule.phases) > 1 or decays(schedule)


def decays(schedule: InverseTimeDecay) -> bool:
    """Whether the decay of a schedule has two rates."""
    return bool(schedule.initial_learning_rate and schedule.decay_rate)


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
