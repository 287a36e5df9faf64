"""Text tables for terminals of any width and for pipes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from invtime.cli.output import width

INDENT = "    "  # before a note below its row


def as_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    names: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Iterator[str]:
    """Lay out a table as lines of text. Without rows there are no lines.

    Columns that are empty in every row are left out. No cell is cut. On a terminal, a rule
    separates the header from the rows.

    Args:
        columns: the headers.
        rows: one cell per header.
        numbers: the columns to align right.
        names: the columns to print once above the table if all rows have the same value.
        notes: the columns to print below each row if the row is wider than the terminal.
    """
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    if not found:
        return
    kept = [column for column in columns if any(row[column] for row in found)]
    same = [c for c in names if len(found) > 1 and len({row[c] for row in found}) == 1]
    said = [f"{column}: {found[0][column]}" for column in same if column in kept]
    if said:
        yield ", ".join(said)
        yield ""
    kept = [column for column in kept if column not in same]
    cells = [dict(zip(kept, kept, strict=True)), *found]
    room = width()
    lines = _aligned(kept, cells, numbers)
    if room is None:
        yield from lines
        return
    below: list[str] = []
    if _longest(lines) > room:
        below = [column for column in kept if column in notes]
        kept = [column for column in kept if column not in notes]
        lines = _aligned(kept, cells, numbers)
    if _longest(lines) > room:
        lines = _aligned(kept, cells, numbers, gap=" ")
    yield lines[0]
    yield "-" * _longest(lines)
    for line, row in zip(lines[1:], found, strict=True):
        yield line
        for column in below:
            text = wrap(row[column], max(room - len(INDENT), 1), break_long_words=False)
            yield from (INDENT + part for part in text)


def _longest(lines: Iterable[str]) -> int:
    return max(map(len, lines))


def _aligned(
    columns: Sequence[str],
    lines: Sequence[Mapping[str, str]],
    numbers: Sequence[str],
    gap: str = "  ",
) -> list[str]:
    """Pad each cell to the width of its column, and join the cells of each line."""
    widths = {column: _longest(line[column] for line in lines) for column in columns}
    return [
        gap.join(
            line[column].rjust(wide) if column in numbers else line[column].ljust(wide)
            for column, wide in widths.items()
        ).rstrip()
        for line in lines
    ]
