"""The same schedule in the parameters of other libraries, exactly or not at all.

Each dialect's formula, source and limits are in `docs/dialects.md`.

>>> schedule = read("paddle", {"learning_rate": 0.1, "gamma": 0.0005})
>>> schedule
InverseTimeDecay(initial_learning_rate=0.1, decay_steps=1, decay_rate=0.0005)
>>> write("k-diffusion", schedule)
{'lr': 0.1, 'inv_gamma': 2000, 'power': 1, 'warmup': 0, 'min_lr': 0}
>>> print(code("thinc", schedule))
thinc.api.decaying(0.1, 0.0005)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from invtime.decimals import as_binary64, exact_number, read_number, shortest_decimal, unwritable
from invtime.doubleword import nearest
from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay

Parameters = dict[str, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Dialect(NamedTuple):
    """One library's way to say the schedule."""

    template: str
    """How it stands in that library's code, its parameters to be filled in."""
    write: Callable[[InverseTimeDecay], Parameters]
    """The parameters of a schedule; raises ConfigError where there are none."""
    read: Callable[[Parameters], InverseTimeDecay] | None = None
    """The schedule of parameters, none missing; None for code, which is only written."""
    defaults: Mapping[str, Any] = NOTHING
    """What the library takes for a parameter that is left out."""
    fixed: Mapping[str, tuple[Any, str]] = NOTHING
    """What a parameter must be, and why."""


def read(dialect: str, parameters: Mapping[str, Any]) -> InverseTimeDecay:
    """The schedule that these parameters mean in a dialect.

    Raises:
        ConfigError: no such dialect, not a set of its parameters, or not inverse time decay.
    """
    known = _dialect(dialect)
    if known.read is None:
        raise ConfigError(
            f"{dialect} is a piece of code, which is written and not read; "
            "pass the numbers in it in another dialect, such as invtime"
        )
    names = tuple(known.write(EXAMPLE))
    keys = ", ".join(names)
    if not isinstance(parameters, Mapping):
        raise ConfigError(
            f"the parameters are {parameters!r} of type {type(parameters).__name__}; they must "
            f"be a dict or a JSON object with keys out of {keys}"
        )
    given = {**known.defaults, **parameters}
    for key, value in given.items():
        if key not in names:
            raise ConfigError(
                f"{dialect} has no parameter {key!r}, which is {value!r}; accepted are "
                f"{keys}; remove it"
            )
    for key in names:
        if key not in given:
            raise ConfigError(f"{dialect} needs {keys}; there is no {key!r}; add it")
    for key, (wanted, reason) in known.fixed.items():
        if given[key] != wanted:
            raise ConfigError(f"{key} is {given[key]!r}; it must be {wanted!r}: {reason}")
    return known.read(given)


def write(dialect: str, schedule: InverseTimeDecay) -> Parameters:
    """The parameters of a schedule in a dialect, in the order of that library.

    Raises:
        ConfigError: no such dialect, or it cannot say the schedule exactly.
    """
    known = _dialect(dialect)
    if schedule.dtype is not None:
        raise ConfigError(
            f"dtype is {schedule.dtype!r}, which no dialect has a parameter for; "
            "build the schedule from plain numbers"
        )
    return known.write(schedule)


def code(dialect: str, schedule: InverseTimeDecay) -> str:
    """A schedule as it stands in the code of a library; raises what `write` raises."""
    return _dialect(dialect).template.format(**write(dialect, schedule))


def _dialect(name: str) -> Dialect:
    if name not in DIALECTS:
        raise ConfigError(
            f"the dialect is {name!r}; accepted are {', '.join(DIALECTS)}; pass one of these"
        )
    return DIALECTS[name]


# -- Four parameters: the names differ, and the order ---------------------------------------


def _spelled(template: str, rate: str, staircase: str = "staircase") -> Dialect:
    """Keras's parameters, the rate and the flag under names of their own."""

    def _write(schedule: InverseTimeDecay) -> Parameters:
        names = {"initial_learning_rate": rate, "staircase": staircase}
        return {names.get(key, key): value for key, value in schedule.get_config().items()}

    def _read(given: Parameters) -> InverseTimeDecay:
        return _read_numbers(given, rate, given[staircase], given["name"])

    return Dialect(template, _write, _read, {staircase: False, "name": None})


def _write_mindspore(schedule: InverseTimeDecay) -> Parameters:
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
    return {
        "learning_rate": float(rate),  # it refuses an int here, and a float below
        "decay_rate": float(decay),
        "decay_steps": int(steps),
        "is_stair": schedule.staircase,
    }


def _read_mindspore(given: Parameters) -> InverseTimeDecay:
    return _read_numbers(given, "learning_rate", given["is_stair"])


def _read_numbers(
    given: Parameters, rate: str, staircase: bool, name: str | None = None
) -> InverseTimeDecay:
    initial, steps, decay = (_number(key, given) for key in (rate, "decay_steps", "decay_rate"))
    return InverseTimeDecay(initial, steps, decay, staircase, name)


# -- Two parameters: the rate, and R / S or S / R -------------------------------------------


def _slope(key: str, schedule: InverseTimeDecay, inverse: bool = False) -> int | float:
    """R / S, or S / R, of a schedule that may be no staircase."""
    if schedule.staircase:
        raise ConfigError(
            "staircase is True, and this dialect has no staircase; pass the continuous schedule "
            "if that is meant, or use a dialect that has one"
        )
    slope = Fraction(*exact_number(schedule.decay_rate)) / Fraction(
        *exact_number(schedule.decay_steps)
    )
    return _written(key, 1 / slope if inverse else slope)


def _written(key: str, value: Fraction) -> int | float:
    number = shortest_decimal(value)
    if number is None:
        raise unwritable(key, value, "pass that number yourself where being off is all right")
    return number


def _with_gamma(
    template: str,
    rate: str,
    gamma: str,
    defaults: Mapping[str, Any] = NOTHING,
    fixed: Mapping[str, tuple[Any, str]] = NOTHING,
    holds: Callable[[str, Any], Any] = lambda key, number: number,
) -> Dialect:
    """L / (1 + gamma * n); `holds` raises ConfigError for a number that has no place there."""

    def _write(schedule: InverseTimeDecay) -> Parameters:
        return {
            rate: holds(rate, schedule.initial_learning_rate),
            gamma: holds(gamma, _slope(gamma, schedule)),
            **{key: wanted for key, (wanted, _) in fixed.items()},
        }

    def _read(given: Parameters) -> InverseTimeDecay:
        initial, decay = (holds(key, _number(key, given)) for key in (rate, gamma))
        return InverseTimeDecay(initial, 1, decay)

    return Dialect(template, _write, _read, defaults, fixed)


def _single(key: str, number: int | float) -> int | float:
    """A number that a float32 field means as it is written."""
    held = nearest(*exact_number(number), 24)
    if number and not 2.0**-126 <= held < 2.0**128:
        raise ConfigError(f"{key} is {number!r}, out of the range of float32, as which it is read")
    meant = as_binary64(held, "float32")
    if meant != number:
        raise ConfigError(
            f"{key} is {number!r}, which is read as a float32 and then means {meant!r}; "
            "pass that number if it may be changed"
        )
    return number


def _write_k_diffusion(schedule: InverseTimeDecay) -> Parameters:
    if not schedule.decay_rate:
        raise ConfigError(
            "decay_rate is 0, and inv_gamma would be infinite; use a constant rate there"
        )
    return {
        "lr": schedule.initial_learning_rate,
        "inv_gamma": _slope("inv_gamma", schedule, inverse=True),
        "power": 1,
        "warmup": 0,
        "min_lr": 0,
    }


def _read_k_diffusion(given: Parameters) -> InverseTimeDecay:
    return InverseTimeDecay(_number("lr", given), _number("inv_gamma", given), 1)


def _write_thinc(schedule: InverseTimeDecay) -> Parameters:
    return {
        "base_rate": schedule.initial_learning_rate,
        "decay": _slope("decay", schedule),
        "t": 0,
    }


def _read_thinc(given: Parameters) -> InverseTimeDecay:
    """Its clock starts at t: the same decay from a lower rate on."""
    rate, decay, t = (
        Fraction(*exact_number(_number(key, given))) for key in ("base_rate", "decay", "t")
    )
    if t < 0 or decay < 0:
        raise ConfigError(
            f"decay is {given['decay']!r} and t is {given['t']!r}; both must be 0 or more"
        )
    past = 1 + decay * t
    return InverseTimeDecay(
        _written("initial_learning_rate", rate / past), 1, _written("decay_rate", decay / past)
    )


def _number(key: str, given: Parameters) -> int | float:
    return read_number(key, given[key])[0]


# -- Code -----------------------------------------------------------------------------------


def _write_torch(schedule: InverseTimeDecay) -> Parameters:
    """The exact form, whose one division of integers Python rounds correctly."""
    form = schedule.form
    t = "n"
    if form.staircase:
        t = f"n // {form.P}" if form.Q == 1 else f"n * {form.Q} // {form.P}"
        t = f"({t})"
    return {"lr": 1, "lr_lambda": f"lambda n: {form.A} / ({form.B} + {form.C} * {t})"}


def _write_optax(schedule: InverseTimeDecay) -> Parameters:
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


NO_POWER = "with another power it is not inverse time decay"

DIALECTS: Mapping[str, Dialect] = {
    "invtime": _spelled(
        "invtime.InverseTimeDecay({initial_learning_rate}, decay_steps={decay_steps}, "
        "decay_rate={decay_rate}, staircase={staircase}, name={name!r})",
        "initial_learning_rate",
    ),
    "keras": _spelled(
        "keras.optimizers.schedules.InverseTimeDecay({initial_learning_rate}, "
        "decay_steps={decay_steps}, decay_rate={decay_rate}, staircase={staircase}, "
        "name={name!r})",
        "initial_learning_rate",
    ),
    "tf1": _spelled(
        "tf.compat.v1.train.inverse_time_decay({learning_rate}, global_step, "
        "decay_steps={decay_steps}, decay_rate={decay_rate}, staircase={staircase}, "
        "name={name!r})",
        "learning_rate",
    ),
    "keras-legacy": _with_gamma(
        "tf.keras.optimizers.legacy.SGD(learning_rate={learning_rate}, decay={decay})",
        "learning_rate",
        "decay",
        defaults={"decay": 0},
    ),
    "paddle": _with_gamma(
        "paddle.optimizer.lr.InverseTimeDecay(learning_rate={learning_rate}, gamma={gamma})",
        "learning_rate",
        "gamma",
    ),
    "mindspore": Dialect(
        "mindspore.nn.InverseDecayLR({learning_rate}, decay_rate={decay_rate}, "
        "decay_steps={decay_steps}, is_stair={is_stair})",
        _write_mindspore,
        _read_mindspore,
        {"is_stair": False},
    ),
    "caffe": _with_gamma(
        'base_lr: {base_lr}\nlr_policy: "inv"\ngamma: {gamma}\npower: 1',
        "base_lr",
        "gamma",
        fixed={
            "lr_policy": ("inv", "the other policies are other schedules"),
            "power": (1, NO_POWER),
        },
        holds=_single,
    ),
    "mmcv": _with_gamma(
        'optimizer = dict(type="SGD", lr={lr})\n'
        'lr_config = dict(policy="inv", gamma={gamma}, power=1, by_epoch=False)',
        "lr",
        "gamma",
        defaults={"power": 1, "by_epoch": True},
        fixed={
            "policy": ("inv", "the other policies are other schedules"),
            "power": (1, NO_POWER),
            "by_epoch": (
                False,
                "by default epochs are counted, which is a staircase of other parameters",
            ),
        },
    ),
    "k-diffusion": Dialect(
        "optimizer = torch.optim.SGD(parameters, lr={lr})\n"
        "scheduler = k_diffusion.utils.InverseLR(optimizer, inv_gamma={inv_gamma})",
        _write_k_diffusion,
        _read_k_diffusion,
        {"inv_gamma": 1, "power": 1, "warmup": 0, "min_lr": 0},
        {
            "power": (1, NO_POWER),
            "warmup": (0, "a warmup is another schedule"),
            "min_lr": (0, "a rate with a floor is another schedule"),
        },
    ),
    "thinc": Dialect(
        "thinc.api.decaying({base_rate}, {decay})", _write_thinc, _read_thinc, {"t": 0}
    ),
    "torch": Dialect(
        "optimizer = torch.optim.SGD(parameters, lr={lr})  # the factor is the rate itself\n"
        "scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {lr_lambda})",
        _write_torch,
    ),
    "optax": Dialect("optimizer = optax.sgd({learning_rate})", _write_optax),
}

EXAMPLE = InverseTimeDecay(0.1, 1000, 0.5)
