"""Tables as wide as their cells, for a terminal of any width and for a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from invtime.cli.output import width

GAP = 2  # blanks between two columns
INDENT = 4  # of the notes below a row


def as_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    names: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Iterator[str]:
    """The lines of a table, without the columns that are empty in every row.

    No cell is ever cut. On a terminal a rule divides the header from the rows.

    Args:
        columns: the headers.
        rows: of each, a cell under each header.
        numbers: the columns that are aligned to the right.
        names: those that stand once above the table where all rows have the same.
        notes: those that stand below their row where it would be longer than the terminal.
    """
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    kept = [column for column in columns if any(row[column] for row in found)]
    same = [c for c in names if len(found) > 1 and len({row[c] for row in found}) == 1]
    said = [f"{column}: {found[0][column]}" for column in same if column in kept]
    if said:
        yield ", ".join(said)
        yield ""
    kept = [column for column in kept if column not in same]
    columns_of_terminal = width()
    lines = _aligned(kept, found, numbers)
    if columns_of_terminal is None:
        yield from lines
        return
    below = [c for c in kept if c in notes and max(map(len, lines)) > columns_of_terminal]
    header, *lines = _aligned([c for c in kept if c not in below], found, numbers)
    yield header
    yield "-" * max(map(len, (header, *lines)))
    for line, row in zip(lines, found, strict=True):
        yield line
        for column in below:
            text = wrap(row[column], columns_of_terminal - INDENT, break_long_words=False)
            yield from (" " * INDENT + part for part in text)


def _aligned(
    columns: Sequence[str], rows: Sequence[dict[str, str]], numbers: Sequence[str]
) -> list[str]:
    """The header and the rows, each cell padded to the width of its column."""
    lines = [{column: column for column in columns}, *rows]
    widths = {column: max(len(line[column]) for line in lines) for column in columns}
    return [
        (" " * GAP)
        .join(
            line[column].rjust(wide) if column in numbers else line[column].ljust(wide)
            for column, wide in widths.items()
        )
        .rstrip()
        for line in lines
    ]
