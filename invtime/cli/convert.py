"""`invtime convert`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from invtime import config as _config
from invtime.cli import schedule as options
from invtime.cli.output import emit
from invtime.dialects import DIALECTS, from_dialect, to_code, to_dialect
from invtime.errors import ConfigError, cut, shown

NAMES = ", ".join(DIALECTS)


def convert(
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="The parameters.")
    ] = None,
    source: Annotated[
        str, typer.Option("--from", metavar="DIALECT", help=f"One of {NAMES}.")
    ] = "invtime",
    target: Annotated[
        str, typer.Option("--to", metavar="DIALECT", help="One of the same.")
    ] = "invtime",
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The parameters as a JSON object, or Keras's envelope; - reads stdin.",
        ),
    ] = None,
    layout: Annotated[
        Literal["code", "json"], typer.Option("--format", help="How to write it.")
    ] = "code",
) -> None:
    """Convert a schedule to another library's dialect, exactly or not at all.

    torch and optax are code, which is converted to and not from. Schedules with phases are
    converted to and from levanter and deepmd, whose lengths need num_train_steps or numb_steps.

    Example: `invtime convert --from keras --to paddle initial_learning_rate=0.1
    decay_steps=1000 decay_rate=0.5`

    Exit status: 0; 2 for bad input, and where the target cannot express the schedule exactly.
    """
    schedule = from_dialect(source, _parameters(parameters or [], config))
    if layout == "json":
        emit([json.dumps(to_dialect(target, schedule))])
    else:
        emit([to_code(target, schedule)])


def _parameters(given: list[str], config: str | None) -> Any:
    if config is not None:
        if given:
            raise ConfigError(
                f"--config was given with {cut(' '.join(given))}; leave one of them out"
            )
        return _config.loads(options.read_file(config))
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key in found:
            raise ConfigError(f"{shown(text)} is not the one KEY=VALUE for its key; mend it")
        found[key] = {"true": True, "false": False}.get(value.lower(), options.read_number(value))
    return found
