"""Read text with one dictionary per row: JSON, JSON lines, trainer_state.json, Python output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from invtime.checklog.log import LogError
from invtime.checklog.reading.table import Row, Table

TRAINER = "trainer_state.json"
PRINTED = "printed dictionaries"
# A printed dictionary with string keys, anywhere in a line except in a CSV cell.
DICTIONARY = re.compile(r"""(?<![",;])\{'[^{}\r\n]*\}""")
# A key and its value: 0.1, '0.1', np.float32(0.1), or tensor(0.1, device='cuda:0').
PAIR = re.compile(r"""'([^']*)': (?:[\w.]+\()?(?:'([^']*)'|([^,)}]*))""")


def from_json(text: str) -> Table:
    """The table in a JSON list of objects, in a trainer_state.json, or in JSON lines."""
    try:
        whole = _DECODER.decode(text)
    except (ValueError, RecursionError):
        whole = None
    kind = "JSON"
    if isinstance(whole, dict) and "log_history" in whole:
        whole, kind = whole["log_history"], TRAINER
        if not isinstance(whole, list):
            raise LogError(
                "log_history is not a list; pass trainer_state.json as the Trainer saved it"
            )
    if isinstance(whole, list):
        rows = [(row, f"entry {i}") for i, row in enumerate(whole)]
    else:
        kind, rows = "JSON lines", list(_lines(text))
    for row, place in rows:
        if not isinstance(row, dict):
            raise LogError(
                f"{place} is not a JSON object; write each row as an object with a step and a "
                "learning rate"
            )
    return _table(kind, rows)


def printed(text: str) -> Table:
    """The table of the dictionaries that a program printed, among other output."""
    rows: list[Row] = [
        ({key: quoted or bare for key, quoted, bare in PAIR.findall(found)}, f"line {number}")
        for number, line in enumerate(text.splitlines(), 1)
        for found in DICTIONARY.findall(line)
    ]
    return _table(PRINTED, rows)


def _table(kind: str, rows: list[Row]) -> Table:
    columns = list(dict.fromkeys(key for row, _ in rows for key in row))
    return Table(kind, columns, rows)


def _lines(text: str) -> Iterator[tuple[Any, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield _DECODER.decode(line.strip()), f"line {number}"
            except (ValueError, RecursionError) as error:
                raise LogError(f"line {number} is not JSON ({error}); fix that line") from error


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # the exponent is too large for Decimal
        return text


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=str)
