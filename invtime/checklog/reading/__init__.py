"""Read a log from a file: detect the format, find the columns, choose the run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from invtime.checklog.log import Log, LogError, build, number
from invtime.checklog.reading import columns, conventions, runs
from invtime.checklog.reading.delimited import delimited
from invtime.checklog.reading.dictionaries import DICTIONARY, PRINTED, TRAINER, from_json, printed
from invtime.checklog.reading.events import from_events
from invtime.checklog.reading.missing import no_file
from invtime.checklog.reading.runs import Entry
from invtime.checklog.reading.table import Table


def read(
    path: str | Path | bytes,
    step_column: str | None = None,
    rate_column: str | None = None,
    run: str | None = None,
) -> Log:
    """Read a log from a file, a directory of TensorBoard event files, or the bytes of a file.

    Args:
        path: the file. Its format is detected from its content.
        step_column: the column or key that has the steps; None guesses.
        rate_column: the column or key that has the rates, or the TensorBoard tag; None guesses.
        run: which run to read, if the log has several: its name in the column of runs, its name
            before " - " in a wandb column, its directory below that of the event files, or, for
            runs without names, its number from 1. None reads the only run.

    Returns:
        The log.

    Raises:
        LogError: the file is not a log, a column cannot be guessed, or there are several runs.
        OSError: the file cannot be read.
        BackendUnavailableError: the package tensorboard is needed and not installed.
    """
    if not isinstance(path, bytes):
        path = Path(path)
        if not path.exists():
            raise no_file(path)
        if path.is_dir() or "tfevents" in path.name:
            return from_events(path, rate_column, run)
        path = path.read_bytes()
    try:
        text = path.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogError(
            "the file is not UTF-8 text, and its name does not contain 'tfevents'; pass CSV, "
            "JSON lines, a trainer_state.json or an event file"
        ) from error
    if not text.strip():
        raise LogError("the file is empty; pass a log with learning rates")
    return _log(_table(text), step_column, rate_column, run)


def _table(text: str) -> Table:
    """The table in a text. The format is detected from how the text starts."""
    dictionaries = DICTIONARY.search(text)
    if text.lstrip()[0] in "{[":
        try:
            return from_json(text)
        except LogError:
            if not dictionaries:
                raise
    return printed(text) if dictionaries else delimited(text)


def _log(table: Table, step_column: str | None, rate_column: str | None, run: str | None) -> Log:
    guessed = columns.rates(table.columns)
    beside = runs.beside(guessed) if rate_column is None else {}
    if beside:
        guessed, run = [beside[runs.pick(run, beside)]], None
    rate = columns.rate_among(table.columns, rate_column, guessed)
    if step_column is not None:
        step: str | None = columns.existing(step_column, table.columns)
    else:
        step = columns.named(table.columns, (*columns.STEPS, *columns.EPOCHS, *columns.LAST))
    of_run = columns.named(table.columns, columns.RUNS)
    entries, notes = _with_rates(table, rate, step, of_run)
    entries = runs.one(entries, run)
    unit = _unit(step, entries, guessed=step_column is None)
    if unit == "row":
        entries = [(number, *entry[1:]) for number, entry in enumerate(entries)]
    known = _conventions(table, rate, unit)
    return build(
        f"{table.kind}, {rate} by row" if unit == "row" else f"{table.kind}, {step} and {rate}",
        (entry[:3] for entry in entries),
        conventions.first_steps(known) if unit == "update" else (0,),
        notes,
        unit,
        known,
    )


def _with_rates(
    table: Table, rate: str, step: str | None, of_run: str | None
) -> tuple[list[Entry], list[str]]:
    """The rows with a rate, and notes on the rows without one."""
    low, high = (rate + end for end in columns.EXTREMES)
    whole = low not in table.columns
    entries: list[Entry] = []
    others = means = 0
    for row, place in table.rows:
        value = row.get(rate)
        if value is not None and value != "":
            if whole or row.get(low) == row.get(high):
                entries.append((row.get(step), value, place, row.get(of_run)))
            else:
                means += 1
        elif any(v not in (None, "") for key, v in row.items() if key not in (step, of_run)):
            others += 1  # Lightning and Hugging Face log other values in separate rows
        else:
            raise LogError(f"{place} has a step but no learning rate; fix or remove that row")
    notes = [f"rows with other values but no learning rate, ignored: {others}"] if others else []
    if means:
        notes.append(f"rows that average several steps, ignored: {means}")
    return entries, notes


def _unit(step: str | None, entries: Sequence[Entry], *, guessed: bool) -> str:
    """The unit of the steps. Epochs that are fractional or have several rows are no steps."""
    if step is None:
        return "row"
    if not columns.is_epoch(step):
        return "update"
    epochs = [number(entry[0]) for entry in entries]
    whole = all(epoch is not None and epoch == int(epoch) for epoch in epochs)
    distinct = all(a != b for a, b in pairwise(epochs))
    return "epoch" if not guessed or (whole and distinct) else "row"


def _conventions(table: Table, rate: str, unit: str) -> tuple[str, ...]:
    if table.kind == TRAINER or (table.kind == PRINTED and unit != "update"):
        return (conventions.TRAINER,)
    if table.kind == "CSV" and unit == "epoch":
        return conventions.of_csv(table.columns)
    return conventions.of_tag(rate)
