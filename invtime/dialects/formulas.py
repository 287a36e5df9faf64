"""The dialects that have only the decay, under other names: one formula each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from invtime.decimals import read_number
from invtime.dialects.dialect import Dialect, Parameters, fraction, written
from invtime.errors import ConfigError, shown
from invtime.parameters import DEFAULTS
from invtime.spec import InverseTimeDecay

NUMBERS = ("initial_learning_rate", "decay_steps", "decay_rate")


def _renamed(
    code: Callable[[Parameters], str],
    names: Mapping[str, str],
    defaults: Mapping[str, Any],
    convert: Callable[[InverseTimeDecay], Parameters] = InverseTimeDecay.get_config,
) -> Dialect:
    """A dialect with other names for the parameters of `convert`. `names` maps theirs to ours."""

    def read(given: Parameters) -> InverseTimeDecay:
        config: Parameters = {"decay_steps": 1}  # if the dialect has no such parameter
        for key, own in names.items():
            value = given[key]
            config[own] = read_number(key, value)[0] if own in NUMBERS else value
        return InverseTimeDecay(**config)

    def write(schedule: InverseTimeDecay) -> Parameters:
        found = convert(schedule)
        return {key: found[own] for key, own in names.items() if own in found}

    return Dialect(write, code, read, tuple(names), defaults)


def _slope(key: str, schedule: InverseTimeDecay) -> int | float:
    """R / S of a continuous schedule, for the parameter `key`."""
    if schedule.staircase:
        raise ConfigError(
            "staircase is True, but this dialect has no staircase; use a dialect that has one, or "
            "pass a schedule with staircase=False"
        )
    return written(key, fraction(schedule.decay_rate) / fraction(schedule.decay_steps))


def _per_step(code: str, key: str, defaults: Mapping[str, Any]) -> Dialect:
    """The dialect of L / (1 + R / S * n): it has the rate L, and R / S under the name `key`."""

    def convert(schedule: InverseTimeDecay) -> Parameters:
        return {**schedule.get_config(), "decay_rate": _slope(key, schedule)}

    names = {"learning_rate": "initial_learning_rate", key: "decay_rate"}
    return _renamed(code.format_map, names, defaults, convert)


def _mindspore(schedule: InverseTimeDecay) -> Parameters:
    rate, decay = schedule.initial_learning_rate, schedule.decay_rate
    if not rate or not decay:
        raise ConfigError(
            f"initial_learning_rate is {shown(rate)} and decay_rate is {shown(decay)}; MindSpore "
            "accepts 0 for neither; use a constant rate in MindSpore"
        )
    steps = schedule.decay_steps
    if steps != int(steps):
        if schedule.staircase:
            raise ConfigError(
                f"decay_steps is {shown(steps)}; MindSpore takes an integer; round it if the "
                "staircase may change"
            )
        steps, decay = 1, _slope("decay_rate", schedule)
    # MindSpore rejects an int for a rate, and a float for the steps.
    numbers = {"initial_learning_rate": float(rate), "decay_rate": float(decay)}
    return {**schedule.get_config(), **numbers, "decay_steps": int(steps)}


def _invtime(parameters: Parameters) -> str:
    rate, *others = parameters.items()
    rest = ", ".join(f"{key}={value!r}" for key, value in others)
    return f"invtime.InverseTimeDecay({rate[1]!r}, {rest})"


SAME = {key: key for key in (*NUMBERS, "staircase", "name")}
REST = "decay_steps={decay_steps}, decay_rate={decay_rate}, staircase={staircase}, name={name!r})"
NEITHER = {"staircase": False, "name": None}

DIALECTS: Mapping[str, Dialect] = {
    "invtime": _renamed(
        _invtime, {**SAME, **{key: key for key in DEFAULTS}}, {**NEITHER, **DEFAULTS}
    )._replace(phases=True),
    "keras": _renamed(
        ("keras.optimizers.schedules.InverseTimeDecay({initial_learning_rate}, " + REST).format_map,
        SAME,
        NEITHER,
    ),
    "tf1": _renamed(
        ("tf.compat.v1.train.inverse_time_decay({learning_rate}, global_step, " + REST).format_map,
        {"learning_rate": "initial_learning_rate", **{key: key for key in [*SAME][1:]}},
        NEITHER,
    ),
    "keras-legacy": _per_step(
        "tf.keras.optimizers.legacy.SGD(learning_rate={learning_rate}, decay={decay})",
        "decay",
        {"decay": 0},
    )._replace(aliases={"lr": "learning_rate"}),
    "paddle": _per_step(
        "paddle.optimizer.lr.InverseTimeDecay(learning_rate={learning_rate}, gamma={gamma})",
        "gamma",
        {},
    ),
    "mindspore": _renamed(
        (
            "mindspore.nn.InverseDecayLR({learning_rate}, decay_rate={decay_rate}, "
            "decay_steps={decay_steps}, is_stair={is_stair})"
        ).format_map,
        {
            "learning_rate": "initial_learning_rate",
            "decay_rate": "decay_rate",
            "decay_steps": "decay_steps",
            "is_stair": "staircase",
        },
        {"is_stair": False},
        _mindspore,
    ),
}
