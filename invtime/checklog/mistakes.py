"""The known mistakes: each, where it explains every rate of a log, makes an explanation.

Those here are of the steps. A logged rate says between which values the exact one lies, hence
between which steps it was taken, and all rates together leave intervals for the unknown. One of
each is tried; it counts only if every rate then agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import inf, isfinite
from operator import add, mul

import numpy as np

from invtime.checklog.case import Case, overlaps
from invtime.checklog.inverse import Between
from invtime.checklog.numbers import (
    changed,
    other_decay_rate,
    other_decay_steps,
    other_initial_rate,
    two_parameters,
)
from invtime.checklog.phases import from_zero, left_out, other_stable, other_warmup, scaled
from invtime.checklog.report import Explanation
from invtime.spec import InverseTimeDecay

TRIED = 4  # intervals that are left of an unknown

Mistake = Callable[[Case, str], Explanation | None]


def late_drop(case: Case, level: str) -> Explanation | None:
    """Compiled Keras: n / S became n times the float32 reciprocal of S."""
    schedule = case.schedule
    own = case.turns(schedule)
    if not schedule.staircase or level == "float64":  # Keras computes in float32
        return None
    steps = np.array([max(n - case.reference.start, 0) for n in case.steps], np.float32)
    with np.errstate(all="ignore"):
        shown = np.floor(steps * (np.float32(1) / np.float32(schedule.decay_steps)))
    if not np.isfinite(shown).all():  # decay_steps is beyond float32
        return None
    other = [i for i, true in enumerate(own) if true is not None and true != shown[i]]
    values = case.expected.copy()
    values[other] = case.plateaus(int(shown[i]) for i in other)
    moved = [case.steps[i] for i in np.flatnonzero(values != case.expected).tolist()]
    if not moved or not case.fits(values, level):
        return None
    text = (
        "the late drop of compiled Keras: as in jax.jit and tf.function, n / decay_steps became "
        f"a product with the reciprocal, and {len(moved)} rates are those of another plateau, "
        f"the first at step {moved[0]}"
    )
    return Explanation("late-drop", text, {"steps": moved})


def other_kind(case: Case, level: str) -> Explanation | None:
    """Continuous where a staircase was meant, or the other way round."""
    own = case.schedule
    other = changed(own, staircase=not own.staircase)
    if other is None or not case.is_of(other, level):
        return None
    if own.staircase:
        return Explanation("continuous", "the log is continuous where a staircase was meant")
    return Explanation("staircase", "the log is a staircase where a continuous one was meant")


def shifted(case: Case, level: str) -> Explanation | None:
    """The rates of other steps, all equally far away."""
    if not case.moves or not _moves(case.schedule):
        return None
    found = []
    for least, most in _unknown(case, level, lambda n, first, last: (first - n, last - n)):
        by = least if least > 0 else most
        if isfinite(by):
            found.append((abs(by), int(by), least, most))
    for _, by, least, most in sorted(found)[:TRIED]:
        if case.fits(case.values(case.schedule, partial(add, by)), level):
            return _shift(by, least, most)
    return None


def _shift(by: int, least: float, most: float) -> Explanation:
    where = f"n + {by}" if by > 0 else f"n - {-by}"
    text = f"shifted: the log's step n has the rate of step {where}"
    if least != most:
        text += f" (or further, as far as {most if by > 0 else least:+})"
    if by < 0:
        text += f"; where the log counts from {-by}, pass --first-step {-by}"
    return Explanation("shifted", text, {"steps": by, "between": _between(least, most)})


def epochs(case: Case, level: str) -> Explanation | None:
    """The schedule was stepped once an epoch, the log counts updates."""
    if not _moves(case.schedule) or case.steps[0] < 0:
        return None

    def factors(n: int, first: float, last: float) -> Between:
        return n // (last + 1) + 1, n // first if first > 0 else inf

    for factor, most in _factors(case, level, factors):
        if case.fits(case.values(case.schedule, lambda n, k=factor: n // k), level):  # type: ignore[misc]
            text = "counted in epochs rather than updates: the rate of step n // "
            parameters = {"updates": factor, "between": _between(factor, most)}
            return Explanation("epochs", text + _range(factor, most), parameters)
    return None


def log_in_epochs(case: Case, level: str) -> Explanation | None:
    """The log counts epochs, the schedule was stepped once an update."""
    if not case.moves or not _moves(case.schedule):
        return None

    def factors(n: int, first: float, last: float) -> Between:
        if n <= 0:
            return 0, inf
        return -(-first // n) if first > 0 else 0, last // n if last < inf else inf

    for factor, most in _factors(case, level, factors):
        if case.fits(case.values(case.schedule, partial(mul, factor)), level):
            text = "the log counts in epochs of updates: the rate of step n * "
            parameters = {"updates": factor, "between": _between(factor, most)}
            return Explanation("log-in-epochs", text + _range(factor, most), parameters)
    return None


def _factors(
    case: Case, level: str, of: Callable[[int, float, float], Between]
) -> Iterator[tuple[int, float]]:
    """Some numbers of updates in an epoch that may fit, and up to which each may be."""
    for least, most in _unknown(case, level, of)[:TRIED]:
        factor = int(max(least, 2))
        if factor <= most:
            yield factor, most


def _unknown(case: Case, level: str, of: Callable[[int, float, float], Between]) -> list[Between]:
    """What all rates leave of an unknown, from the steps that each may have been taken at.

    `of` makes it of the log's step and the first and the last one of an interval of those.
    """
    rows = zip(case.steps, case.steps_of_rates(level), strict=True)
    return overlaps([of(n, *between) for between in spans] for n, spans in rows)


# The likeliest first, where several explain a log. The structural ones have no number of many
# digits in them that a log might fit by chance.
STRUCTURAL: Sequence[Mistake] = (late_drop, other_kind, left_out, from_zero, shifted, epochs)
MISTAKES: Sequence[Mistake] = (
    *STRUCTURAL,
    other_decay_rate,
    other_initial_rate,
    other_decay_steps,
    other_warmup,
    other_stable,
    log_in_epochs,
    two_parameters,
    scaled,
)


def _decays(schedule: InverseTimeDecay) -> bool:
    return bool(schedule.initial_learning_rate and schedule.decay_rate)


def _moves(schedule: InverseTimeDecay) -> bool:
    return len(schedule.phases) > 1 or _decays(schedule)


def _between(least: float, most: float) -> list[int | None]:
    """The interval as JSON has it: null for no end."""
    return [int(end) if isfinite(end) else None for end in (least, most)]


def _range(factor: int, most: float) -> str:
    if most == factor:
        return str(factor)
    return f"{factor} (or more)" if most == inf else f"{factor} (or up to {int(most)})"
