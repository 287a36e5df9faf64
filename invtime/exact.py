"""The schedule as one integer fraction, and its value: on the host, and on tensors.

    continuous   lr(n) = L / (1 + R * n / S)          = A / (B + C * n)
    staircase    lr(n) = L / (1 + R * floor(n / S))   = A / (B + C * floor(n * Q / P))

L, R and S are fractions, so clearing the denominators leaves integers A, B and C, and
S = P / Q in lowest terms. Where A and B + C * t fit in the significand of the float
that a device computes in, every intermediate is exact and one IEEE division rounds
once: the value is the correctly rounded one, and a compiler finds nothing to spoil.
Python's `int / int` is correctly rounded at any size, so the host is always exact.

Everything here is written over the primitives of a `Backend` (`backends/base.py`).
Where the integers do not fit, `compensated.py` has the double-word form.
"""

from __future__ import annotations

from math import gcd, inf
from typing import TYPE_CHECKING, Any

from invtime.decimals import ratio

if TYPE_CHECKING:
    from invtime.backends.base import Backend


# precision of the floats -> bits of a chunk of an integer: a chunk times the leading
# piece of a constant (`compensated.PIECES`) is exact.
CHUNK_BITS = {53: 32, 24: 12}

# Up to this Q a tensor takes the stage by a multiplication, and the double-word form where that
# does not reach, past 2**41 steps: an integer division costs more, and at every step.
SHORT_Q = 1024


class ExactForm:
    """The integers of lr(n) = A / (B + C * t), immutable and hashable.

    t is the step n itself, or for a staircase floor(n * Q / P).

    >>> import invtime
    >>> invtime.InverseTimeDecay(0.1, 1000, 0.5).exact_form
    ExactForm(200 / (2000 + n))
    >>> invtime.InverseTimeDecay(0.1, 0.3, 2, staircase=True).exact_form
    ExactForm(1 / (10 + 20 * floor(n * 10 / 3)))
    """

    __slots__ = ("A", "B", "C", "P", "Q", "__weakref__", "_key", "staircase")

    A: int
    B: int
    C: int
    P: int
    Q: int
    staircase: bool

    def __init__(self, A: int, B: int, C: int, P: int, Q: int, staircase: bool) -> None:
        common = gcd(A, B, C)
        period = gcd(P, Q)
        self.A, self.B, self.C = A // common, B // common, C // common
        self.P, self.Q = P // period, Q // period
        self.staircase = staircase
        self._key = (self.A, self.B, self.C, self.P, self.Q, staircase)

    @classmethod
    def of(
        cls,
        initial_learning_rate: int | float,
        decay_steps: int | float,
        decay_rate: int | float,
        staircase: bool,
    ) -> ExactForm:
        """Clear the denominators of L / (1 + R * n / S)."""
        l_num, l_den = ratio(initial_learning_rate)
        r_num, r_den = ratio(decay_rate)
        p, q = ratio(decay_steps)
        if staircase:
            return cls(l_num * r_den, l_den * r_den, l_den * r_num, p, q, True)
        return cls(l_num * r_den * p, l_den * r_den * p, l_den * r_num * q, p, q, False)

    def at(self, step: Any) -> float:
        """The value at a Python number of any size, correctly rounded to binary64."""
        if step != step:
            return float(step)
        if step <= 0:  # before the start the rate is L
            return self.A / self.B
        if step == inf:
            return 0.0 if self.C else self.A / self.B
        n: int
        d: int
        n, d = step.as_integer_ratio()
        if self.staircase:
            return self.A / (self.B + self.C * (n * self.Q // (d * self.P)))
        return self.A * d / (self.B * d + self.C * n)

    def last_exact_step(self, precision: int) -> int:
        """The last integer step whose A and B + C * t fit in `precision` bits.

        -1 where there is none; 2**63 - 1 where every int64 step fits.
        """
        largest = 2**precision
        if largest < self.A or largest < self.B:
            return -1
        if not self.C:
            return 2**63 - 1
        stage = (largest - self.B) // self.C
        last = ((stage + 1) * self.P - 1) // self.Q if self.staircase else stage
        return int(min(last, 2**63 - 1))

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, ExactForm) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return ExactForm, self._key

    def __repr__(self) -> str:
        t = "n"
        if self.staircase:
            times = f" * {self.Q}" if self.Q != 1 else ""
            t = f"floor(n{times} / {self.P})" if self.P != 1 else f"n{times}"
        product = {0: "", 1: f" + {t}"}.get(self.C, f" + {self.C} * {t}")
        return f"ExactForm({self.A} / ({self.B}{product}))"


def evaluate(form: ExactForm, backend: Backend, step: Any, dtype: str) -> Any:
    """The schedule at every element of `step`, rounded along the chain to `dtype`."""
    if backend.integer_range(step) is None:
        return _at_floats(form, backend, step, dtype)
    return _at_integers(form, backend, step, dtype)


def _at_integers(form: ExactForm, backend: Backend, step: Any, dtype: str) -> Any:
    from invtime import compensated

    lowest, highest = backend.integer_range(step)  # type: ignore[misc]  # not a float here
    if lowest >= 0:
        step = backend.index(step)
    if highest >= 2**63:  # a uint64 step past the end of int64 wraps: hold it there
        highest = 2**63 - 1
        step = backend.where(step < 0, highest, step)

    def steps() -> Any:
        return backend.clamp(step) if lowest < 0 else step

    # Everything is inside the branches, so that a compiler can fuse each into one loop.
    def exact() -> Any:
        return backend.round_to(_divide_once(form, backend, steps(), min(last, highest)), dtype)

    def double_word() -> Any:
        return backend.round_to(compensated.at_integers(form, backend, steps(), highest), dtype)

    precision = backend.precision(step)
    last = form.last_exact_step(precision)
    if form.staircase and form.Q < SHORT_Q:
        last = min(last, last_short_step(form, precision))
    if last < 0:
        return double_word()
    if last >= highest:
        return exact()
    return backend.choose(step, last, exact, double_word)


def _divide_once(form: ExactForm, backend: Backend, n: Any, last: int) -> Any:
    """THE formula at whole 0 <= n <= last: A / (B + C * t), one operation of it inexact."""
    t = backend.widest(n)
    if form.C == 0 or last == 0:  # a constant still follows the step's shape
        return backend.divide(float(form.A), t * 0.0 + float(form.B))
    if form.staircase and last <= last_short_step(form, backend.precision(n)):
        t = t if form.Q == 1 else t * float(form.Q)
        t = backend.floor((t + 0.5) * (1 / form.P))
    elif form.staircase:
        t = backend.widest(stage_index(form, backend, n, last))
    product = t if form.C == 1 else t * float(form.C)
    return backend.divide(float(form.A), product + float(form.B))


def last_short_step(form: ExactForm, precision: int) -> int:
    """The last n for which floor((n * Q + 1/2) * fl(1/P)) is the stage index.

    (n * Q + 1/2) / P lies at least 1 / (2 * P) away from every integer, and two roundings move
    it by less than (n * Q + 1/2) / P * 2**(1 - precision).
    """
    return ((1 << (precision - 2)) - 1) // form.Q


def stage_index(form: ExactForm, backend: Backend, n: Any, highest: int) -> Any:
    """floor(n * Q / P) for integers 0 <= n <= highest; wraps past 2**63, nowhere below."""
    if form.Q == 1:
        if form.P > highest:
            return n * 0
        return n if form.P == 1 else backend.quotient(n, form.P)
    n = backend.index(n)
    jump = n * signed64(form.Q // form.P)
    return jump + stage_remainder(form, backend, n, highest)


def stage_remainder(form: ExactForm, backend: Backend, n: Any, highest: int) -> Any:
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
        whole = whole + chunk * quotient if quotient else whole
        part = part + backend.widest(chunk) * (rest / form.P)
    e = whole + backend.index(part)
    remainder = n * r - e * form.P
    return e + backend.index(remainder >= form.P) - backend.index(remainder < 0)


def chunks(backend: Backend, n: Any, highest: int, width: int) -> list[Any]:
    """The integers 0 <= n <= highest cut into pieces of `width` bits, lowest first."""
    pieces = []
    for _ in range(width, highest.bit_length(), width):
        above = backend.quotient(n, 2**width)
        pieces.append(n - above * 2**width)
        n = above
    return [*pieces, n]


def signed64(value: int) -> int:
    """`value` modulo 2**64, as the int64 that wrapping arithmetic takes it for."""
    return (value + 2**63) % 2**64 - 2**63


def _at_floats(form: ExactForm, backend: Backend, step: Any, dtype: str) -> Any:
    """Float steps mean their exact binary value; whole ones have the integer's bits."""
    from invtime import compensated

    x = backend.widest(step)
    n = backend.where(x < 0, 0.0, x)  # keeps NaN, and the right-hand derivative at 0
    held = backend.detach(n)
    precision = backend.precision(step)
    last = min(form.last_exact_step(precision), 2**precision - 1)
    if form.staircase:
        last = min(last, last_short_step(form, precision))

    def exact() -> Any:
        return _divide_once(form, backend, held, last)

    def double_word() -> Any:
        return compensated.at_floats(form, backend, held)

    if last < 0:
        value = double_word()
    else:
        whole = backend.where(backend.floor(held) == held, held, inf)  # not so for NaN
        value = backend.choose(whole, last, exact, double_word)
    if backend.differentiable:  # zero in value, and in the derivative that of the plain formula
        value = value + compensated.differentiable(form, backend, n)
    return backend.round_to(value, dtype)
