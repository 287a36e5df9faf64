"""DeePMD-kit: the input section `learning_rate` of type `wsd`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from invtime.decimals import read_count, read_number
from invtime.dialects.dialect import Dialect, Parameters, fraction, written
from invtime.dialects.recipe import Recipe, share_of, steps_of
from invtime.errors import ConfigError, shown
from invtime.spec import InverseTimeDecay

DEFAULTS = {
    "type": "exp",
    "stop_lr": None,
    "stop_lr_ratio": None,
    "warmup_steps": 0,
    "warmup_ratio": None,
    "warmup_start_factor": 0.0,
    "decay_phase_ratio": 0.1,
    "decay_type": "inverse_linear",
    "scale_by_worker": "linear",
}
KINDS = {"inverse_linear": "inverse", "linear": "linear"}


def _read(given: Parameters) -> InverseTimeDecay:
    _choice(given, "type", ["wsd"])
    _choice(
        given, "scale_by_worker", ["linear", "sqrt", "none"]
    )  # for one worker, each scales by 1
    kind = KINDS[_choice(given, "decay_type", KINDS)]
    total = read_count("numb_steps", given["numb_steps"])
    warmup = read_count("warmup_steps", given["warmup_steps"])
    if given["warmup_ratio"] is not None:
        if warmup:
            raise ConfigError(
                f"warmup_steps is {warmup} and warmup_ratio is {shown(given['warmup_ratio'])}; "
                "DeePMD-kit takes one of them; remove one"
            )
        warmup = steps_of("warmup_ratio", given["warmup_ratio"], total)
    if not 0 <= warmup < total:
        raise ConfigError(
            f"numb_steps is {total}, and the warm-up takes {warmup} of them; the warm-up must be "
            "at least 0 and less than numb_steps; change one of the two"
        )
    share, _ = read_number("decay_phase_ratio", given["decay_phase_ratio"])
    if not 0 < share <= 1:
        raise ConfigError(
            f"decay_phase_ratio is {shown(share)}; it must be above 0 and at most 1; pass the "
            "fraction of numb_steps in which the rate decays"
        )
    decay = max(1, min(steps_of("decay_phase_ratio", share, total), total - warmup))
    peak = fraction(read_number("start_lr", given["start_lr"])[0])
    if (given["stop_lr"] is None) == (given["stop_lr_ratio"] is None):
        raise ConfigError(
            f"stop_lr is {shown(given['stop_lr'])} and stop_lr_ratio is "
            f"{shown(given['stop_lr_ratio'])}; "
            "DeePMD-kit takes exactly one of them; pass one"
        )
    key = "stop_lr" if given["stop_lr_ratio"] is None else "stop_lr_ratio"
    end = fraction(read_number(key, given[key])[0]) * (1 if key == "stop_lr" else peak)
    if peak <= 0 or end <= 0 or (end > peak and kind == "inverse"):
        raise ConfigError(
            f"start_lr is {shown(given['start_lr'])} and {key} is {shown(given[key])}; both rates "
            "must be above 0, and with inverse_linear the rate must not increase; change one of "
            "the two"
        )
    first = peak * fraction(read_number("warmup_start_factor", given["warmup_start_factor"])[0])
    return Recipe(kind, peak, end, first, warmup, total - warmup - decay, decay).schedule()


def _choice(given: Parameters, key: str, accepted: Iterable[str]) -> Any:
    value = given[key]
    if not isinstance(value, str) or value not in accepted:
        raise ConfigError(
            f"{key} is {shown(value)} (DeePMD-kit's default is {shown(DEFAULTS[key])}); the "
            f"conversion supports {', '.join(accepted)}; pass one of these if that is meant"
        )
    return value


def _write(schedule: InverseTimeDecay) -> Parameters:
    recipe = Recipe.of("deepmd", schedule)
    if recipe.kind == "constant":  # written as a decay in one step from a rate to itself
        recipe = recipe._replace(kind="inverse", decay=1)
    if not recipe.peak or not recipe.end:
        raise ConfigError(
            f"the rate goes from {shown(float(recipe.peak))} to {shown(float(recipe.end))}; "
            "DeePMD-kit does not accept a rate of 0; pass a small one if that is acceptable"
        )
    (kind,) = (theirs for theirs, ours in KINDS.items() if ours == recipe.kind)
    total = recipe.total("deepmd")
    found: Parameters = {
        "type": "wsd",
        "start_lr": float(schedule.initial_learning_rate),
        "stop_lr": float(written("stop_lr", recipe.end)),
    }
    if recipe.warmup:
        factor = written("warmup_start_factor", recipe.first / recipe.peak)
        found |= {"warmup_steps": recipe.warmup, "warmup_start_factor": float(factor)}
    share = share_of("decay_phase_ratio", recipe.decay, total)
    return {**found, "decay_phase_ratio": share, "decay_type": kind, "numb_steps": total}


def _code(parameters: Parameters) -> str:
    import json

    rate = dict(parameters)
    steps = rate.pop("numb_steps")
    return json.dumps({"learning_rate": rate, "training": {"numb_steps": steps}}, indent=4)


DIALECT = Dialect(
    _write, _code, _read, ("start_lr", *DEFAULTS, "numb_steps"), DEFAULTS, phases=True
)
