"""`invtime convert`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from invtime import config as _config
from invtime import dialects
from invtime.cli import schedule as options
from invtime.cli.output import bad_input, emit
from invtime.errors import ConfigError

NAMES = ", ".join(dialects.DIALECTS)


class Layout(StrEnum):
    """How the schedule is written: as code of the library, or its parameters as JSON."""

    CODE = "code"
    JSON = "json"


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
    layout: Annotated[Layout, typer.Option("--format", help="How to write it.")] = Layout.CODE,
) -> None:
    """Say the same schedule in another library's parameters, exactly or not at all.

    torch and optax are pieces of code: they are written and not read.

    Example: `invtime convert --from keras --to paddle initial_learning_rate=0.1
    decay_steps=1000 decay_rate=0.5`

    Exit status: 0; 2 for bad input, and where the target cannot say the schedule exactly.
    """
    with bad_input():
        found = dialects.read(source, _parameters(parameters or [], config))
        if layout is Layout.JSON:
            lines = [json.dumps(dialects.write(target, found))]
        else:
            lines = [dialects.code(target, found)]
    emit(lines)


def _parameters(given: list[str], config: str | None) -> Any:
    if config is not None:
        if given:
            raise ConfigError(f"--config was given with {' '.join(given)}; leave one of them out")
        return _config.loads(options.read_file(config))
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key in found:
            raise ConfigError(f"{text!r} is not the one KEY=VALUE for its key; mend it")
        found[key] = {"true": True, "false": False}.get(value.lower(), options.read_number(value))
    return found
