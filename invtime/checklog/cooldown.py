"""A different cool-down from the schedule's, or one that the schedule does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from invtime.checklog.agreement import Floats
from invtime.checklog.case import Case
from invtime.checklog.explain import whole
from invtime.checklog.numbers import changed, simplest
from invtime.checklog.phases import COOLDOWN, defaults
from invtime.checklog.report import Explanation


@whole
def other_cooldown(case: Case, level: str) -> Explanation | None:
    """A different or an unexpected cool-down: a straight line from some step of the decay on."""
    own = case.schedule
    bare = changed(own, **defaults(COOLDOWN))
    assert bare is not None
    plain = case.of(bare)
    wrong = np.flatnonzero(plain.differing(level))
    rates = case.rates.floats
    if not wrong.size or not wrong[0] or wrong[0] == len(rates) - 1:  # one rate is no line
        return None
    equal = int((rates[::-1] != rates[-1]).argmax()) if case.moves else len(rates)
    end = len(rates) - (equal if equal > 1 else 0)
    line = np.arange(wrong[0], end)
    if not line.size:
        return None
    ends = [own.final_learning_rate, 0]
    if equal > 1:
        ends.insert(0, simplest(*(each[-1] for each in case.bounds(level))) or 0)
    for start in _starts(plain, line, level):
        for final in dict.fromkeys(ends):
            steps = _cooling(plain, line, level, start, final)
            changes = dict(zip(COOLDOWN, (start, steps, final), strict=True))
            schedule = changed(own, **changes) if steps else None
            if schedule and case.is_of(schedule, level):
                text = f"a cool-down from step {start} over {steps} steps to {final!r}"
                if own.cooldown_start is None:
                    text += ", which the schedule does not have"
                    return Explanation("cool-down", text, changes)
                meant = f"step {own.cooldown_start} over {own.cooldown_steps} steps"
                text += f", instead of one from {meant} to {own.final_learning_rate!r}"
                return Explanation("cool-down", text, changes)
    return None


def _starts(case: Case, line: Any, level: str) -> list[int]:
    """Steps where the line may start from the decay, between its first row and the row before."""
    before, first, last = case.steps[line[0] - 1], case.steps[line[0]], case.steps[line[-1]]
    if first == last:
        return [int(before)]
    (a, b), (least, most) = case.rates.floats[line[[0, -1]]].tolist(), case.bounds(level)
    half = float((most - least)[line].max())  # what the printed digits leave open
    slope = (b - a) / (last - first)

    def above(n: int, by: float) -> bool:
        return bool(a + by + slope * (n - first) > case.reference.value(n))

    found = []
    for by in (-half, 0.0, half):
        low, high = int(before), int(first)
        side = above(low, by)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if above(middle, by) == side else (low, middle)
        found.append(low)
    ends = simplest(max(min(found) - 1, before), max(found))
    return list(dict.fromkeys([int(ends or 0), found[1] - 1, found[1], int(before)]))


def _cooling(case: Case, line: Any, level: str, start: int, final: float) -> int | None:
    """The number of steps in which the line goes from the decay at `start` to the final rate."""
    begin = case.reference.value(start)
    down = abs(begin - final)
    low, high = (ends[line] for ends in case.bounds(level))
    least, most = (begin - high, begin - low) if begin > final else (low - begin, high - begin)
    n: Floats = (case.steps[line] - start).astype(np.float64)
    some = (least > 0) & (n > 0)
    if not some.any() or not down:
        return None
    low, high = down * n[some] / most[some], down * n[some] / least[some]
    steps = simplest(np.ceil(low.max() * (1 - 2**-40)), np.floor(high.min() * (1 + 2**-40)))
    return int(steps) if steps else None
