"""The known mistakes: each, where it explains every rate of a log, makes an explanation.

Most have one unknown. A logged rate says between which values the exact one lies, hence
between which steps it was taken, and all rates together leave an interval for the unknown.
The simplest number of it is tried; it counts only if every rate then agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import inf, isfinite, nextafter

import numpy as np

from invtime.checklog.case import Case, overlap
from invtime.checklog.report import Explanation
from invtime.decimals import exact_number
from invtime.errors import ConfigError
from invtime.parameters import DEFAULTS
from invtime.spec import InverseTimeDecay

Mistake = Callable[[Case, str], Explanation | None]


def late_drop(case: Case, level: str) -> Explanation | None:
    """Compiled Keras: n / S became n times the float32 reciprocal of S."""
    schedule, form = case.schedule, case.form
    if not schedule.staircase or level == "float64":  # Keras computes in float32
        return None
    steps = np.array([max(n, 0) for n in case.steps], np.float32)
    with np.errstate(all="ignore"):
        shown = np.floor(steps * (np.float32(1) / np.float32(schedule.decay_steps)))
    if not np.isfinite(shown).all():  # decay_steps is beyond float32
        return None
    own = case.turns(schedule)
    moved = [n for n, t, true in zip(case.steps, shown, own, strict=True) if t != true]
    values = np.array([form.A / (form.B + form.C * int(t)) for t in shown])
    if not case.fits(values, level):
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
    other = _changed(own, staircase=not own.staircase)
    if other is None or not case.fits(case.values(other), level):
        return None
    if own.staircase:
        return Explanation("continuous", "the log is continuous where a staircase was meant")
    return Explanation("staircase", "the log is a staircase where a continuous one was meant")


def shifted(case: Case, level: str) -> Explanation | None:
    """The rates of other steps, all equally far away."""
    if not case.moves or not _decays(case.schedule):
        return None
    least, most = overlap(
        (first - n, last - n)
        for n, (first, last) in zip(case.steps, case.steps_of_rates(level), strict=True)
    )
    by = least if least > 0 else most
    if least > most or not isfinite(by):
        return None
    by = int(by)
    if not case.fits(case.values(case.schedule, lambda n: n + by), level):
        return None
    where = f"n + {by}" if by > 0 else f"n - {-by}"
    text = f"shifted: the log's step n has the rate of step {where}"
    if least != most:
        text += f" (or further, as far as {most if by > 0 else least:+})"
    if by < 0:
        text += f"; where the log counts from {-by}, pass --first-step {-by}"
    return Explanation("shifted", text, {"steps": by, "between": _between(least, most)})


def epochs(case: Case, level: str) -> Explanation | None:
    """The schedule was stepped once an epoch, the log counts updates."""
    spans = case.steps_of_rates(level) if _decays(case.schedule) else []
    if not spans or case.steps[0] < 0 or any(last < 0 for _, last in spans):
        return None
    least, most = overlap(
        (n // (last + 1) + 1, n // first if first > 0 else inf)
        for n, (first, last) in zip(case.steps, spans, strict=True)
    )
    factor = int(max(least, 2))
    if factor > most or not case.fits(case.values(case.schedule, lambda n: n // factor), level):
        return None
    text = f"counted in epochs rather than updates: the rate of step n // {_range(factor, most)}"
    return Explanation("epochs", text, {"updates": factor, "between": _between(factor, most)})


def log_in_epochs(case: Case, level: str) -> Explanation | None:
    """The log counts epochs, the schedule was stepped once an update."""
    if not case.moves or not _decays(case.schedule):
        return None
    found = [
        (-(-first // n) if first > 0 else 0, last // n)
        for n, (first, last) in zip(case.steps, case.steps_of_rates(level), strict=True)
        if n > 0 and isfinite(last)
    ]
    if not found:
        return None
    least, most = overlap(found)
    factor = int(max(least, 2))
    if factor > most or not case.fits(case.values(case.schedule, lambda n: n * factor), level):
        return None
    text = f"the log counts in epochs of updates: the rate of step n * {_range(factor, most)}"
    return Explanation(
        "log-in-epochs", text, {"updates": factor, "between": _between(factor, most)}
    )


def other_decay_rate(case: Case, level: str) -> Explanation | None:
    """Another decay_rate, everything else as it was to be."""
    return _other(case, level, "decay_rate", _decay_rate(case, level, case.schedule))


def other_initial_rate(case: Case, level: str) -> Explanation | None:
    """Another initial_learning_rate, everything else as it was to be."""
    unit = _changed(case.schedule, initial_learning_rate=1)
    if unit is None:
        return None
    low, high = case.rates.bounds(level)
    shape = case.values(unit)
    number = _simplest(float((low / shape).max()), float((high / shape).min()))
    found = _other(case, level, "initial_learning_rate", number)
    own = Fraction(*exact_number(case.schedule.initial_learning_rate))
    if not found or Fraction(*exact_number(found.parameters["initial_learning_rate"])) != own**2:
        return found
    why = "which is that squared: LambdaLR multiplied the schedule by the optimizer's rate"
    return replace(found, text=f"{found.text}, {why}")


def other_decay_steps(case: Case, level: str) -> Explanation | None:
    """Another decay_steps, everything else as it was to be."""
    if not case.moves or not _decays(case.schedule):
        return None
    after = 1 if case.schedule.staircase else 0
    found = [
        (nextafter(n / (most + after), inf) if after else n / most, n / least if least > 0 else inf)
        for n, (least, most) in zip(case.steps, case.turns_of_rates(level), strict=True)
        if n > 0 and most + after > 0
    ]
    return _other(case, level, "decay_steps", _simplest(*overlap(found)) if found else None)


def two_parameters(case: Case, level: str) -> Explanation | None:
    """Another initial_learning_rate, and another decay_rate; needs a row of the first rate."""
    own = case.schedule
    rows = zip(case.bounds(level), case.turns(own), strict=True)
    start = [between for between, turns in rows if turns == 0]
    initial = _simplest(*overlap(start)) if start else None
    if not initial or initial == own.initial_learning_rate:
        return None
    schedule = _changed(own, initial_learning_rate=initial)
    decay = schedule and _decay_rate(case, level, schedule)
    if schedule is None or decay is None or decay == own.decay_rate:
        return None
    schedule = _changed(schedule, decay_rate=decay)
    if schedule is None or not case.fits(case.values(schedule), level):
        return None
    text = f"another initial_learning_rate and decay_rate: {initial} and {decay} fit"
    parameters = {"initial_learning_rate": initial, "decay_rate": decay}
    return Explanation("two-parameters", text, parameters)


# The likeliest first, where several explain a log. The structural ones have no number of many
# digits in them that a log might fit by chance.
def left_out(case: Case, level: str) -> Explanation | None:
    """A run without some of the phases."""
    own = case.schedule.get_config()
    groups = [
        ("the warm-up", ("warmup_steps", "warmup_learning_rate")),
        ("the stable phase", ("stable_steps",)),
        ("the floor", ("minimum_learning_rate",)),
        ("the cool-down", ("cooldown_start", "cooldown_steps", "final_learning_rate")),
    ]
    there = [(name, keys) for name, keys in groups if own.keys() & set(keys)]
    for count in range(1, len(there) + 1):
        for without in combinations(there, count):
            changes = {key: DEFAULTS[key] for _, keys in without for key in keys}
            try:
                schedule = case.schedule.replace(**changes)
            except ConfigError:  # a cool-down may start in what was left out
                continue
            if case.fits(case.values(schedule), level):
                names = " and ".join(name for name, _ in without)
                return Explanation("left-out", f"the schedule without {names}", changes)
    return None


PHASES: Sequence[Mistake] = (left_out,)
STRUCTURAL: Sequence[Mistake] = (late_drop, other_kind, shifted, epochs)
MISTAKES: Sequence[Mistake] = (
    *STRUCTURAL,
    other_decay_rate,
    other_initial_rate,
    other_decay_steps,
    log_in_epochs,
    two_parameters,
)


def _decay_rate(case: Case, level: str, schedule: InverseTimeDecay) -> int | float | None:
    """The simplest decay_rate with which a schedule may fit."""
    initial = schedule.initial_learning_rate
    found = [
        ((initial / high - 1) / turns if high else inf, (initial / low - 1) / turns if low else inf)
        for (low, high), turns in zip(case.bounds(level), case.turns(schedule), strict=True)
        if turns > 0
    ]
    return _simplest(*overlap(found)) if found else None


def _other(case: Case, level: str, key: str, number: float | None) -> Explanation | None:
    """Another number for one parameter, where it fits."""
    other = None if number is None else _changed(case.schedule, **{key: number})
    if other is None or not case.fits(case.values(other), level):
        return None
    own = getattr(case.schedule, key)
    return Explanation(key, f"another {key}: {number!r} fits, in place of {own!r}", {key: number})


def _changed(schedule: InverseTimeDecay, **changes: object) -> InverseTimeDecay | None:
    """The schedule with some parameters changed, None where they are not accepted."""
    try:
        return schedule.replace(dtype=None, **changes)
    except ConfigError:
        return None


def _decays(schedule: InverseTimeDecay) -> bool:
    return bool(schedule.initial_learning_rate and schedule.decay_rate)


def _simplest(low: float, high: float) -> int | float | None:
    """The number of the fewest digits in an interval of numbers of 0 or more."""
    if low > high or high < 0:
        return None
    if low <= 0:
        return 0
    if not isfinite(high):
        high = 10 * low
    if not isfinite(high):  # no parameter is so large
        return None
    least, most = Fraction(low), Fraction(high)
    unit = Fraction(10) ** (len(str(int(most))) if most >= 1 else 0)
    while True:
        digits = -(-least // unit)
        if digits * unit <= most:
            number = digits * unit
            return int(number) if number.denominator == 1 else float(number)
        unit /= 10


def _between(least: float, most: float) -> list[int | None]:
    """The interval as JSON has it: null for no end."""
    return [int(end) if isfinite(end) else None for end in (least, most)]


def _range(factor: int, most: float) -> str:
    if most == factor:
        return str(factor)
    return f"{factor} (or more)" if most == inf else f"{factor} (or up to {int(most)})"
