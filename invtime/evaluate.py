"""The shared evaluator: the formula on tensors, written once over the primitives.

If the integers of a piece fit in the significand of the device's float, every intermediate result
is exact, and one IEEE division rounds once. So the value is correctly rounded, and compiler
optimizations cannot change it. For a schedule with phases, the numerator and the denominator are
selected by comparing the step with the knots, followed by one division. Otherwise `doubleword.py`
and `pieces.py` compute the same fractions in pairs of floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invtime import doubleword, pieces
from invtime.form import Form
from invtime.primitives import Primitives
from invtime.stage import SHORT_Q, last_short_step, stage_index
from invtime.table import Line, Table


def evaluate(
    form: Form | Table,
    backend: Primitives,
    step: Any,
    dtype: str,
    opaque: Callable[[Any, str], Any] | None = None,
) -> Any:
    """Return the schedule at each element of `step`, rounded to `dtype`.

    `opaque(step, dtype)`, if given, computes the same values in one operation. It replaces the
    double-word form, for which a compiler can take minutes.
    """
    if backend.integer_range(step) is None:
        return _at_floats(form, backend, step, dtype, opaque)
    return _at_integers(form, backend, step, dtype, opaque)


def _divide_once(form: Form, backend: Primitives, n: Any, last: int) -> Any:
    """Evaluate A / (B + C * t) at integers 0 <= n <= last. Only the division is inexact."""
    x = backend.widest(n)
    numerator, denominator = _fraction(form, backend, n, x, 0, last)
    if type(denominator) is float:  # a constant needs the step's shape
        denominator = x * 0.0 + denominator
    return backend.divide(numerator, denominator)


def _select_and_divide(table: Table, backend: Primitives, n: Any, last: int) -> Any:
    """Evaluate a table: select the numerator and denominator of each step's row, and divide.

    If all denominators are the same constant, it is added to a 0 that depends on n. Otherwise a
    compiler would multiply by its reciprocal.
    """
    rows = [row for row in table.rows if row.first <= last]
    ends = [*(row.first - 1 for row in rows[1:]), last]
    x = backend.widest(n)
    zero = x * 0.0
    numerator: Any = None
    denominator: Any = None
    for row, end in zip(rows, ends, strict=True):
        above, below = _fraction(row.piece, backend, n, x, row.origin, end)
        if row is rows[0]:
            numerator, denominator = above, below
            continue
        # Comparing floats is faster; but the knot after the last exact step may not be a float.
        exact = row.first <= 2 ** backend.precision(n)
        own = x >= float(row.first) if exact else n >= backend.integer(row.first)
        numerator = _select(backend, own, above, numerator, zero)
        denominator = _select(backend, own, below, denominator, zero)
    if type(denominator) is float:
        denominator = zero + denominator
    return backend.divide(numerator, denominator)


def _select(backend: Primitives, mask: Any, a: Any, b: Any, zero: Any) -> Any:
    """Return a where the mask is true, else b; both may be numbers."""
    if type(b) is float:
        if type(a) is float and a == b:
            return a
        b = zero + b
    return backend.where(mask, a, b)


def _fraction(
    piece: Form | Line, backend: Primitives, n: Any, x: Any, origin: int, last: int
) -> tuple[Any, Any]:
    """Return numerator and denominator, exact at integers origin <= n <= last; x is n as float."""
    # If t is always 0, C and Q may be too large for binary32, which cannot hold 1e60.
    if isinstance(piece, Form) and (not piece.C or last <= origin):
        return float(piece.A), float(piece.B)
    t = x - float(origin) if origin else x
    if isinstance(piece, Line):
        slope = piece.b - piece.a
        return t * float(slope) + float(piece.a * piece.K), float(piece.d)
    if piece.staircase:
        steps = backend.clamp(n - backend.integer(origin)) if origin else n
        t = _stage(piece, backend, steps, t, last - origin)
    # If C does not fit, the stage is 0 at every exact step, so any factor gives the same product.
    factor = min(piece.C, 2 ** backend.precision(n))
    product = t if factor == 1 else t * float(factor)
    return float(piece.A), product + float(piece.B)


def _stage(form: Form, backend: Primitives, n: Any, t: Any, last: int) -> Any:
    """Return the stage index at integers n <= last as a float; t is n as a float."""
    if last > last_short_step(form, backend.precision(n)):
        return backend.widest(stage_index(form, backend, n, last))
    t = t if form.Q == 1 else t * float(form.Q)
    return backend.floor((t + 0.5) * (1 / form.P))


def _last_exact(form: Form | Table, precision: int, short: bool) -> int:
    """Return the last step up to which one division of exact integers gives the value, or -1.

    With `short`, the stage must be computed from floats too.
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
            last = min(last, 2**precision)  # up to here, n is exact as a float
        if last < end - 1:
            return max(last, row.first - 1)
    return 2**63 - 1


def _exact(form: Form | Table, backend: Primitives, n: Any, last: int) -> Any:
    if isinstance(form, Form):
        return _divide_once(form, backend, n, last)
    return _select_and_divide(form, backend, n, last)


def _at_integers(
    form: Form | Table,
    backend: Primitives,
    step: Any,
    dtype: str,
    opaque: Callable[[Any, str], Any] | None,
) -> Any:
    lowest, highest = backend.integer_range(step)  # type: ignore[misc]  # not a float here
    if lowest >= 0:
        step = backend.index(step)
    if highest >= 2**63:  # a uint64 step above int64 wraps to a negative one: limit it
        highest = 2**63 - 1
        step = backend.where(step < 0, highest, step)
    others: Any = doubleword
    if isinstance(form, Table):
        form = form.until(2**63 - 1)
        if isinstance(form, Table):
            others = pieces
            if form.starts[-1] > highest:  # the step's dtype may not hold the knot
                step = backend.index(step)

    def steps() -> Any:
        return backend.clamp(step) if lowest < 0 else step

    # Everything is inside the branches, so a compiler can fuse each into one loop.
    def exact() -> Any:
        return rounded(_exact(form, backend, steps(), min(last, highest)), backend, dtype)

    def double_word() -> Any:
        if opaque is not None:
            return opaque(step, dtype)
        return rounded(others.at_integers(form, backend, steps(), highest), backend, dtype)

    last = _last_exact(form, backend.precision(step), short=False)
    if last < 0:
        return double_word()
    if last >= highest:
        return exact()
    return backend.choose(step, last, exact, double_word)


def _at_floats(
    form: Form | Table,
    backend: Primitives,
    step: Any,
    dtype: str,
    opaque: Callable[[Any, str], Any] | None,
) -> Any:
    """Evaluate float steps at their exact binary values; integer-valued ones like integers."""
    others: Any = pieces if isinstance(form, Table) else doubleword
    x = backend.widest(step)
    n = backend.where(x < 0, 0.0, x)  # keeps NaN, and keeps the right-hand derivative at 0
    held = backend.detach(n)
    precision = backend.precision(step)
    last = min(_last_exact(form, precision, short=True), 2**precision - 1)

    def exact() -> Any:
        return _exact(form, backend, held, last)

    def double_word() -> Any:
        if opaque is not None:
            return opaque(held, "float64")
        return others.at_floats(form, backend, held)

    if last < 0:
        value = double_word()
    else:
        # NaN is not equal to itself, so it becomes last + 1 too. Not infinity, which TensorFlow's
        # `enable_check_numerics` does not allow.
        whole = backend.where(backend.floor(held) == held, held, float(last + 1))
        value = backend.choose(whole, last, exact, double_word)
    if backend.differentiable:  # adds zeros that have the derivative of the plain formula
        value = value + others.differentiable(form, backend, n)
    return rounded(value, backend, dtype)


def rounded(value: Any, backend: Primitives, dtype: str) -> Any:
    """Round the value to float32 and then to `dtype`, without losing a normal bfloat16.

    Below 2**-126 a float32 is subnormal, and some frameworks flush it to 0. The largest of these
    would round to 2**-126, a normal bfloat16, so they are set to it first.
    """
    if dtype == "bfloat16":
        normal = 2.0**-126
        near = (value >= normal - 2.0**-134 - 2.0**-150) & (value < normal)
        value = backend.where(near, normal, value)
    return backend.round_to(value, dtype)
