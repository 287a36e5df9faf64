"""Long decimals on NumPy: a few words of precision, and a test that the rounding is right.

    lr = L / (1 + k * t)    at whole steps or stages 0 <= t < 2**bits, bits <= 32

1. k = k0 + k1, where k0 is a multiple of g = 2**-53 * 2**e and 1 + k * 2**bits <= 2**e. So
   1 + k0 * t is a multiple of g up to 2**53 * g, and exact. k1 < g is a rounded word, and
   k1 * t is at most 2**(bits - 52) of the denominator: both roundings leave 2**(bits - 104).
2. The denominator is then d + low, and q the quotient L / d cut to 26 bits. L - q * d is
   exact but for its last bit, in products of 26 by 26 and 26 by 27 bits. It is at most 2**-24
   of L, so what rounds after it, `low`, the division by d, adds less than 2**-75.
3. So the value q + c has a relative error below 2**-71.5. Ziv's test: v is the sum rounded, and
   delta = c - (v - q) what the rounding dropped, exactly. If v + delta * (1 + 2**-17) is v too,
   the middle between two floats, at least 2**-54 of v away, is farther than the error beyond
   delta, and v is the truth rounded. One value in 2**16 or so fails the test, and is divided
   again in Python's integers. So every result is correctly rounded, without exception.

Source: A. Ziv, Fast evaluation of elementary mathematical functions with correctly rounded
last bit (1991).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from invtime.form import Form

BITS = 32
# Elements at a time, of which seven rows should stay in the second-level cache.
ROW = 8192
ENLARGED = 1 + 2.0**-17
HEAD = np.int64(-(2**27))


def last_rounded(form: Form) -> int:
    """The last t that the argument above reaches; -1 for none."""
    most = ((form.B << 53) - form.B) // form.C if form.C else 2**BITS  # 1 + k * t <= 2**53
    return (1 << min(BITS, most.bit_length() - 1)) - 1 if most else -1


def divide_rounded(form: Form, t: Any, highest: int, out: Any) -> None:
    """A / (B + C * t) at floats t, whole and 0 <= t <= highest, correctly rounded to `out`.

    `highest` is at most `last_rounded(form)`; `out` may be t.
    """
    words = _words(form, highest.bit_length())
    rows = np.empty((6, min(ROW, t.size)))
    for start in range(0, t.size, ROW):
        part = slice(start, start + ROW)
        _divide(form, words, t[part], out[part], rows[:, : t[part].size])


def _divide(form: Form, words: tuple[float, ...], t: Any, out: Any, rows: Any) -> None:
    k0, k1, l_high, l_low = words
    high, low, d, q, c, v = rows
    np.multiply(t, k0, out=high)
    high += 1.0
    np.multiply(t, k1, out=low)
    np.add(high, low, out=d)
    np.subtract(d, high, out=high)
    low -= high
    np.divide(l_high, d, out=q)
    _head(q, out=q)
    d1, d0 = _head(d, out=c), np.subtract(d, c, out=high)
    d1 *= q
    np.subtract(l_high, d1, out=c)
    d0 *= q
    c -= d0
    low *= q
    c += np.subtract(l_low, low, out=low)
    c /= d
    np.add(q, c, out=v)
    c -= np.subtract(v, q, out=q)
    c *= ENLARGED
    c += v
    if not (c == v).all():
        for i in np.flatnonzero(c != v):
            v[i] = form.A / (form.B + form.C * int(t[i]))
    out[...] = v


def _head(x: Any, out: Any) -> Any:
    """x with its last 27 significand bits cleared."""
    np.bitwise_and(x.view(np.int64), HEAD, out=out.view(np.int64))
    return out


@lru_cache(maxsize=256)
def _words(form: Form, bits: int) -> tuple[float, float, float, float]:
    """k as a multiple of g and a word, L as two words."""
    largest = form.B + (form.C << bits)  # of the denominator 1 + k * t, times B
    e = (-(-largest // form.B) - 1).bit_length()
    units, rest = divmod(form.C << (53 - e), form.B)
    l_high = form.A / form.B
    n, m = l_high.as_integer_ratio()
    return (
        units * 2.0 ** (e - 53),
        rest / (form.B << (53 - e)),
        l_high,
        (form.A * m - n * form.B) / (form.B * m),
    )
