"""The schedules that Levanter and DeePMD-kit share: a linear warm-up, a stable phase, a descent.

The descent is an inverse time decay or a straight line. Lengths may be fractions of a total.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from invtime import planning
from invtime.decimals import read_number
from invtime.dialects.dialect import Parameters, fraction, written
from invtime.errors import ConfigError, cut, shown
from invtime.spec import InverseTimeDecay


class Recipe(NamedTuple):
    """A linear warm-up from `first` to `peak`, a stable phase, and the descent to `end`."""

    kind: str
    """The kind of descent: "inverse", "linear", or "constant" if there is none."""
    peak: Fraction
    end: Fraction
    first: Fraction
    warmup: int
    stable: int
    decay: int
    """The steps of the descent."""

    def schedule(self) -> InverseTimeDecay:
        """The schedule, or a ConfigError if no parameter stands for one of its numbers."""
        rate = written("initial_learning_rate", self.peak)
        phases: Parameters = {"warmup_steps": self.warmup, "stable_steps": self.stable}
        if self.warmup:
            phases["warmup_learning_rate"] = written("warmup_learning_rate", self.first)
        if self.kind == "inverse":
            floor = written("minimum_learning_rate", self.end)
            try:
                period, decay = planning.endpoints(rate, floor, self.decay)
            except ConfigError as error:
                raise ConfigError(
                    f"from {shown(rate)} to {shown(floor)} in {self.decay} steps, {error}"
                ) from error
            return InverseTimeDecay(rate, period, decay, minimum_learning_rate=floor, **phases)
        if self.kind == "linear":
            phases["cooldown_start"] = self.warmup + self.stable
            phases["cooldown_steps"] = self.decay
            phases["final_learning_rate"] = written("final_learning_rate", self.end)
        return InverseTimeDecay(rate, 1, 0, **phases)

    def total(self, name: str) -> int:
        """The steps up to the end of the descent, or a ConfigError if they are too many."""
        total = self.warmup + self.stable + self.decay
        if total > 2**53:
            raise ConfigError(
                f"the rate is constant from step {total} on, which is the number of steps to write "
                f"for {name}; it must be at most 2**53; choose a faster decay, a higher "
                "minimum_learning_rate or shorter phases"
            )
        return total

    @classmethod
    def of(cls, name: str, schedule: InverseTimeDecay) -> Recipe:
        """The recipe of a schedule, or a ConfigError that names the dialect if it has none."""
        peak = fraction(schedule.initial_learning_rate)
        floor = fraction(schedule.minimum_learning_rate)
        first = fraction(schedule.warmup_learning_rate)
        warmup, stable = schedule.warmup_steps, schedule.stable_steps
        constant = cls("constant", peak, peak, first, warmup, stable, 0)
        decays = bool(schedule.decay_rate) and floor < peak
        if schedule.cooldown_start is not None:
            start, end = schedule.cooldown_start, fraction(schedule.final_learning_rate)
            if decays and start > warmup + stable:
                raise ConfigError(
                    f"cooldown_start is {start}, but the decay starts at {warmup + stable}; {name} "
                    "has a decay or a cool-down, not both; remove one of them, or start the "
                    "cool-down where the decay starts"
                )
            constant = constant._replace(stable=start - warmup)
            if end == peak:
                return constant
            return constant._replace(kind="linear", end=end, decay=schedule.cooldown_steps)
        if not decays:
            return constant
        if schedule.staircase:
            raise ConfigError(
                f"staircase is True, but {name} has no staircase; pass a schedule with "
                "staircase=False"
            )
        if not floor:
            raise ConfigError(
                f"minimum_learning_rate is 0, but the decay of {name} ends at a rate above 0; pass "
                "that rate as minimum_learning_rate"
            )
        slope = fraction(schedule.decay_rate) / fraction(schedule.decay_steps)
        steps = (peak / floor - 1) / slope
        if steps.denominator != 1:
            raise ConfigError(
                f"minimum_learning_rate is {shown(schedule.minimum_learning_rate)}, and the decay "
                f"reaches it after {cut(str(steps))} steps; {name} needs a whole number; build the "
                "schedule with InverseTimeDecay.from_endpoints"
            )
        return constant._replace(kind="inverse", end=floor, decay=int(steps))


def steps_of(key: str, share: Any, total: int) -> int:
    """The steps in a fraction of the total. Both libraries truncate the binary64 product."""
    return int(read_number(key, share)[0] * total)


def share_of(key: str, steps: int, total: int) -> float:
    """A fraction of the total that the libraries read as `steps` steps."""
    for numerator in (steps, steps + 0.5):
        share = numerator / total
        if share <= 1 and steps_of(key, share, total) == steps:
            return share
    raise ConfigError(
        f"{key} must be a fraction that gives {cut(str(steps))} of {total} steps, but no binary64 "
        "number does; change one of the two"
    )
