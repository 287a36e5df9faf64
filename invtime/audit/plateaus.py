"""The plateaus of a staircase: the first step and the rate of each."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from invtime.reference import Reference
from invtime.spec import InverseTimeDecay


class Plateaus:
    """The plateaus of a schedule, numbered by their stages.

    Plateau 0 begins with the stable phase. The floor, if there is one, is the last plateau.
    Warm-ups, cool-downs and continuous decays have no plateaus.
    """

    def __init__(self, schedule: InverseTimeDecay) -> None:
        uncooled = schedule.replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
        self._reference = Reference(uncooled)
        self._exist = schedule.staircase and schedule.decay_rate > 0
        self._rate, self._decay = float(schedule.initial_learning_rate), float(schedule.decay_rate)
        self._start = self._reference.start
        self._p, self._q = self._reference.period.as_integer_ratio()
        self._cooldown = schedule.cooldown_start
        met = self._reference.floor_met
        self._last = None if met is None else self._reference.stage(met)

    def of(self, step: int) -> int | None:
        """Return the plateau of a step, or None."""
        cooled = self._cooldown is not None and step >= self._cooldown
        if not self._exist or step < self._reference.warmup or cooled:
            return None
        stage = max(step - self._start, 0) * self._q // self._p
        return stage if self._last is None else min(stage, self._last)

    def drops_at(self, step: int) -> bool:
        """Return whether a new plateau begins at the step."""
        before, own = self.of(step - 1), self.of(step)
        return before is not None and own is not None and before < own

    def begin(self, plateau: int) -> int:
        """Return the first step of a plateau."""
        return self._reference.first_step(plateau) if plateau else self._reference.warmup

    def end(self, plateau: int, stop: int) -> int:
        """Return the step after the last step of a plateau, at most `stop`."""
        if self._cooldown is not None:
            stop = min(stop, self._cooldown)
        return stop if plateau == self._last else min(stop, self.begin(plateau + 1))

    def boundaries(self, start: int) -> Iterator[int]:
        """Yield the first step of each stage after a step, for a continuous decay too."""
        stage = self._reference.stage(start)
        while True:
            stage += 1
            yield self._reference.first_step(stage)

    def with_rate(self, rate: float, near: float) -> int | None:
        """Return the plateau with this rate, to the relative error `near`, or None.

        The rate must be above 0.
        """
        stages = (self._rate / rate - 1) / self._decay
        if not isfinite(stages) or round(stages) < 0:
            return None
        nearest = round(stages)
        for plateau in (nearest,) if self._last is None else (min(nearest, self._last), self._last):
            own = self._rate_of(plateau)
            if abs(rate - own) <= near * own:
                return plateau
        return None

    def _rate_of(self, plateau: int) -> float:
        exact = self._reference.exact(self._reference.start + plateau * self._reference.period)
        assert exact is not None  # the step is a number
        return float(exact)
