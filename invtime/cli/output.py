"""What the commands write: results on stdout, one line about a failure on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from invtime.errors import InvTimeError

WIDE = 400  # columns where the output is no terminal: a file or a pipe should not be wrapped


def emit(lines: Iterable[str]) -> None:
    """Write the lines to stdout; leave quietly, with status 141, where its reader has gone."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered could raise again as Python closes stdout; see the note on
        # SIGPIPE in the documentation of the module `signal`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn what the user got wrong into one line on stderr and exit status 2."""
    try:
        yield
    except (InvTimeError, OSError, ImportError) as error:
        print(f"invtime: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(2) from None


def check_writable(path: Path) -> None:
    """Raise OSError before any work is done, where a file cannot be written in the end."""
    with path.open("ab"):
        pass


def as_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()
) -> list[str]:
    """The lines of a table, the columns in `numbers` aligned to the right."""
    table = Table(box=SIMPLE, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*map(Text, row))  # plain text: brackets in it are no markup
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr while it is a terminal, gone at the end; called with done and total."""
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
