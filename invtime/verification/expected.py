"""What a backend may return at a step: the exact value, and where the contract gives room."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from invtime.exact import ExactForm
from invtime.verification import bits
from invtime.verification.bits import Floats, Ranks
from invtime.verification.grid import Steps


def exact_values(form: ExactForm, steps: Steps) -> Floats:
    """The host's exact value at each step, correctly rounded to binary64."""
    return np.array([form.at(step) for step in steps.tolist()], np.float64)


class Allowed(NamedTuple):
    """The ranks (see `bits`) expected in one dtype, and the range allowed around each."""

    expected: Ranks
    low: Ranks
    high: Ranks


class Expected:
    """A chunk of steps with its exact values, rounded once for each dtype that asks.

    Args:
        steps: a 1-d array of one integer or float dtype.
        values: the exact values there, in binary64.
    """

    def __init__(self, steps: Steps, values: Floats) -> None:
        self.steps = steps
        self._values = values
        self._allowed: dict[tuple[str, int], Allowed] = {}

    def allowed(self, dtype: str, precision: int = 53) -> Allowed:
        """What the contract allows in `dtype` on a device of this widest precision, in bits.

        Integer steps, and whole float steps below 2**53, allow the expected bits alone. At
        any other float step the binary64 value may be one of its two neighbours, rounded
        along the chain like itself. Without binary64 (precision 24) every value may be a
        neighbour of the float32.
        """
        key = dtype, precision
        if key not in self._allowed:
            ends = self._ends() if precision == 53 else self._single_ends()
            expected = bits.round_to(self._values, dtype)
            self._allowed[key] = Allowed(expected, *(bits.round_to(end, dtype) for end in ends))
        return self._allowed[key]

    def _ends(self) -> tuple[Floats, Floats]:
        values, loose = self._values, _loose(self.steps)
        below = np.where(loose, np.nextafter(values, 0.0), values)
        return below, np.where(loose, np.nextafter(values, np.inf), values)

    def _single_ends(self) -> tuple[Floats, Floats]:
        with np.errstate(over="ignore", under="ignore"):
            single = self._values.astype(np.float32)
            below = np.nextafter(single, np.float32(0))
            above = np.nextafter(single, np.float32(np.inf))
        return below.astype(np.float64), above.astype(np.float64)


def _loose(steps: Steps) -> npt.NDArray[np.bool_]:
    """The float steps above 0 that are neither whole and below 2**53 nor infinite."""
    if steps.dtype.kind != "f":
        return np.zeros(steps.shape, np.bool_)
    wide = steps.astype(np.float64)
    exact = (wide <= 0) | np.isinf(wide) | ((np.floor(wide) == wide) & (wide < 2.0**53))
    return np.asarray(~exact)
