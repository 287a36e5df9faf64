"""NumPy: evaluated block by block, so that temporaries stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from invtime.backends.base import Backend
from invtime.backends.numpy_rounding import divide_rounded, last_rounded
from invtime.errors import PlacementError, StepTypeError, cut, typed
from invtime.evaluate import evaluate
from invtime.form import Form
from invtime.stage import last_short_step
from invtime.table import Line, Row, Table

# Elements at a time: in place, in the second-level cache, and with the many temporaries of the
# double-word form, which should all stay in the first.
BLOCK, SHORT_BLOCK = 32768, 2048
# Overflow to infinity, underflow to zero and NaN steps are meant, whatever the user's settings.
QUIET = partial(np.errstate, all="ignore")


class NumpyBackend(Backend):
    """NumPy arrays and scalars."""

    name = "numpy"
    differentiable = False

    def coerce(self, step: Any, device: Any) -> Any:
        try:
            x = step if isinstance(step, np.ndarray | np.generic) else np.asarray(step)
        except (TypeError, ValueError):  # a traced array, one on an accelerator, a ragged list
            raise StepTypeError.refusing(typed(step)) from None
        kind = x.dtype.kind
        # ml_dtypes registers bfloat16 and its like as kind V.
        if kind not in "iuf" and not x.dtype.name.startswith(("bfloat16", "float8")):
            raise StepTypeError.refusing(f"NumPy data of dtype {cut(str(x.dtype))}")
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        with QUIET():
            result = self.round_to(np.float64(value), dtype)
        return np.asarray(result) if isinstance(like, np.ndarray) else result

    def default_dtype(self) -> str:
        return "float64"

    def dtype(self, dtype: str) -> str:
        _numpy_dtype(dtype)
        return dtype

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        if x.dtype.kind not in "iu":
            return None
        # The range of the block itself: most steps are short, whatever their dtype.
        return int(x.min()), max(0, int(x.max()))

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(_numpy_dtype(dtype), copy=False)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        return np.where(mask, a, b)

    def divide(self, a: float, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return n // divisor

    def clamp(self, n: Any) -> Any:
        return np.maximum(n, 0)

    def floor(self, x: Any) -> Any:
        return np.floor(x)

    def head(self, x: Any) -> Any:
        return (x.view(np.int64) & -(2**27)).view(np.float64)

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        return exact() if x.max() <= last else otherwise()

    def none(self, mask: Any) -> bool:
        return not mask.any()

    def host_step(self, x: Any) -> int | None:
        if x.ndim or x.dtype.kind not in "iu" or _is_masked(x):
            return None
        return int(x)

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """The whole array in blocks: in place where the steps are whole, else as shared.

        A masked array keeps its mask; of every other subclass the result is a plain array.
        """
        if _is_masked(x):
            if x is np.ma.masked:
                return x
            found = self.evaluate(form, x.data, dtype)
            return np.ma.masked_array(found, np.ma.getmaskarray(x).copy())
        out = np.empty_like(x, dtype=_numpy_dtype(dtype), subok=False)
        if x.dtype.itemsize > 8:  # long doubles mean their exact value: one by one on the host
            values = np.array([form.at_real(n) for n in x.flat], np.float64).reshape(x.shape)
            with QUIET():
                out[...] = self.round_to(values, dtype)
        else:
            self._fill(out, form, x, dtype)
        return out if isinstance(x, np.ndarray) else out[()]

    evaluate_phases = evaluate

    def _fill(self, out: Any, form: Form | Table, x: Any, dtype: str) -> None:
        blocks = np.nditer(
            [x, out],
            ["external_loop", "buffered", "zerosize_ok"],
            [["readonly"], ["writeonly"]],
            op_dtypes=[x.dtype.newbyteorder("="), out.dtype],
            buffersize=BLOCK,
        )
        scratch = np.empty(BLOCK)
        rows = _reaches(form)
        with blocks, QUIET():
            for steps, results in blocks:
                wide = results if dtype == "float64" else scratch[: steps.size]
                if not _in_place(rows, steps, wide):
                    self._in_parts(form, rows, steps, wide)
                if wide is not results:
                    results[...] = self.round_to(wide, dtype)

    def _in_parts(self, form: Form | Table, rows: list[Reach], steps: Any, wide: Any) -> None:
        """A block of several kinds of steps; what a step's value is depends on no other step."""
        if steps.dtype.kind not in "iu":  # a knot may be no float32
            steps = steps.astype(np.float64, copy=False)
        held = np.maximum(steps, 0)  # NaN stays
        whole: Any = True
        if held.dtype.kind == "f":  # from 2**53 on NumPy would round a knot to compare it
            whole = (np.floor(held) == held) & (held < 2.0**53)
        left = np.ones(steps.shape, np.bool_)
        for reach in rows:
            own = np.flatnonzero((held >= reach.first) & (held <= reach.last) & whole)
            if own.size:
                part = held[own]
                found = np.empty(own.size)
                reach.write(part, int(part.max()), found)
                wide[own] = found
                left[own] = False
        if steps.dtype.kind == "u":  # past int64, which the shared way has
            for i in np.flatnonzero(steps >= 2**63):
                wide[i], left[i] = form.at(int(steps[i])), False
        rest = np.flatnonzero(left)
        for start in range(0, rest.size, SHORT_BLOCK):
            part = rest[start : start + SHORT_BLOCK]
            wide[part] = evaluate(form, self, steps[part], "float64")

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)


class Reach(NamedTuple):
    """A row of the table, and its whole steps first <= n <= last that are computed in place."""

    row: Row
    first: int
    last: int

    def write(self, steps: Any, highest: int, wide: Any) -> None:
        """The value at such steps, of which `highest` is the largest, written to `wide`."""
        piece, origin = self.row.piece, self.row.origin
        if isinstance(piece, Form) and not piece.C:
            wide[...] = piece.A / piece.B
            return
        if origin:
            np.subtract(steps, float(origin), out=wide)
        else:
            wide[...] = steps
        if isinstance(piece, Line):
            wide *= float(piece.b - piece.a)
            wide += float(piece.a * piece.K)
            wide /= float(piece.d)
        else:
            _divide_form(piece, highest - origin, wide)


def _divide_form(form: Form, highest: int, wide: Any) -> None:
    """A / (B + C * t) at steps t up to `highest`, in place."""
    exact = highest <= form.last_exact_step(53)
    if form.staircase:
        if form.Q != 1:
            wide *= float(form.Q)
        wide += 0.5
        wide *= 1 / form.P
        np.floor(wide, out=wide)
        highest = form.stage(highest)
    if not exact:
        divide_rounded(form, wide, highest, wide)
        return
    if form.C != 1:
        wide *= float(form.C)  # where all steps are 0, C can be any integer
    wide += form.B
    np.divide(form.A, wide, out=wide)


def _reaches(form: Form | Table) -> list[Reach]:
    """The rows, each with its steps that are computed in place; an empty one has none."""
    if isinstance(form, Form):
        return [Reach(Row("decay", (0, 1), 0, form), 0, _last_in_place(form))]
    found = []
    for row, after in zip(form.rows, (*form.starts[1:], 2**64), strict=True):
        last = after - 1
        piece = row.piece
        if isinstance(piece, Line):
            last = min(last, 2**53) if piece.last_exact_step(53) >= 0 else -1
        elif piece.C:
            last = min(last, 2**53, row.origin + _last_in_place(piece))
        found.append(Reach(row, row.first, last))
    return found


def _last_in_place(form: Form) -> int:
    """The last step for which either way of `_divide_form` is correctly rounded."""
    last = max(form.last_exact_step(53), _first_step(form, last_rounded(form) + 1) - 1)
    return min(last, last_short_step(form, 53)) if form.staircase else last


def _first_step(form: Form, t: int) -> int:
    return form.first_step(t) if form.staircase else t


def _in_place(rows: list[Reach], steps: Any, wide: Any) -> bool:
    """The value written to `wide` where all steps are of one row and in its reach."""
    highest = _highest(steps, wide)
    if highest < 0:
        return False
    lowest = int(steps.min()) if len(rows) > 1 else 0
    for reach in rows:
        if reach.first <= lowest and highest <= reach.last:
            reach.write(steps, highest, wide)
            return True
    return False


def _highest(steps: Any, scratch: Any) -> int:
    """The largest step; -1 unless all are whole numbers from 0 on, floats below 2**53."""
    kind, bits = steps.dtype.kind, 8 * steps.dtype.itemsize
    # As unsigned integers, floats too are in the order of their values, and negative ones last.
    last = steps.view(f"u{bits // 8}").max()
    top = int(last)
    if kind != "u" and top >> (bits - 1):
        return -1
    if kind in "iu":
        return top
    highest = float(last.view(steps.dtype))
    whole = highest < 2.0**53 and (np.floor(steps, out=scratch) == steps).all()
    return int(highest) if whole else -1


def _is_masked(x: Any) -> bool:
    # The types are compared first: NumPy imports `ma` when it is first asked for.
    return (
        type(x) is not np.ndarray and isinstance(x, np.ndarray) and isinstance(x, np.ma.MaskedArray)
    )


def _numpy_dtype(dtype: str) -> Any:
    if dtype != "bfloat16":
        return np.dtype(dtype)
    try:
        import ml_dtypes
    except ImportError:
        raise PlacementError(
            "NumPy has no bfloat16 of its own; run `pip install ml_dtypes`, or pass float32"
        ) from None
    return np.dtype(ml_dtypes.bfloat16)
