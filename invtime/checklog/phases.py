"""Mistakes with the phases of a schedule; none of them is one of a decay alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import combinations
from math import ceil, floor, inf, isfinite
from typing import Any

import numpy as np

from invtime.checklog.case import Case, decay_alone, overlap
from invtime.checklog.inverse import Between, Inverse
from invtime.checklog.numbers import changed, other_number, simplest
from invtime.checklog.report import Explanation
from invtime.parameters import DEFAULTS

WARMUP = ("warmup_steps", "warmup_learning_rate")
COOLDOWN = ("cooldown_start", "cooldown_steps", "final_learning_rate")


def left_out(case: Case, level: str) -> Explanation | None:
    """A run without some of the phases."""
    own = case.schedule
    groups = [
        ("the warm-up", _defaults(WARMUP)),
        ("the stable phase", _defaults(("stable_steps",))),
        ("the floor", _defaults(("minimum_learning_rate",))),
        ("the cool-down", _defaults(COOLDOWN)),
    ]
    there = [(name, _different(own, changes)) for name, changes in groups]
    there = [(name, changes) for name, changes in there if changes]
    choices = [
        choice for count in range(1, len(there) + 1) for choice in combinations(there, count)
    ]
    if own.warmup_steps:  # the peak in its place, and all after it where it was to be
        held = {**_defaults(WARMUP), "stable_steps": own.warmup_steps + own.stable_steps}
        choices.append((("the warm-up, with the peak in its place", held),))
    for without in choices:
        changes = {key: value for _, part in without for key, value in part.items()}
        other = changed(own, **changes)  # a cool-down may start in what was left out
        if other is not None and case.is_of(other, level):
            names = " and ".join(name for name, _ in without)
            return Explanation("left-out", f"the schedule without {names}", changes)
    return None


def _defaults(keys: Iterable[str]) -> dict[str, Any]:
    return {key: DEFAULTS[key] for key in keys}


def _different(schedule: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, where one of them is one."""
    same = all(getattr(schedule, key) == value for key, value in changes.items())
    return {} if same else changes


def from_zero(case: Case, level: str) -> Explanation | None:
    """The decay was counted from step 0, not from the end of the warm-up and the stable phase.

    After their end the rates are those of the schedule without the two.
    """
    own, start = case.schedule, case.reference.start
    if not start:
        return None
    at_once = own.replace(warmup_steps=0, warmup_learning_rate=0, stable_steps=0)
    before = np.array([n < start for n in case.steps])
    values = np.where(before, case.expected, case.values(at_once))
    if not case.fits(values, level):
        return None
    text = f"the decay was counted from step 0, and not from step {start}, where it starts"
    return Explanation("from-zero", text)


def other_warmup(case: Case, level: str) -> Explanation | None:
    """A warm-up of another length, and the decay after it."""
    own, reference = case.schedule, case.reference
    if not own.warmup_steps:
        return None
    peak, first = float(reference.initial), float(reference.first)
    found = _ends_of_stable(case, level, own.stable_steps)
    for n, (low, high) in _rising(case, level):
        if high > first:
            ends = (
                n * (peak - first) / (rate - first) if rate > first else inf for rate in (high, low)
            )
            found.append((next(ends), next(ends)))
    return _length(case, level, "warmup_steps", found)


def other_stable(case: Case, level: str) -> Explanation | None:
    """A stable phase of another length, and the decay after it."""
    if not case.reference.phased:
        return None
    found = _ends_of_stable(case, level, case.schedule.warmup_steps)
    return _length(case, level, "stable_steps", found)


def _length(case: Case, level: str, key: str, found: list[Between]) -> Explanation | None:
    least, most = overlap(found) if found else (inf, inf)
    if not isfinite(least):
        return None
    number = simplest(max(ceil(least), 0), floor(most) if isfinite(most) else most)
    return other_number(case, level, key, number)


def _rising(case: Case, level: str) -> list[tuple[int, Between]]:
    """The rows that only a warm-up explains: below the peak, and before the highest rate."""
    peak = float(case.reference.initial)
    rows, top = _before_cooldown(case, level)
    return [(n, between) for n, between in rows[:top] if n > 0 and between[1] < peak]


def _ends_of_stable(case: Case, level: str, before: int) -> list[Between]:
    """Where the decay may have started, counted from `before`, by each rate that is the decay's.

    These are below the peak and above the floor, from the highest rate on to the cool-down.
    """
    peak, least = float(case.reference.initial), float(case.reference.floor)
    inverse = Inverse(decay_alone(case.schedule))
    rows, top = _before_cooldown(case, level)
    return [
        (n - last - before, n - first - before)
        for n, (low, high) in rows[top:]
        if high < peak and low > least
        for first, last in inverse.steps(low, high)
    ]


def _before_cooldown(case: Case, level: str) -> tuple[list[tuple[int, Between]], int]:
    """The steps and the bounds of their rates, and which rate is the highest of them."""
    end = case.reference.cooldown
    count = len(case.steps) if end is None else bisect_left(case.steps, end)
    rows = list(zip(case.steps, case.bounds(level), strict=True))[:count]
    return rows, int(np.argmax(case.rates.floats[:count])) if count else 0


def scaled(case: Case, level: str) -> Explanation | None:
    """Every rate times a number: of a schedule whose other rates are not 0, no other peak."""
    own = case.schedule
    rates = own.warmup_learning_rate, own.minimum_learning_rate, own.final_learning_rate
    there = case.expected > 0
    if not any(rates) or not there.any():
        return None
    low, high = (ends[there] / case.expected[there] for ends in case.rates.bounds(level))
    factor = simplest(float(low.max()), float(high.min()))
    if not factor or factor == 1 or not case.fits(case.expected * factor, level):
        return None
    text = f"every rate is the schedule's times {factor!r}"
    if factor == own.initial_learning_rate:
        text += ", its peak: LambdaLR multiplied the schedule by the optimizer's rate"
    return Explanation("scaled", text, {"factor": factor})
