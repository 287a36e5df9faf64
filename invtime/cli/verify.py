"""`invtime verify`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from invtime.cli import schedule as options
from invtime.cli.output import Format, as_table, bad_input, emit

if TYPE_CHECKING:
    from collections.abc import Callable

    from invtime.verification import Difference, Report, Run

NUMBERS = ("points", "mismatches", "worst ULP")
COLUMNS = ("backend", "mode", "device", "dtype", *NUMBERS, "first differing step", "note")


def verify(
    initial_learning_rate: options.InitialLearningRate = None,
    decay_steps: options.DecaySteps = None,
    decay_rate: options.DecayRate = None,
    staircase: options.Staircase = False,
    config: options.Config = None,
    steps: Annotated[
        int, typer.Option(min=0, help="Compare at every step up to this one, and at the edges.")
    ] = 100_000,
    backend: Annotated[
        list[str] | None, typer.Option(help="Only this backend; may be repeated.")
    ] = None,
    mode: Annotated[
        list[str] | None, typer.Option(help="Only this mode, such as eager; may be repeated.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Only this device or kind; may be repeated.")
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="Only this result dtype; may be repeated.")
    ] = None,
    layout: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
) -> None:
    """Compare every installed backend with the exact values, bit by bit.

    Each mode (eager, compiled), device and dtype is one row. A mismatch is a step with bits
    that the contract does not allow.

    Example: `invtime verify --initial-learning-rate 0.1 --decay-steps 1000 --decay-rate 0.5
    --backend numpy`

    Exit status: 0 if nothing differs, 1 on a mismatch or where a framework failed, 2 for bad
    input.
    """
    from invtime import verification

    # TensorFlow warns of retracing: one function is traced for each dtype of the step here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with bad_input():
        found = options.build(initial_learning_rate, decay_steps, decay_rate, staircase, config)
        with _progress() as progress:
            report = verification.verify(
                found,
                backends=backend,
                modes=mode,
                devices=device,
                dtypes=dtype,
                steps=steps,
                progress=progress,
            )
    emit([report.to_json(indent=2)] if layout is Format.JSON else _lines(report))
    raise typer.Exit(0 if report.ok else 1)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr while it is a terminal, gone at the end."""
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(report: Report) -> Iterator[str]:
    yield from as_table(COLUMNS, map(_cells, report.runs), NUMBERS)
    for missing in report.missing:
        run = f"; run: {missing.install}" if missing.install else ""
        yield f"not compared: {missing.backend} ({missing.reason}){run}"


def _cells(run: Run) -> list[str]:
    counts = [str(count) for count in (run.points, run.mismatches, run.worst_ulp)]
    first = "" if run.first is None else _first(run.first)
    note = run.note if run.error is None else f"failed {run.error}"
    return [f"{run.backend} {run.version}", run.mode, run.device, run.dtype, *counts, first, note]


def _first(difference: Difference) -> str:
    return (
        f"{difference.step_dtype} {difference.step}: expected {difference.expected!r} "
        f"({difference.expected_bits}), found {difference.found!r} ({difference.found_bits})"
    )
