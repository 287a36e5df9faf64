"""The steps at which backends are compared, in every integer and float dtype of NumPy.

The grid has two parts for each dtype. A part is cut into pieces, and a piece into chunks of at
most `CHUNK` steps:

    consecutive   every whole step 0, 1, ..., last
    edges         the powers of two; the first steps of the plateaus near them, and of the
                  plateaus 1, 2, 4, ...; the knots of a schedule with phases; the steps 2**k
                  after each knot and before the next one; the last step of each exact form.
                  Each comes with its neighbours and negatives. Float dtypes add fractions,
                  the neighbours of knots and of plateau boundaries, subnormal and huge steps,
                  infinities and NaN

A framework chooses between the exact form and the double-word form for a whole array. The parts
are separate so that both forms are tested: the first part uses the exact form, the second nearly
always the double-word form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf, nan
from typing import NamedTuple

import numpy as np

from invtime.form import Form
from invtime.reference import Steps
from invtime.table import Row, Table

CHUNK = 2**14

# The dtypes that training loops use come first. Compiled modes are compared at these only.
COMPILED = ("int64", "int32", "float64")
DTYPES = (*COMPILED, "int8", "int16", "uint8", "uint16", "uint32", "uint64", "float16", "float32")

POWERS = [2**k for k in range(64)]
SPECIAL = (-0.0, -0.5, -1e300, -inf, 5e-324, 1e-310, 1e-30, 1e30, 1e300, inf, nan)


class Piece(NamedTuple):
    """A range of steps of one part of the grid."""

    dtype: str
    edges: bool
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The number of steps."""
        return self.stop - self.start

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return -(-self.size // CHUNK)

    def __str__(self) -> str:
        part = "edges" if self.edges else "steps"
        return f"the {self.dtype} {part} {self.start} to {self.stop - 1}"


class Grid:
    """The steps for one form, generated on demand.

    Args:
        form: the exact form of the schedule, or its table.
        last: the last consecutive step.
    """

    def __init__(self, form: Form | Table, last: int) -> None:
        last = min(last, 2**63 - 1)
        rows = form.rows if isinstance(form, Table) else (Row("decay", (0, 1), 0, form),)
        whole = _whole_edges(rows, last)
        self._stops = {dtype: min(last, _largest_step(dtype)) + 1 for dtype in DTYPES}
        self._edges = {
            dtype: _float_edges(rows, whole, dtype) if _is_float(dtype) else _fitting(whole, dtype)
            for dtype in DTYPES
        }

    def pieces(self, size: int) -> Iterator[Piece]:
        """Yield the whole grid, in pieces of at most `size` steps."""
        for dtype in DTYPES:
            for edges, stop in ((False, self._stops[dtype]), (True, self._edges[dtype].size)):
                for start in range(0, stop, size):
                    yield Piece(dtype, edges, start, min(start + size, stop))

    def chunks(self, piece: Piece) -> Iterator[Steps]:
        """Yield the steps of a piece, one chunk at a time."""
        for start in range(piece.start, piece.stop, CHUNK):
            stop = min(start + CHUNK, piece.stop)
            if piece.edges:
                yield self._edges[piece.dtype][start:stop]
            else:
                yield np.arange(start, stop, dtype=np.int64).astype(piece.dtype)


def _whole_edges(rows: Sequence[Row], last: int) -> list[int]:
    anchors = {0, last, *POWERS}
    for row, end in _stretches(rows):
        lasts = {row.origin + row.piece.last_exact_step(precision) for precision in (53, 24)}
        anchors |= {row.first, *lasts, *(row.first + n for n in POWERS)}
        anchors |= {end - n for n in POWERS if end is not None and n < end}
    for row in rows:
        if isinstance(row.piece, Form) and row.piece.C:
            anchors |= _plateaus(row.piece, row.origin, anchors)
    steps = {sign * (n + j) for n in anchors for j in (-1, 0, 1) for sign in (1, -1)}
    return sorted(n for n in steps if -(2**63) <= n < 2**63)


def _plateaus(decay: Form, origin: int, anchors: Iterable[int]) -> set[int]:
    """Return the first steps of the plateaus near the anchors, and of plateaus 1, 2, 4, ..."""
    near = {decay.stage(n - origin) + j for n in anchors for j in (-1, 0, 1, 2)}
    return {origin + decay.first_step(stage) for stage in near.union(POWERS)}


def _stretches(rows: Sequence[Row]) -> Iterator[tuple[Row, int | None]]:
    """Pair each row with the first integer step after it; the last row has None."""
    return zip(rows, [*(row.first for row in rows[1:]), None], strict=True)


def _fitting(steps: list[int], dtype: str) -> Steps:
    limits = np.iinfo(dtype)
    return np.array([n for n in steps if limits.min <= n <= limits.max], dtype)


def _float_edges(rows: Sequence[Row], whole: list[int], dtype: str) -> Steps:
    with np.errstate(over="ignore", under="ignore"):
        beside = np.array(list(_boundaries(rows))).astype(dtype)
        sides = [np.nextafter(beside, np.array(side, dtype)) for side in (-inf, inf)]
        others = np.array([*map(float, whole), *_fractions(rows)]).astype(dtype)
        found = np.unique(np.concatenate([beside, *sides, others]))
        return np.concatenate([found, np.array(SPECIAL).astype(dtype)])


def _is_float(dtype: str) -> bool:
    return dtype.startswith("float")


def _largest_step(dtype: str) -> int:
    """Return the largest n such that the dtype holds every whole number from 0 to n."""
    return 2 ** int(np.finfo(dtype).nmant + 1) if _is_float(dtype) else int(np.iinfo(dtype).max)


def _boundaries(rows: Sequence[Row]) -> Iterator[float]:
    """Yield the knots and the boundaries of the first plateaus; the caller adds neighbours."""
    for row in rows:
        n, d = row.knot
        yield from (n / d, float(row.first))
        decay = row.piece
        if isinstance(decay, Form) and decay.C:
            for stage in range(1, 64):
                yield float(row.origin + decay.first_step(stage))
                yield (row.origin * decay.Q + stage * decay.P) / decay.Q


def _fractions(rows: Sequence[Row]) -> Iterator[float]:
    for k in range(-60, 62):
        yield from (2.0**k * m for m in (1, 1.1, 1.25, 1.9))
    for n in range(256):
        yield from (n + part for part in (0.1, 0.5, 0.9))
    knots = [n / d for n, d in (row.knot for row in rows)]
    for knot in knots[1:]:
        for k in range(-30, 4):  # from a fraction of a step to some steps, on both sides
            yield from (knot + sign * 2.0**k * m for sign in (1, -1) for m in (1, 1.3))
    for knot, end in pairwise(knots):
        yield from (knot + (end - knot) * part / 64 for part in range(1, 64))
