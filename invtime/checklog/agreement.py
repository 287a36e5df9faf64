"""How closely logged rates agree with values: in bits, in digits, or within rounding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# From the closest on. Rounding is what the plain float32 expression leaves.
EXACT = ("float64", "float32", "digits")
LEVELS = (*EXACT, "rounding")
ROUNDING = 2.0**-21  # 4 to 8 ULP of float32, relatively


class Rates:
    """Logged rates, as printed.

    The digits of a log are those of its longest rate: a log of `0.1` and `0.0667` was written
    with four decimals, or with three significant digits, and dropped trailing zeros. A log of
    `0.1` alone says nothing of that, and is taken as it stands.
    """

    def __init__(self, printed: Sequence[Decimal]) -> None:
        self.printed = printed
        self.floats: Floats = np.array([float(rate) for rate in printed])
        self._singles = _single(self.floats)
        decimals = max(-int(rate.as_tuple().exponent) for rate in printed)
        digits = max(len(rate.as_tuple().digits) for rate in printed)
        if len(set(printed)) == 1 and digits < 3:
            decimals, digits = 17, 17
        fixed = Decimal(1).scaleb(-decimals) / 2
        self._halves = (
            [fixed] * len(printed),
            [Decimal(1).scaleb(rate.adjusted() - digits + 1) / 2 for rate in printed],
        )
        self._widest: Floats = np.array(
            [max(map(float, pair)) for pair in zip(*self._halves, strict=True)]
        )

    def differing(
        self, values: Floats, level: str, scales: Floats | None = None
    ) -> npt.NDArray[np.bool_]:
        """The rows that do not agree with the exact values, at a level.

        `scales` is what rounding is relative to, where that is not the values.
        """
        if level == "float64":
            return np.asarray(self.floats != values)
        if level == "float32":
            return np.asarray(self._singles != _single(values))
        if level == "rounding":
            return np.asarray(
                (np.abs(self.floats - values) > ROUNDING * (values if scales is None else scales))
                & self._closest(values)
            )
        return self._closest(values)

    def agree(self, values: Floats, level: str, scales: Floats | None = None) -> bool:
        """Whether all rows agree with the exact values, at a level; `scales` as above."""
        low, high = self.bounds(level, scales)  # where a row is far off, its digits need no look
        if ((values < low) | (values > high)).any():
            return False
        return not self.differing(values, level, scales).any()

    def bounds(self, level: str, scales: Floats | None = None) -> tuple[Floats, Floats]:
        """Between what the exact values lie where they agree, and a little further apart."""
        relative = {"float64": 2.0**-50, "float32": 2.0**-22}.get(level, ROUNDING)
        room = relative * (self.floats if scales is None else np.maximum(self.floats, scales))
        if level in ("digits", "rounding"):
            room = room + self._widest
        return np.maximum(self.floats - room, 0.0), self.floats + room

    def _closest(self, values: Floats) -> npt.NDArray[np.bool_]:
        """The rows that no rounding of the values, or of their float32, to digits explains.

        One way of rounding for all rows: the one that leaves the fewest.
        """
        with localcontext(prec=60):
            ways = [
                np.array(
                    [
                        abs(rate - Decimal(value)) > half
                        for rate, value, half in zip(
                            self.printed, rounded.tolist(), halves, strict=True
                        )
                    ]
                )
                for rounded in (values, _single(values).astype(np.float64))
                for halves in self._halves
            ]
        return min(ways, key=np.count_nonzero)


def _single(values: Floats) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32)
