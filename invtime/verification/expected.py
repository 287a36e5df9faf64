"""What a backend may return at a step: the exact value, and where the contract gives room."""

from __future__ import annotations

from fractions import Fraction
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from invtime.spec import InverseTimeDecay
from invtime.verification import bits
from invtime.verification.bits import Floats, Ranks
from invtime.verification.grid import Steps


class TrueValues:
    """The values of a schedule, from its parameters by fractions and integers alone.

    Nothing here is shared with the code under test: not its reading of decimals, not its
    integers. Python's `int / int` is correctly rounded at any size, so that one division
    gives the double.

    >>> TrueValues(InverseTimeDecay(0.1, 1000, 0.5)).at(np.array([0, 1000, -1]))
    array([0.1       , 0.06666667, 0.1       ])
    """

    def __init__(self, schedule: InverseTimeDecay) -> None:
        initial = _as_written(schedule.initial_learning_rate)
        period = _as_written(schedule.decay_steps)
        per_turn = _as_written(schedule.decay_rate)
        self._staircase = schedule.staircase
        self._p, self._q = period.numerator, period.denominator
        # L / (1 + k * t) = a / (b + c * t), t a step or the stage of a staircase
        k = per_turn if schedule.staircase else per_turn / period
        self._a = initial.numerator * k.denominator
        self._b = initial.denominator * k.denominator
        self._c = initial.denominator * k.numerator

    def at(self, steps: Steps) -> Floats:
        """The value at each step of a 1-d array, correctly rounded to binary64."""
        if steps.dtype.kind == "f":
            wide = steps.astype(np.float64)
            if not ((np.floor(wide) == wide) & (np.abs(wide) < 2.0**53)).all():
                return np.array([self._at_float(step) for step in wide.tolist()], np.float64)
            steps = wide.astype(np.int64)
        a, b, c, p, q = self._a, self._b, self._c, self._p, self._q
        held = np.maximum(steps, 0).tolist()  # before the start the rate is L
        if self._staircase:
            values = [a / (b + c * (n * q // p)) for n in held]
        else:
            values = [a / (b + c * n) for n in held]
        return np.array(values, np.float64)

    def _at_float(self, step: float) -> float:
        if step != step:
            return step
        if step == inf:
            return 0.0 if self._c else self._a / self._b
        n, d = step.as_integer_ratio() if step > 0 else (0, 1)
        if self._staircase:
            n, d = n * self._q // (d * self._p), 1
        return self._a * d / (self._b * d + self._c * n)


def _as_written(parameter: int | float) -> Fraction:
    """The number that a parameter means: its integer, or its shortest decimal."""
    if parameter == int(parameter):
        return Fraction(int(parameter))
    return Fraction(float.__repr__(float(parameter)))


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
        self._loose = _loose(steps)
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
            expected = bits.round_to(self._values, dtype)
            if precision == 53 and not self._loose.any():
                self._allowed[key] = Allowed(expected, expected, expected)
            else:
                ends = self._ends() if precision == 53 else self._single_ends()
                self._allowed[key] = Allowed(expected, *(bits.round_to(end, dtype) for end in ends))
        return self._allowed[key]

    def _ends(self) -> tuple[Floats, Floats]:
        values, loose = self._values, self._loose
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
