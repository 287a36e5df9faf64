"""The final rounding of the double-word form, with ties to even.

The exact value is a fraction N / D of integers. The double words q + c are within 2**-98 of it,
and one addition rounds them. But if the value is at or very close to M, the midpoint between two
floats, q + c cannot tell on which side of M it lies. The integers can: with M = m * 2**e, the side
is the sign of

    r = N * 2**-e - m * D

and r = 0 is a tie. N and D may have hundreds of bits, but wrapping int64 arithmetic gives r modulo
2**64. This is r itself if |r| < 2**63, which holds for an M this close to the value if D < 2**104
and N < 2**156. For larger integers, r = 0 modulo 2**64 is treated as a tie. That is wrong if r is
another multiple of 2**64; the value is then within 2**-96 of the midpoint.

docs/numerics.md has the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invtime.form import Form
from invtime.primitives import Primitives
from invtime.stage import signed64
from invtime.table import Line

# A value is examined closely if it is nearer to a midpoint than this, relative to half an ULP.
CLOSE = 2.0**-44
# r fits in int64 if D is below SURE and N is below SURE_ABOVE.
SURE, SURE_ABOVE = 2**104, 2**156


class Fraction:
    """N / (D * 2**twos) modulo 2**64 at each step, and facts about it that the host knows.

    Not a NamedTuple, because Paddle's compiler traces calls into its generated code.
    """

    def __init__(
        self,
        numerator: Any,
        denominator: Any,
        *,
        twos: int,
        large: bool,
        vast: bool,
        sure: Any,
        known: Any,
    ) -> None:
        self.numerator = numerator
        self.denominator = denominator
        self.twos = twos
        self.large = large  # whether M may be so large that e > 0
        self.vast = vast  # whether N may be 2**156 or more; harmless if e <= 0
        self.sure = sure  # a mask of the steps with D < 2**104; None means all
        self.known = known  # a mask of the steps with known N and D; None means all


def of_decay(form: Form, backend: Primitives, t: Any, highest: int, known: Any = None) -> Fraction:
    """Return the fraction A / (B + C * t) at int64 t up to `highest`."""
    twos = _twos(form.B | form.C)
    constant, slope = form.B >> twos, form.C >> twos
    last = (SURE - constant) // slope if slope else highest
    return Fraction(
        _wrapped(backend, form.A),
        t * _wrapped(backend, slope) + _wrapped(backend, constant),
        twos=twos,
        large=form.A << twos >= form.B << 52,
        vast=form.A >= SURE_ABOVE,
        sure=None if last >= highest else t <= backend.integer(min(max(last, -1), 2**63 - 1)),
        known=known,
    )


def of_line(line: Line, backend: Primitives, t: Any, known: Any = None) -> Fraction:
    """Return the fraction (a * (K - t) + b * t) / d at int64 0 <= t <= K."""
    twos = _twos(line.d)
    d = line.d >> twos
    return Fraction(
        t * _wrapped(backend, line.b - line.a) + _wrapped(backend, line.a * line.K),
        _wrapped(backend, d),
        twos=twos,
        large=max(line.a, line.b) * line.K << twos >= line.d << 52,
        vast=max(line.a, line.b) * line.K >= SURE_ABOVE,
        sure=None if d < SURE else t < 0,
        known=known,
    )


def rounded(
    backend: Primitives, q: Any, c: Any, exponent: int, fraction: Callable[[], Fraction]
) -> Any:
    """Return q + c rounded like (N / D) * 2**-exponent; |c| <= |q| * 2**-50, all in binary64."""
    value = q + c
    rest = c - (value - q)  # the exact error of the addition
    near, far = value + rest * (1 - CLOSE), value + rest * (1 + CLOSE)
    gap = far - near  # 0, unless these are the two floats beside a midpoint
    down = gap < 0
    gap = backend.where(down, near - far, gap)
    close = gap > 0
    if backend.none(close):
        return value
    exact = fraction()
    if exact.known is not None:
        close = close & exact.known
    unit = backend.where(close, gap * 0.5, 1.0)
    lower = backend.where(close, backend.where(down, far, near), 0.0)
    # A power of two, even if the division is inexact.
    inverse = backend.head(backend.divide(1.0, unit) * (1 + 2.0**-30))
    count = lower * inverse  # an even number below 2**54
    m = backend.index(count) + 1
    scale = 2.0 ** (exponent + exact.twos)
    power, numerator, denominator = inverse * (1 / scale), exact.numerator, exact.denominator
    sure = close if exact.sure is None else close & exact.sure
    if exact.large:  # 2**-e may be below 1
        small = power < 1
        if exact.vast:
            sure = sure & (power >= 1)
        denominator = _times_power(backend, denominator, backend.where(small, unit * scale, 1.0))
        power = backend.where(small, 1.0, power)
    r = _times_power(backend, numerator, power) - m * denominator
    quarter = count * 0.25
    upper = lower + (unit + unit)
    even = backend.where(backend.floor(quarter) == quarter, lower, upper)
    value = backend.where(close & (r == 0), even, value)
    value = backend.where(sure & (r < 0), lower, value)
    return backend.where(sure & (r > 0), upper, value)


def _times_power(backend: Primitives, x: Any, power: Any) -> Any:
    """Return x times a power of two (1 or more), modulo 2**64."""
    power = backend.where(power == 2.0**63, power * -1.0, power)  # equal modulo 2**64, and fits
    return backend.index(backend.where(power < 2.0**64, power, 0.0)) * x


def _wrapped(backend: Primitives, value: int) -> Any:
    """Return the integer modulo 2**64, as an operand."""
    return backend.integer(signed64(value))


def _twos(x: int) -> int:
    """Return the exponent of the largest power of two that divides x > 0."""
    return (x & -x).bit_length() - 1
