"""Errors for a missing log, which list the files that exist instead."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from invtime.checklog.log import LogError
from invtime.checklog.reading.columns import listed
from invtime.errors import shown

LOGS = {".csv", ".tsv", ".json", ".jsonl", ".txt", ".log"}


def no_file(path: Path) -> FileNotFoundError:
    """The error for a path that does not exist."""
    folder = path.parent
    if not folder.is_dir():
        what = f"there is no directory {shown(str(folder))}; pass the path of a log"
        return FileNotFoundError(f"{what}, or - for standard input")
    names = sorted(each.name for each in folder.iterdir())
    near = get_close_matches(path.name, names) or list(filter(_is_log, names)) or names
    there = f"the directory has {listed(near)}" if near else "the directory is empty"
    return FileNotFoundError(
        f"there is no file {shown(str(path))}; {there}; pass a log, or - for standard input"
    )


def no_events(folder: Path) -> LogError:
    """The error for a directory without event files in it or below it."""
    found = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if _is_log(path.name)
    )
    remedy = f"it has {listed(found)}; pass one of these" if found else "pass a file"
    return LogError(f"there is no event file in or below {shown(str(folder))}; {remedy}")


def _is_log(name: str) -> bool:
    return "tfevents" in name or Path(name).suffix.lower() in LOGS
