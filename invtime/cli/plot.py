"""`invtime plot`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from invtime.cli import schedule as options
from invtime.cli.output import bad_input, check_writable


class Scale(StrEnum):
    """How an axis is divided."""

    LINEAR = "linear"
    LOG = "log"


def plot(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The picture, .png or .svg.")
    ],
    initial_learning_rate: options.InitialLearningRate = None,
    decay_steps: options.DecaySteps = None,
    decay_rate: options.DecayRate = None,
    staircase: options.Staircase = False,
    config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A config in JSON, - for stdin; several are drawn on one axis.",
            rich_help_panel=options.PANEL,
        ),
    ] = None,
    start: Annotated[int, typer.Option(help="The first step.")] = 0,
    stop: Annotated[
        int | None, typer.Option(help="The last step; ten times the longest decay_steps.")
    ] = None,
    x_scale: Annotated[Scale, typer.Option(help="The axis of the steps.")] = Scale.LINEAR,
    y_scale: Annotated[Scale, typer.Option(help="The axis of the rate.")] = Scale.LINEAR,
) -> None:
    """Draw one or several schedules as a PNG or an SVG.

    A staircase's plateaus bear a marker at their first step, where there are at most 50. The
    numbers themselves are what `invtime table` prints.

    Example: `invtime plot --initial-learning-rate 0.1 --decay-steps 1000 --decay-rate 0.5
    --output rate.svg`

    Exit status: 0; 2 for bad input, or where matplotlib is missing.
    """
    from invtime import plotting

    sources: list[str | None] = [*config] if config else [None]
    with bad_input():
        schedules = [
            options.build(initial_learning_rate, decay_steps, decay_rate, staircase, source)
            for source in sources
        ]
        plotting.check_path(output)
        check_writable(output)
        if stop is None:
            stop = max(plotting.default_stop(schedule.form) for schedule in schedules)
        drawn, ax = plotting.figure()
        for schedule in schedules:
            schedule.plot(ax, start=start, stop=stop, xscale=x_scale.value, yscale=y_scale.value)
        plotting.save(drawn, output)
