"""The stage index of a staircase on tensors: floor(n * Q / P), exact for integer steps."""

from __future__ import annotations

from typing import Any

from invtime.form import Form
from invtime.primitives import Primitives

# precision of the floats -> bits of a chunk of an integer. The product of a chunk and the leading
# piece of a constant (`doubleword.PIECES`) is exact.
CHUNK_BITS = {53: 32, 24: 12}

# Up to this Q, tensors compute the stage by a multiplication, and use the double-word form where
# that is not exact, past 2**41 steps. An integer division would cost more, at every step.
SHORT_Q = 1024


def last_short_step(form: Form, precision: int) -> int:
    """Return the last n for which floor((n * Q + 1/2) * fl(1/P)) is the stage index.

    (n * Q + 1/2) / P lies at least 1 / (2 * P) away from every integer. Two roundings change it
    by less than (n * Q + 1/2) / P * 2**(1 - precision).
    """
    return ((1 << (precision - 2)) - 1) // form.Q


def stage_index(form: Form, backend: Primitives, n: Any, highest: int) -> Any:
    """Return floor(n * Q / P) for integers 0 <= n <= highest; it wraps only if 2**63 or more."""
    if form.Q == 1:
        if form.P > highest:
            return n * 0
        return n if form.P == 1 else backend.quotient(n, form.P)
    n = backend.index(n)
    jump = n * backend.integer(signed64(form.Q // form.P))
    return jump + stage_remainder(form, backend, n, highest)


def stage_remainder(form: Form, backend: Primitives, n: Any, highest: int) -> Any:
    """Return floor(n * r / P) with r = Q mod P, for P <= 10**17: the part of the stage below n.

    n is cut into chunks n_i of `width` bits, and r * 2**(i * width) = K_i * P + s_i. So
    n * r / P = sum(n_i * K_i) + sum(n_i * s_i / P). The second sum is at most a few times
    2**width, so its float estimate errs by less than one. The remainder n * r - e * P corrects
    this: it lies in (-P, 2P), so it is exact even if int64 arithmetic wraps.
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
    """Cut integers 0 <= n <= highest into pieces of `width` bits, lowest first."""
    pieces = []
    for _ in range(width, highest.bit_length(), width):
        above = backend.quotient(n, 2**width)
        pieces.append(n - above * backend.integer(2**width))
        n = above
    return [*pieces, n]


def signed64(value: int) -> int:
    """Return `value` modulo 2**64 as an int64, as wrapping arithmetic would."""
    return (value + 2**63) % 2**64 - 2**63
