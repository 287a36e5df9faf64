"""Compare the rates of a peer with the exact ones: shifted drops, and other differences in bits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.audit.plateaus import Plateaus
from invtime.audit.report import FAR, Shift
from invtime.reference import Floats, Reference, bits_of_array, rounded, ulp_distances
from invtime.spec import InverseTimeDecay

LISTED = 1000  # the number of shifts that a finding lists


@lru_cache(maxsize=64)
def known(schedule: InverseTimeDecay, start: int, stop: int) -> tuple[Floats, int]:
    """Return the exact rates at start <= n < stop, and the number of drops there.

    The result is cached, because every mode needs the same rates.
    """
    plateaus = Plateaus(schedule)
    drops = sum(plateaus.drops_at(n) for n in range(start, stop))
    return Reference(schedule).doubles(np.arange(start, stop)), drops


class Comparison:
    """Compares the rates of a peer, one chunk at a time.

    A rate that is more than `FAR` ULP from the rate of its plateau is assigned to the plateau
    with the nearest rate. If that plateau is an earlier one, the drop is late; if it is a later
    one, the drop is early. Plateaus whose rates are closer than that are not distinguished.
    During and after a warm-up or a cool-down, `FAR` counts units in the last place of the larger
    end of the line.

    Args:
        schedule: the schedule that the peer computes.
        dtype: the dtype of the peer's rates, float64 or float32.
        far: replaces `FAR` for a peer whose rounding errors accumulate.
    """

    def __init__(self, schedule: InverseTimeDecay, dtype: str, far: int = FAR) -> None:
        self.dtype = dtype
        self._schedule, self._reference = schedule, Reference(schedule)
        self.plateaus = Plateaus(schedule)
        self._far = far
        self._unit = 2.0**-23 if dtype == "float32" else 2.0**-52
        self._extremes: dict[tuple[int, bool], int] = {}
        self.points = self.drops = self.differing = self.worst_ulp = 0
        self.far: int | None = None

    def add(self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any]) -> None:
        """Compare the rates found at these steps, in ascending order within a call."""
        doubles, drops = self._known(steps)
        exact = rounded(doubles, self.dtype)
        distance = ulp_distances(bits_of_array(found, self.dtype), exact, self.dtype)
        elsewhere = self._elsewhere(steps, found, distance)
        off = (distance > 0) & ~elsewhere
        self.points += steps.size
        self.drops += drops
        self.differing += int(off.sum())
        self.worst_ulp = max(self.worst_ulp, int(distance[off].max(initial=0)))
        off &= distance > self._far
        off[off] = self._off_the_line(steps[off], found[off])
        if off.any():
            first = int(steps[off].min())
            self.far = first if self.far is None else min(self.far, first)

    def _known(self, steps: npt.NDArray[np.int64]) -> tuple[Floats, int]:
        """Return the exact rates, and the number of drops among the steps."""
        first, last = int(steps[0]), int(steps[-1])
        if last - first == steps.size - 1:
            return known(self._schedule, first, last + 1)
        drops = sum(self.plateaus.drops_at(n) for n in steps.tolist())
        return self._reference.doubles(steps), drops

    def _elsewhere(
        self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any], distance: Any
    ) -> npt.NDArray[np.bool_]:
        """Return which rates belong to another plateau, and record the shifts of its drop."""
        wrong = np.zeros(steps.shape, np.bool_)
        for i in np.flatnonzero((distance > self._far) & (found > 0)).tolist():
            step, stage = int(steps[i]), self.plateaus.of(int(steps[i]))
            shown = None if stage is None else self.plateaus.with_rate(float(found[i]), self._near)
            if stage is None or shown is None or shown == stage:
                continue
            wrong[i] = True
            late = shown < stage
            key = (stage if late else stage + 1), late
            known = self._extremes.setdefault(key, step)
            self._extremes[key] = (max if late else min)(known, step)
        return wrong

    @property
    def _near(self) -> float:
        """The largest relative error that counts as rounding."""
        return self._far * self._unit

    def _off_the_line(
        self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Return which rates differ by more than rounding, measured at the larger end of a line."""
        exact, scales = self._reference.doubles(steps), self._reference.scales(steps)
        off = np.abs(found.astype(np.float64) - exact)
        return np.asarray((scales <= exact) | ~(off <= self._near * scales))

    def extremes(self) -> list[tuple[int, bool, int]]:
        """Return the shifted drops as (plateau, late, step furthest from the drop)."""
        return [(stage, late, step) for (stage, late), step in sorted(self._extremes.items())]

    def result(self) -> dict[str, Any]:
        """Return the fields of a `Finding`."""
        shifts = [
            Shift(begin, step - begin + 1 if late else begin - step, late)
            for stage, late, step in self.extremes()
            for begin in (self.plateaus.begin(stage),)
        ]
        return {
            "dtype": self.dtype,
            "points": self.points,
            "drops": self.drops,
            "late": sum(shift.late for shift in shifts),
            "early": sum(not shift.late for shift in shifts),
            "shifts": tuple(shifts[:LISTED]),
            "differing": self.differing,
            "worst_ulp": self.worst_ulp,
            "far": self.far,
        }
