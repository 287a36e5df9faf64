"""From a file to a log: CSV, JSON lines, Hugging Face's state, TensorBoard's event files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from invtime.checklog.log import Log, LogError, build
from invtime.errors import BackendUnavailableError, shown

# In the order of preference; letters alone are compared, so that "Global Step" is one of them.
STEPS = ("step", "globalstep", "trainerglobalstep", "iteration", "iter", "update", "batch", "n")
RATES = ("learningrate", "lr")
# What others call it: lr-SGD, lr/group_0, train/lr, optimizer.learning_rate, lr-Adam/pg1.
RATE = re.compile(r"(^|[^a-z])(lr|learning[ _-]?rate)([^a-z]|$)", re.IGNORECASE)

TRAINER = "trainer_state.json"
LISTED = 20  # columns, in an error

Row = tuple[Mapping[str, Any], str]
"""The cells by their columns, and where they stand."""


def read(
    path: str | Path | bytes, step_column: str | None = None, rate_column: str | None = None
) -> Log:
    """The log in a file, in a directory of TensorBoard's, or in the bytes of a file.

    Args:
        path: the file; its format is found out from its content.
        step_column: the column, the key or the like that has the steps; None guesses.
        rate_column: the one that has the rates, TensorBoard's tag; None guesses.

    Raises:
        LogError: it is not a log, or the columns cannot be guessed.
        OSError: it cannot be read.
        BackendUnavailableError: TensorBoard's reader is not installed.
    """
    if not isinstance(path, bytes):
        path = Path(path)
        if path.is_dir() or "tfevents" in path.name:
            return _events(path, rate_column)
        path = path.read_bytes()
    try:
        text = path.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogError(
            "the file is not text in UTF-8, and its name has no 'tfevents' in it; pass CSV, "
            "JSON lines, a trainer_state.json or an event file"
        ) from error
    if not text.strip():
        raise LogError("the file is empty; pass a log that has learning rates")
    kind, rows, columns = (_json if text.lstrip()[0] in "{[" else _csv)(text)
    step = _chosen(step_column, columns, "step", _steps(columns))
    rate = _chosen(rate_column, columns, "rate", _rates(columns))
    return _of_rows(kind, rows, step, rate)


def _csv(text: str) -> tuple[str, list[Row], list[str]]:
    lines = text.splitlines()
    delimiter = max(",\t;", key=lines[0].count)
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    try:
        rows: list[Row] = [(row, f"line {reader.line_num}") for row in reader]
    except csv.Error as error:
        raise LogError(f"line {reader.line_num} is not CSV ({error}); mend it") from error
    return "CSV", rows, list(reader.fieldnames or ())


def _json(text: str) -> tuple[str, list[Row], list[str]]:
    try:
        whole = _parse(text)
    except (ValueError, RecursionError):
        whole = None
    kind = "JSON"
    if isinstance(whole, dict) and "log_history" in whole:
        whole, kind = whole["log_history"], TRAINER
        if not isinstance(whole, list):
            raise LogError("log_history is no list of entries; pass the state as it was saved")
    if isinstance(whole, list):
        rows = [(row, f"entry {i}") for i, row in enumerate(whole)]
    else:
        kind, rows = "JSON lines", list(_json_lines(text))
    for row, place in rows:
        if not isinstance(row, dict):
            raise LogError(f"{place} is no JSON object with a step and a learning rate; mend it")
    return kind, rows, list(dict.fromkeys(key for row, _ in rows for key in row))


def _json_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield _parse(line), f"line {number}"
            except (ValueError, RecursionError) as error:
                raise LogError(f"line {number} is not JSON ({error}); mend it") from error


def _parse(text: str) -> Any:
    return json.loads(text, parse_float=_decimal, parse_constant=str)


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that no decimal has
        return text


def _of_rows(kind: str, rows: Sequence[Row], step: str, rate: str) -> Log:
    kept, others = [], 0
    for row, place in rows:
        if row.get(rate) not in (None, ""):
            kept.append((row.get(step), row[rate], place))
        elif any(value not in (None, "") for key, value in row.items() if key != step):
            others += 1  # Lightning and Hugging Face log other things in lines of their own
        else:
            raise LogError(f"{place} has a step and no learning rate; mend it or take it out")
    notes = [f"rows with other values and no learning rate, left out: {others}"] if others else []
    # The Trainer logs an update's rate when it has counted the update; before its pull request
    # 36973 of 2025 it logged the next one's there.
    first_steps = (1, 0) if kind == TRAINER else (0,)
    return build(f"{kind}, {step} and {rate}", kept, first_steps, notes)


def _chosen(given: str | None, columns: list[str], what: str, guessed: list[str]) -> str:
    more = [f"{len(columns) - LISTED:,} more"] if len(columns) > LISTED else []
    there = ", ".join([*map(shown, columns[:LISTED]), *more]) or "none"
    if given is not None:
        if given not in columns:
            raise LogError(
                f"there is no column {shown(given)}; there are {there}; pass one of these"
            )
        return given
    if len(guessed) != 1:
        found = (
            f"{len(guessed)} of the columns {there} may be" if guessed else f"of {there}, none is"
        )
        raise LogError(f"{found} the one with the {what}s; name it with --{what}-column")
    return guessed[0]


def _steps(columns: Iterable[str]) -> list[str]:
    plain = {re.sub("[^a-z]", "", column.lower()): column for column in columns}
    return [plain[name] for name in STEPS if name in plain][:1]


def _rates(columns: Iterable[str]) -> list[str]:
    columns = [column for column in columns if column]
    plain = {re.sub("[^a-z]", "", column.lower()): column for column in columns}
    exact = [plain[name] for name in RATES if name in plain][:1]
    return exact or [column for column in columns if RATE.search(column)]


def _events(path: Path, tag: str | None) -> Log:
    path.stat()  # the reader takes what is not there for empty
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError as error:
        raise BackendUnavailableError(
            f"an event file needs TensorBoard's reader, which does not import ({error}); "
            "run: python -m pip install tensorboard"
        ) from error
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    try:
        events.Reload()
    except OSError:
        raise
    except Exception as error:  # protobuf's own, of a record that is damaged
        raise LogError(f"a record of the event file is damaged ({error}); log again") from error
    scalars, tensors = events.Tags()["scalars"], events.Tags()["tensors"]
    if not scalars and not tensors:
        raise LogError("there is no scalar in the event file; pass one that has learning rates")
    chosen = _chosen(tag, [*scalars, *tensors], "rate", _rates([*scalars, *tensors]))
    if chosen in scalars:
        found = [(event.step, event.value) for event in events.Scalars(chosen)]
    else:
        try:
            found = [(e.step, make_ndarray(e.tensor_proto).item()) for e in events.Tensors(chosen)]
        except (TypeError, ValueError) as error:
            raise LogError(
                f"{shown(chosen)} has tensors that are no numbers ({error}); pass a tag of scalars"
            ) from error
    rows = ((step, value, f"step {step}") for step, value in found)
    return build(f"TensorBoard, {chosen}", rows)
