"""`invtime backends`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from invtime import registry
from invtime.cli.output import emit
from invtime.cli.tables import as_table

COLUMNS = ("backend", "version", "usable", "devices", "distribution", "problem")


def backends(
    devices: Annotated[
        bool,
        typer.Option("--devices", metavar="", help="Import the frameworks and list their devices."),
    ] = False,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to write it.")
    ] = "table",
) -> None:
    """List every backend: its version, who announced it, and whether it can be used.

    Example: `invtime backends --devices`

    Exit status: 0, also where a backend cannot be used; 2 for bad input.
    """
    rows = [_row(state, devices) for state in registry.list_backends()]
    emit([json.dumps(rows, indent=2)] if layout == "json" else _lines(rows))


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    return as_table(COLUMNS, map(_cells, rows), names=("distribution",), notes=("problem",))


def _row(state: registry.BackendState, devices: bool) -> dict[str, Any]:
    found, problem = None, state.problem
    if devices and problem is None:
        try:
            found = registry.default.load(state.name).devices()
        except Exception as error:  # importing a broken framework can raise anything
            problem = f"{type(error).__name__}: {error}"
    return {
        "backend": state.name,
        "version": state.version,
        "devices": found,
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
