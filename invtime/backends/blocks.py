"""Evaluate NumPy arrays in place, block by block, so that temporaries stay in the CPU cache.

If all steps of a block are integer-valued and in one row of the table, the block takes a few
operations in the memory of the result. Any other block is split among the rows; the shared
evaluator computes the steps that remain. PyTorch and TensorFlow use this too, for tensors in host
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from invtime.backends.base import Backend
from invtime.backends.numpy_rounding import divide_rounded, last_rounded
from invtime.evaluate import evaluate
from invtime.form import Form
from invtime.stage import last_short_step
from invtime.table import Line, Row, Table

# Elements per block: in place, for the second-level cache; and for the double-word form, whose
# many temporaries should all fit in the first-level cache.
BLOCK, SHORT_BLOCK = 32768, 2048
# Up to ONE_CORE elements, one core in blocks is as fast as a framework on all cores. Beyond that,
# it is with fewer than MANY_CORES cores: in blocks an element takes at most a fifth of the time.
ONE_CORE, MANY_CORES = 2**17, 5
UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}
# Overflow to infinity, underflow to zero and NaN steps are intended: ignore the user's settings.
QUIET = partial(np.errstate, all="ignore")


def fill(out: Any, form: Form | Table, x: Any, backend: Backend) -> None:
    """Write the values at the steps x, integers or floats of at most 64 bits, to `out`.

    `out` is a new array with the shape of x, contiguous if x is. `backend` is NumPy's; it rounds
    to the dtype of `out`.
    """
    if x.size == 1 and x.dtype.kind in "iu":  # Python integers are exact too, and faster
        out[...] = backend.constant(form.at(x.item()), out.dtype.name, None, None)
        return
    flags = x.flags
    if x.size <= BLOCK and flags.c_contiguous and flags.aligned and x.dtype.isnative:
        if x.ndim != 1:
            x, out = x.reshape(-1), out.reshape(-1)
        if x.size:
            _fill_block(out, form, x, backend)
        return
    with np.nditer(
        [x, out],
        ["external_loop", "buffered", "zerosize_ok"],
        [["readonly"], ["writeonly"]],
        op_dtypes=[x.dtype.newbyteorder("="), out.dtype],
        buffersize=BLOCK,
    ) as blocks:
        for steps, results in blocks:
            _fill_block(results, form, steps, backend)


def _fill_block(out: Any, form: Form | Table, steps: Any, backend: Backend) -> None:
    reaches = _reaches(form)
    narrow = out.dtype.char != "d"
    wide = np.empty(steps.size) if narrow else out
    # The computation in place raises only the processor's "inexact" flag.
    if not _in_place(reaches, steps, wide):
        with QUIET():
            _in_parts(form, reaches, steps, wide, backend)
    if narrow:
        with QUIET():
            out[...] = backend.round_to(wide, out.dtype.name)


def _in_place(reaches: tuple[Reach, ...], steps: Any, wide: Any) -> bool:
    """If all steps are in the reach of one row, write the values to `wide` and return True."""
    highest = _highest(steps, wide)
    if highest < 0 or not reaches:
        return False
    lowest = int(steps.item(steps.argmin())) if reaches[-1].first else 0
    for reach in reaches:
        if reach.first <= lowest and highest <= reach.last:
            reach.write(steps, highest, wide)
            return True
    return False


def _highest(steps: Any, scratch: Any) -> int:
    """Return the largest step, or -1 unless all are integer-valued, >= 0, and < 2**53 if floats."""
    kind, size = steps.dtype.kind, steps.dtype.itemsize
    # Viewed as unsigned integers, floats keep their order, with negative ones last.
    bits = steps if kind == "u" else steps.view(UNSIGNED[size])
    at = bits.argmax()  # takes a quarter of the time of `max`
    top: int = bits.item(at)
    if kind == "u":
        return top
    if top >> (8 * size - 1):
        return -1
    if kind == "i":
        return top
    highest = float(steps.item(at))
    return int(highest) if highest < 2.0**53 and _are_whole(steps, scratch) else -1


def _are_whole(steps: Any, scratch: Any) -> bool:
    equal = np.floor(steps, scratch) == steps
    return bool(equal.item(equal.argmin()))  # like `all`, in half the time


def _in_parts(
    form: Form | Table, reaches: tuple[Reach, ...], steps: Any, wide: Any, backend: Backend
) -> None:
    """Evaluate a block of mixed steps. The value of a step does not depend on the others."""
    if steps.dtype.kind not in "iu":  # float32 may not hold a knot
        steps = steps.astype(np.float64, copy=False)
    held = np.maximum(steps, 0)  # keeps NaN
    whole: Any = True
    if held.dtype.kind == "f":  # from 2**53 on, NumPy would round a knot to compare it
        whole = (np.floor(held) == held) & (held < 2.0**53)
    left = np.ones(steps.shape, np.bool_)
    for reach in reaches:
        own = np.flatnonzero((held >= reach.first) & (held <= reach.last) & whole)
        if own.size:
            part = held[own]
            found = np.empty(own.size)
            reach.write(part, int(part.max()), found)
            wide[own] = found
            left[own] = False
    if steps.dtype.kind == "u":  # the shared evaluator is limited to int64
        for i in np.flatnonzero(steps >= 2**63):
            wide[i], left[i] = form.at(int(steps[i])), False
    rest = np.flatnonzero(left)
    for start in range(0, rest.size, SHORT_BLOCK):
        part = rest[start : start + SHORT_BLOCK]
        wide[part] = evaluate(form, backend, steps[part], "float64")


class Reach(NamedTuple):
    """The integer steps first <= n <= last of a row that are computed in place."""

    first: int
    last: int
    write: Callable[[Any, int, Any], None]
    """write(steps, highest, wide) writes the values to `wide`; `highest` is the largest step."""


@lru_cache(maxsize=256)
def _reaches(form: Form | Table) -> tuple[Reach, ...]:
    """Return the reach of each row, in order, without rows that have no step in place."""
    if isinstance(form, Form):
        rows: tuple[Row, ...] = (Row("decay", (0, 1), 0, form),)
        ends: tuple[int, ...] = (2**64,)
    else:
        rows, ends = form.rows, (*form.starts[1:], 2**64)
    found = []
    for row, end in zip(rows, ends, strict=True):
        last = min(end - 1, _last_in_place(row))
        if row.first <= last:
            found.append(Reach(row.first, last, _writer(row.piece, row.origin)))
    return tuple(found)


def _last_in_place(row: Row) -> int:
    """Return the last step for which `_writer`'s function rounds correctly, or -1."""
    form = row.piece
    if isinstance(form, Line):
        return 2**53 if form.last_exact_step(53) >= 0 else -1
    if not form.C:
        return 2**64
    last = max(form.last_exact_step(53), _first_step(form, last_rounded(form) + 1) - 1)
    if form.staircase:
        last = min(last, last_short_step(form, 53))
    return min(2**53, row.origin + last) if last >= 0 else -1


def _first_step(form: Form, t: int) -> int:
    return form.first_step(t) if form.staircase else t


def _number(value: float) -> Any:
    """Return a constant as an array: NumPy would convert a Python float in each operation."""
    return np.array(value, np.float64)


def _writer(piece: Form | Line, origin: int) -> Callable[[Any, int, Any], None]:
    if isinstance(piece, Line):
        return _line(piece, _number(origin))
    return _decay(piece, origin) if piece.C else _constant(piece.A / piece.B)


def _constant(value: float) -> Callable[[Any, int, Any], None]:
    def write(steps: Any, highest: int, wide: Any) -> None:
        wide.fill(value)

    return write


def _line(line: Line, origin: Any) -> Callable[[Any, int, Any], None]:
    slope, first, below = _number(line.b - line.a), _number(line.a * line.K), _number(line.d)

    def write(steps: Any, highest: int, wide: Any) -> None:
        wide[...] = steps
        np.subtract(wide, origin, wide)
        np.multiply(wide, slope, wide)
        np.add(wide, first, wide)
        np.divide(wide, below, wide)

    return write


def _decay(form: Form, origin: int) -> Callable[[Any, int, Any], None]:
    """Return the function for A / (B + C * t), where t is n - origin or its stage."""
    last = origin + form.last_exact_step(53)
    start = _number(origin)
    # If 0 is the only exact step, C can be any integer.
    above, below = _number(form.A), _number(form.B)
    times = None if form.C == 1 else _number(form.C)
    many = None if form.Q == 1 else _number(form.Q)
    half, period = _number(0.5), _number(1 / form.P) if form.staircase else None

    def write(steps: Any, highest: int, wide: Any) -> None:
        wide[...] = steps
        if origin:
            np.subtract(wide, start, wide)
        if period is not None:
            if many is not None:
                np.multiply(wide, many, wide)
            np.add(wide, half, wide)
            np.multiply(wide, period, wide)
            np.floor(wide, wide)
        if highest > last:
            t = highest - origin
            divide_rounded(form, wide, form.stage(t) if form.staircase else t, wide)
            return
        if times is not None:
            np.multiply(wide, times, wide)
        np.add(wide, below, wide)
        np.divide(above, wide, wide)

    return write
