"""`invtime plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from invtime.cli import schedule as options
from invtime.cli.output import progress_bar
from invtime.cli.values import whole
from invtime.spec import InverseTimeDecay

Scale = Literal["linear", "log"]
OPTIONS = {"start": "--start", "stop": "--stop", "yscale": "--y-scale"}


Configs = Annotated[
    list[str] | None,
    options.config_option("A JSON config; repeat it to draw several schedules"),
]


@options.takes(Configs, lambda files: map(options.from_config, files))
def plot(
    *schedules: InverseTimeDecay,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The file to write, .png or .svg."),
    ],
    start: Annotated[int, typer.Option(metavar="N", parser=whole(0), help="The first step.")] = 0,
    stop: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole(1),
            help="The end of the range, exclusive; default: past the last phase.",
        ),
    ] = None,
    x_scale: Annotated[Scale, typer.Option(help="The scale of the step axis.")] = "linear",
    y_scale: Annotated[Scale, typer.Option(help="The scale of the rate axis.")] = "linear",
) -> None:
    """Draw schedules as a PNG or SVG file.

    A staircase of at most 50 plateaus has a marker at the first step of each. If there is one
    schedule, its phases are shaded and named. For the numbers, use `invtime table`.

    Example: `invtime plot --lr 0.1 -S 1000 -R 0.5 -o rate.svg`

    Exit status: 0; 2 for bad input, or if matplotlib is not installed.
    """
    from invtime import plotting

    plotting.check_path(output)
    if stop is None:
        stop = max(plotting.last_step(schedule.form) for schedule in schedules) + 1
    with progress_bar("plot"), options.speaking_of(OPTIONS):
        drawn, ax = plotting.figure()
        for schedule in schedules:
            schedule.plot(ax, start=start, stop=stop, xscale=x_scale, yscale=y_scale)
        plotting.save(drawn, output)
