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

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from invtime.decimals import exact_number, read_number, shortest_decimal, unwritable
from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay

Parameters = dict[str, Any]
PARAMETERS = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")


class Dialect(NamedTuple):
    """One library's parameters for the schedule."""

    code: str
    """The library's code, its parameters to be filled in."""
    names: Mapping[str, str] = {}
    """What each of its parameters is here; empty for code, which is only converted to."""
    defaults: Mapping[str, Any] = {}
    """What the library takes for a parameter that is left out."""
    convert: Callable[[InverseTimeDecay], Parameters] = InverseTimeDecay.get_config
    """The schedule in what the library can express; raises ConfigError where it cannot."""


def from_dialect(name: str, parameters: Mapping[str, Any]) -> InverseTimeDecay:
    """The schedule that the parameters of a dialect mean.

    Raises:
        ConfigError: no such dialect, not a set of its parameters, or not inverse time decay.
    """
    dialect = _dialect(name)
    if not dialect.names:
        raise ConfigError(
            f"{name} is code, which is converted to and not from; "
            "pass the numbers in it in another dialect, such as invtime"
        )
    keys = ", ".join(dialect.names)
    if not isinstance(parameters, Mapping):
        raise ConfigError(
            f"the parameters are {parameters!r} of type {type(parameters).__name__}; they must "
            f"be a dict or a JSON object with keys out of {keys}"
        )
    given = {**dialect.defaults, **parameters}
    for key, value in given.items():
        if key not in dialect.names:
            raise ConfigError(
                f"{name} has no parameter {key!r}, which is {value!r}; accepted are {keys}; "
                "remove it"
            )
    config: Parameters = {"decay_steps": 1}  # where there is no such parameter
    for key, own in dialect.names.items():
        if key not in given:
            raise ConfigError(f"{name} needs {keys}; there is no {key!r}; add it")
        number = own not in ("staircase", "name")
        config[own] = read_number(key, given[key])[0] if number else given[key]
    return InverseTimeDecay(**config)


def to_dialect(name: str, schedule: InverseTimeDecay) -> Parameters:
    """The parameters of a schedule in a dialect, in the order of that library.

    Raises:
        ConfigError: no such dialect, or it cannot express the schedule exactly.
    """
    dialect = _dialect(name)
    for key, value in schedule.get_config().items():
        if key not in PARAMETERS:
            raise ConfigError(
                f"{key} is {value!r}, which no dialect has a parameter for; "
                "build the schedule without it, from plain numbers"
            )
    found = dialect.convert(schedule)
    return {key: found[own] for key, own in dialect.names.items()} if dialect.names else found


def to_code(name: str, schedule: InverseTimeDecay) -> str:
    """A schedule in the code of a library; raises what `to_dialect` raises."""
    return _dialect(name).code.format(**to_dialect(name, schedule))


def _dialect(name: str) -> Dialect:
    if name not in DIALECTS:
        raise ConfigError(
            f"the dialect is {name!r}; accepted are {', '.join(DIALECTS)}; pass one of these"
        )
    return DIALECTS[name]


def _slope(key: str, schedule: InverseTimeDecay) -> int | float:
    """R / S of a schedule that may be no staircase, for the parameter `key`."""
    if schedule.staircase:
        raise ConfigError(
            "staircase is True, and this dialect has no staircase; pass the continuous schedule "
            "if that is meant, or use a dialect that has one"
        )
    decay, steps = exact_number(schedule.decay_rate), exact_number(schedule.decay_steps)
    slope = Fraction(*decay) / Fraction(*steps)
    number = shortest_decimal(slope)
    if number is None:
        raise unwritable(key, slope, "pass that number yourself if an approximation is acceptable")
    return number


def _per_step(code: str, key: str, defaults: Mapping[str, Any]) -> Dialect:
    """L / (1 + R / S * n): the rate, and R / S under the name `key`."""

    def convert(schedule: InverseTimeDecay) -> Parameters:
        return {**schedule.get_config(), "decay_rate": _slope(key, schedule)}

    names = {"learning_rate": "initial_learning_rate", key: "decay_rate"}
    return Dialect(code, names, defaults, convert)


def _mindspore(schedule: InverseTimeDecay) -> Parameters:
    rate, decay = schedule.initial_learning_rate, schedule.decay_rate
    if not rate or not decay:
        raise ConfigError(
            f"initial_learning_rate is {rate!r} and decay_rate {decay!r}; MindSpore takes none "
            "of 0; pass a constant rate there"
        )
    steps = schedule.decay_steps
    if steps != int(steps):
        if schedule.staircase:
            raise ConfigError(
                f"decay_steps is {steps!r}; MindSpore takes an integer; round it where the "
                "staircase may change"
            )
        steps, decay = 1, _slope("decay_rate", schedule)
    # It refuses an int for a rate, and a float for the steps.
    numbers = {"initial_learning_rate": float(rate), "decay_rate": float(decay)}
    return {**schedule.get_config(), **numbers, "decay_steps": int(steps)}


def _torch(schedule: InverseTimeDecay) -> Parameters:
    """The exact form, whose one division of integers Python rounds correctly."""
    form = schedule.form
    t = "n"
    if form.staircase:
        t = f"(n // {form.P})" if form.Q == 1 else f"(n * {form.Q} // {form.P})"
    return {"lr": 1, "lr_lambda": f"lambda n: {form.A} / ({form.B} + {form.C} * {t})"}


def _optax(schedule: InverseTimeDecay) -> Parameters:
    numbers = schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate
    if any(number and not 2.0**-126 <= number < 2.0**128 for number in numbers):
        raise ConfigError(
            f"the parameters are {numbers}, not all in the range of float32; "
            "pass the schedule itself to Optax"
        )
    rate, steps, decay = map(float, numbers)
    turns = f"(count / {steps})"
    if schedule.staircase:
        if not steps.is_integer() or steps >= 2**31:
            raise ConfigError(
                f"decay_steps is {steps!r}; floor(count / decay_steps) is exact in Optax for "
                "integers below 2**31 alone; pass the schedule itself, which is one of Optax's"
            )
        turns = f"(count // {int(steps)})"
    return {"learning_rate": f"lambda count: {rate} / (1 + {decay} * {turns})"}


SAME = {key: key for key in PARAMETERS}
REST = "decay_steps={decay_steps}, decay_rate={decay_rate}, staircase={staircase}, name={name!r})"
NEITHER = {"staircase": False, "name": None}

DIALECTS: Mapping[str, Dialect] = {
    "invtime": Dialect("invtime.InverseTimeDecay({initial_learning_rate}, " + REST, SAME, NEITHER),
    "keras": Dialect(
        "keras.optimizers.schedules.InverseTimeDecay({initial_learning_rate}, " + REST,
        SAME,
        NEITHER,
    ),
    "tf1": Dialect(
        "tf.compat.v1.train.inverse_time_decay({learning_rate}, global_step, " + REST,
        {"learning_rate": "initial_learning_rate", **{key: key for key in PARAMETERS[1:]}},
        NEITHER,
    ),
    "keras-legacy": _per_step(
        "tf.keras.optimizers.legacy.SGD(learning_rate={learning_rate}, decay={decay})",
        "decay",
        {"decay": 0},
    ),
    "paddle": _per_step(
        "paddle.optimizer.lr.InverseTimeDecay(learning_rate={learning_rate}, gamma={gamma})",
        "gamma",
        {},
    ),
    "mindspore": Dialect(
        "mindspore.nn.InverseDecayLR({learning_rate}, decay_rate={decay_rate}, "
        "decay_steps={decay_steps}, is_stair={is_stair})",
        {
            "learning_rate": "initial_learning_rate",
            "decay_rate": "decay_rate",
            "decay_steps": "decay_steps",
            "is_stair": "staircase",
        },
        {"is_stair": False},
        _mindspore,
    ),
    "torch": Dialect(
        "optimizer = torch.optim.SGD(parameters, lr={lr})  # the factor is the rate itself\n"
        "scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {lr_lambda})",
        convert=_torch,
    ),
    "optax": Dialect("optimizer = optax.sgd({learning_rate})", convert=_optax),
}
