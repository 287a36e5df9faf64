"""The rates of a peer against the exact ones: drops at other steps, and bits elsewhere."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.audit.plateaus import Plateaus
from invtime.audit.report import FAR, Shift
from invtime.reference import Floats, Reference, bits_of_array, rounded, ulp_distances
from invtime.spec import InverseTimeDecay

LISTED = 1000  # shifts that are kept


@lru_cache(maxsize=64)
def known(schedule: InverseTimeDecay, start: int, stop: int) -> tuple[Floats, int]:
    """The exact rates at start <= n < stop, and the drops there; every mode asks for the same."""
    plateaus = Plateaus(schedule)
    drops = sum(plateaus.drops_at(n) for n in range(start, stop))
    return Reference(schedule).doubles(np.arange(start, stop)), drops


class Comparison:
    """What is found about a peer whose rates are handed over a chunk at a time.

    A rate that is more than `FAR` ULP from its own plateau's belongs to the plateau whose rate
    is nearest: to an earlier one where the drop comes late, to a later one where it is early.
    Plateaus that lie closer than that are not told apart. On the line of a warm-up or a
    cool-down, and after it, `FAR` counts units in the last place of the line's larger end.

    Args:
        schedule: the schedule that the peer means.
        dtype: the peer's, float64 or float32.
        far: what to take for `FAR`, where a peer's rounding errors add up.
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
        """The exact rates, and how many of the steps are drops."""
        first, last = int(steps[0]), int(steps[-1])
        if last - first == steps.size - 1:
            return known(self._schedule, first, last + 1)
        drops = sum(self.plateaus.drops_at(n) for n in steps.tolist())
        return self._reference.doubles(steps), drops

    def _elsewhere(
        self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any], distance: Any
    ) -> npt.NDArray[np.bool_]:
        """Which of the rates are those of another plateau; their shifts are entered."""
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
        """How far off a rate may be by rounding, relatively."""
        return self._far * self._unit

    def _off_the_line(
        self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Which rates are not on a line within rounding, which is relative to its larger end."""
        exact, scales = self._reference.doubles(steps), self._reference.scales(steps)
        off = np.abs(found.astype(np.float64) - exact)
        return np.asarray((scales <= exact) | ~(off <= self._near * scales))

    def extremes(self) -> list[tuple[int, bool, int]]:
        """Each shifted drop: its plateau, whether it is late, and the step furthest from it."""
        return [(stage, late, step) for (stage, late), step in sorted(self._extremes.items())]

    def result(self) -> dict[str, Any]:
        """The fields of a `Finding`."""
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
