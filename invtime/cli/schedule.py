"""The options that say which schedule is meant, shared by the commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay

PANEL = "Schedule: its parameters, or --config"

InitialLearningRate = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="L, the rate at step 0.", rich_help_panel=PANEL),
]
DecaySteps = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="S, the steps of one decay_rate.", rich_help_panel=PANEL),
]
DecayRate = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="R, 0 or more.", rich_help_panel=PANEL),
]
Staircase = Annotated[
    bool,
    typer.Option("--staircase", help="Drop only at multiples of S.", rich_help_panel=PANEL),
]
PHASES = "Phases around the decay, all optional"


def _phase(text: str) -> Any:
    return typer.Option(metavar="NUMBER", help=text, rich_help_panel=PHASES)


WarmupSteps = Annotated[str | None, _phase("W, the steps of a linear warm-up.")]
WarmupLearningRate = Annotated[str | None, _phase("w, the rate at step 0 of it.")]
StableSteps = Annotated[str | None, _phase("H, the steps at L after it.")]
MinimumLearningRate = Annotated[str | None, _phase("m, the floor of the decay.")]
CooldownStart = Annotated[str | None, _phase("X, the first step of a linear cool-down.")]
CooldownSteps = Annotated[str | None, _phase("K, its steps.")]
FinalLearningRate = Annotated[str | None, _phase("f, the rate at its end.")]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A config in JSON, bare or in Keras's envelope; - reads stdin.",
        rich_help_panel=PANEL,
    ),
]


def build(
    initial_learning_rate: InitialLearningRate = None,
    decay_steps: DecaySteps = None,
    decay_rate: DecayRate = None,
    staircase: Staircase = False,
    warmup_steps: WarmupSteps = None,
    warmup_learning_rate: WarmupLearningRate = None,
    stable_steps: StableSteps = None,
    minimum_learning_rate: MinimumLearningRate = None,
    cooldown_start: CooldownStart = None,
    cooldown_steps: CooldownSteps = None,
    final_learning_rate: FinalLearningRate = None,
    config: Config = None,
) -> InverseTimeDecay:
    """The schedule of the options.

    Raises:
        ConfigError: a parameter is missing or not accepted, --config came with parameters,
            or its text is not a config.
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    numbers = {
        "--initial-learning-rate": initial_learning_rate,
        "--decay-steps": decay_steps,
        "--decay-rate": decay_rate,
    }
    phases = {
        "warmup_steps": warmup_steps,
        "warmup_learning_rate": warmup_learning_rate,
        "stable_steps": stable_steps,
        "minimum_learning_rate": minimum_learning_rate,
        "cooldown_start": cooldown_start,
        "cooldown_steps": cooldown_steps,
        "final_learning_rate": final_learning_rate,
    }
    phases = {key: text for key, text in phases.items() if text is not None}
    given = [option for option, text in numbers.items() if text is not None]
    given += [f"--{key.replace('_', '-')}" for key in phases]
    given += ["--staircase"] if staircase else []
    if config is not None:
        if given:
            raise ConfigError(f"--config was given with {', '.join(given)}; leave one of them out")
        return InverseTimeDecay.from_json(read_file(config))
    missing = [option for option in numbers if option not in given]
    if missing:
        raise ConfigError(f"no schedule without {', '.join(missing)}; pass that, or --config FILE")
    rate, steps, decay = map(read_number, numbers.values())
    others = {key: read_number(text) for key, text in phases.items()}
    return InverseTimeDecay(rate, steps, decay, staircase, **others)


def read_number(text: str | None) -> Any:
    """A number as it was written: an int, else a float, else the text for others to refuse."""
    for kind in (int, float):
        try:
            return kind(text)  # type: ignore[arg-type]
        except ValueError:
            pass
    return text


def read_file(config: str) -> bytes:
    """What is in the file of --config, or on stdin for -."""
    return sys.stdin.buffer.read() if config == "-" else Path(config).read_bytes()


def takes(
    config: Any = Config,
    read: Callable[[Any], Iterable[InverseTimeDecay]] = lambda config: [build(config=config)],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a schedule, and as its first arguments the schedules meant.

    Args:
        config: the option --config, where it is more than the name of one file.
        read: from its value to the schedules.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = signature(command, eval_str=True).parameters.values()
        *parts, file = signature(build, eval_str=True).parameters.values()

        @wraps(command)
        def run(config: Any, **others: Any) -> None:
            given = {part.name: others.pop(part.name) for part in parts}
            alone = config and not any(value not in (None, False) for value in given.values())
            found = read(config) if alone else [build(**given, config=config or None)]
            command(*found, **others)

        every = (*own, *parts, file.replace(annotation=config))
        run.__signature__ = Signature(  # type: ignore[attr-defined]
            [option.replace(kind=Parameter.KEYWORD_ONLY) for option in every]
        )
        return run

    return decorate
