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
from invtime.cli.values import DTYPES, Dtype, read_number, whole
from invtime.errors import StepTypeError, shown
from invtime.spec import InverseTimeDecay
from invtime.table import Table

Row = tuple[int | float, float, str]
RATE = 23  # characters of the longest rate, such as 2.2250738585072014e-308


@options.takes()
def table(
    found: InverseTimeDecay,
    *,
    start: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole(), help="The first step; default: 0."),
    ] = None,
    stop: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole(), help="The end of the range, exclusive."),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=whole(1), help="The distance between two steps; default: 1."
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="A list of steps, such as 0,1000,2500.5."),
    ] = None,
    dtype: Annotated[
        Dtype, typer.Option(metavar="DTYPE", help=f"Round the rates to this dtype: {DTYPES}.")
    ] = Dtype.float64,
    layout: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="The output format.")
    ] = "table",
) -> None:
    """Print the exact learning rate at a range or a list of steps.

    Every rate is printed with enough digits to be read back exactly as a float64. In JSON, a rate
    that overflows its dtype is null. If the schedule has phases, a column names them.

    Example: `invtime table --lr 0.1 -S 1000 -R 0.5 --stop 5000 --step 1000`

    Exit status: 0; 2 for bad input.
    """
    steps = _steps(at, {"--start": start, "--stop": stop, "--step": step})
    rounded = _rounding(dtype)
    phase = _phases(found)
    rows = ((n, rounded(found(n)), phase(n)) for n in steps)
    emit(_lines(steps, rows, layout, phased=bool(phase(0))))


def _steps(at: str | None, given: dict[str, int | None]) -> Sequence[int | float]:
    """The steps in the list --at, or in the range --start, --stop, --step."""
    start, stop, step = given.values()
    if at is not None:
        others = ", ".join(option for option, number in given.items() if number is not None)
        if others:
            raise StepTypeError(f"--at was given with {others}; remove one of them")
        return _listed(at)
    if stop is None:
        raise StepTypeError(
            "no steps were given; pass a range with --stop N (and --start, --step), or a list such "
            "as --at 0,1000,2500.5"
        )
    found = range(start or 0, stop, step or 1)
    if not found:
        raise StepTypeError(
            f"--start is {found.start} and --stop is {stop}, so the range is empty (--stop is "
            "exclusive); pass a --stop above --start"
        )
    return found


def _listed(at: str) -> list[int | float]:
    steps = [read_number(text) for text in at.split(",")]
    for step in steps:
        if isinstance(step, str) or (isinstance(step, float) and not isfinite(step)):
            raise StepTypeError(
                f"--at is {shown(at)}; {shown(step)} is not a finite number; pass numbers "
                "separated by commas, such as 0,1000,2500.5"
            )
    return [int(step) if step == int(step) else step for step in steps]


def _rounding(dtype: str) -> Callable[[float], float]:
    """A function that rounds a float64 rate to `dtype` and returns a Python float."""
    if dtype == "float64":
        return float
    from invtime.reference import chained, float_of_bits

    return lambda rate: float_of_bits(chained(Fraction(rate), dtype), dtype)


def _phases(schedule: InverseTimeDecay) -> Callable[[int | float], str]:
    """A function from a step to the name of its phase, or "" for a schedule without phases."""
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
        widest = (steps[0], steps[-1]) if isinstance(steps, range) else steps
        width = max(len(str(n)) for n in ("step", *widest))
        lines = (f"{n:>{width}}  {rate!r:<{RATE}}  {phase}" for n, rate, phase in rows)
        yield f"{'step':>{width}}  {'learning rate':<{RATE}}  {'phase' if phased else ''}".rstrip()
        yield from map(str.rstrip, lines)
