"""`invtime audit`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from invtime import config as configs
from invtime.cli import schedule as options
from invtime.cli.output import as_table, emit, progress_bar
from invtime.spec import InverseTimeDecay

if TYPE_CHECKING:
    from invtime.audit import Audit


Configs = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A config in JSON, or a list of them; - reads stdin.",
        rich_help_panel=options.PANEL,
    ),
]


def _read(file: str) -> list[InverseTimeDecay]:
    found = configs.loads(options.read_file(file))
    if not isinstance(found, list):
        return [InverseTimeDecay.from_config(found)]
    return [InverseTimeDecay.from_json(json.dumps(one)) for one in found]


@options.takes(Configs, _read)
def audit(
    *schedules: InverseTimeDecay,
    steps: Annotated[int, typer.Option(min=1, help="The number of the run's steps.")] = 100_000,
    start: Annotated[int, typer.Option(min=0, help="The first step of the run.")] = 0,
    peer: Annotated[
        list[str] | None, typer.Option(help="Only this peer, such as keras-jax; may be repeated.")
    ] = None,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to write it.")
    ] = "table",
) -> None:
    """Say whether a run with Keras's, Paddle's or a hand-written schedule had another one.

    Calls what people use for this schedule today, in a process for each framework and on the CPU,
    and compares it with the exact values: the drops of a staircase that come late or early,
    and the steps with other bits. What is not installed is listed with the reason.

    Example: `invtime audit --initial-learning-rate 0.1 --decay-steps 41 --decay-rate 0.5
    --staircase --peer keras-jax`

    Exit status: 0 if nobody was affected (other bits within rounding affect nobody), 1 if
    somebody was or failed, 2 for bad input.
    """
    from invtime import audit

    with progress_bar("audit") as progress:
        report = audit.audit(schedules, peers=peer, start=start, steps=steps, progress=progress)
    emit(_lines(report, layout))
    raise typer.Exit(0 if report.ok else 1)


def _lines(report: Audit, layout: str) -> Iterator[str]:
    from invtime.audit import words

    if layout == "json":
        yield report.to_json(indent=2)
    else:
        for schedule in report.schedules:
            yield words.call(schedule)
            rows = map(words.cells, report.of(schedule))
            yield from as_table(words.COLUMNS, rows, words.NUMBERS)
            yield from words.verdicts(report, schedule)
            yield ""
        versions = {finding.version for finding in report.findings}
        parts = sorted({part for version in versions for part in version.split(", ")})
        yield f"versions: {', '.join(parts)}"
        for skipped in report.skipped:
            yield f"not called: {skipped.peer} ({skipped.reason})"
