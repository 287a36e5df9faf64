"""The options that describe a schedule, shared by the commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from invtime.cli.output import read_file
from invtime.cli.values import read_number
from invtime.errors import ConfigError, shown
from invtime.spec import InverseTimeDecay

PANEL = "Schedule: L / (1 + R * n / S) at step n; or --config"
PHASES = "Phases of the schedule (optional)"


def _option(letter: str, text: str, *names: str, panel: str = PANEL) -> Any:
    return typer.Option(*names, metavar=letter, help=text, rich_help_panel=panel)


def _phase(letter: str, text: str) -> Any:
    return Annotated[str | None, _option(letter, text, panel=PHASES)]


# By parameter, in the order of the help. Numbers stay text: `read_number` keeps 1000 an int.
OPTIONS = {
    "initial_learning_rate": Annotated[
        str | None,
        _option(
            "L",
            "The learning rate at step 0, or after the warm-up.",
            "--lr",
            "--initial-learning-rate",
        ),
    ],
    "decay_steps": Annotated[
        str | None,
        _option("S", "The steps in which the divisor grows by R.", "--decay-steps", "-S"),
    ],
    "decay_rate": Annotated[
        str | None, _option("R", "The decay rate, 0 or more.", "--decay-rate", "-R")
    ],
    "staircase": Annotated[
        bool | None, _option("", "Use floor(n / S): the rate drops every S steps.", "--staircase")
    ],
    "warmup_steps": _phase("W", "The length of the linear warm-up, in steps."),
    "warmup_learning_rate": _phase("w", "The rate where the warm-up starts; default: 0."),
    "stable_steps": _phase("H", "The steps at the rate L before the decay."),
    "minimum_learning_rate": _phase("m", "The floor: the lowest rate of the decay."),
    "cooldown_start": _phase("X", "The step where the linear cool-down starts."),
    "cooldown_steps": _phase("K", "The length of the cool-down, in steps."),
    "final_learning_rate": _phase("f", "The rate after the cool-down; default: 0."),
}
NEEDED = [*OPTIONS][:3]


def config_option(text: str) -> Any:
    """The option --config; `text` is the start of its help."""
    return _option("FILE", f"{text}; - reads stdin.", "--config", "-c")


Config = Annotated[str | None, config_option("A JSON config, plain or as serialized by Keras")]


def from_config(file: str) -> InverseTimeDecay:
    """Read a schedule from a config file, or from stdin for -."""
    return InverseTimeDecay.from_json(read_file(file))


def takes(
    config: Any = Config,
    read: Callable[[Any], Iterable[Any]] = lambda file: [from_config(file)],
    needed: bool = True,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the schedule options to a command. It gets the schedules as positional arguments.

    Args:
        config: the annotation of --config, if it is not the name of one file.
        read: turns the value of --config into schedules.
        needed: whether a command line without a schedule is an error.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = signature(command, eval_str=True).parameters.values()

        @wraps(command)
        def run(config: Any, **values: Any) -> None:
            given = {name: values.pop(name) for name in OPTIONS}
            given = {name: value for name, value in given.items() if value is not None}
            found: Iterable[Any] = []
            if config not in (None, []):
                if given:
                    together = ", ".join(map(option_of, given))
                    raise ConfigError(f"--config was given with {together}; remove one of them")
                found = read(config)
            elif given or needed:
                found = [build(given)]
            command(*found, **values)

        kind = Parameter.KEYWORD_ONLY
        run.__signature__ = Signature(  # type: ignore[attr-defined]
            [parameter.replace(kind=kind) for parameter in own]
            + [Parameter(name, kind, default=None, annotation=a) for name, a in OPTIONS.items()]
            + [Parameter("config", kind, default=None, annotation=config)]
        )
        return run

    return decorate


def build(given: Mapping[str, Any]) -> InverseTimeDecay:
    """Build the schedule from option values, keyed by parameter name.

    Raises:
        ConfigError: a value is missing or not accepted. The message names the options.
    """
    missing = [option_of(name) for name in NEEDED if name not in given]
    if missing:
        raise ConfigError(
            f"missing {', '.join(missing)}; pass --initial-learning-rate, --decay-steps and "
            "--decay-rate, or --config FILE"
        )
    numbers = {}
    for name, text in given.items():
        numbers[name] = text if name == "staircase" else read_number(text)
        if isinstance(numbers[name], str):
            raise ConfigError(
                f"{option_of(name)} is {shown(text)}; it must be a number; "
                "pass one such as 0.1, 1000 or 1e6"
            )
    with speaking_of({name: option_of(name) for name in OPTIONS}):
        return InverseTimeDecay(**numbers)


def option_of(name: str) -> str:
    """The option that sets a parameter."""
    return f"--{name.replace('_', '-')}"


@contextmanager
def speaking_of(options: Mapping[str, str]) -> Iterator[None]:
    """Replace parameter names by option names in the message of a ConfigError."""
    try:
        yield
    except ConfigError as error:
        names = re.compile(rf"\b({'|'.join(options)})\b")
        raise ConfigError(names.sub(lambda name: options[name[0]], str(error))) from None
