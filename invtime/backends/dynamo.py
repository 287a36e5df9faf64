"""Marks for `torch.compile`. This module does not import torch, which may come later.

Three facts about Dynamo, the tracer of `torch.compile`, matter here.

- Dynamo cannot trace locks, imports and look-ups in a growing dictionary. A function marked as
  `constant` is not traced: it runs as plain Python, and its result is a constant.
- Dynamo makes an integer attribute symbolic if it differs between objects. That is wrong for
  integers of more than 53 bits and impossible for more than 64. `held` makes them constants.
- Dynamo also makes a Python int symbolic if it changes from call to call. No test tells it from a
  plain int in every version: `x.__class__ is int` is true for it since torch 2.14, but was false
  before. So code that is wrong for a symbolic int is never traced: `traced_as` replaces it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from invtime.errors import StepTypeError
from invtime.form import Form
from invtime.table import Table

F = TypeVar("F", bound=Callable[..., object])
AnyForm = TypeVar("AnyForm", bound="Form | Table")


def constant(function: F) -> F:
    """Mark a pure function: it runs as plain Python while Dynamo traces its caller."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def traced_as(other: F) -> Callable[[F], F]:
    """Mark a function: Dynamo traces `other` instead, and plain Python runs the function itself.

    Dynamo does not start at a function without a tensor or a module among its arguments. If it
    starts elsewhere, it replaces each call while tracing.
    """

    def mark(function: F) -> F:
        function._torchdynamo_inline = other  # type: ignore[attr-defined]
        return function

    return mark


def held(form: AnyForm) -> AnyForm:
    """Return a copy of the form whose integers are constants, with a guard on the whole form.

    Dynamo guards a class and a str by value, and treats both as constants. A form passed as an
    argument is not a constant before torch 2.13. A form as `self` of a method has no guard: Dynamo
    would use the integers of the first schedule for every other one.
    """
    return _of_key(type(form), form.key)


@constant
def _of_key(kind: type[AnyForm], key: str) -> AnyForm:
    return cast(AnyForm, kind.of_key(key))


# A constant text, since Dynamo cannot format a symbolic int.
FAR = (
    "a Python int step of this size would not be exact inside torch.compile; "
    "pass the step as an int64 tensor"
)


def _traced_number(form: Form | Table, step: int | float) -> float:
    """Evaluate a number while Dynamo traces `at_number`; any int may be symbolic.

    Raises:
        StepTypeError: the step is too large for Dynamo's arithmetic to be exact.
    """
    constant_form = held(form)
    return _at_symbolic(constant_form, step) if type(step) is int else constant_form.at_real(step)


@traced_as(_traced_number)
def at_number(form: Form | Table, step: int | float) -> float:
    """Return the value at a Python number, or at an instance of a subclass."""
    return form.at(step) if type(step) is int else form.at_real(step)


def _at_symbolic(form: Form | Table, step: int) -> float:
    """Evaluate at an int that may be symbolic: A and B + C * t fit in 53 bits, products in 64."""
    if isinstance(form, Table):
        return _in_a_row(form, step)
    if step <= 0:
        return form.at(0)
    last = form.last_exact_step(53)
    if form.staircase:
        last = min(last, (2**63 - 1) // form.Q)
    if step > last:
        raise StepTypeError(FAR)
    return form.at(step)


def _in_a_row(table: Table, step: int) -> float:
    """Do the same for a table. Dynamo compiles each row once, when the step first reaches it."""
    found = table.rows[0]
    for row in table.rows[1:]:
        if step >= row.first:
            found = row
    piece, t = found.piece, max(step, 0) - found.origin
    if isinstance(piece, Form):
        return _at_symbolic(piece, t)
    if piece.last_exact_step(53) < 0:
        raise StepTypeError(FAR)
    return (piece.a * (piece.K - t) + piece.b * t) / piece.d
