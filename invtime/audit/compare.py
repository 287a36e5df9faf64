"""The rates of a peer against the exact ones: drops at other steps, and bits elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.audit.report import FAR, Shift
from invtime.form import Form
from invtime.reference import Reference, bits_of_array, rounded, ulp_distances
from invtime.spec import InverseTimeDecay

LISTED = 1000  # shifts that are kept


class Comparison:
    """What is found about a peer whose rates are handed over a chunk at a time.

    A rate that is more than `FAR` ULP from its own plateau's belongs to the plateau whose rate
    is nearest: to an earlier one where the drop comes late, to a later one where it is early.
    Plateaus that lie closer than that are not told apart.

    Args:
        schedule: the schedule that the peer means.
        dtype: the peer's, float64 or float32.
    """

    def __init__(self, schedule: InverseTimeDecay, dtype: str) -> None:
        self.dtype = dtype
        assert isinstance(schedule.form, Form)  # `audit` refuses phases
        self._form = schedule.form
        self._reference = Reference(schedule)
        self._rate, self._decay = schedule(0), float(schedule.decay_rate)
        self._unit = 2.0**-23 if dtype == "float32" else 2.0**-52
        self._staircase = schedule.staircase and schedule.decay_rate > 0
        self._extremes: dict[tuple[int, bool], int] = {}
        self.points = self.drops = self.differing = self.worst_ulp = 0
        self.far: int | None = None

    def add(self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any]) -> None:
        """Compare the rates found at these steps, in ascending order within a call."""
        exact = rounded(self._reference.doubles(steps), self.dtype)
        distance = ulp_distances(bits_of_array(found, self.dtype), exact, self.dtype)
        elsewhere = self._elsewhere(steps, found, distance)
        off = (distance > 0) & ~elsewhere
        self.points += steps.size
        self.differing += int(off.sum())
        self.worst_ulp = max(self.worst_ulp, int(distance[off].max(initial=0)))
        far = steps[off & (distance > FAR)]
        if far.size and (self.far is None or far[0] < self.far):
            self.far = int(far[0])

    def _elsewhere(
        self, steps: npt.NDArray[np.int64], found: npt.NDArray[Any], distance: Any
    ) -> npt.NDArray[np.bool_]:
        """Which of the rates are those of another plateau; their shifts are entered."""
        wrong = np.zeros(steps.shape, np.bool_)
        if not self._staircase:
            return wrong
        self.drops += sum(self.stage(n) > self.stage(n - 1) for n in steps.tolist())
        for i in np.flatnonzero((distance > FAR) & (found > 0)).tolist():
            step, stage = int(steps[i]), self.stage(int(steps[i]))
            shown = self._shown(float(found[i]))
            if shown is None or shown == stage:
                continue
            wrong[i] = True
            late = shown < stage
            key = (stage if late else stage + 1), late
            known = self._extremes.setdefault(key, step)
            self._extremes[key] = (max if late else min)(known, step)
        return wrong

    def _shown(self, rate: float) -> int | None:
        """The plateau that has this rate, None where it is the rate of none."""
        stage = round((self._rate / rate - 1) / self._decay)
        if stage < 0:
            return None
        own = self._form.A / (self._form.B + self._form.C * stage)
        return stage if abs(rate - own) <= FAR * self._unit * own else None

    def stage(self, step: int) -> int:
        """The plateau of a step, from 0."""
        return self._form.stage(step)

    def drop(self, stage: int) -> int:
        """The step at which a plateau begins."""
        return self._form.first_step(stage)

    def extremes(self) -> list[tuple[int, bool, int]]:
        """Each shifted drop: its stage, whether it is late, and the step furthest from it."""
        return [(stage, late, step) for (stage, late), step in sorted(self._extremes.items())]

    def result(self) -> dict[str, Any]:
        """The fields of a `Finding`."""
        shifts = [
            Shift(begin := self.drop(stage), step - begin + 1 if late else begin - step, late)
            for stage, late, step in self.extremes()
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
