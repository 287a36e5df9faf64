"""`invtime backends`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from invtime import registry
from invtime.cli.output import as_table, emit

COLUMNS = ("backend", "version", "devices", "distribution", "problem")


def backends(
    devices: Annotated[
        bool, typer.Option("--devices", help="Import the frameworks and list their devices.")
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
    if layout == "json":
        emit([json.dumps(rows, indent=2)])
    else:
        emit(as_table(COLUMNS, ([_cell(row, column) for column in COLUMNS] for row in rows)))


def _row(state: registry.BackendState, devices: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "backend": state.name,
        "version": state.version,
        "devices": None,
        "distribution": state.distribution,
        "install": state.install,
        "problem": state.problem,
    }
    if devices and state.problem is None:
        try:
            row["devices"] = registry.default.load(state.name).devices()
        except Exception as error:  # importing a broken framework can raise anything
            row["problem"] = f"{type(error).__name__}: {error}"
    return {**row, "usable": row["problem"] is None}


def _cell(row: dict[str, Any], column: str) -> str:
    if column == "devices" and row["devices"] is None:
        return "usable" if row["usable"] else "-"
    if column == "devices":
        return ", ".join(row["devices"])
    if column == "problem" and row["problem"] and row["install"]:
        return f"{row['problem']}; run: {row['install']}"
    return row[column] or "-"
