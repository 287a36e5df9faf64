"""Which schedule a log is of: the one it was to have, or one that a known mistake explains."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from invtime.checklog.agreement import EXACT, LEVELS, Rates
from invtime.checklog.case import Case
from invtime.checklog.log import Log
from invtime.checklog.mistakes import MISTAKES, PHASES, STRUCTURAL, Mistake
from invtime.checklog.report import Diagnosis, Difference, Explanation
from invtime.spec import InverseTimeDecay
from invtime.table import Table


def diagnose(log: Log, schedule: InverseTimeDecay, first_step: int | None = None) -> Diagnosis:
    """Compare a log with a schedule, and find what explains it where they differ.

    Args:
        log: what `read` returned.
        schedule: the one that the run was to have.
        first_step: what the log calls the schedule's step 0; None means what its format does.
    """
    firsts = log.first_steps if first_step is None else (first_step,)
    rates = Rates(log.rates)
    cases = [Case([n - first for n in log.steps], rates, schedule) for first in firsts]
    for level in EXACT:
        for first, case in zip(firsts, cases, strict=True):
            if case.fits(case.expected, level):
                return _diagnosis(log, case, first, level, [])
    for first, case in zip(firsts, cases, strict=True):
        if case.fits(case.expected, "rounding"):  # a parameter of many digits may fit, by chance
            structural = PHASES if isinstance(schedule.form, Table) else STRUCTURAL
            close, explanations = _explained(case, EXACT, structural)
            if not explanations:
                close, explanations = "rounding", [_rounding(case)]
            return _diagnosis(log, case, first, close, explanations)
    known = PHASES if isinstance(schedule.form, Table) else MISTAKES
    close, explanations = _explained(cases[0], LEVELS, known)
    return _diagnosis(log, cases[0], firsts[0], close, explanations)


def _explained(
    case: Case, levels: Iterable[str], mistakes: Iterable[Mistake]
) -> tuple[str | None, list[Explanation]]:
    """The mistakes that fit most closely, and how closely."""
    for level in levels:
        explanations = [found for mistake in mistakes if (found := mistake(case, level))]
        if explanations:
            return level, explanations
    return None, []


def _rounding(case: Case) -> Explanation:
    logged, exact = (
        values.astype(np.float32).view(np.int32).astype(np.int64)
        for values in (case.rates.floats, case.expected)
    )
    distance = np.abs(logged - exact)
    text = (
        "the schedule within rounding: another expression of it, computed in float32; "
        f"{np.count_nonzero(distance)} of {distance.size} rates have other bits, the furthest "
        f"{distance.max()} ULP off"
    )
    return Explanation("rounding", text, {"worst_ulp": int(distance.max())})


def _diagnosis(
    log: Log, case: Case, first: int, level: str | None, explanations: list[Explanation]
) -> Diagnosis:
    wrong = np.zeros(len(log.steps), np.bool_)
    if level is None or explanations:
        wrong = case.rates.differing(case.expected, "rounding")
        wrong = wrong if wrong.any() else case.rates.differing(case.expected, "digits")
    difference = None
    if wrong.any():
        i = int(wrong.argmax())
        difference = Difference(log.steps[i], str(log.rates[i]), float(case.expected[i]))
    return Diagnosis(
        schedule=case.schedule,
        kind=log.kind,
        rows=len(log.steps),
        first=log.steps[0],
        last=log.steps[-1],
        first_step=first,
        level=level,
        explanations=tuple(explanations),
        differing=int(wrong.sum()),
        difference=difference,
        notes=log.notes,
    )
