"""`invtime fingerprint`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from invtime.cli import schedule as options
from invtime.cli.output import bad_input, emit, progress_bar


class Layout(StrEnum):
    """How the fingerprint is written: alone on its line, or in JSON with what it is of."""

    PLAIN = "plain"
    JSON = "json"


def fingerprint(
    initial_learning_rate: options.InitialLearningRate = None,
    decay_steps: options.DecaySteps = None,
    decay_rate: options.DecayRate = None,
    staircase: options.Staircase = False,
    config: options.Config = None,
    values: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of the bits of the rates at the steps 0 to N - 1."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="Of those: float64 (the default), float32, float16 or bfloat16."),
    ] = None,
    layout: Annotated[Layout, typer.Option("--format", help="How to write it.")] = Layout.PLAIN,
) -> None:
    """Print a short digest of what a schedule means, or of the bits of its first values.

    Schedules whose rates are the same numbers at every step have the same fingerprint, however
    they are written.

    Example: `invtime fingerprint --initial-learning-rate 0.1 --decay-steps 1000
    --decay-rate 0.5`

    Exit status: 0; 2 for bad input.
    """
    from invtime.fingerprint import fingerprint as digest

    with bad_input():
        found = options.build(initial_learning_rate, decay_steps, decay_rate, staircase, config)
        with progress_bar("fingerprint") as progress:
            pinned = None if values is None else found.dtype
            text = digest(found.form, values, dtype or pinned, progress)
    if layout is Layout.JSON:
        about = {"schedule": found.get_config(), "values": values, "dtype": dtype}
        text = json.dumps({"fingerprint": text, **about})
    emit([text])
