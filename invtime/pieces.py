"""The double-word form of a table: evaluates each piece at its own steps.

A line is the sum a/d * (K - t) + b/d * t of two terms with the same sign, so nothing cancels and
no division is needed. A decay is evaluated by `doubleword.py` at t = n - origin. Each piece
replaces the steps outside it by its first step, so that these cause no infinity and no derivative.

For a float n beyond 2**53, t is a sum of two words, since n - origin may not be a float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import frexp, inf, nextafter
from typing import Any

from invtime import doubleword, ties
from invtime.doubleword import (
    LARGEST,
    add_up,
    as_float,
    cut,
    exponent_of,
    parts,
    split,
    times_power,
)
from invtime.form import Form
from invtime.primitives import Primitives
from invtime.table import Line, Ratio, Row, Table

# A float t of a line is scaled up by this power of two, so that its lower half is not subnormal.
SCALE = {53: 200, 24: 0}


class LineWords:
    """The slopes of a line in short words: v(t) = (first * (K - t) + last * t) * 2**exponent.

    They are scaled, because binary32 cannot hold 1e60, and because products at a step of 1e-300
    must not be subnormal: some frameworks flush subnormals to zero.
    """

    def __init__(self, line: Line, precision: int) -> None:
        largest = max(line.a, line.b)
        if precision == 53:
            self.exponent = exponent_of(largest, line.d) - 400
        else:
            self.exponent = max(-126, min(127, exponent_of(largest * line.K, line.d) - 100))
        up, down = max(0, -self.exponent), max(0, self.exponent)
        self.first = cut(precision, line.a << up, line.d << down)
        self.last = cut(precision, line.b << up, line.d << down)
        self.begin = as_float(line.a * line.K, line.d, precision)


def at_integers(table: Table, backend: Primitives, n: Any, highest: int) -> Any:
    """Return the value at integers 0 <= n <= highest, in the widest float of the backend."""
    n = backend.index(n)
    value = backend.widest(n) * 0.0
    for row, following in _spans(table):
        piece, own = row.piece, n >= backend.integer(row.first)
        gone = n - backend.integer(row.origin)
        if isinstance(piece, Line):
            assert following is not None  # a line is never the last piece
            t = backend.where(own & (n < backend.integer(following.first)), gone, 0)
            left, gone = (parts(backend, x, piece.K) for x in (backend.integer(piece.K) - t, t))
            exact = partial(ties.of_line, piece, backend, t)
            found = _on_line(piece, backend, left, gone, t, exact)
        elif piece.C:
            t = backend.clamp(gone)
            found = doubleword.at_integers(piece, backend, t, highest)
        else:
            found = as_float(piece.A, piece.B, backend.precision(n))
        value = backend.where(own, found, value)
    return value


def at_floats(table: Table, backend: Primitives, n: Any) -> Any:
    """Return the value at floats n >= 0, including NaN and infinity."""
    precision = backend.precision(n)
    value = n * 0.0
    for row, following in _spans(table):
        piece, own = row.piece, n >= not_below(row.knot, precision)
        if isinstance(piece, Form) and not piece.C:
            found = as_float(piece.A, piece.B, precision)
        else:
            t, low = _minus(backend, _inside(row, following, backend, n), row.origin, precision)
            if isinstance(piece, Form):
                found = doubleword.at_floats(piece, backend, t, low)
            else:
                both = _from(backend, piece.K, t, low, precision), (t, low)
                left, gone = (split(backend, *_scaled(pair, precision)) for pair in both)
                exact = partial(_fraction_at_floats, piece, backend, n, t)
                found = _on_line(piece, backend, left, gone, t, exact, SCALE[precision])
        value = backend.where(own, found, value)
    value = backend.where(n > LARGEST[precision], _limit(table, precision), value)
    return backend.where(n == n, value, n)


def differentiable(table: Table, backend: Primitives, n: Any) -> Any:
    """Return zeros whose derivative is the right-hand derivative of the piece of each step."""
    result = backend.where(n < 1, n, 0.0) * 0.0
    for row, following in _spans(table):
        piece = row.piece
        if isinstance(piece, Form) and not piece.C:
            continue
        x = _inside(row, following, backend, n)
        if isinstance(piece, Form):
            result = result + doubleword.differentiable(piece, backend, x - float(row.origin))
        else:
            slope = as_float(piece.b - piece.a, piece.d, backend.precision(n))
            if abs(slope) < inf:  # infinite if outside binary32's range
                result = result + (x - backend.detach(x)) * slope
    return result


def _fraction_at_floats(piece: Line, backend: Primitives, n: Any, t: Any) -> ties.Fraction:
    """Return the fraction at the integer-valued floats n; t holds those within the line."""
    whole = (n < 2.0**53) & (backend.floor(n) == n)
    return ties.of_line(piece, backend, backend.index(backend.where(whole, t, 0.0)), whole)


def _spans(table: Table) -> Iterator[tuple[Row, Row | None]]:
    """Yield each row with the next one, or None."""
    return zip(table.rows, (*table.rows[1:], None), strict=True)


def _inside(row: Row, following: Row | None, backend: Primitives, n: Any) -> Any:
    """Replace the floats outside the row, including NaN and infinity, by its first step."""
    precision = backend.precision(n)
    first = not_below(row.knot, precision)
    if following is None:
        before = n <= LARGEST[precision]
    else:
        before = n < not_below(following.knot, precision)
    return backend.where((n >= first) & before, n, first)


def _limit(table: Table, precision: int) -> float:
    """Return the value at infinity."""
    last = table.rows[-1].piece
    assert isinstance(last, Form)  # a line is never the last piece
    return 0.0 if last.C else as_float(last.A, last.B, precision)


def _scaled(pair: tuple[Any, Any], precision: int) -> tuple[Any, Any]:
    high, low = pair
    scale = SCALE[precision]
    return times_power(high, scale), None if low is None else times_power(low, scale)


def _on_line(
    piece: Line,
    backend: Primitives,
    left: list[Any],
    gone: list[Any],
    t: Any,
    exact: Callable[[], ties.Fraction],
    scale: int = 0,
) -> Any:
    """Return first * left + last * gone; these are the words of K - t and t, times 2**scale."""
    precision = backend.precision(t)
    words = backend.kept(LineWords, piece, precision)
    value, rest = add_up(backend, None, [(words.first, left), (words.last, gone)])
    exponent = words.exponent - scale
    if precision == 53:
        return times_power(ties.rounded(backend, value, rest, exponent, exact), exponent)
    value = times_power(value + rest, exponent)
    # The value at t = 0 may be too small to survive next to the other end.
    return backend.where(t == 0, words.begin, value)


def _minus(backend: Primitives, x: Any, whole: int, precision: int) -> tuple[Any, Any]:
    """Return x - whole as a sum of two words; the first is the rounded sum."""
    if not whole:
        return x, None
    low = None
    for word in _words(whole, precision):
        x, error = _two_sum(x, -word)
        low = error if low is None else low + error
    high = x + low
    return high, low - (high - x)


def _from(backend: Primitives, whole: int, high: Any, low: Any, precision: int) -> tuple[Any, Any]:
    """Return whole - (high + low) as a sum of two words.

    The first word is selected by `high`, so that it is not a constant: TensorFlow's graphs
    rewrite (c - x) - c to (c - c) - x.
    """
    first, *rest = _words(whole, precision)
    opaque = backend.where(high >= 0, first, high)
    total = opaque - high  # high is at most the first word, else exact by Sterbenz's lemma
    error = (opaque - total) - high
    for word in rest:
        error = error + word
    if low is not None:
        error = error - low
    result = total + error
    return result, error - (result - total)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b rounded, and the rounding error (Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _words(whole: int, precision: int) -> list[float]:
    """Split an integer into floats, each with its next `precision` bits."""
    words = []
    while whole:
        below = max(0, whole.bit_length() - precision)
        words.append(float(whole >> below << below))
        whole -= whole >> below << below
    return words


def not_below(ratio: Ratio, precision: int) -> float:
    """Return the smallest float with `precision` bits that is at least n / d."""
    n, d = ratio
    value = as_float(n, d, precision)
    if value == inf:
        return value
    if 0 < value < 2.0**-126 and precision == 24:  # binary32 may flush it to 0
        return 2.0**-126
    m, m_den = value.as_integer_ratio()
    if m * d >= n * m_den:
        return value
    if precision == 53:
        return nextafter(value, inf)
    value += 2.0 ** (frexp(value)[1] - precision)
    return value if value < 2.0**128 else inf
