"""Read text with one row per line: CSV, columns separated by spaces, MLflow metric files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from invtime.checklog.log import LogError
from invtime.checklog.reading.table import Row, Table

MLFLOW = ("timestamp", "value", "step")  # later columns name the data set
MILLISECONDS = 10**12  # since 1970, in 2001; a larger number is a timestamp, not a step


def delimited(text: str) -> Table:
    """The table in a text that is not empty. The first line shows the delimiter."""
    lines = text.splitlines()
    header = next(line for line in lines if line.strip())
    delimiter = max(",\t;", key=header.count)
    spaced = delimiter not in header.strip()
    cells = _spaced(lines) if spaced else _separated(lines, delimiter)
    first, place = next(cells)
    rest = chain([(first, place)], cells)
    if spaced and len(first) >= 3 and _numbers(first[:3]) and float(first[0]) > MILLISECONDS:
        return Table("MLflow", MLFLOW, _rows(MLFLOW, rest))
    if not _numbers(first):
        columns = [name.strip() for name in first]
        if spaced and columns[0] == "#":  # numpy.savetxt writes such a header
            del columns[0]
        # Concatenated logs repeat the header.
        cells = (cell for cell in cells if cell[0] != first)
        return Table("text" if spaced else "CSV", columns, _rows(columns, cells))
    held = list(rest)
    columns = _positions([row for row, _ in held])
    return Table("text" if spaced else "CSV without a header", columns, _rows(columns, held))


def _separated(lines: Sequence[str], delimiter: str) -> Iterator[tuple[list[str], str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield row, f"line {reader.line_num}"
    except csv.Error as error:
        raise LogError(f"line {reader.line_num} is not CSV ({error}); fix that line") from error


def _spaced(lines: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    for number, line in enumerate(lines, 1):
        if row := line.split():
            yield row, f"line {number}"


def _rows(columns: Sequence[str], cells: Iterable[tuple[list[str], str]]) -> Iterator[Row]:
    for row, place in cells:
        yield dict(zip(columns, row, strict=False)), place


def _positions(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names for columns without a header: their numbers, or what their values show them to be."""
    width = len(rows[0])
    columns = [str(number) for number in range(1, width + 1)]
    if width == 1:
        return ["learning_rate"]
    step = next((i for i in range(2) if all(_whole(row[i : i + 1]) for row in rows)), None)
    if step is not None:
        columns[step] = "step"
        if width == 2:
            columns[1 - step] = "learning_rate"
    return columns


def _numbers(row: Sequence[str]) -> bool:
    try:
        return bool([float(cell) for cell in row if cell.strip()])
    except ValueError:
        return False


def _whole(cells: Sequence[str]) -> bool:
    try:
        return all(float(cell).is_integer() for cell in cells)
    except ValueError:
        return False
