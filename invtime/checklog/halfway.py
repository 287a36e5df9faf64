"""Changes during a run: the schedule up to some step and a mistake after it, or the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from invtime.checklog.case import Case
from invtime.checklog.explain import Mistake, explained
from invtime.checklog.mistakes import SINGLE
from invtime.checklog.numbers import digits
from invtime.checklog.report import Explanation


def from_step(case: Case, level: str) -> Explanation | None:
    """The schedule up to a step, a mistake from there on."""
    wrong = np.flatnonzero(case.differing(level))
    if not wrong.size or not wrong[0]:
        return None
    part = case.part(slice(wrong[0], None))
    found, step = _change(part, level), int(part.steps[0])
    if found is None:
        return None
    before = int(case.steps[wrong[0] - 1])
    if found.kind == "shifted" and found.parameters["steps"] in range(-step, -before):
        found = replace(found, text="the step count restarted from 0")
    return _told(found, "from-step", f"from step {step} on", step)


def until_step(case: Case, level: str) -> Explanation | None:
    """A mistake up to a step, the schedule from there on."""
    wrong = np.flatnonzero(case.differing(level))
    if not wrong.size or wrong[-1] == len(case.steps) - 1:
        return None
    part = case.part(slice(None, wrong[-1] + 1))
    found, step = _change(part, level), int(part.steps[-1])
    return found and _told(found, "until-step", f"up to step {step}", step)


def _change(part: Case, level: str) -> Explanation | None:
    """Explain a part of the rows, unless there are so few that any number would fit."""
    for found in explained(part, level, SINGLE):
        numbers = sum(digits(number) > 2 for number in found.parameters.values())
        if len(set(part.rates.floats.tolist())) > numbers and len(part.steps) > 1 + numbers:
            return found
    return None


def _told(found: Explanation, kind: str, words: str, step: int) -> Explanation:
    parameters = {"step": step, "change": found.kind, **found.parameters}
    return Explanation(
        kind, f"the log follows the schedule except {words}: {found.text}", parameters
    )


HALFWAY: Sequence[Mistake] = (from_step, until_step)
