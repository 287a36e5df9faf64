"""Find the mistakes that explain a log, and sort them by simplicity."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from invtime.checklog.case import Case
from invtime.checklog.numbers import digits
from invtime.checklog.report import Explanation

Mistake = Callable[[Case, str], Explanation | None]
"""A function of a case and a level that returns an explanation if every rate then agrees."""

WHOLE: set[Mistake] = set()


def whole(mistake: Mistake) -> Mistake:
    """Mark a mistake that a sample of the rows may miss. Others are first tried on a sample."""
    WHOLE.add(mistake)
    return mistake


def explained(case: Case, level: str, mistakes: Iterable[Mistake]) -> list[Explanation]:
    """The explanations that fit a log at a level, those with the shortest numbers first."""
    found = [
        explanation
        for mistake in mistakes
        if case.probe is case or mistake in WHOLE or mistake(case.probe, level)
        if (explanation := mistake(case, level))
    ]
    return sorted(found, key=length)


def length(found: Explanation) -> int:
    """The number of digits in an explanation. The more digits, the likelier a chance fit."""
    return sum(map(digits, found.parameters.values()))
