"""The command's root: `invtime --version`, and the subcommands put together."""

from __future__ import annotations

from typing import Annotated

import typer

from invtime import __version__
from invtime.cli import (
    audit,
    backends,
    check_log,
    convert,
    fingerprint,
    plot,
    schema,
    table,
    verify,
)
from invtime.cli.output import bad_input, emit

app = typer.Typer(
    name="invtime",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        emit([f"invtime {__version__}"])
        raise typer.Exit


@app.callback()
def invtime(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Inverse time decay of a learning rate, the same bits in every framework."""


for command in (
    verify.verify,
    audit.audit,
    check_log.check_log,
    table.table,
    fingerprint.fingerprint,
    convert.convert,
    plot.plot,
    backends.backends,
    schema.schema,
):
    app.command()(bad_input()(command))
