"""What `torch.compile` needs to be told of invtime. It imports no torch: marks come before it.

Three facts about Dynamo matter here.

- It cannot trace locks, imports and look-ups in a growing dictionary. A function marked as a
  constant is not traced: it runs as plain Python, and its result is a constant.
- An integer attribute that differs from one object to the next becomes symbolic, which is wrong
  for integers of more than 53 bits and impossible past 64. `held` makes them constants again.
- A Python int that changes from call to call becomes symbolic too, and nothing tells it from a
  plain one in every version: `x.__class__ is int` holds for it since torch 2.14 and did not
  before. So what is wrong for a symbolic int is never traced; `traced_as` says what is instead.
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
    """Mark a function: Dynamo traces `other` in its place, and plain Python runs it as it is.

    Dynamo starts at no function that has neither a tensor nor a module among its arguments, and
    wherever it starts elsewhere, a call is replaced as it is traced.
    """

    def mark(function: F) -> F:
        function._torchdynamo_inline = other  # type: ignore[attr-defined]
        return function

    return mark


def held(form: AnyForm) -> AnyForm:
    """A copy of the form whose integers are constants, with a guard on all of the form.

    Dynamo guards a class and a text by their values, and takes both for constants. The form as
    an argument is no constant before torch 2.13. The form as a method's own object has no
    guard: the integers of the first schedule would stand for every other one.
    """
    return _of_key(type(form), form.key)


@constant
def _of_key(kind: type[AnyForm], key: str) -> AnyForm:
    return cast(AnyForm, kind.of_key(key))


# Plain text: Dynamo cannot format a symbolic int.
FAR = (
    "a Python int step inside torch.compile would not be exact this far out; "
    "pass the step as an int64 tensor"
)


def _traced_number(form: Form | Table, step: int | float) -> float:
    """What Dynamo traces for `at_number`; any int may be a symbolic one.

    Raises:
        StepTypeError: the step is too large for the arithmetic that Dynamo does.
    """
    constant_form = held(form)
    return _at_symbolic(constant_form, step) if type(step) is int else constant_form.at_real(step)


@traced_as(_traced_number)
def at_number(form: Form | Table, step: int | float) -> float:
    """The value at a Python number: a plain one, or one of a subclass."""
    return form.at(step) if type(step) is int else form.at_real(step)


def _at_symbolic(form: Form | Table, step: int) -> float:
    """Exact while A, B + C * t and the products fit in 53 bits and in 64."""
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
    """The same for a table; each row that the step comes to is compiled once."""
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
