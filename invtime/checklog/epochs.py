"""Logs whose rows are epochs or have no step: which step of the schedule each row has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from invtime.checklog.case import Case
from invtime.checklog.combined import variants
from invtime.checklog.counting import Count, any_offset, counts
from invtime.checklog.explain import explained, length
from invtime.checklog.halfway import HALFWAY
from invtime.checklog.log import Log
from invtime.checklog.mistakes import SINGLE
from invtime.checklog.reading.conventions import TRAINER
from invtime.checklog.report import Explanation

# Frameworks log for an epoch e of m updates the rate of step m * (e + ahead) + beside.
KNOWN = (
    (1, 0, "after the last update of each {}"),
    (0, 0, "for the first update of each {}"),
    (1, -1, "for the last update of each {}"),
    (0, 1, "after the first update of each {}"),
)
FIRST_TOO = "for the first update, and then for the last update of each {}"
CHANCE = 2  # how many more digits than the simplest explanation another one may have


def readings(case: Case, level: str, log: Log, first: int | None) -> Iterator[tuple[Count, str]]:
    """The ways of counting for which the log's rates are the schedule's, likeliest first.

    `first` is the log's number for the schedule's step 0, if that is known.
    """
    if first is not None:
        for count in counts(case, level, -first, 0):
            yield count, KNOWN[1][2]
        return
    bases = (
        (0, 1) if log.conventions else (1, 0)
    )  # frameworks with a known convention count epochs from 0
    for base in bases if log.steps[0] == 1 else (0,):
        for ahead, beside, words in KNOWN:
            for count in counts(case, level, ahead - base, beside):
                yield count, words + (", counted from 1 in the log" if base else "")
    if log.unit == "row" and TRAINER in log.conventions:  # with its logging_first_step
        for count in counts(case, level, 0, -1, least=2):  # step -1 of row 0 counts as step 0
            yield count, FIRST_TOO


def told(count: Count, words: str, unit: str) -> Explanation:
    """The explanation of how the log counts."""
    m, most = count.updates, count.most
    more = "" if most == m else " or more" if most == inf else f" to {int(most)}"
    text = f"row e has the rate of step {count.text('e')}: "
    if m == 1 and not more:
        text += f"one step of the schedule per {unit}"
    else:
        text += words.format(f"{unit} ({m}{more} updates)")
    parameters = {
        "updates": m,
        "offset": m * count.ahead + count.beside,
        "between": [m, None if most == inf else int(most)],
    }
    return Explanation("reading", text, parameters)


def offset(case: Case, level: str, log: Log, within: bool) -> Iterator[tuple[Count, Explanation]]:
    """The rates of another step of each epoch or, if not `within`, of a step outside it."""
    count = any_offset(case, level, within) if case.moves else None
    if count and case.is_of(None, level, count.of(case.steps)):
        found = told(count, f"{count.beside} updates after the start of each {{}}", log.unit)
        yield count, replace(found, kind="offset")


def mistaken(
    case: Case, level: str, log: Log, first: int | None
) -> list[tuple[Count, Explanation]]:
    """Ways of counting for a log that also has a mistake, with both as one explanation."""
    both = []
    for found, schedule in variants(case, level, counted=False):
        reading = next(readings(case.of(schedule), level, log, first), None)
        if reading:
            both.append((*reading, found))
    parts = dict.fromkeys(_of_parts(case, level, log, first))
    for mistakes in (SINGLE, HALFWAY):
        if not both:
            for count, words in parts:
                counted = case.counted(count.of(case.steps))
                both += [(count, words, each) for each in explained(counted, level, mistakes)]
    both.sort(key=lambda each: length(each[2]))
    return [
        (count, _both(found, told(count, words, log.unit)))
        for count, words, found in both
        if length(found) <= length(both[0][2]) + CHANCE
    ]


def _both(found: Explanation, reading: Explanation) -> Explanation:
    parameters = {**reading.parameters, **found.parameters}
    return Explanation(found.kind, f"{found.text}; {reading.text}", parameters)


def _of_parts(case: Case, level: str, log: Log, first: int | None) -> Iterator[tuple[Count, str]]:
    """Ways of counting for a part of the log, such as the warm-up or the rows before a change."""
    top, rows = int(case.rates.floats.argmax()), len(case.steps)
    for part in dict.fromkeys((rows // 2, rows // 4, 8, top)):
        if 1 < part < rows:
            yield from readings(case.part(slice(part)), level, log, first)
    some = max((rows - top) // 4, 8)
    falling = case.part(slice(top + 1, top + 1 + some))  # the decay gives m, wherever it begins
    if len(falling.steps) > 1 and (count := any_offset(falling, level, within=False)):
        for ahead, beside, words in KNOWN:
            yield Count(count.updates, ahead, beside, count.most), words
