"""`invtime check-log`."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from invtime.cli import schedule as options
from invtime.cli.output import emit, progress_bar, prose
from invtime.cli.values import whole
from invtime.spec import InverseTimeDecay


@options.takes()
def check_log(
    schedule: InverseTimeDecay,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A log, an event file, or a directory of event files; - is standard input.",
        ),
    ],
    step_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column or key of the steps.")
    ] = None,
    rate_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column, key or tag of the rates.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run, where the log has several.")
    ] = None,
    first_step: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole(), help="What the log calls the schedule's step 0."),
    ] = None,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to write it.")
    ] = "table",
) -> None:
    """Say whether a run's logged learning rates are those of a schedule, and if not, why.

    The log may be CSV, JSON, JSON lines, a trainer_state.json, what Hugging Face's Trainer
    prints, lines of a step and a rate, an export of wandb's, a metric file of MLflow's, or
    TensorBoard's event files.

    A match is one in bits (float64, or float32) or in the digits that were printed. What else
    may explain the log is tried: shifted steps, epochs for updates, a staircase or none, the
    late drop of compiled Keras, another parameter, a change half-way, and more.

    Example: `invtime check-log metrics.csv --lr 0.1 -S 41 -R 0.5 --staircase`

    Exit status: 0 for a match, 1 for none, 2 for bad input, 3 for a match that tests nothing of
    the decay.
    """
    from invtime import checklog

    content = sys.stdin.buffer.read() if file == "-" else file
    with progress_bar("check-log"):
        log = checklog.read(content, step_column, rate_column, run)
        diagnosis = checklog.diagnose(log, schedule, first_step)
    lines = map(prose, diagnosis.lines())
    emit([diagnosis.to_json(indent=2)] if layout == "json" else lines)
    raise typer.Exit(diagnosis.status)
