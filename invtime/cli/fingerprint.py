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
            metavar="N", parser=whole(1), help="Of the bits of the rates at the steps 0 to N - 1."
        ),
    ] = None,
    dtype: Annotated[
        Dtype | None,
        typer.Option(
            metavar="DTYPE", help=f"Of those rates: {DTYPES}; if left out, the config's or float64."
        ),
    ] = None,
    layout: Annotated[
        Literal["plain", "json"], typer.Option("--format", help="How to write it.")
    ] = "plain",
) -> None:
    """Print a short digest of what a schedule means, or of the bits of its first values.

    Schedules whose rates are the same numbers at every step have the same fingerprint, however
    they are written.

    Example: `invtime fingerprint --lr 0.1 -S 1000 -R 0.5`

    Exit status: 0; 2 for bad input.
    """
    from invtime.fingerprint import fingerprint as digest

    if dtype is not None and values is None:
        raise ConfigError(
            f"--dtype is {dtype} and there is no --values; the fingerprint of the meaning has no "
            "dtype; pass --values N too, or leave --dtype out"
        )
    name = None if values is None else dtype or schedule.dtype or Dtype.float64
    with progress_bar("fingerprint") as progress:
        text = digest(schedule.form, values, name, progress)
    if layout == "json":
        about = {"schedule": schedule.get_config(), "values": values, "dtype": name}
        text = json.dumps({"fingerprint": text, **about})
    emit([text])
