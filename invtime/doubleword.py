"""The double-word form, for integers that do not fit a float: long decimals, and large steps.

    lr = L / (1 + k * n)    with L and k exact fractions; k * n is one or two such products

The denominator is summed as an unevaluated pair of floats, and the quotient is corrected by its
exact residual. Dekker's and Veltkamp's algorithms fail if a compiler contracts `a * b - p` into
one rounding, so they are not used here. The only products whose rounding would matter are of
pieces short enough to be exact (21 by 32 bits, 26 by 27). The pieces are split on the host, by
integer shifts or by masks. Fusing an exact product changes nothing.

The error bound is relative to the denominator, with u = 2**-53. The pieces of k leave out 2**-114,
and the products of the last piece round at 2**-114. Each of the m <= 8 additions (16 for a
staircase with fractional decay_steps) moves at most u into `low`, exactly. So |low| <= m * u, and
summing `low` rounds by less than m * (m + 1) / 2 * u**2: 36 (136) u**2. The residual, its product
with `low` and the last division add 17 u**2. So the value before its final rounding is within
2**-98 of the exact one. `docs/numerics.md` has the full proof.

Sources: Dekker, A floating-point technique for extending the available precision (1971);
Knuth, TAOCP 2, 4.2.2 (the branch-free sum); Joldes, Muller, Popescu, Tight and rigorous
error bounds for basic building blocks of double-word arithmetic (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from invtime import ties
from invtime.form import Form
from invtime.primitives import Primitives
from invtime.stage import CHUNK_BITS, chunks, signed64, stage_index, stage_remainder

# precision of the words -> (bits of a constant's short pieces, their number). One word of full
# precision follows, which is so small that the rounding of its products does not matter.
PIECES = {53: (21, 3), 24: (12, 2)}
# precision of the words -> the largest finite word, to detect infinite steps. TensorFlow's
# `enable_check_numerics` does not allow a comparison with infinity.
LARGEST = {53: (2 - 2.0**-52) * 2.0**1023, 24: (2 - 2.0**-23) * 2.0**127}

# precision of the words -> the factor for a float whose head should be close to it. With a smaller
# rest, the residual stays exact even if the division errs by a few units.
CENTRED = {53: 1 + 2.0**-27, 24: 1 + 2.0**-13}

Term = tuple[tuple[float, ...], list[Any]]


class Words:
    """The constants of a form, cut into words of one precision and scaled together.

    lr = (L' / (one + k' * n)) * 2**exponent, with k' < 1/2, so that no finite step overflows.
    """

    def __init__(self, form: Form, precision: int) -> None:
        self.precision = precision
        # R / S per step: C / B, or (C / B) * (Q / P) for a staircase.
        numerator, denominator = form.C, form.B
        if form.staircase:
            numerator, denominator = numerator * form.Q, denominator * form.P
        largest = max(exponent_of(numerator, denominator), exponent_of(form.C, form.B))
        # For binary32, a k below 2**-126 is scaled up, as far as L allows.
        lowest = 0 if precision == 53 else max(-60, exponent_of(form.A, form.B) - 240)
        self.scale = max(lowest, largest + 2)
        self.one = _power(-self.scale)
        self.start: float | None = None
        up, down = max(0, -self.scale), max(0, self.scale)
        self.per_step = cut(precision, numerator << up, denominator << down)
        self.per_stage = cut(precision, form.C << up, form.B << down)
        self.per_jump = cut(precision, form.C * (form.Q // form.P) << up, form.B << down)
        if precision == 53:
            # 1e-60 * 2**-402 is far from the limits of binary64, but its quotient by 1e308 is not.
            # The correction of the quotient must not be subnormal: some frameworks flush
            # subnormals to zero.
            self.exponent = -128
            self.initial = self.pair(form.A << 128, form.B << self.scale)
        else:
            self.initial = self._narrow_initial(form)
        if precision == 24 and self.scale > 100:
            # Binary32 cannot hold `one` next to k'. From the first stage on, `one` is negligible.
            # Before it, the denominator is 0, and the value is L.
            self.one, start = 0.0, self._round(form.A, form.B)
            self.start = start if start < 2.0**128 else inf

    def _narrow_initial(self, form: Form) -> tuple[float, float]:
        """Return L' = L * 2**-(scale + exponent), which fits binary32 for any L; set the exponent.

        The exponent is applied to the quotient by one product: compilers fold two constants into
        one. L' is near 2**26 if L' / one leaves room for that. Then its quotient by 2**127 has a
        remainder that is not subnormal.
        """
        size = exponent_of(form.A, form.B) - self.scale
        room = max(0, min(26, 124 - self.scale))
        self.exponent = max(-126, min(127, size - room))
        shift = self.scale + self.exponent
        if exponent_of(form.A, form.B) - shift < -104:  # then every value is below 2**-126
            return 0.0, 0.0
        return self.pair(form.A << max(0, -shift), form.B << max(0, shift))

    def pair(self, numerator: int, denominator: int) -> tuple[float, float]:
        """Return a fraction as a high and a low word."""
        high, low = self._round(numerator, denominator), 0.0
        if high:
            n, d = high.as_integer_ratio()
            low = self._round(numerator * d - n * denominator, denominator * d)
        return high, low

    def _round(self, numerator: int, denominator: int) -> float:
        if self.precision == 53:
            return numerator / denominator
        return nearest(numerator, denominator, self.precision)


def cut(precision: int, numerator: int, denominator: int) -> tuple[float, ...]:
    """Return the leading pieces of a fraction, largest first; each continues the one before it."""
    if not numerator:
        return ()
    bits, count = PIECES[precision]
    width = bits * count + precision
    shift = width - 1 - exponent_of(numerator, denominator)
    scaled = (numerator << max(0, shift)) // (denominator << max(0, -shift))
    pieces = []
    for i in reversed(range(count)):
        below = precision + bits * i
        piece, scaled = divmod(scaled, 1 << below)
        pieces.append(float(piece) * _power(below - shift))
    pieces.append(float(scaled) * _power(-shift))
    return tuple(piece for piece in pieces if piece)


def parts(backend: Primitives, n: Any, highest: int) -> list[Any]:
    """Split integers 0 <= n <= highest into floats short enough for exact products with pieces."""
    width = CHUNK_BITS[backend.precision(n)]
    cuts = chunks(backend, n, highest, width)
    return [times_power(backend.widest(c), i * width) for i, c in enumerate(cuts)]


def at_integers(form: Form, backend: Primitives, n: Any, highest: int) -> Any:
    """Return the value at integers 0 <= n <= highest, in the widest float of the backend."""
    words = backend.kept(Words, form, backend.precision(n))
    stage, last = n, highest
    if not form.staircase:
        terms = [(words.per_step, parts(backend, n, highest))]
    elif form.Q == 1:
        stage, last = stage_index(form, backend, n, highest), form.stage(highest)
        terms = [(words.per_stage, parts(backend, stage, highest))]
    else:
        # The stage is n * (Q // P) + e. It may exceed 2**63, while n and e cannot.
        n = backend.index(n)
        e = stage_remainder(form, backend, n, highest)
        stage, last = n * backend.integer(signed64(form.Q // form.P)) + e, form.stage(highest)
        terms = [
            (words.per_jump, parts(backend, n, highest)),
            (words.per_stage, parts(backend, e, highest)),
        ]

    def exact() -> ties.Fraction:
        return ties.of_decay(form, backend, backend.index(stage), last)

    return _quotient(backend, words, terms, backend.widest(n), exact)


def at_floats(form: Form, backend: Primitives, n: Any, low: Any = None) -> Any:
    """Return the value at floats n >= 0, including NaN and infinity, or at the pair n + low."""
    words = backend.kept(Words, form, backend.precision(n))
    if not form.staircase:
        terms = [(words.per_step, split(backend, n, low))]
    else:
        # From 2**6 stages per unit in the last place on, floats cannot resolve stages.
        edge = min(form.P / form.Q * 2.0 ** (words.precision + 6), LARGEST[words.precision])
        small = n < edge
        near, far = backend.where(small, n, 0.0), backend.where(small, 0.0, n)
        near_low = far_low = None
        if low is not None:
            near_low, far_low = backend.where(small, low, 0.0), backend.where(small, 0.0, low)
        floor, carry = _stage_of_floats(form, backend, words.precision, near, near_low)
        terms = [
            (words.per_step, split(backend, far, far_low)),
            (words.per_stage, split(backend, floor, carry)),
        ]
    limit = 2**words.precision
    whole = (n < float(limit)) & (backend.floor(n) == n)

    def integers() -> Any:
        return backend.index(backend.where(whole, n, 0.0))

    def exact() -> ties.Fraction:
        t, last = integers(), limit
        if form.staircase:
            t, last = stage_index(form, backend, t, limit), form.stage(limit)
        return ties.of_decay(form, backend, t, last, whole)

    apart = form.staircase and form.Q != 1  # a step may have more than one stage
    value = _quotient(backend, words, terms, n, None if apart else exact)
    if apart:
        value = backend.where(whole, at_integers(form, backend, integers(), limit), value)
    end = 0.0 if form.C else as_float(form.A, form.B, words.precision)
    return backend.where(n > LARGEST[words.precision], end, value)


def _stage_of_floats(
    form: Form, backend: Primitives, precision: int, n: Any, low: Any
) -> tuple[Any, Any]:
    """Return floor((n + low) * Q / P) as a pair (f, c): a float and a small correction to it.

    It is exact if n is integer-valued or P / Q is an integer. Otherwise it can be wrong only if
    n * Q / P lies within 2**-90, relatively, of an integer (2**-32 with binary32 words). If `low`
    is not 0, n is integer-valued and at least 2**53.
    """
    p, q = form.P, form.Q
    if q == 1:  # halve n and P together, exactly, and drop the fraction of n
        twos = (p & -p).bit_length() - 1
        p >>= twos
        halved = times_power(n, -twos)
        n = backend.floor(halved)
        if low is not None:
            low = backend.floor((halved - n) + times_power(low, -twos))
    high, rest = add_up(backend, None, [(cut(precision, q, p), split(backend, n, low))])
    floor = backend.floor(high)
    nudge = high * _power(16 - 2 * precision)  # beyond the error of (high, rest)
    carry = backend.floor((high - floor) + (rest + nudge))
    if p <= 10**17:  # so that the remainder n * q - t * p fits in int64 after wrapping
        turn = backend.floor(times_power(n, -64) + 0.5)
        wrapped = backend.index(n - times_power(turn, 64))
        if low is not None:
            wrapped = wrapped + backend.index(low)
        t = backend.index(floor) + backend.index(carry)
        period = backend.integer(p)
        remainder = wrapped * backend.integer(signed64(q)) - t * period
        correction = backend.widest(remainder >= period) - backend.widest(remainder < 0)
        carry = carry + backend.where(backend.floor(n) == n, correction, 0.0)
    # Add these here, so that 1 - 1 is 0. In the sum of the products, a large k would absorb `one`.
    stage = floor + carry
    return stage, carry - (stage - floor)


def differentiable(form: Form, backend: Primitives, n: Any) -> Any:
    """Return a plain float formula that has the schedule's derivatives of every order."""
    words = backend.kept(Words, form, backend.precision(n))
    if form.staircase or not form.C or words.start is not None:  # start: outside binary32's range
        return backend.where(n < 1, n, 0.0) * 0.0
    denominator = n * sum(words.per_step) + words.one
    value = backend.divide(words.initial[0], denominator)
    return times_power(value - backend.detach(value), words.exponent)


def _quotient(
    backend: Primitives,
    words: Words,
    terms: list[Term],
    like: Any,
    exact: Callable[[], ties.Fraction] | None = None,
) -> Any:
    """Return (L' / (one + sum of the terms)) * 2**exponent, with the shape of `like`.

    If `exact` is given, it returns the exact fraction, and ties round to even.
    """
    high, low = add_up(backend, words.one, terms, like)
    l_high, l_low = words.initial
    quotient = backend.divide(l_high, high)
    q1 = backend.head(quotient * CENTRED[words.precision])
    q0 = quotient - q1
    d1, d0 = split(backend, high)
    residual = (((l_high - q1 * d1) - q1 * d0) - q0 * d1) - q0 * d0
    residual = residual + (l_low - quotient * low)
    rest = backend.divide(residual, high)
    if exact is None or words.precision != 53:
        value = quotient + rest
    else:
        value = ties.rounded(backend, quotient, rest, words.exponent, exact)
    value = times_power(value, words.exponent)
    return value if words.start is None else backend.where(high == 0, words.start, value)


def add_up(
    backend: Primitives, one: float | None, terms: list[Term], like: Any = None
) -> tuple[Any, Any]:
    """Return one + the sum of all piece * part, as (high, low)."""
    leading = [pieces[0] * part for pieces, parts in terms if pieces for part in parts]
    if one is not None:
        leading.append(one if leading else like * 0.0 + one)
    high, low = leading[0], 0.0
    for product in leading[1:]:  # of any order of magnitude
        total = high + product
        back = total - high
        low = low + ((high - (total - back)) + (product - back))
        high = total
    # Each other product is at most 2**-20 of a leading one, so it is below `high`.
    for pieces, parts in terms:
        for piece in pieces[1:]:
            for part in parts:
                product = piece * part
                total = high + product
                low = low + (product - (total - high))
                high = total
    total = high + low
    return total, low - (total - high)


def split(backend: Primitives, x: Any, low: Any = None) -> list[Any]:
    """Split x exactly into its leading 26 (of 53) or 12 (of 24) bits and the rest; append `low`."""
    head = backend.head(x)
    return [head, x - head] if low is None else [head, x - head, low]


def exponent_of(numerator: int, denominator: int) -> int:
    """Return an e with 2**(e - 1) <= numerator / denominator < 2**(e + 1)."""
    return numerator.bit_length() - denominator.bit_length() if numerator else -(10**4)


def _power(exponent: int) -> float:
    return 2.0**exponent if exponent > -1075 else 0.0


def times_power(x: Any, exponent: int) -> Any:
    """Return x * 2**exponent; the power must be a float."""
    return x * _power(exponent) if exponent else x


def nearest(numerator: int, denominator: int, precision: int) -> float:
    """Return the float with `precision` significand bits nearest to a fraction, ties to even.

    >>> nearest(1, 10, 24)
    0.10000000149011612
    """
    sign = -1 if numerator < 0 else 1
    numerator = abs(numerator)
    if not numerator:
        return 0.0
    shift = precision + 1 - (numerator.bit_length() - denominator.bit_length())
    scaled, rest = divmod(numerator << max(0, shift), denominator << max(0, -shift))
    extra = scaled.bit_length() - precision
    sticky = (scaled << 1) | bool(rest)
    half = 1 << extra
    kept, tail = divmod(sticky, half << 1)
    kept += tail > half or (tail == half and kept & 1)
    exponent = extra - shift
    return sign * float(kept) * (2.0**exponent if exponent > -1075 else 0.0)


def as_float(numerator: int, denominator: int, precision: int) -> float:
    """Round a constant to a precision; return infinity if binary32 cannot hold it."""
    if precision == 53:
        return numerator / denominator
    value = nearest(numerator, denominator, precision)
    return value if abs(value) < 2.0**128 else inf if value > 0 else -inf
