"""`invtime plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from invtime.cli import schedule as options
from invtime.cli.output import check_writable
from invtime.spec import InverseTimeDecay

Scale = Literal["linear", "log"]


Configs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="A config in JSON, - for stdin; several are drawn on one axis.",
        rich_help_panel=options.PANEL,
    ),
]


@options.takes(Configs, lambda files: [options.build(config=file) for file in files])
def plot(
    *schedules: InverseTimeDecay,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The picture, .png or .svg.")
    ],
    start: Annotated[int, typer.Option(help="The first step.")] = 0,
    stop: Annotated[
        int | None, typer.Option(help="The last step; if left out, past the last phase.")
    ] = None,
    x_scale: Annotated[Scale, typer.Option(help="The axis of the steps.")] = "linear",
    y_scale: Annotated[Scale, typer.Option(help="The axis of the rate.")] = "linear",
) -> None:
    """Draw one or several schedules as a PNG or an SVG.

    A staircase's plateaus bear a marker at their first step, where there are at most 50. The
    phases of a schedule that is alone are shaded and named. The numbers themselves are what
    `invtime table` prints.

    Example: `invtime plot --initial-learning-rate 0.1 --decay-steps 1000 --decay-rate 0.5
    --output rate.svg`

    Exit status: 0; 2 for bad input, or where matplotlib is missing.
    """
    from invtime import plotting

    plotting.check_path(output)
    check_writable(output)
    if stop is None:
        stop = max(plotting.default_stop(schedule.form) for schedule in schedules)
    drawn, ax = plotting.figure()
    for schedule in schedules:
        schedule.plot(ax, start=start, stop=stop, xscale=x_scale, yscale=y_scale)
    plotting.save(drawn, output)
