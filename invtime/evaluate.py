"""The formula on tensors, written once over the primitives of a framework.

Where A and B + C * t fit in the significand of the float that a device computes in, every
intermediate is exact and one IEEE division rounds once: the value is the correctly rounded one,
and a compiler finds nothing to spoil. Elsewhere `doubleword.py` computes the same fraction in
pairs of floats.
"""

from __future__ import annotations

from math import inf
from typing import Any

from invtime import doubleword
from invtime.form import Form
from invtime.primitives import Primitives
from invtime.stage import SHORT_Q, last_short_step, stage_index


def evaluate(form: Form, backend: Primitives, step: Any, dtype: str) -> Any:
    """The schedule at every element of `step`, rounded along the chain to `dtype`."""
    if backend.integer_range(step) is None:
        return _at_floats(form, backend, step, dtype)
    return _at_integers(form, backend, step, dtype)


def _divide_once(form: Form, backend: Primitives, n: Any, last: int) -> Any:
    """THE formula at whole 0 <= n <= last: A / (B + C * t), one operation of it inexact."""
    t = backend.widest(n)
    if form.C == 0 or last == 0:  # a constant still follows the step's shape
        return backend.divide(float(form.A), t * 0.0 + float(form.B))
    if form.staircase and last <= last_short_step(form, backend.precision(n)):
        t = t if form.Q == 1 else t * float(form.Q)
        t = backend.floor((t + 0.5) * (1 / form.P))
    elif form.staircase:
        t = backend.widest(stage_index(form, backend, n, last))
    product = t if form.C == 1 else t * float(form.C)
    return backend.divide(float(form.A), product + float(form.B))


def _at_integers(form: Form, backend: Primitives, step: Any, dtype: str) -> Any:
    lowest, highest = backend.integer_range(step)  # type: ignore[misc]  # not a float here
    if lowest >= 0:
        step = backend.index(step)
    if highest >= 2**63:  # a uint64 step past the end of int64 wraps: hold it there
        highest = 2**63 - 1
        step = backend.where(step < 0, highest, step)

    def steps() -> Any:
        return backend.clamp(step) if lowest < 0 else step

    # Everything is inside the branches, so that a compiler can fuse each into one loop.
    def exact() -> Any:
        return backend.round_to(_divide_once(form, backend, steps(), min(last, highest)), dtype)

    def double_word() -> Any:
        return backend.round_to(doubleword.at_integers(form, backend, steps(), highest), dtype)

    precision = backend.precision(step)
    last = form.last_exact_step(precision)
    if form.staircase and form.Q < SHORT_Q:
        last = min(last, last_short_step(form, precision))
    if last < 0:
        return double_word()
    if last >= highest:
        return exact()
    return backend.choose(step, last, exact, double_word)


def _at_floats(form: Form, backend: Primitives, step: Any, dtype: str) -> Any:
    """Float steps mean their exact binary value; whole ones have the integer's bits."""
    x = backend.widest(step)
    n = backend.where(x < 0, 0.0, x)  # keeps NaN, and the right-hand derivative at 0
    held = backend.detach(n)
    precision = backend.precision(step)
    last = min(form.last_exact_step(precision), 2**precision - 1)
    if form.staircase:
        last = min(last, last_short_step(form, precision))

    def exact() -> Any:
        return _divide_once(form, backend, held, last)

    def double_word() -> Any:
        return doubleword.at_floats(form, backend, held)

    if last < 0:
        value = double_word()
    else:
        whole = backend.where(backend.floor(held) == held, held, inf)  # not so for NaN
        value = backend.choose(whole, last, exact, double_word)
    if backend.differentiable:  # zero in value, and in the derivative that of the plain formula
        value = value + doubleword.differentiable(form, backend, n)
    return backend.round_to(value, dtype)
