"""NumPy: evaluated block by block, so that temporaries stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from invtime.backends.base import Backend
from invtime.backends.numpy_rounding import divide_rounded
from invtime.errors import PlacementError, StepTypeError
from invtime.evaluate import evaluate
from invtime.form import Form
from invtime.stage import last_short_step
from invtime.table import Row, Table

# Elements at a time: in place, in the second-level cache, and with the many temporaries of the
# double-word form, which should all stay in the first.
BLOCK, SHORT_BLOCK = 32768, 2048


class NumpyBackend(Backend):
    """NumPy arrays and scalars."""

    name = "numpy"
    differentiable = False

    def coerce(self, step: Any, device: Any) -> Any:
        try:
            x = step if isinstance(step, np.ndarray | np.generic) else np.asarray(step)
        except (TypeError, ValueError):  # a traced array, one on an accelerator, a ragged list
            raise StepTypeError.refusing(f"{step!r} of type {type(step).__name__}") from None
        kind = x.dtype.kind
        # ml_dtypes registers bfloat16 and its like as kind V.
        if kind not in "iuf" and not x.dtype.name.startswith(("bfloat16", "float8")):
            raise StepTypeError.refusing(f"NumPy data of dtype {x.dtype}")
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        with np.errstate(over="ignore"):
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

    def widest(self, x: Any) -> Any:
        return x.astype(np.float64, copy=False)

    def index(self, x: Any) -> Any:
        return x.astype(np.int64, copy=False)

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

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64":
            return x
        return x.astype(np.float32).astype(_numpy_dtype(dtype), copy=False)

    def host_step(self, x: Any) -> int | None:
        return int(x) if x.ndim == 0 and x.dtype.kind in "iu" else None

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """The whole array in blocks: in place where the steps are whole, else as shared."""
        out = np.empty_like(x, dtype=_numpy_dtype(dtype), subok=False)
        if x.dtype.itemsize > 8:  # long doubles mean their exact value: one by one on the host
            values = np.array([form.at_real(n) for n in x.flat], np.float64).reshape(x.shape)
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
        with blocks, np.errstate(all="ignore"):  # overflow to infinity and NaN steps are meant
            for steps, results in blocks:
                wide = results if dtype == "float64" else scratch[: steps.size]
                if not self._divide_in_place(form, steps, wide):
                    for start in range(0, steps.size, SHORT_BLOCK):
                        part = slice(start, start + SHORT_BLOCK)
                        wide[part] = evaluate(form, self, steps[part], "float64")
                if wide is not results:
                    results[...] = self.round_to(wide, dtype)

    def _divide_in_place(self, form: Form | Table, steps: Any, wide: Any) -> bool:
        """The value written to `wide`, piece by piece; False where that takes double words."""
        highest = _highest(steps, wide)
        if highest < 0:
            return False
        if isinstance(form, Form):
            return self._on_form(form, steps, 0, highest, wide)
        if steps.dtype.kind == "f":  # a knot, and the step after the last, may be no float32
            steps = steps.astype(np.float64, copy=False)
        lowest = int(steps.min())
        ends = (*form.starts[1:], highest + 1)
        found = [
            (r, e)
            for r, e in zip(form.rows, ends, strict=True)
            if r.first <= highest and lowest < e > r.first
        ]
        if len(found) == 1:
            return self._on_piece(found[0][0], steps, highest, wide)
        for row, end in found:
            own = np.flatnonzero((steps >= row.first) & (steps < end))
            part = np.empty(own.size)
            if own.size and not self._on_piece(row, steps[own], min(highest, end - 1), part):
                return False
            wide[own] = part
        return True

    def _on_piece(self, row: Row, steps: Any, highest: int, wide: Any) -> bool:
        """The value of one row at steps that are all in it."""
        piece = row.piece
        if isinstance(piece, Form):
            if not piece.C:
                wide[...] = piece.A / piece.B
                return True
            return self._on_form(piece, steps, row.origin, highest - row.origin, wide)
        if highest > 2**53 or piece.last_exact_step(53) < 0:
            return False
        np.subtract(steps, float(row.origin), out=wide)
        wide *= float(piece.b - piece.a)
        wide += float(piece.a * piece.K)
        wide /= float(piece.d)
        return True

    def _on_form(self, form: Form, steps: Any, origin: int, highest: int, wide: Any) -> bool:
        """A / (B + C * t) at steps from `origin` to `origin + highest`."""
        if form.staircase and highest > last_short_step(form, 53):
            return False
        if not origin:
            wide[...] = steps
        elif highest + origin <= 2**53:
            np.subtract(steps, float(origin), out=wide)
        else:
            return False
        if form.staircase:
            if form.Q != 1:
                wide *= float(form.Q)
            wide += 0.5
            wide *= 1 / form.P
            np.floor(wide, out=wide)
        if highest > form.last_exact_step(53):
            highest = form.stage(highest) if form.staircase else highest
            return divide_rounded(form, wide, highest, wide)
        if form.C != 1:
            wide *= float(form.C)  # where all steps are 0, C can be any integer
        wide += form.B
        np.divide(form.A, wide, out=wide)
        return True

    def devices(self) -> list[str]:
        return ["cpu"]

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)


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
