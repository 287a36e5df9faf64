"""The laws of the derivative with respect to the step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from invtime import InverseTimeDecay
from invtime.backends.base import Backend
from invtime.reference import Reference, Steps
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import example, float_dtype, in_words, widest
from invtime.testing.checks.law import Broken, Unsuited, asking, law

AT = (-1000.5, -1.0, 0.0, 1.0, 2.5, 999.0, 1000.0, 123456.75, inf)
# 1 / (1 + (n - 1000) / 1000): the formula of the decay, used before it starts, is infinite at 0.
POLE = InverseTimeDecay(1, 1000, 1, warmup_steps=1000)
ULP = 8  # the derivative is a plain float formula with about six roundings


def anywhere(schedule: InverseTimeDecay, kind: str) -> Steps:
    """Return steps that suit any schedule."""
    return np.array(AT, kind)


@law
def check_gradient(backend: Backend) -> None:
    """The derivative at a float step is the formula's: from the right at 0, and zero before 0.

    A staircase has the derivative zero everywhere.
    """
    _check(backend, (*cases.SCHEDULES[:4], cases.LONG), 1, anywhere)


@law
def check_second_gradient(backend: Backend) -> None:
    """The second derivative is that of the formula."""
    schedules = cases.SLOPE, cases.LONG, cases.STAIRS, cases.WHOLE
    _check(backend, schedules, 2, anywhere)


@law
def check_phase_gradient(backend: Backend) -> None:
    """The derivative is that of the step's phase; at a knot, of the phase that begins there."""

    def at_knots(schedule: InverseTimeDecay, kind: str) -> Steps:
        near = np.unique(cases.floats_at_knots(schedule, kind)).tolist()
        return cases.padded([*AT, *near], kind)

    _check(backend, (*cases.RECIPES, POLE), 1, at_knots)


def _check(
    backend: Backend,
    schedules: tuple[InverseTimeDecay, ...],
    order: int,
    at: Callable[[InverseTimeDecay, str], Steps],
) -> None:
    if not backend.differentiable:
        raise Unsuited("the backend is not differentiable")
    kind, dtype = float_dtype(backend), widest(backend)
    narrow = "float32" if "float32" in (kind, dtype) else "float64"
    for schedule in schedules:
        steps = at(schedule, kind)
        with asking(**example(schedule, steps, [dtype]), order=order):
            x = backend.coerce(steps, None)
            with backend.scope(x):
                result = _derivative(backend, schedule, dtype, order)(x)
            found = np.asarray(backend.to_numpy(result)).astype(np.float64)
        if found.shape != steps.shape:
            raise Broken(
                schedule=schedule,
                step=in_words(steps[0], steps),
                returned=f"a derivative of shape {found.shape}",
                expected=f"a derivative of shape {steps.shape}",
            )
        for step, got in zip(steps, found.tolist(), strict=True):
            true = float(slope(schedule, step.item(), order))
            if not abs(got - true) <= ULP * float(np.finfo(narrow).eps) * abs(true):
                raise Broken(
                    schedule=schedule,
                    step=in_words(step, steps),
                    dtype=dtype,
                    returned=f"a derivative of {got!r}",
                    expected=repr(true),
                    order=order,
                )


def _derivative(
    backend: Backend, schedule: InverseTimeDecay, dtype: str, order: int
) -> Callable[[Any], Any]:
    def function(step: Any) -> Any:
        return backend(schedule.form, step, dtype)

    if order == 1:
        return lambda x: backend.derivative(function, x)
    return lambda x: backend.derivative(lambda y: backend.derivative(function, y), x)


def slope(schedule: InverseTimeDecay, step: float, order: int) -> Fraction:
    """Return the first or second derivative of the exact value, from the right."""
    reference = Reference(schedule)
    if step < 0 or step == inf:
        return Fraction(0)
    n, start, floor = Fraction(step), reference.start, reference.floor_met
    ahead = None
    if reference.cooldown is not None and n >= reference.cooldown:
        ahead = reference.cooldown, reference.final, reference.cooling
    elif n < reference.warmup:
        ahead = 0, reference.initial, reference.warmup
    if ahead is not None:
        begin, last, length = ahead
        rise = last - (reference.exact(begin) or 0)
        return rise / length if order == 1 and n < begin + length else Fraction(0)
    if reference.staircase or n < start or (floor is not None and n >= floor):
        return Fraction(0)
    k = reference.decay / reference.period
    value = reference.initial / (1 + k * (n - start)) ** (order + 1)
    return -k * value if order == 1 else 2 * k * k * value
