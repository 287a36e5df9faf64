"""`invtime table`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from math import isfinite
from typing import Annotated, Literal

import typer

from invtime.cli import schedule as options
from invtime.cli.output import emit
from invtime.dtypes import dtype_name
from invtime.errors import StepTypeError, shown
from invtime.spec import InverseTimeDecay
from invtime.table import Table

Row = tuple[int | float, float, str]
RATE = 23  # the longest rate, such as 2.2250738585072014e-308


@options.takes()
def table(
    found: InverseTimeDecay,
    *,
    start: Annotated[int, typer.Option(help="The first step.")] = 0,
    stop: Annotated[int | None, typer.Option(help="The steps end before this one.")] = None,
    step: Annotated[int, typer.Option(min=1, help="From one step to the next.")] = 1,
    at: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="The steps themselves, as in 0,1000,2500.5."),
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Round to float64, float32, float16 or bfloat16.")
    ] = "float64",
    layout: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to write it.")
    ] = "table",
) -> None:
    """Print the exact learning rate at a range or a list of steps.

    A rate of any dtype is printed with the digits of binary64, and so exactly; in JSON, one
    that overflows its dtype is null. A schedule with phases has a column for them.

    Example: `invtime table --initial-learning-rate 0.1 --decay-steps 1000 --decay-rate 0.5
    --stop 5000 --step 1000`

    Exit status: 0; 2 for bad input.
    """
    steps = _range(start, stop, step, at) if at is None or stop is not None else _listed(at)
    rounded = _rounding(dtype_name(dtype))
    phase = _phases(found)
    rows = ((n, rounded(found(n)), phase(n)) for n in steps)
    emit(_lines(steps, rows, layout, phased=bool(phase(0))))


def _listed(at: str) -> list[int | float]:
    steps = [options.read_number(text) for text in at.split(",")]
    for step in steps:
        if isinstance(step, str) or not isfinite(step):
            raise StepTypeError(
                f"--at {shown(at)} has {shown(step)} in it; a step must be a finite number; "
                "separate the steps by commas, as in 0,1000,2500.5"
            )
    return steps


def _range(start: int, stop: int | None, step: int, at: str | None) -> range:
    if stop is None or at is not None:
        raise StepTypeError(
            f"--stop is {stop} and --at is {shown(at)}; exactly one of them must be given; "
            "pass --stop N, with --start and --step if need be, or --at 0,1000,2500.5"
        )
    return range(start, stop, step)


def _rounding(dtype: str) -> Callable[[float], float]:
    """From the binary64 rate to the rate in `dtype`, as a Python float."""
    if dtype == "float64":
        return float
    from invtime.reference import chained, float_of_bits

    return lambda rate: float_of_bits(chained(Fraction(rate), dtype), dtype)


def _phases(schedule: InverseTimeDecay) -> Callable[[int | float], str]:
    """From a step to the name of its phase, which is empty where the schedule has none."""
    form = schedule.form
    if not isinstance(form, Table):
        return lambda step: ""
    knots = [(Fraction(*row.knot), row.name) for row in reversed(form.rows)]
    return lambda step: next(name for knot, name in knots if knot <= max(step, 0))


def _lines(
    steps: Sequence[int | float], rows: Iterable[Row], layout: str, phased: bool
) -> Iterator[str]:
    columns = ("step", "learning_rate", "phase") if phased else ("step", "learning_rate")
    if layout == "json":
        finite = ((n, rate if isfinite(rate) else None, phase) for n, rate, phase in rows)
        yield json.dumps([dict(zip(columns, row, strict=False)) for row in finite], indent=2)
    elif layout == "csv":
        yield ",".join(columns)
        yield from (f"{n},{rate!r},{phase}".rstrip(",") for n, rate, phase in rows)
    else:
        widest = (steps[0], steps[-1]) if isinstance(steps, range) and steps else steps
        width = max(len(str(n)) for n in ("step", *widest))
        lines = (f"{n:>{width}}  {rate!r:<{RATE}}  {phase}" for n, rate, phase in rows)
        yield f"{'step':>{width}}  {'learning rate':<{RATE}}  {'phase' if phased else ''}".rstrip()
        yield from map(str.rstrip, lines)
