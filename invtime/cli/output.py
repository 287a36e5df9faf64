"""Output of the commands: results on stdout, one line per failure on stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from threading import Timer

import typer

from invtime.errors import InvTimeError, shown


def emit(lines: Iterable[str]) -> None:
    """Write the lines to stdout. If its reader closed the pipe, exit quietly with status 141."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout at exit, and buffered text could raise again. See the note on
        # SIGPIPE in the documentation of the module `signal`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def width() -> int | None:
    """The width of the terminal in columns, or None if stdout is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def prose(text: str) -> str:
    """Wrap a line of text to the width of the terminal; unchanged if there is no terminal."""
    columns = width()
    if columns is None:
        return text
    return fill(
        text, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def complain(text: str) -> None:
    """Write an error to stderr, on one line."""
    print(f"invtime: {' '.join(text.split())}", file=sys.stderr)


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn errors in the input into one line on stderr and exit status 2."""
    try:
        yield
    except (InvTimeError, OSError, ImportError) as error:
        complain(_file_trouble(error) if isinstance(error, OSError) else str(error))
        raise typer.Exit(2) from None


def _file_trouble(error: OSError) -> str:
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return str(error)
    remedies = {
        FileNotFoundError: "check the spelling and the current directory",
        IsADirectoryError: "pass a file",
        PermissionError: "change its permissions, or pass another file",
    }
    remedy = remedies.get(type(error), "pass another file")
    return f"{shown(os.fspath(error.filename))}: {error.strerror}; {remedy}"


def read_file(file: str) -> bytes:
    """Read a file, or stdin for -."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def check_writable(path: Path) -> None:
    """Raise OSError now if a file cannot be written, before any work is done."""
    with path.open("ab"):
        pass


SOON = 1.0  # seconds of work before the bar appears


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, if that is a terminal. Yields a callback of (done, total)."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(name, total=None)
    later = Timer(SOON, bar.start)
    later.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        later.cancel()
        later.join()
        if bar.live.is_started:
            bar.stop()
