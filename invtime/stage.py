"""The stage index of a staircase on tensors: floor(n * Q / P), exact for integer steps."""

from __future__ import annotations

from typing import Any

from invtime.form import Form
from invtime.primitives import Primitives

# precision of the floats -> bits of a chunk of an integer: a chunk times the leading
# piece of a constant (`doubleword.PIECES`) is exact.
CHUNK_BITS = {53: 32, 24: 12}

# Up to this Q a tensor takes the stage by a multiplication, and the double-word form where that
# does not reach, past 2**41 steps: an integer division costs more, and at every step.
SHORT_Q = 1024


def last_short_step(form: Form, precision: int) -> int:
    """The last n for which floor((n * Q + 1/2) * fl(1/P)) is the stage index.

    (n * Q + 1/2) / P lies at least 1 / (2 * P) away from every integer, and two roundings move
    it by less than (n * Q + 1/2) / P * 2**(1 - precision).
    """
    return ((1 << (precision - 2)) - 1) // form.Q


def stage_index(form: Form, backend: Primitives, n: Any, highest: int) -> Any:
    """floor(n * Q / P) for integers 0 <= n <= highest; wraps past 2**63, nowhere below."""
    if form.Q == 1:
        if form.P > highest:
            return n * 0
        return n if form.P == 1 else backend.quotient(n, form.P)
    n = backend.index(n)
    jump = n * backend.integer(signed64(form.Q // form.P))
    return jump + stage_remainder(form, backend, n, highest)


def stage_remainder(form: Form, backend: Primitives, n: Any, highest: int) -> Any:
    """floor(n * r / P) with r = Q mod P, for P <= 10**17: the part of the stage below n.

    n is cut into chunks n_i of `width` bits, r * 2**(i * width) = K_i * P + s_i, and so
    n * r / P = sum(n_i * K_i) + sum(n_i * s_i / P). The second sum is at most a few times
    2**width, where the float estimate is off by less than one; the remainder
    n * r - e * P, which lies in (-P, 2P) and so survives wrapping to int64, mends that.
    """
    n = backend.index(n)
    r = form.Q % form.P
    width = CHUNK_BITS[backend.precision(n)]
    whole, part = n * 0, 0.0
    for i, chunk in enumerate(chunks(backend, n, highest, width)):
        quotient, rest = divmod(r << (i * width), form.P)
        whole = whole + chunk * backend.integer(quotient) if quotient else whole
        part = part + backend.widest(chunk) * (rest / form.P)
    e = whole + backend.index(part)
    period = backend.integer(form.P)
    remainder = n * backend.integer(r) - e * period
    return e + backend.index(remainder >= period) - backend.index(remainder < 0)


def chunks(backend: Primitives, n: Any, highest: int, width: int) -> list[Any]:
    """The integers 0 <= n <= highest cut into pieces of `width` bits, lowest first."""
    pieces = []
    for _ in range(width, highest.bit_length(), width):
        above = backend.quotient(n, 2**width)
        pieces.append(n - above * backend.integer(2**width))
        n = above
    return [*pieces, n]


def signed64(value: int) -> int:
    """`value` modulo 2**64, as the int64 that wrapping arithmetic takes it for."""
    return (value + 2**63) % 2**64 - 2**63
