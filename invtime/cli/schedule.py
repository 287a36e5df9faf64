"""The options that say which schedule is meant, shared by the commands."""

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

PANEL = "Schedule: L / (1 + R * n / S) at step n, or --config"
PHASES = "Phases around the decay, all optional"


def _option(letter: str, text: str, *names: str, panel: str = PANEL) -> Any:
    return typer.Option(*names, metavar=letter, help=text, rich_help_panel=panel)


def _phase(letter: str, text: str) -> Any:
    return Annotated[str | None, _option(letter, text, panel=PHASES)]


# By the name of the parameter, in the order of the help. The numbers are kept as written.
OPTIONS = {
    "initial_learning_rate": Annotated[
        str | None,
        _option("L", "The rate at step 0, or the peak.", "--lr", "--initial-learning-rate"),
    ],
    "decay_steps": Annotated[
        str | None, _option("S", "The steps of one decay rate.", "--decay-steps", "-S")
    ],
    "decay_rate": Annotated[str | None, _option("R", "0 or more.", "--decay-rate", "-R")],
    "staircase": Annotated[
        bool | None, _option("", "Drop only at multiples of S: floor(n / S).", "--staircase")
    ],
    "warmup_steps": _phase("W", "The steps of a linear warm-up."),
    "warmup_learning_rate": _phase("w", "The rate at step 0; 0 if left out."),
    "stable_steps": _phase("H", "The steps at L before the decay."),
    "minimum_learning_rate": _phase("m", "The floor of the decay."),
    "cooldown_start": _phase("X", "Where a linear cool-down begins."),
    "cooldown_steps": _phase("K", "The steps of the cool-down."),
    "final_learning_rate": _phase("f", "The rate after it; 0 if left out."),
}
NEEDED = [*OPTIONS][:3]


def config_option(text: str) -> Any:
    """The option --config, which takes what `text` says."""
    return _option("FILE", f"{text}; - reads stdin.", "--config", "-c")


Config = Annotated[str | None, config_option("A config in JSON, bare or in Keras's envelope")]


def from_config(file: str) -> InverseTimeDecay:
    """The schedule of the config in a file, or on stdin for -."""
    return InverseTimeDecay.from_json(read_file(file))


def takes(
    config: Any = Config,
    read: Callable[[Any], Iterable[Any]] = lambda file: [from_config(file)],
    needed: bool = True,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a schedule, and as its first arguments the schedules meant.

    Args:
        config: the option --config, where it is more than the name of one file.
        read: from its value to the schedules.
        needed: whether it is an error to give no schedule at all.
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
                    raise ConfigError(f"--config was given with {together}; leave one of them out")
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
    """The schedule of the options that were given, by the names of the parameters.

    Raises:
        ConfigError: one is missing or not accepted; it speaks of the options.
    """
    missing = [option_of(name) for name in NEEDED if name not in given]
    if missing:
        raise ConfigError(f"no schedule without {', '.join(missing)}; pass that, or --config FILE")
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
    """The option for a parameter."""
    return f"--{name.replace('_', '-')}"


@contextmanager
def speaking_of(options: Mapping[str, str]) -> Iterator[None]:
    """Let a ConfigError about parameters speak of the options in their place."""
    try:
        yield
    except ConfigError as error:
        names = re.compile(rf"\b({'|'.join(options)})\b")
        raise ConfigError(names.sub(lambda name: options[name[0]], str(error))) from None
