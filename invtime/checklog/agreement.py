"""Compare logged rates with exact values: by their bits, by their digits, or within rounding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

# From the closest level to the loosest. "rounding" allows the error of the plain formula in
# float32.
EXACT = ("float64", "float32", "digits")
LEVELS = (*EXACT, "rounding")
SMALLEST = 2.0**-149  # the smallest positive float32
ROUNDING = 2.0**-21  # relative: 4 to 8 ULP of float32
TIES = 2.0**-50  # relative: 4 to 8 ULP of float64, above the error of the plain formula


class Rates:
    """Logged rates, as printed.

    The longest rate shows the precision of a log. A log of `0.1` and `0.0667` was written with
    four decimals or with three significant digits, without trailing zeros. A log that has only
    `0.1` does not show its precision; its rates count as exact.
    """

    def __init__(self, printed: Sequence[Decimal]) -> None:
        self.printed = np.array(printed, object)
        self.floats: Floats = np.array([float(rate) for rate in printed])
        self._singles = _single(self.floats)

    @cached_property
    def _places(self) -> tuple[Places, Places]:
        """The last place of each rate as a power of ten, for fixed decimals and fixed digits."""
        tuples = [rate.as_tuple() for rate in self.printed]
        exponents = np.array([int(each.exponent) for each in tuples])
        lengths = np.array([len(each.digits) for each in tuples])
        decimals, digits = -int(exponents.min()), int(lengths.max())
        if digits < 3 and (self.floats == self.floats[0]).all():
            decimals, digits = 17, 17
        fixed = np.full(len(tuples), -decimals)
        # With a fixed number of significant digits, only 0 itself is printed as 0.
        return fixed, np.where(self.floats == 0, fixed, exponents + lengths - digits)

    @cached_property
    def _half(self) -> Floats:
        """Half a unit in the last place, for the coarser of the two precisions."""
        return _power(np.maximum(*self._places)) / 2

    def part(self, rows: Any) -> Rates:
        """Some of the rows, with the precision of the whole log. `rows` is a NumPy index."""
        found = Rates(self.printed[rows])
        found._places = (self._places[0][rows], self._places[1][rows])
        return found

    def differing(self, values: Floats, level: str, scales: Floats | None = None) -> Mask:
        """A mask of the rows that do not agree with the exact values at a level.

        Rounding errors are relative to `scales`, by default to the values.
        """
        if level == "float64":
            return np.asarray(self.floats != values)
        if level == "float32":
            return np.asarray(self._singles != _single(values))
        if level == "rounding":
            room = ROUNDING * (values if scales is None else scales)
            return (np.abs(self.floats - values) > room) & self._unrounded(values)
        return self._unrounded(values)

    def agree(self, values: Floats, level: str, scales: Floats | None = None) -> bool:
        """Whether all rows agree with the exact values at a level; `scales` as in `differing`."""
        low, high = self.bounds(level, scales)  # a quick test before the digits are compared
        if not ((low <= values) & (values <= high)).all():  # false for NaN, too
            return False
        return not self.differing(values, level, scales).any()

    def bounds(self, level: str, scales: Floats | None = None) -> tuple[Floats, Floats]:
        """Bounds that contain every exact value that agrees with the rates, and a little more."""
        relative = {"float64": 2.0**-50, "float32": 2.0**-22}.get(level, ROUNDING)
        room = relative * (self.floats if scales is None else np.maximum(self.floats, scales))
        room = room if level == "float64" else room + SMALLEST
        if level in ("digits", "rounding"):
            room = room + self._half
        return np.maximum(self.floats - room, 0.0), self.floats + room

    def _unrounded(self, values: Floats) -> Mask:
        """A mask of the rows whose digits no rounding of the values explains.

        The value, or its float32, is rounded to fixed decimals or to fixed digits. All rows are
        rounded the same way: the way that leaves the fewest rows. A value within a few ULP of the
        midpoint between two decimals may have been rounded to either.
        """
        ways = [
            np.abs(self.floats - rounded) > _power(places) / 2 + TIES * values
            for rounded in (values, _single(values).astype(np.float64))
            for places in self._places
        ]
        return np.asarray(min(ways, key=np.count_nonzero))


def _single(values: Floats) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)


def _power(places: Places) -> Floats:
    return np.asarray(np.power(10.0, places))
