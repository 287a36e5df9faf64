"""Read and check the parameters of a schedule."""

from __future__ import annotations

from typing import Any, NamedTuple

from invtime.decimals import DtypeName, exact_number, read_count, read_number
from invtime.errors import ConfigError, shown, typed
from invtime.form import Form


class Parameters(NamedTuple):
    """The parameters that determine the rates, as plain Python numbers."""

    initial_learning_rate: int | float
    decay_steps: int | float
    decay_rate: int | float
    staircase: bool
    warmup_steps: int = 0
    warmup_learning_rate: int | float = 0
    stable_steps: int = 0
    minimum_learning_rate: int | float = 0
    cooldown_start: int | None = None
    cooldown_steps: int = 0
    final_learning_rate: int | float = 0

    @property
    def phases(self) -> dict[str, int | float]:
        """The parameters of the phases that are not at their defaults."""
        return {key: getattr(self, key) for key in PHASES if getattr(self, key) != DEFAULTS[key]}


DEFAULTS = Parameters._field_defaults
PHASES = tuple(DEFAULTS)
COUNTS = ("warmup_steps", "stable_steps", "cooldown_start", "cooldown_steps")


def read(given: dict[str, Any], name_of: DtypeName) -> tuple[Parameters, str | None]:
    """Read the constructor's arguments; return the parameters and the dtype that L pins, or None.

    Args:
        given: the arguments by name.
        name_of: returns the name of a framework's dtype.

    Raises:
        ConfigError: an argument has the wrong type or is out of range, or two contradict each
            other.
    """
    rate, pinned = _rate("initial_learning_rate", given, name_of)
    steps, _ = read_number("decay_steps", given["decay_steps"], name_of)
    decay, _ = read_number("decay_rate", given["decay_rate"], name_of)
    staircase = given["staircase"]
    if steps <= 0:
        raise ConfigError(
            f"decay_steps is {shown(steps)}; it must be above 0; pass the number of steps after "
            "which the denominator has grown by decay_rate"
        )
    if not isinstance(staircase, bool):
        raise ConfigError(
            f"staircase is {typed(staircase)}; it must be True or False; convert it with bool()"
        )
    if decay < 0:
        raise ConfigError(_pole(steps, decay, staircase))
    phases: dict[str, Any] = {}
    for key in PHASES:
        value = given[key]
        if value is DEFAULTS[key]:  # the usual case
            continue
        if key in COUNTS:
            phases[key] = read_count(key, value, name_of)
        else:
            phases[key], _ = _rate(key, given, name_of)
    found = Parameters(rate, steps, decay, staircase, **phases)
    if phases:
        _check_phases(found)
    return found, pinned


def _rate(key: str, given: dict[str, Any], name_of: DtypeName) -> tuple[int | float, str | None]:
    rate, pinned = read_number(key, given[key], name_of)
    if rate < 0:
        raise ConfigError(
            f"{key} is {shown(rate)}; it must be 0 or more; pass a positive rate "
            "(to maximise, negate the update)"
        )
    return rate, pinned


def _check_phases(p: Parameters) -> None:
    """Raise a ConfigError if two parameters contradict each other."""
    if p.warmup_learning_rate and not p.warmup_steps:
        raise ConfigError(
            f"warmup_learning_rate is {shown(p.warmup_learning_rate)} and warmup_steps is 0; "
            "warmup_learning_rate needs a warm-up; pass warmup_steps, or leave "
            "warmup_learning_rate out"
        )
    if _above(p.minimum_learning_rate, p.initial_learning_rate):
        raise ConfigError(
            f"minimum_learning_rate is {shown(p.minimum_learning_rate)}, above the "
            f"initial_learning_rate {shown(p.initial_learning_rate)}; it must be at most that; "
            "pass a lower floor; for a constant rate, pass it as initial_learning_rate with "
            "decay_rate=0"
        )
    if (p.cooldown_start is None) != (p.cooldown_steps == 0):
        raise ConfigError(
            f"cooldown_start is {shown(p.cooldown_start)} and cooldown_steps is "
            f"{shown(p.cooldown_steps)}; "
            "a cool-down needs both, with cooldown_steps of 1 or more; pass both, or neither"
        )
    if p.final_learning_rate and not p.cooldown_steps:
        raise ConfigError(
            f"final_learning_rate is {shown(p.final_learning_rate)} and there is no cool-down; it "
            "is the rate after a cool-down; pass cooldown_start and cooldown_steps, or "
            "minimum_learning_rate for a floor"
        )
    if p.cooldown_start is not None and p.cooldown_start < p.warmup_steps:
        raise ConfigError(
            f"cooldown_start is {p.cooldown_start} and warmup_steps is {p.warmup_steps}; the "
            "cool-down cannot start before the warm-up ends; pass a later step"
        )


def _above(a: int | float, b: int | float) -> bool:
    """Return whether a > b, as the decimals that they mean."""
    (a_num, a_den), (b_num, b_den) = exact_number(a), exact_number(b)
    return a_num * b_den > b_num * a_den


def _pole(steps: int | float, decay: int | float, staircase: bool) -> str:
    """Return the message for a negative decay_rate, with the step where the rate diverges."""
    form = Form.of(1, steps, -decay, staircase)
    t = -(-form.B // form.C)  # the first t with B - C * t <= 0
    step = form.first_step(t) if staircase else t
    return (
        f"decay_rate is {shown(decay)}; it must be 0 or more: with this one the denominator "
        f"reaches zero at or just before step {step}; pass a positive decay_rate, or use another "
        "schedule for a rate that grows"
    )
