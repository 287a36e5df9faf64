"""What each format of text is read into: rows of cells, and the names of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[Mapping[Any, Any], str]
"""The cells by their columns, and where they stand."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, which are read once."""

    kind: str
    """The format, such as "CSV"."""
    columns: Sequence[str]
    rows: Iterable[Row]
