"""Levanter: the learning-rate schedule in the config of an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from invtime.decimals import read_count, read_number
from invtime.dialects.dialect import Dialect, Parameters, call, fraction, written
from invtime.dialects.recipe import Recipe, share_of, steps_of
from invtime.errors import ConfigError, shown
from invtime.spec import InverseTimeDecay

DEFAULTS = {
    "learning_rate": 6e-4,
    "min_lr_ratio": 0.1,
    "warmup": 0.01,
    "decay": None,
    "rewarmup": 0.0,
    "cooldown": None,
    "cycle_length": None,
    "cycles": None,
    "lr_schedule": "cosine",
    "haps": None,
}
KINDS = {"inv": "inverse", "linear": "linear", "constant": "constant"}


def _read(given: Parameters) -> InverseTimeDecay:
    kind = _kind(given["lr_schedule"])
    for key in ("cycle_length", "cycles", "haps"):
        value = given[key]
        one = isinstance(value, int | float) and value == 1 and key != "haps"
        if value is not None and not one:
            raise ConfigError(
                f"{key} is {shown(value)}; an invtime schedule has one cycle; convert each cycle "
                "separately, with its length as num_train_steps and its rewarmup as warmup"
            )
    total = read_count("num_train_steps", given["num_train_steps"])
    rest = 0 if given["cooldown"] is None else _steps("cooldown", given["cooldown"], total)
    main = total - rest
    warmup = _steps("warmup", given["warmup"], main)
    decay = main - warmup
    if given["decay"] is not None:
        decay = _steps("decay", given["decay"], main)
    stable = main - warmup - decay
    if main < 1 or min(stable, decay) < 0 or (not decay and kind != "constant"):
        raise ConfigError(
            f"num_train_steps is {total}; the warm-up takes {warmup} of them, the decay {decay} "
            f"and the cooldown {rest}; if these exceed the total, or the decay has no steps, "
            "Levanter's versions differ; change one of these"
        )
    peak = fraction(read_number("learning_rate", given["learning_rate"])[0])
    end = peak * fraction(read_number("min_lr_ratio", given["min_lr_ratio"])[0])
    if kind == "inverse" and not 0 < end <= peak:
        raise ConfigError(
            f"learning_rate is {shown(given['learning_rate'])} and min_lr_ratio is "
            f"{shown(given['min_lr_ratio'])}; inv divides by the product of the two, and a ratio "
            "above 1 is not a decay; pass a rate above 0, and a ratio above 0 and at most 1"
        )
    if kind == "constant" and rest:  # after it, `cooldown` is a straight line
        kind, stable, decay = "linear", main - warmup, rest
    return Recipe(kind, peak, end, Fraction(0), warmup, stable, decay).schedule()


def _kind(given: Any) -> str:
    """Our name for an `lr_schedule`, given as a name or as {"type": name}."""
    theirs = given
    if isinstance(given, Mapping) and set(given) == {"type"}:
        theirs = given["type"]
    if not isinstance(theirs, str) or theirs not in KINDS:
        raise ConfigError(
            f"lr_schedule is {shown(given)} (Levanter's default is 'cosine'); accepted are "
            f"{', '.join(KINDS)}; other kinds are neither inverse time decay nor straight lines"
        )
    return KINDS[theirs]


def _steps(key: str, value: Any, total: int) -> int:
    """The steps in a length. A length of at most 1 is a fraction of the total."""
    number, _ = read_number(key, value)
    if number < 0 or (number > 1 and number != int(number)):
        raise ConfigError(
            f"{key} is {shown(number)}; Levanter takes a fraction from 0 to 1, or a whole number "
            "of steps above 1; round it"
        )
    return int(number) if number > 1 else steps_of(key, number, total)


def _write(schedule: InverseTimeDecay) -> Parameters:
    recipe = Recipe.of("levanter", schedule)
    if recipe.warmup and recipe.first:
        raise ConfigError(
            f"warmup_learning_rate is {shown(schedule.warmup_learning_rate)}, but Levanter's "
            "warm-up starts at 0; pass 0 if that is acceptable"
        )
    if recipe.end and not recipe.peak:
        raise ConfigError(
            "initial_learning_rate is 0 and final_learning_rate is "
            f"{shown(schedule.final_learning_rate)}; Levanter needs the ratio of the two; pass an "
            "initial_learning_rate above 0"
        )
    total = max(recipe.total("levanter"), 1)
    (kind,) = (theirs for theirs, ours in KINDS.items() if ours == recipe.kind)
    found: Parameters = {"learning_rate": float(schedule.initial_learning_rate)}
    lengths = {"warmup": recipe.warmup}
    if recipe.kind != "constant":
        found["min_lr_ratio"] = float(written("min_lr_ratio", recipe.end / recipe.peak))
        lengths["decay"] = recipe.decay
    for key, steps in lengths.items():
        found[key] = (
            share_of(key, 1, total) if steps == 1 else steps
        )  # a length of 1 would be the whole run
    return {**found, "lr_schedule": kind, "num_train_steps": total}


def _code(parameters: Parameters) -> str:
    config = dict(parameters)
    total = config.pop("num_train_steps")
    return f"{call('levanter.optim.AdamConfig', config)}.lr_scheduler({total})"


DIALECT = Dialect(_write, _code, _read, (*DEFAULTS, "num_train_steps"), DEFAULTS, phases=True)
