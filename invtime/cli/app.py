"""The root command: `invtime --version` and the list of subcommands."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
from invtime.cli.output import bad_input, complain, emit


class _Commands(TyperGroup):
    """The subcommands. A usage error prints one line to stderr, like any other bad input."""

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            own = {"prog_name": "invtime", "standalone_mode": False}
            status = super().main(*args, **{**options, **own})
        except Exception as error:
            # A click exception. Newer versions of typer define their own copies of these classes.
            if not hasattr(error, "format_message"):
                raise
            status = 2
            if text := _message(error):  # empty if the help was printed
                command = getattr(getattr(error, "ctx", None), "command_path", "invtime")
                complain(f"{text}; see {command} --help")
        sys.exit(status)


def _message(error: Any) -> str:
    """The message of a click usage error, worded the same for every version of click."""
    near = getattr(error, "possibilities", None)
    text = error.message if near else error.format_message()
    text = text.replace("Value error, ", "").rstrip(".?")
    return f"{text}; did you mean {' or '.join(sorted(near))}" if near else text


app = typer.Typer(
    name="invtime",
    cls=_Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
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
        typer.Option(
            "--version", metavar="", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Print, verify, compare and convert inverse-time-decay learning-rate schedules."""


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
