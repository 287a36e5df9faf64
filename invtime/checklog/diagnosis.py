"""Which schedule a log is of: the one it was to have, or one that a known mistake explains."""

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

SHORT = 4  # digits; where a number has more, another level may have what is plainer

Reading = tuple[Case, int, Explanation | None]
"""A case, what the log calls its step 0, and how rows become steps where that was found out."""

Found = tuple[str | None, Reading, list[Explanation]]
"""How closely the explanations fit, and how the rows are then read."""


@np.errstate(all="ignore")  # what is out of range explains nothing
def diagnose(log: Log, schedule: InverseTimeDecay, first_step: int | None = None) -> Diagnosis:
    """Compare a log with a schedule, and find what explains it where they differ.

    Args:
        log: what `read` returned.
        schedule: the one that the run was to have.
        first_step: what the log calls the schedule's step 0; None means what its format does,
            or where it counts epochs, what its rates say.
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
            for level in EXACT:  # a parameter of many digits may fit, by chance
                if explanations := explained(case, level, STRUCTURAL):
                    return _diagnosis(log, reading, level, explanations)
            return _diagnosis(log, reading, "rounding", [_rounding(case)])
    search = _of_updates(plain[0]) if updates else _of_epochs(log, plain[0], first_step)
    close, reading, explanations = next(search, (None, plain[0], []))
    return _diagnosis(log, reading, close, explanations)


def _of_updates(reading: Reading) -> Iterator[Found]:
    """What explains a log that counts updates: one mistake, two, or one from a step on."""
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
    """What explains a log that counts epochs: another step of each, or a mistake besides."""
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
        "the schedule within rounding: another expression of it, computed in float32; "
        f"{count} of {len(case.steps)} rates have other bits, the furthest {furthest} ULP off"
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
    only = ", which is all that its one rate of the decay says"
    return (
        f"the log does not say how many updates {row} has: check that it is "
        f"{reading.parameters['updates']}{only if tested.of_decay and not tested.decay else ''}"
    )


def _tested(case: Case, level: str, *, known: bool) -> Tested:
    """What a log is evidence of: a rate of the decay is one that is not the peak's.

    Where it is not known how many updates a row has, one rate says no more than that number.
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
