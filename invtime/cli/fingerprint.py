"""`invtime fingerprint`."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from invtime.cli import schedule as options
from invtime.cli.output import emit, progress_bar
from invtime.cli.values import DTYPES, Dtype, whole
from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay


@options.takes()
def fingerprint(
    schedule: InverseTimeDecay,
    values: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=whole(1), help="Hash the bits of the rates at steps 0 to N - 1."
        ),
    ] = None,
    dtype: Annotated[
        Dtype | None,
        typer.Option(
            metavar="DTYPE",
            help=f"With --values, the dtype: {DTYPES}; default: the config's, or float64.",
        ),
    ] = None,
    layout: Annotated[
        Literal["plain", "json"], typer.Option("--format", help="The output format.")
    ] = "plain",
) -> None:
    """Print a short hash of a schedule, or of the bits of its first rates.

    Schedules with equal rates at every step have the same fingerprint, even if their parameters
    are written differently.

    Example: `invtime fingerprint --lr 0.1 -S 1000 -R 0.5`

    Exit status: 0; 2 for bad input.
    """
    from invtime.fingerprint import fingerprint as digest

    if dtype is not None and values is None:
        raise ConfigError(
            f"--dtype is {dtype} and there is no --values; without --values the fingerprint does "
            "not depend on a dtype; add --values N, or remove --dtype"
        )
    name = None if values is None else dtype or schedule.dtype or Dtype.float64
    with progress_bar("fingerprint") as progress:
        text = digest(schedule.form, values, name, progress)
    if layout == "json":
        about = {"schedule": schedule.get_config(), "values": values, "dtype": name}
        text = json.dumps({"fingerprint": text, **about})
    emit([text])
