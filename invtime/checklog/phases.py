"""Mistakes in the phases of a schedule: missing, unexpected, or with another length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from math import ceil, floor, inf
from typing import Any

import numpy as np

from invtime.checklog.case import Case, decay_alone, overlap
from invtime.checklog.inverse import Between, Inverse
from invtime.checklog.numbers import another, changed, other_number, simplest, within
from invtime.checklog.report import Explanation
from invtime.parameters import DEFAULTS
from invtime.spec import InverseTimeDecay

WARMUP = ("warmup_steps", "warmup_learning_rate")
COOLDOWN = ("cooldown_start", "cooldown_steps", "final_learning_rate")


def left_out(case: Case, level: str) -> Explanation | None:
    """A log that lacks some of the phases."""
    for found, schedule in without(case.schedule):
        if case.is_of(schedule, level):
            return found
    return None


def without(own: InverseTimeDecay) -> Iterator[tuple[Explanation, InverseTimeDecay]]:
    """The schedules that remain without some of the phases, with their explanations."""
    groups = [
        ("the warm-up", defaults(WARMUP)),
        ("the stable phase", defaults(("stable_steps",))),
        ("the floor", defaults(("minimum_learning_rate",))),
        ("the cool-down", defaults(COOLDOWN)),
    ]
    there = [(name, _different(own, changes)) for name, changes in groups]
    there = [(name, changes) for name, changes in there if changes]
    choices = [
        choice for count in range(1, len(there) + 1) for choice in combinations(there, count)
    ]
    if own.warmup_steps:  # the peak instead, with everything after it unchanged
        held = {**defaults(WARMUP), "stable_steps": own.warmup_steps + own.stable_steps}
        choices.append((("the warm-up, with the peak instead", held),))
    for choice in choices:
        changes = {key: value for _, part in choice for key, value in part.items()}
        other = changed(own, **changes)  # None if a cool-down would start too early
        if other is not None:
            names = " and ".join(name for name, _ in choice)
            yield (
                Explanation("left-out", f"the log follows the schedule without {names}", changes),
                other,
            )


def defaults(keys: Iterable[str]) -> dict[str, Any]:
    """Parameters at their defaults."""
    return {key: DEFAULTS[key] for key in keys}


def _different(schedule: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, or nothing if the schedule already has these values."""
    same = all(getattr(schedule, key) == value for key, value in changes.items())
    return {} if same else changes


def from_zero(case: Case, level: str) -> Explanation | None:
    """The decay counted from step 0 instead of from the end of the warm-up and stable phase.

    After these phases, the rates are those of the schedule without them.
    """
    own, start = case.schedule, case.reference.start
    if not start:
        return None
    at_once = case.values(own.replace(warmup_steps=0, warmup_learning_rate=0, stable_steps=0))
    before = (case.steps < start).astype(bool)
    peak = float(own.initial_learning_rate)
    times = case.expected / peak * at_once if peak else at_once
    text = f"the decay is counted from step 0 instead of from its start at step {start}"
    for early, more in ((case.expected, ""), (times, ", and multiplies the warm-up")):
        if case.fits(np.where(before, early, at_once), level):
            return Explanation("from-zero", text + more)
    return None


def other_warmup(case: Case, level: str) -> Explanation | None:
    """A warm-up of another length, followed by the decay."""
    peak, first = float(case.reference.initial), float(case.reference.first)
    found = _ends_of_stable(case, level, case.schedule.stable_steps)
    rising = _rising(case, level)
    if not rising.size and not case.schedule.warmup_steps:
        return None
    low, high = (ends[rising] for ends in case.bounds(level))
    n = case.steps[rising].astype(np.float64)
    most = np.where(low > first, n * (peak - first) / (low - first), inf)
    least = n * (peak - first) / (high - first)
    alone = [*found, *zip(least[high > first].tolist(), most[high > first].tolist(), strict=True)]
    number = _length(case, level, "warmup_steps", alone)
    return number or _unmeant_warmup(case, level, found)


def _unmeant_warmup(case: Case, level: str, ends: list[Between]) -> Explanation | None:
    """A warm-up from another rate. Its length follows from where the decay starts."""
    least, most = overlap(ends) if ends else (inf, inf)
    if inf in (least, most) or most < 1:
        return None
    steps = int(simplest(max(ceil(least), 1), floor(most)) or 0)
    other = changed(case.schedule, warmup_steps=steps)
    first = None if other is None else _first_rate(case, level, steps)
    changes = {"warmup_steps": steps, "warmup_learning_rate": first}
    schedule = None if first is None else changed(case.schedule, **changes)
    if schedule is None or not case.is_of(schedule, level):
        return None
    return another(case.schedule, changes)


def other_first_rate(case: Case, level: str) -> Explanation | None:
    """Another warmup_learning_rate."""
    rate = _first_rate(case, level, case.schedule.warmup_steps)
    return other_number(case, level, "warmup_learning_rate", rate)


def _first_rate(case: Case, level: str, steps: int) -> int | float | None:
    """The rate that a warm-up of `steps` steps may start from."""
    rows = (case.steps < steps).astype(bool)
    done = np.maximum(case.steps[rows], 0).astype(np.float64) / max(steps, 1)
    peak = float(case.reference.initial)
    return within(*((ends[rows] - peak * done) / (1 - done) for ends in case.bounds(level)))


def other_stable(case: Case, level: str) -> Explanation | None:
    """A stable phase of another length, followed by the decay."""
    if not case.reference.phased:
        return None
    found = _ends_of_stable(case, level, case.schedule.warmup_steps)
    return _length(case, level, "stable_steps", found)


def _length(case: Case, level: str, key: str, found: list[Between]) -> Explanation | None:
    least, most = overlap(found) if found else (inf, inf)
    if abs(least) == inf:
        return None
    number = simplest(max(ceil(least), 0), most if most == inf else floor(most))
    return other_number(case, level, key, number)


def _rising(case: Case, level: str) -> Any:
    """The rows that only a warm-up explains: below the peak and before the highest rate."""
    rows = np.arange(len(case.steps))
    before = rows < min(_top(case), _before_cooldown(case))
    below = case.bounds(level)[1] < float(case.reference.initial)
    return np.flatnonzero(before & below & (case.steps > 0).astype(bool))


def _ends_of_stable(case: Case, level: str, before: int) -> list[Between]:
    """Intervals for the start of the decay, counted from `before`, one per rate of the decay.

    Those rates are below the peak and above the floor, after the highest rate and before a
    cool-down.
    """
    peak, least = float(case.reference.initial), float(case.reference.floor)
    inverse = Inverse(decay_alone(case.schedule))
    rows = slice(_top(case) + 1, _before_cooldown(case))
    low, high = (ends[rows].tolist() for ends in case.bounds(level))
    return [
        (n - last - before, n - first - before)
        for n, lowest, highest in zip(case.steps[rows].tolist(), low, high, strict=True)
        if highest < peak and lowest > least
        for first, last in inverse.steps(lowest, highest)
    ]


def _top(case: Case) -> int:
    """The row of the highest rate before a cool-down."""
    count = _before_cooldown(case)
    return int(np.argmax(case.rates.floats[:count])) if count else 0


def _before_cooldown(case: Case) -> int:
    end = case.reference.cooldown
    return len(case.steps) if end is None else int(np.count_nonzero(case.steps < end))


def other_floor(case: Case, level: str) -> Explanation | None:
    """A different or an unexpected floor: the last rates are equal."""
    rates = case.rates.floats[: _before_cooldown(case)]
    if len(rates) < 2 or rates[-2] != rates[-1]:
        return None
    low, high = (ends[len(rates) - 1] for ends in case.bounds(level))
    return other_number(case, level, "minimum_learning_rate", simplest(low, high))
