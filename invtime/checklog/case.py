"""A log beside a schedule, and what the logged rates say about the steps they were taken at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import ceil, floor, inf

import numpy as np

from invtime.checklog.agreement import Floats, Rates
from invtime.form import Form
from invtime.reference import Reference
from invtime.spec import InverseTimeDecay

Between = tuple[float, float]


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
        self.expected = self.values(schedule)
        self.moves = len(set(rates.printed)) > 1
        # Kept in the case: what a cached method keeps lives as long as the process.
        self.bounds = cache(self._bounds)
        self.turns_of_rates = cache(self._turns_of_rates)
        self.steps_of_rates = cache(self._steps_of_rates)

    def values(
        self, schedule: InverseTimeDecay, count: Callable[[int], int] = lambda n: n
    ) -> Floats:
        """The exact values of a schedule at the steps, or at what `count` makes of them."""
        return Reference(schedule).doubles(np.array([count(n) for n in self.steps], object))

    def fits(self, values: Floats, level: str) -> bool:
        """Whether every rate agrees with these values."""
        return self.rates.agree(values, level)

    @property
    def form(self) -> Form:
        """The integers of the schedule, which has no phases."""
        return _form(self.schedule)

    def turns(self, schedule: InverseTimeDecay) -> list[float]:
        """n / S of each step, or the plateau of a staircase."""
        form = _form(schedule)
        if schedule.staircase:
            return [form.stage(n) for n in self.steps]
        return [max(n, 0) * form.Q / form.P for n in self.steps]

    def _bounds(self, level: str) -> list[Between]:
        """Between what the exact value of each rate lies."""
        low, high = self.rates.bounds(level)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def _turns_of_rates(self, level: str) -> list[Between]:
        """Between which n / S, or plateaus, each rate was taken."""
        initial, decay = self.schedule.initial_learning_rate, self.schedule.decay_rate
        turns = [
            (
                (initial / high - 1) / decay if high else inf,
                (initial / low - 1) / decay if low else inf,
            )
            for low, high in self.bounds(level)
        ]
        if self.schedule.staircase:
            return [(_up(least), _down(most)) for least, most in turns]
        return turns

    def _steps_of_rates(self, level: str) -> list[Between]:
        """Between which steps each rate was taken; -inf from where it is the initial one."""
        form = self.form
        steps = []
        for least, most in self.turns_of_rates(level):
            if self.schedule.staircase:
                first = form.first_step(int(least)) if 0 < least < inf else least
                last = form.first_step(int(most) + 1) - 1 if -1 < most < inf else most
            else:
                first, last = _up(least * form.P / form.Q), _down(most * form.P / form.Q)
            steps.append((first if least > 0 else -inf, last))
        return steps


def _form(schedule: InverseTimeDecay) -> Form:
    assert isinstance(schedule.form, Form)  # what reads n / S off a rate is not asked of phases
    return schedule.form


def overlap(intervals: Iterable[Between]) -> Between:
    """What all intervals have in common; empty where the first is above the second."""
    found = list(intervals)
    return max(low for low, _ in found), min(high for _, high in found)


def _up(value: float) -> float:
    return ceil(value) if abs(value) < 2**62 else value


def _down(value: float) -> float:
    return floor(value) if abs(value) < 2**62 else value
