"""Which of some mistakes explain a log, and which of these is the plainest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from invtime.checklog.case import Case
from invtime.checklog.numbers import digits
from invtime.checklog.report import Explanation

Mistake = Callable[[Case, str], Explanation | None]
"""From a case and a level of agreement to the explanation, where every rate agrees."""

WHOLE: set[Mistake] = set()


def whole(mistake: Mistake) -> Mistake:
    """Marks a mistake that a part of the rows may not show; others are tried on one first."""
    WHOLE.add(mistake)
    return mistake


def explained(case: Case, level: str, mistakes: Iterable[Mistake]) -> list[Explanation]:
    """The mistakes that explain a log, at a level: those with the shortest numbers first."""
    found = [
        explanation
        for mistake in mistakes
        if case.probe is case or mistake in WHOLE or mistake(case.probe, level)
        if (explanation := mistake(case, level))
    ]
    return sorted(found, key=length)


def length(found: Explanation) -> int:
    """How many digits its numbers have, of which a log fits more by chance."""
    return sum(map(digits, found.parameters.values()))
