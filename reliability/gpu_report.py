"""What the parts of `reliability.gpu` share: how long they may run, and tables of findings."""
# ruff: noqa: T201

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple


class Options(NamedTuple):
    """What the command line says, and until when a part may begin something new."""

    device: str
    """"cuda" or "cpu"."""
    points: int
    """Of each array of integer steps."""
    started: float
    until: float
    """Both by `time.monotonic`, which is one clock for all processes."""

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.until

    def say(self, text: str) -> None:
        """Progress, at once."""
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)


class Note(NamedTuple):
    """Something that was not done."""

    text: str
    fault: bool
    """Whether it failed; else it was left out, for the reason given."""


class Table(NamedTuple):
    """A table of the page."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """The table with its title."""
        lines = [f"## {self.title}", "", self.note, ""]
        if not self.rows:
            return "\n".join([*lines, "Not measured yet."])
        head = [self.header, ("---",) * len(self.header)]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in (*head, *self.rows))])


def fault(what: str, error: BaseException) -> Note:
    """A failure, by the first lines of its error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return Note(f"{what}: {type(error).__name__}: {' / '.join(lines[:3])[:400]}", True)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def notes(found: Iterable[object], *, faults: bool) -> list[str]:
    """The text of each note of one kind, once."""
    return list(dict.fromkeys(x.text for x in found if isinstance(x, Note) and x.fault == faults))
