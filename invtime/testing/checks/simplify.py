"""A schedule that breaks a law, made simpler for as long as it breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from invtime import InverseTimeDecay
from invtime.testing.checks.law import Broken

SIMPLE = (1, 10, 1000, 0.5, 0.1)


def simplest(
    check: Callable[[InverseTimeDecay], None], schedule: InverseTimeDecay, broken: Broken
) -> Broken:
    """What `check` raises for the simplest schedule found near this one, which raised `broken`.

    Each parameter in turn is replaced by a simple number, or by itself in fewer digits.
    """
    for key in ("initial_learning_rate", "decay_steps", "decay_rate"):
        for value in _simpler(getattr(schedule, key)):
            config = schedule.get_config() | {key: value}
            simpler = InverseTimeDecay.from_config(config)
            try:
                check(simpler)
            except Broken as found:
                schedule, broken = simpler, found
                break
    return broken


def _simpler(value: int | float) -> Iterator[int | float]:
    """Numbers to try in the place of one, the simplest first."""
    yield from (number for number in SIMPLE if number != value)
    if value:
        shorter = [float(f"{value:.{digits}g}") for digits in (1, 2, 4, 8)]
        yield from (number for number in shorter if number != value and 1e-60 <= number <= 1e60)
