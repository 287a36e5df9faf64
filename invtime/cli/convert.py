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
CONFIG = "The parameters as a JSON object, or Keras's serialized form"


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
            metavar="KEY=VALUE", help="Parameters under the names of the --from dialect."
        ),
    ] = None,
    source: Annotated[str, _dialect("--from", f"The input dialect: {NAMES}.")] = "invtime",
    target: Annotated[
        str, _dialect("--to", "The output dialect: one of the same names.")
    ] = "invtime",
    layout: Annotated[
        Literal["code", "json"], typer.Option("--format", help="The output format.")
    ] = "code",
) -> None:
    """Convert a schedule to or from another library's parameters.

    A dialect is one library's parameters for this schedule. Pass the schedule as options, or as
    KEY=VALUE pairs or a --config file in the --from dialect. The conversion is exact: a schedule
    that the target cannot express exactly is an error.

    torch and optax can only be written. Only invtime, levanter, deepmd, torch and optax have
    phases. Reading levanter needs num_train_steps, reading deepmd needs numb_steps.

    Example: `invtime convert --to paddle --lr 0.1 -S 1000 -R 0.5`

    Exit status: 0; 2 for bad input, or if the target cannot express the schedule exactly.
    """
    schedule = _schedule(source, given, parameters or [])
    if layout == "json":
        emit([json.dumps(to_dialect(target, schedule))])
    else:
        emit([to_code(target, schedule)])


def _schedule(
    source: str, given: Sequence[InverseTimeDecay | str], pairs: Sequence[str]
) -> InverseTimeDecay:
    """The schedule given by the options, by a config file, or by KEY=VALUE pairs."""
    if not given:
        return from_dialect(source, _parameters(pairs))
    (found,) = given
    if pairs:
        other = "--config was" if isinstance(found, str) else "schedule options were"
        raise ConfigError(f"{other} given with {cut(' '.join(pairs))}; remove one of them")
    if isinstance(found, str):
        return from_dialect(source, configs.loads(read_file(found)))
    if source != "invtime":
        raise ConfigError(
            f"schedule options are invtime's parameters, but --from is {shown(source)}; "
            "pass its parameters as KEY=VALUE or with --config, or remove --from"
        )
    return found


def _parameters(pairs: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in pairs:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{shown(text)} is not KEY=VALUE; write it like decay_steps=1000")
        if key in found:
            raise ConfigError(f"{shown(key)} was given twice; remove one of them")
        found[key] = {"true": True, "false": False}.get(value.lower(), read_number(value))
    return found
