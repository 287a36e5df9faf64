"""The same schedule in the parameters of other libraries, exactly or not at all.

Each dialect's formula, source and limits are in `docs/dialects.md`.

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
    """The schedule that the parameters of a dialect mean.

    Raises:
        ConfigError: no such dialect, not a set of its parameters, or not inverse time decay.
    """
    dialect = _dialect(name)
    if dialect.read is None:
        raise ConfigError(
            f"{name} is code, which is converted to and not from; "
            "pass the numbers in it in another dialect, such as invtime"
        )
    keys = ", ".join(dialect.keys)
    if not isinstance(parameters, Mapping):
        raise ConfigError(
            f"the parameters are {typed(parameters)}; they must "
            f"be a dict or a JSON object with keys out of {keys}"
        )
    for alias, key in dialect.aliases.items():
        if alias in parameters:
            if key in parameters:
                raise ConfigError(f"{alias} and {key} are one parameter of {name}; remove {alias}")
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
                remedy = f"write {' or '.join(missing)} for it if that is meant, or else remove it"
            raise ConfigError(
                f"the schedule of {name} has no parameter {shown(key)}, which is {shown(value)}; "
                f"accepted are {keys}; {remedy}"
            )
    if missing:
        raise ConfigError(
            f"{name} needs {', '.join(needed)}; there is no {shown(missing[0])}; add it"
        )
    return dialect.read({**dialect.defaults, **parameters})


def to_dialect(name: str, schedule: InverseTimeDecay) -> Parameters:
    """The parameters of a schedule in a dialect, in the order of that library.

    Raises:
        ConfigError: no such dialect, or it cannot express the schedule exactly.
    """
    dialect = _dialect(name)
    config = schedule.get_config()
    if "dtype" in config:
        raise ConfigError(
            f"dtype is {shown(config['dtype'])}, which no dialect has a parameter for; "
            "build the schedule without it, from plain numbers"
        )
    phases = [key for key in config if key in PHASES]
    if phases and not dialect.phases:
        key, able = phases[0], ", ".join(n for n, other in DIALECTS.items() if other.phases)
        raise ConfigError(
            f"{key} is {shown(config[key])}, and {name} has the bare decay, without phases; "
            f"dialects with phases are {able}; convert to one of these, or to {name} the schedule "
            f"without {', '.join(phases)}"
        )
    return dialect.write(schedule)


def to_code(name: str, schedule: InverseTimeDecay) -> str:
    """A schedule in the code of a library; raises what `to_dialect` raises."""
    return _dialect(name).code(to_dialect(name, schedule))


def _dialect(name: Any) -> Dialect:
    if not isinstance(name, str) or name not in DIALECTS:
        raise ConfigError(
            f"the dialect is {shown(name)}; accepted are {', '.join(DIALECTS)}; pass one of these"
        )
    return DIALECTS[name]
