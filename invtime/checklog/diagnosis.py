"""Diagnose a log: it follows the schedule, or known mistakes explain the difference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from invtime.checklog import epochs
from invtime.checklog.agreement import EXACT, Rates
from invtime.checklog.case import Case, decays
from invtime.checklog.combined import COMBINED
from invtime.checklog.explain import explained, length
from invtime.checklog.halfway import HALFWAY
from invtime.checklog.log import Log
from invtime.checklog.mistakes import SINGLE, STRUCTURAL
from invtime.checklog.report import Diagnosis, Difference, Explanation, Tested
from invtime.spec import InverseTimeDecay

SHORT = 4  # digits; if a number has more, another level may give a simpler explanation

Reading = tuple[Case, int, Explanation | None]
"""A case, the log's number for step 0, and how rows map to steps if the rates told it."""

Found = tuple[str | None, Reading, list[Explanation]]
"""The level at which the explanations fit, how the rows are read, and the explanations."""


@np.errstate(all="ignore")  # values out of range explain nothing
def diagnose(log: Log, schedule: InverseTimeDecay, first_step: int | None = None) -> Diagnosis:
    """Compare a log with a schedule, and explain the difference if there is one.

    Args:
        log: the log, as returned by `read` or `Log.of`.
        schedule: the schedule that the run should follow.
        first_step: the log's number for the schedule's step 0. None uses the convention of the
            log's format or, if the log counts epochs, finds it from the rates.

    Returns:
        Whether the log matches, how closely, and the possible explanations.
    """
    steps = np.array(log.steps, object)
    rates, updates = Rates(log.rates), log.unit == "update"
    whole = Case(steps, rates, schedule)
    firsts = log.first_steps if first_step is None else (first_step,)
    plain: list[Reading] = [
        (Case(steps - first, rates, schedule, first if updates else None), first, None)
        for first in firsts
    ]

    def readings(level: str) -> Iterator[Reading]:
        if updates:
            yield from plain
        else:
            for count, words in epochs.readings(whole, level, log, first_step):
                reading = epochs.told(count, words, log.unit)
                yield whole.counted(count.of(steps)), first_step or 0, reading

    for level in EXACT:
        for reading in readings(level):
            if reading[0].agrees(level):
                return _diagnosis(log, reading, level, [])
    for reading in readings("rounding"):
        if (case := reading[0]).agrees("rounding"):
            for level in EXACT:  # a parameter with many digits may fit by chance
                if explanations := explained(case, level, STRUCTURAL):
                    return _diagnosis(log, reading, level, explanations)
            return _diagnosis(log, reading, "rounding", [_rounding(case)])
    search = _of_updates(plain[0]) if updates else _of_epochs(log, plain[0], first_step)
    close, reading, explanations = next(search, (None, plain[0], []))
    return _diagnosis(log, reading, close, explanations)


def _of_updates(reading: Reading) -> Iterator[Found]:
    """Explain a log that counts updates: by one mistake, two, or one that starts at a step."""
    for levels in (EXACT, ("rounding",)):
        for mistakes in (SINGLE, COMBINED, HALFWAY):
            fitting: list[Found] = []
            for level in levels:
                found = explained(reading[0], level, mistakes)
                short = bool(found) and length(found[0]) <= SHORT
                if found and (short or not fitting):
                    fitting.append((level, reading, found))
                if short:
                    break
            yield from fitting[-1:]


def _of_epochs(log: Log, plain: Reading, first: int | None) -> Iterator[Found]:
    """Explain a log that counts epochs: by another step of each epoch, or by a mistake as well."""
    whole = plain[0]

    def offset(level: str, within: bool) -> Iterator[Found]:
        for count, found in epochs.offset(whole, level, log, within):
            yield level, (whole.counted(count.updates * whole.steps), first or 0, None), [found]

    for level in (*EXACT, "rounding"):
        yield from offset(level, within=True)
        if both := epochs.mistaken(whole, level, log, first):
            found = list({each.text: each for _, each in both}.values())
            yield level, (whole.counted(both[0][0].of(whole.steps)), first or 0, None), found
        yield from offset(level, within=False)
        if found := explained(whole, level, SINGLE):
            yield level, plain, found


def _rounding(case: Case) -> Explanation:
    count, furthest = case.furthest()
    text = (
        "equal within rounding: the schedule computed in float32 by another formula; "
        f"{count} of {len(case.steps)} rates have different bits, by at most {furthest} ULP"
    )
    return Explanation("rounding", text, {"worst_ulp": furthest})


def _diagnosis(
    log: Log, reading: Reading, level: str | None, explanations: list[Explanation]
) -> Diagnosis:
    case, first, text = reading
    wrong = np.zeros(len(log.steps), np.bool_)
    if level is None or explanations:
        wrong = case.differing("rounding")
        wrong = wrong if wrong.any() else case.differing("digits")
    tested = _tested(case, level or "digits", known=text is None)
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
        reading=text,
        tested=tested,
        explanations=tuple(explanations),
        differing=int(wrong.sum()),
        difference=difference,
        notes=log.notes if text is None else (*log.notes, _unsaid(log, text, tested)),
    )


def _unsaid(log: Log, reading: Explanation, tested: Tested) -> str:
    row = "an epoch" if log.unit == "epoch" else "a row"
    only = "; the only rate from the decay is used to find this number and tests nothing else"
    return (
        f"the log does not say how many updates {row} has; check that it is "
        f"{reading.parameters['updates']}{only if tested.of_decay and not tested.decay else ''}"
    )


def _tested(case: Case, level: str, *, known: bool) -> Tested:
    """What a log tests. A rate from the decay is neither the peak nor the floor.

    If the number of updates per row is not `known`, a single rate only determines that number.
    """
    peak, steps = float(case.reference.initial), case.steps
    low, high = case.bounds(level)
    moving = ((peak < low) | (high < peak)) & ~case.may_be_floor(level)
    decayed = case.in_decay & moving
    enough = known or len(np.unique(case.rates.floats[moving & (steps > 0).astype(bool)])) > 1
    phases = [
        phase.name
        for phase in case.schedule.phases
        if (steps[-1] >= phase.start)
        and ((steps >= phase.start) & (steps < (phase.stop or np.inf))).any()
    ]
    return Tested(
        rates=len(np.unique(case.rates.floats)),
        of_decay=len(np.unique(case.rates.floats[decayed])),
        phases=tuple(phases),
        last=int(steps[-1]),
        decay=bool(decayed.any() and enough if decays(case.schedule) else case.in_decay.any()),
    )
