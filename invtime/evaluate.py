"""The formula on tensors, written once over the primitives of a framework.

Where the integers of a piece fit in the significand of the float that a device computes in,
every intermediate is exact and one IEEE division rounds once: the value is the correctly rounded
one, and a compiler finds nothing to spoil. A schedule with phases selects the integers by
comparing the step with the knots, and divides once too. Elsewhere `doubleword.py` and
`pieces.py` compute the same fractions in pairs of floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from invtime import doubleword, pieces
from invtime.form import Form
from invtime.primitives import Primitives
from invtime.stage import SHORT_Q, last_short_step, stage_index
from invtime.table import Line, Row, Table


def evaluate(form: Form | Table, backend: Primitives, step: Any, dtype: str) -> Any:
    """The schedule at every element of `step`, rounded along the chain to `dtype`."""
    if backend.integer_range(step) is None:
        return _at_floats(form, backend, step, dtype)
    return _at_integers(form, backend, step, dtype)


def _divide_once(form: Form, backend: Primitives, n: Any, last: int) -> Any:
    """THE formula at whole 0 <= n <= last: A / (B + C * t), one operation of it inexact."""
    t = backend.widest(n)
    if form.C == 0 or last == 0:  # a constant still follows the step's shape
        return backend.divide(float(form.A), t * 0.0 + float(form.B))
    if form.staircase:
        t = _stage(form, backend, n, t, last)
    factor = _factor(form, backend.precision(n))
    product = t if factor == 1 else t * float(factor)
    return backend.divide(float(form.A), product + float(form.B))


def _stage(form: Form, backend: Primitives, n: Any, t: Any, last: int) -> Any:
    """The stage index at whole n <= last, of which t is the float, as a float."""
    if last > last_short_step(form, backend.precision(n)):
        return backend.widest(stage_index(form, backend, n, last))
    t = t if form.Q == 1 else t * float(form.Q)
    return backend.floor((t + 0.5) * (1 / form.P))


def _select_and_divide(table: Table, backend: Primitives, n: Any, last: int) -> Any:
    """The same for a table: (p + s * t) / (B + C * u), its integers those of the step's row.

    t is n - origin and u the same, or its stage. What is not of the row that n is in has a
    factor of 0. All denominators may be one constant, of which a compiler would make a
    reciprocal: it is added to a 0 that depends on n.
    """
    rows = [row for row in table.rows if row.first <= last]
    x = backend.widest(n)
    zero = x * 0.0
    own = [n >= row.first for row in rows[1:]]

    def select(values: Sequence[int]) -> Any:
        if len(set(values)) == 1:
            return float(values[0])
        found = zero + float(values[0])
        for here, value, before in zip(own, values[1:], values, strict=False):
            if value != before:
                found = backend.where(here, float(value), found)
        return found

    precision = backend.precision(n)
    longest = [row.first - 1 for row in rows[1:]] + [last]
    longest = [end - row.origin for end, row in zip(longest, rows, strict=True)]
    integers = [_integers(row, t, precision) for row, t in zip(rows, longest, strict=True)]
    p, s, b, c = map(select, zip(*integers, strict=True))
    t = x - select(_origins(rows))
    denominator = zero + b if type(c) is float else b
    for row, end, factors in zip(rows, longest, integers, strict=True):
        piece = row.piece
        if isinstance(piece, Form) and factors[-1]:  # there is one at most
            u = t
            if piece.staircase:
                steps = backend.clamp(n - row.origin) if row.origin else n
                u = _stage(piece, backend, steps, t, end)
            denominator = denominator + c * u
    numerator = p if type(s) is float and not s else p + s * t
    return backend.divide(numerator, denominator)


def _factor(form: Form, precision: int) -> int:
    """C; where it does not fit, t is 0 at every exact step, and any C that fits will do."""
    return min(form.C, int(2**precision))  # binary32 has no room for 1e60, and inf * 0 is NaN


def _integers(row: Row, longest: int, precision: int) -> tuple[int, int, int, int]:
    """(p, s, B, C) of the value (p + s * t) / (B + C * u) at 0 <= t <= longest."""
    piece = row.piece
    if isinstance(piece, Line):
        return piece.a * piece.K, piece.b - piece.a, piece.d, 0
    return piece.A, 0, piece.B, _factor(piece, precision) if longest > 0 else 0


def _origins(rows: list[Row]) -> list[int]:
    """Where t is counted from; a constant takes that of the row before, which saves a choice."""
    found = [rows[0].origin]
    for row in rows[1:]:
        constant = isinstance(row.piece, Form) and not row.piece.C
        found.append(found[-1] if constant else row.origin)
    return found


def _last_exact(form: Form | Table, precision: int, short: bool) -> int:
    """The last step up to which one division of exact integers gives the value, -1 for none.

    With `short`, the stage is to come from floats too.
    """
    if isinstance(form, Form):
        last = form.last_exact_step(precision)
        if form.staircase and (short or form.Q < SHORT_Q):
            last = min(last, last_short_step(form, precision))
        return last
    for row, end in zip(form.rows, (*form.starts[1:], 2**63), strict=True):
        piece = row.piece
        if isinstance(piece, Line):
            last = piece.last_exact_step(precision)
        else:
            last = _last_exact(piece, precision, short)
        last = row.origin + last if last >= 0 else -1
        if isinstance(piece, Line) or piece.C:
            last = min(last, 2**precision)  # where n is an exact float
        if last < end - 1:
            return max(last, row.first - 1)
    return 2**63 - 1


def _exact(form: Form | Table, backend: Primitives, n: Any, last: int) -> Any:
    if isinstance(form, Form):
        return _divide_once(form, backend, n, last)
    return _select_and_divide(form, backend, n, last)


def _at_integers(form: Form | Table, backend: Primitives, step: Any, dtype: str) -> Any:
    lowest, highest = backend.integer_range(step)  # type: ignore[misc]  # not a float here
    if lowest >= 0:
        step = backend.index(step)
    if highest >= 2**63:  # a uint64 step past the end of int64 wraps: hold it there
        highest = 2**63 - 1
        step = backend.where(step < 0, highest, step)
    others: Any = doubleword
    if isinstance(form, Table):
        form = form.until(2**63 - 1)
        if isinstance(form, Table):
            others = pieces
            if form.starts[-1] > highest:  # to be compared with a knot
                step = backend.index(step)

    def steps() -> Any:
        return backend.clamp(step) if lowest < 0 else step

    # Everything is inside the branches, so that a compiler can fuse each into one loop.
    def exact() -> Any:
        return backend.round_to(_exact(form, backend, steps(), min(last, highest)), dtype)

    def double_word() -> Any:
        return backend.round_to(others.at_integers(form, backend, steps(), highest), dtype)

    last = _last_exact(form, backend.precision(step), short=False)
    if last < 0:
        return double_word()
    if last >= highest:
        return exact()
    return backend.choose(step, last, exact, double_word)


def _at_floats(form: Form | Table, backend: Primitives, step: Any, dtype: str) -> Any:
    """Float steps mean their exact binary value; whole ones have the integer's bits."""
    others: Any = pieces if isinstance(form, Table) else doubleword
    x = backend.widest(step)
    n = backend.where(x < 0, 0.0, x)  # keeps NaN, and the right-hand derivative at 0
    held = backend.detach(n)
    precision = backend.precision(step)
    last = min(_last_exact(form, precision, short=True), 2**precision - 1)

    def exact() -> Any:
        return _exact(form, backend, held, last)

    def double_word() -> Any:
        return others.at_floats(form, backend, held)

    if last < 0:
        value = double_word()
    else:
        whole = backend.where(backend.floor(held) == held, held, inf)  # not so for NaN
        value = backend.choose(whole, last, exact, double_word)
    if backend.differentiable:  # zero in value, and in the derivative that of the plain formula
        value = value + others.differentiable(form, backend, n)
    return backend.round_to(value, dtype)
