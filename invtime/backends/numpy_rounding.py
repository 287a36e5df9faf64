"""Parameters with long decimals on NumPy: extra precision, and a test of the final rounding.

    lr = L / (1 + k * t)    at integer steps or stages 0 <= t < 2**bits, bits <= 32

Let u = 2**-53, and D = 1 + k * t the denominator. `head` cuts a float to its first 26 bits.

1. k = k0 + k1, where k0 is a multiple of g = u * 2**e and 1 + k * 2**bits <= 2**e. So
   high = 1 + k0 * t is a multiple of g up to 2**53 * g, and exact. k1 < g is a rounded word, and
   low = k1 * t is at most 2**(bits - 52) * D. The two roundings together err by at most
   2**(bits - 104) * D, which is at most 2**-72 * D.
2. d is high + low rounded, and q is the head of L * (1 - 2**-26) / d. So q is below L / D by
   2**-26 to 1.51 * 2**-25 of it.
3. The residual is r = L - q * D = (L0 - q * head(d)) - q * (high - head(d) + low) + L1, where
   L = L0 + L1. The first product has 52 bits and the difference after it is exact; so is
   high - head(d). The other product and the sums are at most 1.51 * 2**-25 of L, so each of
   their four roundings errs by at most 1.51 * 2**-78 * L. In total, r errs by less than
   2**-71.7 * L, and c = r / d by less than 2**-71.6 of the value.
4. Ziv's test: 2**-71.5 * L is subtracted from L1. So c is too small, by less than 2**-70.5 of the
   value. c is at least 2**-26.1 of it, so c * (1 + 2**-44) is too large. If q + c and
   q + c * (1 + 2**-44) round to the same float, so does the value between them. About one value
   in 2**15 fails the test and is divided again in Python integers. So every result is correctly
   rounded.

Source: A. Ziv, Fast evaluation of elementary mathematical functions with correctly rounded
last bit (1991).
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from invtime.form import Form

BITS = 32
# Elements per pass: seven rows of these should fit in the second-level cache.
ROW = 16384
SHORTENED = 1 - 2.0**-26
ENLARGED = np.array(1 + 2.0**-44)
ONE = np.array(1.0)
HEAD = np.array(-(2**27), np.int64)
INT64 = HEAD.dtype


def last_rounded(form: Form) -> int:
    """Return the last t for which the argument above holds, or -1."""
    most = ((form.B << 53) - form.B) // form.C if form.C else 2**BITS  # 1 + k * t <= 2**53
    return (1 << min(BITS, most.bit_length() - 1)) - 1 if most else -1


def divide_rounded(form: Form, t: Any, highest: int, out: Any) -> None:
    """Write A / (B + C * t), correctly rounded, to `out`; t is integer-valued, 0 <= t <= highest.

    `highest` must be at most `last_rounded(form)`. `out` may be t itself.
    """
    words = _words(form, highest.bit_length())
    if t.size <= ROW:
        _divide(form, words, t, out)
        return
    for start in range(0, t.size, ROW):
        part = slice(start, start + ROW)
        _divide(form, words, t[part], out[part])


class Scratch(threading.local):
    """Five rows for each thread. Fresh memory would cost as much time as the division."""

    def __init__(self) -> None:
        self.rows = np.empty((5, ROW))


_scratch = Scratch()


def _divide(form: Form, words: Words, t: Any, out: Any) -> None:
    q, c, v = _quotient(words, t)
    np.add(q, c, v)
    c *= ENLARGED
    c += q
    uncertain = v != c
    if uncertain.item(uncertain.argmax()):
        for i in np.flatnonzero(uncertain):
            v[i] = form.A / (form.B + form.C * int(t[i]))
    out[...] = v


def _quotient(words: Words, t: Any) -> tuple[Any, Any, Any]:
    """Return q, c and a free row; the value lies between q + c and q + c * (1 + 2**-44)."""
    k0, k1, l0, l1, shortened = words
    high, low, d, q, c = _scratch.rows[:, : t.size]
    q_bits = q.view(INT64)
    np.multiply(t, k0, high)
    high += ONE
    np.multiply(t, k1, low)
    np.add(high, low, d)
    np.divide(shortened, d, q)
    q_bits &= HEAD
    np.bitwise_and(d.view(INT64), HEAD, c.view(INT64))
    high -= c
    high += low
    c *= q
    np.subtract(l0, c, c)
    high *= q
    c -= high
    c += l1
    c /= d
    return q, c, low


class Words(NamedTuple):
    """The constants of the argument above, as 0-d arrays, which NumPy need not convert per use."""

    k0: Any
    k1: Any
    l0: Any
    l1: Any
    """L - L0 - 2**-71.5 * L."""
    shortened: Any
    """L * (1 - 2**-26)."""


@lru_cache(maxsize=256)
def _words(form: Form, bits: int) -> Words:
    largest = form.B + (form.C << bits)  # the largest denominator 1 + k * t, times B
    e = (-(-largest // form.B) - 1).bit_length()
    units, rest = divmod(form.C << (53 - e), form.B)
    l0 = form.A / form.B
    n, m = l0.as_integer_ratio()
    l1 = (form.A * m - n * form.B) / (form.B * m)
    words = (
        units * 2.0 ** (e - 53),
        rest / (form.B << (53 - e)),
        l0,
        l1 - l0 * 2.0**-71.5,
        l0 * SHORTENED,
    )
    return Words(*map(np.array, words))
