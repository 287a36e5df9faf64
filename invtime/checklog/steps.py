"""Mistakes in the step count: it starts from another number, or counts another unit."""

from __future__ import annotations

from math import inf

import numpy as np

from invtime.checklog.case import Case, moves
from invtime.checklog.counting import TRIED, counts, signed, unknown
from invtime.checklog.inverse import Between
from invtime.checklog.report import Explanation

PROCESSES = 64  # more processes that step one scheduler are unlikely

Known = tuple[tuple[int, int], ...]
"""Pairs (ahead, beside) to try in m * (n + ahead) + beside."""

AFTER: Known = ((1, 0), (1, -1))  # for a log written after the update


def shifted(case: Case, level: str) -> Explanation | None:
    """The rates of other steps, all at the same distance."""
    if not case.moves or not moves(case.schedule):
        return None
    found = []
    for least, most in unknown(case, level, lambda n, first, last: (first - n, last - n)):
        by = least if least > 0 else most
        if abs(by) < inf:
            found.append((abs(by), int(by), least, most))
    for _, by, least, most in sorted(found)[:TRIED]:
        if by and case.is_of(None, level, case.steps + by):
            return _shift(by, least, most, case.first)
    return None


def _shift(by: int, least: float, most: float, first: int | None) -> Explanation:
    n, taken = ("step n", 0) if first is None else ("the log's step n", first)
    text = f"shifted: {n} has the rate of step n{signed(by - taken)}"
    if least != most:
        text += f" (any shift up to {(most if by > 0 else least) - taken:+} fits)"
    if first is not None and by == 1:
        text += f"; if the rate is logged after the update, pass --first-step {first - 1}"
    elif first is not None and by < 0:
        start = first - by
        text += (
            f"; if the log counts from {start}, pass --first-step {start}; "
            f"if the run was resumed at step {start}, its count was lost"
        )
    return Explanation("shifted", text, {"steps": by, "between": _between(least, most)})


def epochs(case: Case, level: str) -> Explanation | None:
    """The schedule was stepped once per several updates: per epoch or accumulated batches."""
    if not moves(case.schedule) or case.steps[0] < 0:
        return None

    def factors(n: int, first: float, last: float) -> Between:
        return n // (last + 1) + 1, n // first if first > 0 else inf

    for least, most in unknown(case, level, factors)[:TRIED]:
        factor = int(max(least, 2))
        if factor <= most and case.is_of(None, level, case.steps // factor):
            text = (
                f"step n has the rate of step n // {_range(factor, most)}: the scheduler is "
                "stepped once per epoch of that many updates, or the log counts batches and each "
                "update accumulates that many"
            )
            parameters = {"updates": factor, "between": _between(factor, most)}
            return Explanation("epochs", text, parameters)
    return None


def stopped(case: Case, level: str) -> Explanation | None:
    """The schedule up to a step, then the rate of that step."""
    rates = case.rates.floats
    equal = int((rates[::-1] != rates[-1]).argmax())
    if not case.moves or equal < 2:
        return None
    before, first = case.steps[-equal - 1], case.steps[-equal]
    for least, most in case.spans(level)[-1]:
        step = max(least, before)
        if step <= min(most, first) and case.is_of(None, level, np.minimum(case.steps, step)):
            text = (
                f"the schedule stopped: the rate is constant from step {step} on, as if the "
                "scheduler is no longer stepped"
            )
            return Explanation(
                "stopped", text, {"step": int(step), "between": _between(step, most)}
            )
    return None


def processes(case: Case, level: str, known: Known = ((0, 0),)) -> Explanation | None:
    """Each of several processes or accumulated batches stepped the scheduler."""
    found = log_in_epochs(case, level, known)
    if found is None or found.parameters["updates"] > PROCESSES:
        return None
    times, step = found.parameters["updates"], found.parameters["step"]
    text = (
        f"stepped {times} times per update: step n has the rate of step {step}, as if {times} "
        f"processes step one scheduler, or it is stepped after each of {times} accumulated batches"
    )
    return Explanation("processes", text, {"times": times})


def log_in_epochs(case: Case, level: str, known: Known = ((0, 0),)) -> Explanation | None:
    """The log counts epochs, but the schedule was stepped once per update."""
    if not case.moves or not moves(case.schedule):
        return None
    for ahead, beside in known:
        for count in counts(case, level, ahead, beside, least=2):
            step, between = count.text("n"), _between(count.updates, count.most)
            text = f"the log counts epochs, not updates: row n has the rate of step {step}"
            if count.most != count.updates:
                text += f"; an epoch has {_range(count.updates, count.most)} updates"
            parameters = {"updates": count.updates, "step": step, "between": between}
            return Explanation("log-in-epochs", text, parameters)
    return None


def _between(least: float, most: float) -> list[int | None]:
    """The interval for JSON, with null for an infinite end."""
    return [int(end) if abs(end) < inf else None for end in (least, most)]


def _range(factor: int, most: float) -> str:
    if most == factor:
        return str(factor)
    return f"{factor} (or more)" if most == inf else f"{factor} (or up to {int(most)})"
