"""Shared by the parts of `reliability.gpu`: options, notes and tables."""
# ruff: noqa: T201

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple


class Options(NamedTuple):
    """The options of the command line, and the time limit of a part."""

    device: str
    """"cuda" or "cpu"."""
    points: int
    """The number of integer steps in each array."""
    started: float
    until: float
    """Both from `time.monotonic`, which all processes share. Nothing new starts after `until`."""

    def over(self) -> bool:
        """Return whether the time limit has passed."""
        return time.monotonic() > self.until

    def say(self, text: str) -> None:
        """Print progress, unbuffered."""
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)


class Note(NamedTuple):
    """A measurement that was not made."""

    text: str
    fault: bool
    """True if it failed. False if it was left out; the text gives the reason."""


class Table(NamedTuple):
    """A table of the page."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """Return the table with its title as Markdown."""
        lines = [f"## {self.title}", "", self.note, ""]
        if not self.rows:
            return "\n".join([*lines, "Not measured yet."])
        head = [self.header, ("---",) * len(self.header)]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in (*head, *self.rows))])


def fault(what: str, error: BaseException) -> Note:
    """Return a note of a failure, with the first lines of its error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return Note(f"{what}: {type(error).__name__}: {' / '.join(lines[:3])[:400]}", True)


def duration(seconds: float) -> str:
    """Return a time in a suitable unit."""
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def notes(found: Iterable[object], *, faults: bool) -> list[str]:
    """Return the texts of the notes of one kind, without duplicates."""
    return list(dict.fromkeys(x.text for x in found if isinstance(x, Note) and x.fault == faults))
