"""Choose one run of a log: runs in columns, named in a column, or one after another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from invtime.checklog.log import LogError, number
from invtime.checklog.reading.columns import listed
from invtime.errors import shown

Entry = tuple[Any, Any, str, Any]
"""A step, a rate, their place in the file, and their run."""

BETWEEN = " - "  # between the run and the metric in wandb columns


def pick(run: str | None, runs: Collection[str]) -> str:
    """The given run, or the only one."""
    if run is None and len(runs) == 1:
        return next(iter(runs))
    if run is not None and run in runs:
        return run
    what = f"{len(runs)} runs have" if run is None else f"no run {shown(run)} has"
    raise LogError(f"{what} learning rates; the runs are {listed(runs)}; choose one with --run")


def beside(columns: Sequence[str]) -> dict[str, str]:
    """The columns by run, if each is named "run - metric" as in wandb exports."""
    runs = {column.rpartition(BETWEEN)[0]: column for column in columns}
    return runs if "" not in runs and len(runs) == len(columns) else {}


def one(entries: list[Entry], run: str | None) -> list[Entry]:
    """The entries of one run, by its name or, for runs that restart the steps, by its number."""
    named = list(dict.fromkeys(str(of) for *_, of in entries if of is not None))
    if len(named) > 1 or (named and run is not None):
        picked = pick(run, named)
        return [entry for entry in entries if str(entry[3]) == picked]
    if run is None:
        return entries
    parts: list[list[Entry]] = [[]]
    for entry in entries:
        if parts[-1] and _before(entry, parts[-1][-1]):
            parts.append([])
        parts[-1].append(entry)
    return parts[int(pick(run, [str(n + 1) for n in range(len(parts))])) - 1]


def _before(entry: Entry, other: Entry) -> bool:
    step, last = number(entry[0]), number(other[0])
    return step is not None and last is not None and step < last
