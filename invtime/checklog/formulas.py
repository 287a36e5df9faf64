"""Mistakes in the formula: another formula, or this one computed in a wrong way."""

from __future__ import annotations

import numpy as np

from invtime.checklog.case import Case, decays, moves
from invtime.checklog.explain import whole
from invtime.checklog.numbers import changed, within
from invtime.checklog.report import Explanation

COMPOUNDED = 2**24  # steps to compute one after another, at most

OTHER_KIND = {
    True: "the log is continuous, but the schedule is a staircase",
    False: "the log is a staircase, but the schedule is continuous",
}
"""The text for a log of the other kind, by the schedule's `staircase`."""


@whole
def late_drop(case: Case, level: str) -> Explanation | None:
    """Compiled Keras: n times the float32 reciprocal of S instead of n / S."""
    schedule = case.schedule
    if not schedule.staircase or level == "float64":  # Keras computes in float32
        return None
    own = case.turns(schedule)
    steps = np.maximum(case.steps - case.reference.start, 0).astype(np.float32)
    shown = np.floor(steps * (np.float32(1) / np.float32(schedule.decay_steps)))
    if not np.isfinite(shown).all():  # decay_steps is beyond float32
        return None
    other = np.flatnonzero((own != shown) & ~np.isnan(own))
    bare = schedule.replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
    first_step = case.reference.first_step
    stages = np.array([first_step(int(stage)) for stage in shown[other]], object)
    values = case.expected.copy()
    values[other] = case.values(bare, stages)
    moved = case.steps[values != case.expected].tolist()
    if not moved or not case.fits(values, level):
        return None
    text = (
        "late drop of compiled Keras: jax.jit and tf.function compute n / decay_steps as a product "
        f"with the reciprocal; the plateau is wrong in {len(moved)} of {len(case.steps)} rows, "
        f"first at step {moved[0]}"
    )
    return Explanation("late-drop", text, {"steps": moved})


def other_kind(case: Case, level: str) -> Explanation | None:
    """A continuous log of a staircase schedule, or the reverse."""
    own = case.schedule
    other = changed(own, staircase=not own.staircase)
    if other is None or not case.is_of(other, level):
        return None
    kind = "continuous" if own.staircase else "staircase"
    return Explanation(kind, OTHER_KIND[own.staircase])


def constant(case: Case, level: str) -> Explanation | None:
    """One constant rate, although the schedule has more."""
    rates = case.rates.printed
    if case.moves or len(rates) < 2 or not moves(case.schedule):
        return None
    text = f"the rate is always {rates[0]}, as if the scheduler is never stepped"
    rate = float(rates[0])
    start = rate == case.schedule.initial_learning_rate
    return Explanation("constant", text, {} if start else {"rate": rate})


def compounded(case: Case, level: str) -> Explanation | None:
    """Each rate computed from the one before: lr = lr / (1 + R / S * n), as in legacy `decay=`."""
    own, first, last = case.schedule, case.steps[0], case.steps[-1]
    if not decays(own) or first < 0 or last >= COMPOUNDED:
        return None
    d = own.decay_rate / own.decay_steps
    for counts_from in (0, 1):
        for kind in (np.float64, np.float32):
            n = np.arange(counts_from, last + counts_from + 1, dtype=kind)
            chain = 1 + kind(d) * n
            chain[0] = float(own.initial_learning_rate) / chain[0]
            values = np.divide.accumulate(chain)[case.steps.astype(np.int64)]
            if case.fits(values.astype(np.float64), level):
                text = (
                    "compounded: the previous rate, not the initial one, is divided by "
                    "1 + decay_rate / decay_steps * n"
                )
                return Explanation("compounded", text)
    return None


def scaled(case: Case, level: str) -> Explanation | None:
    """Every rate times a factor. Without other nonzero rates, this is another peak instead."""
    own = case.schedule
    rates = own.warmup_learning_rate, own.minimum_learning_rate, own.final_learning_rate
    there = case.expected > 0
    if not any(rates) or not there.any():
        return None
    factor = within(*(ends[there] / case.expected[there] for ends in case.bounds(level)))
    if not factor or factor == 1 or not case.fits(case.expected * factor, level):
        return None
    text = f"every rate is the schedule's times {factor!r}"
    if factor == own.initial_learning_rate:
        text += ", the schedule's peak: LambdaLR multiplies the schedule by the optimizer's lr"
    return Explanation("scaled", text, {"factor": factor})
