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
            help="A log file, or a directory of TensorBoard event files; - reads stdin.",
        ),
    ],
    step_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column or key that has the steps.")
    ] = None,
    rate_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column, key or tag that has the rates.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which run to check, if the log has several.")
    ] = None,
    first_step: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=whole(), help="The log's number for the schedule's step 0."
        ),
    ] = None,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="The output format.")
    ] = "table",
) -> None:
    """Check whether logged learning rates follow a schedule, and if not, explain why.

    Reads CSV and other columns of numbers, JSON, JSON lines, trainer_state.json, the output of
    Hugging Face's Trainer, wandb exports, MLflow metric files and TensorBoard event files.

    The log matches if every rate equals the schedule's in float64, in float32, or to the digits
    that were printed. If it does not match, known mistakes are tried: shifted steps, epochs
    counted as updates, a missing or unwanted staircase, the late drop of compiled Keras, a
    different parameter, a change during the run, and more.

    Example: `invtime check-log metrics.csv --lr 0.1 -S 41 -R 0.5 --staircase`

    Exit status: 0 for a match, 1 for no match, 2 for bad input, 3 for a match in which no rate
    comes from the decay.
    """
    from invtime import checklog

    content = sys.stdin.buffer.read() if file == "-" else file
    with progress_bar("check-log"):
        log = checklog.read(content, step_column, rate_column, run)
        diagnosis = checklog.diagnose(log, schedule, first_step)
    lines = map(prose, diagnosis.lines())
    emit([diagnosis.to_json(indent=2)] if layout == "json" else lines)
    raise typer.Exit(diagnosis.status)
