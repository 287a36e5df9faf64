"""A schedule with phases: a table of pieces, each a fraction of integers.

    warm-up, cool-down       (a * (K - t) + b * t) / d          `Line`
    stable, floor, end       A / B                              `Form`
    decay                    A / (B + C * t)                    `Form`

t is the step, counted from the start of the piece. All integers are exact, including the step at
which the decay reaches the floor. So one division gives the correctly rounded value, as in
`form.py`. On tensors, `evaluate.py` selects the piece of each step.
"""

from __future__ import annotations

from _bisect import bisect_right  # `bisect` only re-exports this
from collections.abc import Callable
from math import gcd, inf
from typing import TYPE_CHECKING, Any, NamedTuple

from invtime.decimals import exact_number
from invtime.form import Form

if TYPE_CHECKING:
    from invtime.parameters import Parameters

Ratio = tuple[int, int]


class Line:
    """The integers of (a * (K - t) + b * t) / d for 0 <= t < K. No term is negative.

    >>> Line((0, 1), (1, 10), 1000)
    Line((0 * (1000 - t) + 1 * t) / 10000)
    """

    __slots__ = ("K", "__weakref__", "a", "b", "d", "hash", "numbers")

    def __init__(self, first: Ratio, last: Ratio, steps: int) -> None:
        a, b, d = first[0] * last[1], last[0] * first[1], first[1] * last[1] * steps
        common = gcd(a, b, d)
        self.a, self.b, self.d, self.K = a // common, b // common, d // common, steps
        self.numbers = (self.a, self.b, self.d, self.K)
        self.hash = hash(self.numbers)

    @classmethod
    def of(cls, a: int, b: int, d: int, steps: int) -> Line:
        """Return the line with these integers."""
        return cls((a * steps, d), (b * steps, d), steps)

    def ratio(self, n: int, d: int) -> Ratio:
        """Return the exact value at t = n / d, as a fraction that is not reduced."""
        return self.a * (self.K * d - n) + self.b * n, self.d * d

    def last_exact_step(self, precision: int) -> int:
        """Return K - 1 if every integer of the line fits in `precision` bits, else -1."""
        largest = 2**precision
        return self.K - 1 if max(self.d, max(self.a, self.b) * self.K) <= largest else -1

    def __eq__(self, other: object) -> bool:
        return self.numbers == other.numbers if isinstance(other, Line) else NotImplemented

    def __hash__(self) -> int:
        return self.hash

    def __repr__(self) -> str:
        return f"Line(({self.a} * ({self.K} - t) + {self.b} * t) / {self.d})"


class Row:
    """A piece of the table, and the steps that it applies to."""

    __slots__ = ("first", "knot", "name", "origin", "piece")

    def __init__(self, name: str, knot: Ratio, origin: int, piece: Form | Line) -> None:
        self.name = name
        """The phase: "warm-up", "stable", "decay", "floor", "cool-down" or "end"."""
        self.knot = knot
        """Its start: an integer, except for a floor that the decay reaches between two steps."""
        self.origin = origin
        """The step from which t is counted; unused for a constant."""
        self.piece = piece
        self.first = -(-knot[0] // knot[1])
        """The first integer step in it."""

    def ratio(self, n: int, d: int) -> Ratio:
        """Return the exact value at the step n / d, as a fraction that is not reduced."""
        return self.piece.ratio(n - self.origin * d, d)

    def plain(self) -> tuple[Any, ...]:
        """Return the row as plain numbers and text."""
        piece = self.piece
        return self.name, self.knot, self.origin, type(piece).__name__, piece.numbers


class Table:
    """The rows of a schedule, from step 0 on. Immutable and hashable."""

    __slots__ = ("__weakref__", "_quick", "hash", "key", "rows", "starts")

    rows: tuple[Row, ...]
    starts: tuple[int, ...]
    """The first integer step of each row. If two are equal, the later row applies."""
    hash: int
    key: str
    """The table as text, which `of_key` reads."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.rows = rows
        self.starts = tuple(row.first for row in rows)
        self.key = repr([row.plain() for row in rows])
        self.hash = hash(self.key)
        n, d = rows[0].ratio(0, 1)  # negative steps have the rate of step 0
        self._quick = [(n / d, 0, 0, 0, None), *map(_quick, rows)]

    @classmethod
    def of_key(cls, key: str) -> Table:
        """Return the table with this key."""
        from ast import literal_eval

        kinds: dict[str, Callable[..., Form | Line]] = {"Form": Form, "Line": Line.of}
        rows = ((*place, kinds[kind](*numbers)) for *place, kind, numbers in literal_eval(key))
        return cls(tuple(Row(*row) for row in rows))

    def at(self, step: int) -> float:
        """Return the value at an integer step of any size, correctly rounded to binary64."""
        n, n_slope, d, d_slope, stairs = self._quick[bisect_right(self.starts, step)]
        if n_slope:
            return (n + n_slope * step) / d
        if not d_slope:
            return n
        if stairs is None:
            return n / (d + d_slope * step)
        times, shift, period = stairs
        return n / (d + d_slope * ((times * step - shift) // period))

    def at_real(self, step: Any) -> float:
        """Return the value at a real step: a float, a long double, or a subclass instance."""
        if step != step:
            return float(step)
        if step <= 0:
            return self.at(0)
        last = self.rows[-1].piece
        if step == inf:
            assert isinstance(last, Form)  # a line is never the last piece
            return last.at_real(step)
        n, d = self.ratio(*step.as_integer_ratio())
        return n / d

    def ratio(self, n: int, d: int) -> Ratio:
        """Return the exact value at the step n / d >= 0, as a fraction that is not reduced."""
        row = [row for row in self.rows if row.knot[0] * d <= n * row.knot[1]][-1]
        return row.ratio(n, d)

    def until(self, highest: int) -> Form | Table:
        """Return the table or form with only the rows of the integer steps up to `highest`."""
        rows = tuple(row for row in self.rows if row.first <= highest)
        return self if len(rows) == len(self.rows) else of_rows(rows)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Table) else NotImplemented

    def __hash__(self) -> int:
        return self.hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Table.of_key, (self.key,)

    def __repr__(self) -> str:
        rows = ", ".join(f"{row.first}: {row.piece}" for row in self.rows)
        return f"Table({rows})"


class Phase(NamedTuple):
    """A phase of a schedule: the integer steps n with start <= n < stop."""

    name: str
    """One of "warm-up", "stable", "decay", "floor", "cool-down", "end"."""
    start: int
    """Its first step."""
    stop: int | None
    """The step after its last one; None if it has no end."""

    def __str__(self) -> str:
        end = "" if self.stop is None else f" < {self.stop}"
        return f"{self.name:<9}  {self.start} <= n{end}"


class Phases(tuple[Phase, ...]):
    """The phases of a schedule, in order. `print` shows one per line."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def phases_of(p: Parameters) -> Phases:
    """Return the phases that contain an integer step."""
    rows = rows_of(p)
    stops = [row.first for row in rows[1:]]
    every = (
        Phase(row.name, row.first, stop) for row, stop in zip(rows, [*stops, None], strict=True)
    )
    return Phases(phase for phase in every if phase.start != phase.stop)


def of(p: Parameters) -> Form | Table:
    """Return the integers of a schedule: a table, or a form if there is only one piece."""
    if not p.phases:
        return Form.of(p.initial_learning_rate, p.decay_steps, p.decay_rate, p.staircase)
    return of_rows(rows_of(p))


def of_rows(rows: tuple[Row, ...]) -> Form | Table:
    """Return the table of the rows, or the form of a single row."""
    only = rows[0].piece
    if len(rows) == 1 and isinstance(only, Form) and not rows[0].origin:
        return only
    return Table(rows)


def rows_of(p: Parameters) -> tuple[Row, ...]:
    """Return the rows of a schedule, in order. Each has a length above 0."""
    decay = Form.of(p.initial_learning_rate, p.decay_steps, p.decay_rate, p.staircase)
    peak = exact_number(p.initial_learning_rate)
    rows = []
    if p.warmup_steps:
        first = exact_number(p.warmup_learning_rate)
        rows.append(Row("warm-up", (0, 1), 0, _line(first, peak, p.warmup_steps)))
    if p.stable_steps:
        rows.append(Row("stable", (p.warmup_steps, 1), 0, Form.constant(*peak)))
    start = p.warmup_steps + p.stable_steps
    rows.append(Row("decay", (start, 1), start, decay))
    floor = exact_number(p.minimum_learning_rate)
    meets = _meets(decay, floor)
    if meets is not None:
        n, d = meets
        if not n:
            rows.pop()
        rows.append(Row("floor", (start * d + n, d), start, Form.constant(*floor)))
    if p.cooldown_start is not None:
        x, final = p.cooldown_start, exact_number(p.final_learning_rate)
        before = [row for row in rows if row.knot[0] <= x * row.knot[1]]
        line = _line(before[-1].ratio(x, 1), final, p.cooldown_steps)
        rows = [row for row in before if row.knot != (x * row.knot[1], row.knot[1])]
        rows.append(Row("cool-down", (x, 1), x, line))
        rows.append(Row("end", (x + p.cooldown_steps, 1), x, Form.constant(*final)))
    return tuple(rows)


def _meets(decay: Form, floor: Ratio) -> Ratio | None:
    """Return the first t, a fraction, with A / (B + C * t) <= floor, or None."""
    m, m_den = floor
    if not m or not decay.C:
        return None
    n, d = decay.A * m_den - decay.B * m, decay.C * m
    if decay.staircase:
        n, d = -(-n // d) * decay.P, decay.Q
    common = gcd(n, d)
    return n // common, d // common


def _line(first: Ratio, last: Ratio, steps: int) -> Form | Line:
    if first[0] * last[1] == last[0] * first[1]:
        return Form.constant(*last)
    return Line(first, last, steps)


def _quick(row: Row) -> tuple[float, int, int, int, tuple[int, int, int] | None]:
    """Return the numbers (n, n_slope, d, d_slope, stairs) that give the value at an integer step.

    A line is (n + n_slope * step) / d, a decay is n / (d + d_slope * step), a constant is n. For a
    staircase, stairs is (Q, shift, P), and d_slope is multiplied by the stage,
    (Q * step - shift) // P.
    """
    piece, origin = row.piece, row.origin
    if isinstance(piece, Line):
        slope = piece.b - piece.a
        return piece.a * piece.K - slope * origin, slope, piece.d, 0, None
    if not piece.C:
        return piece.A / piece.B, 0, 0, 0, None
    if piece.staircase:
        return piece.A, 0, piece.B, piece.C, (piece.Q, piece.Q * origin, piece.P)
    return piece.A, 0, piece.B - piece.C * origin, piece.C, None
