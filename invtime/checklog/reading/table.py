"""The table that each text format is read into: rows of cells, and column names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[Mapping[Any, Any], str]
"""The cells by column, and their place in the file."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file. They can be read only once."""

    kind: str
    """The format, such as "CSV"."""
    columns: Sequence[str]
    rows: Iterable[Row]
