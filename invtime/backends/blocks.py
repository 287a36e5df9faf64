"""NumPy arrays, block by block and in place, so that temporaries stay in the processor's cache.

A block whose steps are whole and of one row of the table costs a few operations in the memory of
the result. Every other block is divided among the rows, and what is left takes the shared
evaluator. PyTorch and TensorFlow come here too, for tensors in host memory.
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

# Elements at a time: in place, in the second-level cache, and with the many temporaries of the
# double-word form, which should all stay in the first.
BLOCK, SHORT_BLOCK = 32768, 2048
# Up to ONE_CORE elements, one core in blocks is as fast as a framework on all cores. Beyond that
# it is where there are less than MANY_CORES: in blocks an element costs a fifth or less.
ONE_CORE, MANY_CORES = 2**17, 5
UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}
# Overflow to infinity, underflow to zero and NaN steps are meant, whatever the user's settings.
QUIET = partial(np.errstate, all="ignore")


def fill(out: Any, form: Form | Table, x: Any, backend: Backend) -> None:
    """The values at the steps x, integers or floats up to 64 bits, written to `out`.

    `out` is a new array of the shape of x, contiguous where x is. `backend` is NumPy's; it
    rounds to the dtype of `out`.
    """
    if x.size == 1 and x.dtype.kind in "iu":  # exact on the host too, and faster
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
    # What is computed in place raises no flag of the processor but "inexact".
    if not _in_place(reaches, steps, wide):
        with QUIET():
            _in_parts(form, reaches, steps, wide, backend)
    if narrow:
        with QUIET():
            out[...] = backend.round_to(wide, out.dtype.name)


def _in_place(reaches: tuple[Reach, ...], steps: Any, wide: Any) -> bool:
    """Whether all steps are of one row and in its reach; the values are in `wide` then."""
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
    """The largest step; -1 unless all are whole numbers from 0 on, floats below 2**53."""
    kind, size = steps.dtype.kind, steps.dtype.itemsize
    # As unsigned integers, floats too are in the order of their values, and negative ones last.
    bits = steps if kind == "u" else steps.view(UNSIGNED[size])
    at = bits.argmax()  # the index of the largest costs a quarter of `max`
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
    return bool(equal.item(equal.argmin()))  # `all`, in half the time


def _in_parts(
    form: Form | Table, reaches: tuple[Reach, ...], steps: Any, wide: Any, backend: Backend
) -> None:
    """A block of several kinds of steps; what a step's value is depends on no other step."""
    if steps.dtype.kind not in "iu":  # a knot may be no float32
        steps = steps.astype(np.float64, copy=False)
    held = np.maximum(steps, 0)  # NaN stays
    whole: Any = True
    if held.dtype.kind == "f":  # from 2**53 on NumPy would round a knot to compare it
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
    if steps.dtype.kind == "u":  # past int64, which the shared evaluator has
        for i in np.flatnonzero(steps >= 2**63):
            wide[i], left[i] = form.at(int(steps[i])), False
    rest = np.flatnonzero(left)
    for start in range(0, rest.size, SHORT_BLOCK):
        part = rest[start : start + SHORT_BLOCK]
        wide[part] = evaluate(form, backend, steps[part], "float64")


class Reach(NamedTuple):
    """The whole steps first <= n <= last of a row of the table that are computed in place."""

    first: int
    last: int
    write: Callable[[Any, int, Any], None]
    """(steps, the largest of them, wide): the values at such steps, written to `wide`."""


@lru_cache(maxsize=256)
def _reaches(form: Form | Table) -> tuple[Reach, ...]:
    """What is computed in place, a row after the other; a row without such steps is left out."""
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
    """The last step for which what `_writer` makes is correctly rounded; -1 for none."""
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
    """A constant; NumPy would make a Python float an array anew in each operation."""
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
    """A / (B + C * t), t = n - origin or its stage."""
    last = origin + form.last_exact_step(53)
    start = _number(origin)
    # Where all exact steps are 0, C can be any integer.
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
