"""`invtime backends`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from invtime import registry
from invtime.cli.output import emit, progress_bar
from invtime.cli.tables import as_table

if TYPE_CHECKING:
    from invtime.verification.apart import Result

COLUMNS = ("backend", "version", "usable", "devices", "distribution", "problem")


def backends(
    devices: Annotated[
        bool,
        typer.Option(
            "--devices", metavar="", help="Also import each framework and list its devices."
        ),
    ] = False,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="The output format.")
    ] = "table",
) -> None:
    """List the backends: version, status, and the package that provides each.

    Example: `invtime backends --devices`

    Exit status: 0, even if a backend cannot be used; 2 for bad input.
    """
    states = registry.list_backends()
    found = _found(states) if devices else {}
    rows = [_row(state, found.get(state.name)) for state in states]
    emit([json.dumps(rows, indent=2)] if layout == "json" else _lines(rows))


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    return as_table(COLUMNS, map(_cells, rows), names=("distribution",), notes=("problem",))


def _found(states: list[registry.BackendState]) -> dict[str, Result]:
    """The devices of each usable backend. Each framework is imported in its own process."""
    from invtime.verification import apart

    names = [state.name for state in states if state.problem is None]
    with progress_bar("backends") as progress:
        return dict(zip(names, apart.offered(names, progress=progress), strict=True))


def _row(state: registry.BackendState, found: Result | None) -> dict[str, Any]:
    devices, problem = None, state.problem
    if found is not None:
        devices = None if found.offer is None else found.offer.devices
        problem = found.problem
        if found.unusable is not None:
            problem = found.unusable.reason
    return {
        "backend": state.name,
        "version": state.version,
        "devices": devices,
        "distribution": state.distribution,
        "install": state.install,
        "problem": problem,
        "usable": problem is None,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    devices = ", ".join(row["devices"] or ())
    problem = "; run: ".join(filter(None, (row["problem"], row["problem"] and row["install"])))
    usable = "yes" if row["usable"] else "no"
    return [
        row["backend"],
        row["version"] or "",
        usable,
        devices,
        row["distribution"] or "",
        problem,
    ]
