"""Two mistakes at once: another schedule, and a wrong step count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from invtime.checklog.case import Case, decays
from invtime.checklog.explain import Mistake, explained, whole
from invtime.checklog.formulas import OTHER_KIND
from invtime.checklog.numbers import another, changed, rate_at_0, simplest
from invtime.checklog.phases import without
from invtime.checklog.report import Explanation
from invtime.checklog.steps import AFTER, epochs, log_in_epochs, processes, shifted
from invtime.spec import InverseTimeDecay

Variant = tuple[Explanation, InverseTimeDecay]


@whole
def combined(case: Case, level: str) -> Explanation | None:
    """Another schedule, at other steps."""
    for found, schedule in variants(case, level):
        for count in explained(case.of(schedule), level, (shifted, epochs, processes)):
            kind, text = f"{found.kind}+{count.kind}", f"{found.text}; and {count.text}"
            return Explanation(kind, text, {**found.parameters, **count.parameters})
    return None


COMBINED: Sequence[Mistake] = (
    combined,
    partial(processes, known=AFTER),
    partial(log_in_epochs, known=AFTER),
)


def variants(case: Case, level: str, counted: bool = True) -> Iterator[Variant]:
    """Other schedules that the rates suggest, independent of their steps.

    `counted`: whether the log counts updates, possibly from another number or in another unit.
    """
    own = case.schedule
    other = changed(own, staircase=not own.staircase)
    if other is not None:
        text = "continuous" if own.staircase else "staircase"
        yield Explanation(text, OTHER_KIND[own.staircase]), other
    yield from without(own)
    for key, number in _numbers(case, level, counted):
        if number is not None and number != getattr(own, key):
            other = changed(own, **{key: number})
            if other is not None:
                yield another(own, {key: number}), other


def _numbers(case: Case, level: str, counted: bool) -> Iterator[tuple[str, int | float | None]]:
    """Values of single parameters, each computed from a few of the rates."""
    low, high = case.bounds(level)
    rates, own = case.rates.floats, case.schedule
    top = int(rates.argmax())
    yield "initial_learning_rate", simplest(low[top], high[top])
    if counted and top > 2 and low[top - 1] > high[1]:
        run = float(case.steps[top - 1] - case.steps[1])
        run *= own.initial_learning_rate - own.warmup_learning_rate
        least, most = run / (high[top - 1] - low[1]), run / (low[top - 1] - high[1])
        yield "warmup_steps", simplest(np.ceil(least), np.floor(most))
    if len(rates) > 1 and rates[-1] == rates[-2]:
        yield "minimum_learning_rate", simplest(low[-1], high[-1])
    if not decays(own):
        return
    # In the decay, 1 / rate is linear in the plateau or in the step.
    falls = np.flatnonzero(np.diff(rates[top:]) < 0) + top + 1
    if not falls.size:
        return
    first = top if own.staircase else int(falls[0])
    last = int(falls[-1]) - 1 if len(falls) > 1 else len(rates) - 1  # the last may be the floor
    if not counted and not own.staircase:
        if last > first:
            yield from _peaks(case, level, np.array([first, last]))
        return
    turns = (case.steps[last] - case.steps[first]) / own.decay_steps
    if own.staircase:
        turns = int(np.count_nonzero(falls <= last))
    if turns > 0 and low[last] > 0:
        scale = own.initial_learning_rate / turns
        least, most = 1 / high[last] - 1 / low[first], 1 / low[last] - 1 / high[first]
        yield "decay_rate", simplest(float(scale * least), float(scale * most))


def _peaks(case: Case, level: str, rows: Any) -> Iterator[tuple[str, int | float | None]]:
    """The peak, if row e of the decay has step m * (e + ahead).

    Then 1 / rate is (1 + R * (m * (e + ahead) - start) / S) / peak. At e = -ahead, this does not
    depend on m.
    """
    own, start = case.schedule, case.reference.start
    share = 1 - own.decay_rate * start / own.decay_steps
    for ahead in (1, 0, -1):
        ends = rate_at_0(case, level, (case.steps + ahead).astype(np.float64), rows)
        low, high = sorted(share * end for end in ends)
        yield "initial_learning_rate", simplest(low, high)
