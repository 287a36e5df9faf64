"""Convert a schedule to and from the parameters of other libraries, exactly.

A dialect is one library's parameters for the schedule. A conversion that would not be exact
raises an error. `docs/dialects.md` has the formula, source and limits of each dialect.

>>> schedule = from_dialect("paddle", {"learning_rate": 0.1, "gamma": 0.0005})
>>> schedule
InverseTimeDecay(initial_learning_rate=0.1, decay_steps=1, decay_rate=0.0005)
>>> to_dialect("tf1", schedule)["learning_rate"]
0.1
>>> print(to_code("paddle", schedule))
paddle.optimizer.lr.InverseTimeDecay(learning_rate=0.1, gamma=0.0005)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invtime.dialects import code, deepmd, formulas, levanter
from invtime.dialects.dialect import Dialect, Parameters
from invtime.errors import ConfigError, shown, typed
from invtime.parameters import PHASES
from invtime.spec import InverseTimeDecay

DIALECTS: Mapping[str, Dialect] = {
    **formulas.DIALECTS,
    "levanter": levanter.DIALECT,
    "deepmd": deepmd.DIALECT,
    **code.DIALECTS,
}

__all__ = ["DIALECTS", "from_dialect", "to_code", "to_dialect"]


def from_dialect(name: str, parameters: Mapping[str, Any]) -> InverseTimeDecay:
    """Build the schedule from the parameters of a dialect.

    Args:
        name: the dialect, a key of `DIALECTS`.
        parameters: the parameters under the library's names. Missing ones have the library's
            defaults.

    Raises:
        ConfigError: the dialect is unknown or can only be written, a parameter is unknown or
            missing, or the parameters do not describe inverse time decay.
    """
    dialect = _dialect(name)
    if dialect.read is None:
        raise ConfigError(
            f"{name} can be written but not read; "
            "pass its numbers in another dialect, such as invtime"
        )
    keys = ", ".join(dialect.keys)
    if not isinstance(parameters, Mapping):
        raise ConfigError(
            f"the parameters are {typed(parameters)}; they must "
            f"be a dict or a JSON object with keys among {keys}"
        )
    for alias, key in dialect.aliases.items():
        if alias in parameters:
            if key in parameters:
                raise ConfigError(
                    f"{alias} and {key} are the same parameter of {name}; remove {alias}"
                )
            parameters = {**parameters, key: parameters[alias]}
            del parameters[alias]
    needed = [key for key in dialect.keys if key not in dialect.defaults]
    missing = [key for key in needed if key not in parameters]
    for key, value in parameters.items():
        if key not in dialect.keys:
            remedy = "remove it"
            if key in PHASES:
                remedy = "use the dialect invtime, which has it"
            elif missing:
                remedy = f"rename it to {' or '.join(missing)} if that is meant, or remove it"
            raise ConfigError(
                f"the schedule of {name} has no parameter {shown(key)} (given as {shown(value)}); "
                f"accepted are {keys}; {remedy}"
            )
    if missing:
        raise ConfigError(
            f"{name} needs {', '.join(needed)}; {shown(missing[0])} is missing; add it"
        )
    return dialect.read({**dialect.defaults, **parameters})


def to_dialect(name: str, schedule: InverseTimeDecay) -> Parameters:
    """Convert a schedule to the parameters of a dialect, in the library's order.

    Args:
        name: the dialect, a key of `DIALECTS`.
        schedule: the schedule to convert.

    Raises:
        ConfigError: the dialect is unknown, or it cannot express the schedule exactly.
    """
    dialect = _dialect(name)
    config = schedule.get_config()
    if "dtype" in config:
        raise ConfigError(
            f"dtype is {shown(config['dtype'])}, and no dialect has a dtype; "
            "remove it, for example with schedule.replace(dtype=None)"
        )
    phases = [key for key in config if key in PHASES]
    if phases and not dialect.phases:
        key, able = phases[0], ", ".join(n for n, other in DIALECTS.items() if other.phases)
        raise ConfigError(
            f"{key} is {shown(config[key])}, but {name} has no phases; dialects with phases are "
            f"{able}; use one of these, or remove {', '.join(phases)} from the schedule"
        )
    return dialect.write(schedule)


def to_code(name: str, schedule: InverseTimeDecay) -> str:
    """Convert a schedule to code for a library.

    Args:
        name: the dialect, a key of `DIALECTS`.
        schedule: the schedule to convert.

    Raises:
        ConfigError: as for `to_dialect`.
    """
    return _dialect(name).code(to_dialect(name, schedule))


def _dialect(name: Any) -> Dialect:
    if not isinstance(name, str) or name not in DIALECTS:
        raise ConfigError(
            f"the dialect is {shown(name)}; accepted are {', '.join(DIALECTS)}; pass one of these"
        )
    return DIALECTS[name]
