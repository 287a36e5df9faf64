"""`invtime convert`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from invtime import config as configs
from invtime.cli import schedule as options
from invtime.cli.output import emit, read_file
from invtime.cli.values import completes, read_number
from invtime.dialects import DIALECTS, from_dialect, to_code, to_dialect
from invtime.errors import ConfigError, cut, shown
from invtime.spec import InverseTimeDecay

NAMES = ", ".join(DIALECTS)
CONFIG = "The parameters as a JSON object, or Keras's envelope"


def _dialect(name: str, text: str) -> Any:
    complete = completes(lambda: DIALECTS)
    return typer.Option(name, metavar="DIALECT", help=text, autocompletion=complete)


@options.takes(
    Annotated[str | None, options.config_option(CONFIG)],
    lambda file: [file],
    needed=False,
)
def convert(
    *given: InverseTimeDecay | str,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="The parameters, by their names in the dialect --from."
        ),
    ] = None,
    source: Annotated[str, _dialect("--from", f"One of {NAMES}.")] = "invtime",
    target: Annotated[str, _dialect("--to", "One of the same.")] = "invtime",
    layout: Annotated[
        Literal["code", "json"], typer.Option("--format", help="How to write it.")
    ] = "code",
) -> None:
    """Convert a schedule to another library's dialect, exactly or not at all.

    The schedule is given by the options, or by KEY=VALUE or --config in the dialect --from. torch
    and optax are code, which is converted to and not from. Schedules with phases are converted to
    and from levanter and deepmd, whose lengths need num_train_steps or numb_steps.

    Example: `invtime convert --to paddle --lr 0.1 -S 1000 -R 0.5`

    Exit status: 0; 2 for bad input, and where the target cannot express the schedule exactly.
    """
    schedule = _schedule(source, given, parameters or [])
    if layout == "json":
        emit([json.dumps(to_dialect(target, schedule))])
    else:
        emit([to_code(target, schedule)])


def _schedule(
    source: str, given: Sequence[InverseTimeDecay | str], pairs: Sequence[str]
) -> InverseTimeDecay:
    """The schedule of the options, of the name of a config's file, or of the pairs."""
    if not given:
        return from_dialect(source, _parameters(pairs))
    (found,) = given
    if pairs:
        other = "--config was" if isinstance(found, str) else "the options of a schedule were"
        raise ConfigError(f"{other} given with {cut(' '.join(pairs))}; leave one of them out")
    if isinstance(found, str):
        return from_dialect(source, configs.loads(read_file(found)))
    if source != "invtime":
        raise ConfigError(
            f"the options of a schedule are invtime's parameters, and --from is {shown(source)}; "
            "pass its parameters as KEY=VALUE or by --config, or leave --from out"
        )
    return found


def _parameters(pairs: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in pairs:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{shown(text)} is not KEY=VALUE; write it so, as decay_steps=1000")
        if key in found:
            raise ConfigError(f"{shown(key)} was given twice; leave one of them out")
        found[key] = {"true": True, "false": False}.get(value.lower(), read_number(value))
    return found
