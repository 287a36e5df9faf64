"""The text of a verification: the rows of its table, and the summary line."""

from __future__ import annotations

from collections.abc import Iterator

from invtime.verification.report import Report, Run

NAMES = ("backend", "mode", "device", "dtype")
NUMBERS = ("points", "mismatches", "worst ULP")
COLUMNS = (*NAMES, *NUMBERS, "note")


def cells(run: Run) -> list[str]:
    """Return the cells of a run, in the order of `COLUMNS`."""
    counts = [""] * len(NUMBERS)
    if run.points:
        points = str(run.points) if run.points == run.asked else f"{run.points} of {run.asked}"
        counts = [points, str(run.mismatches), str(run.worst_ulp or "")]
    first = "" if run.first is None else f"first at {run.first}"
    failed = "" if run.error is None else f"failed: {run.error}"
    note = "; ".join(filter(None, (first, failed, run.note)))
    return [f"{run.backend} {run.version}", run.mode, run.device, run.dtype, *counts, note]


def verdict(report: Report) -> str:
    """Return the summary line: how much was compared, and how many mismatches there are."""
    compared = [run for run in report.runs if run.points]
    wrong = [run for run in report.runs if run.mismatches]
    failed = sum(run.error is not None for run in report.runs)
    skipped = sum(run.error is None and not run.asked for run in report.runs)
    found = "Nothing was compared"
    if compared:
        points = sum(run.points for run in compared)
        names = ", ".join(dict.fromkeys(run.backend for run in compared))
        total = sum(run.mismatches for run in wrong)
        count = _counted(total, "mismatch", "es") if total else "No mismatch"
        among = f"{len(wrong)} of " if wrong else ""
        runs = _counted(len(compared), "run")
        found = f"{count} at {points:,} points, in {among}{runs} ({names})"
    others = [(failed, "run", "failed"), (skipped, "run", "skipped")]
    others.append((len(report.missing), "backend", "not compared"))
    rest = (f"; {_counted(count, noun)} {what}" for count, noun, what in others if count)
    return f"{found}{''.join(rest)}"


def absences(report: Report) -> Iterator[str]:
    """Yield a line for each backend that was not compared."""
    for missing in report.missing:
        run = f"; run: {missing.install}" if missing.install else ""
        yield f"not compared: {missing.backend} ({missing.reason}){run}"


def _counted(count: int, noun: str, plural: str = "s") -> str:
    return f"{count:,} {noun}{plural * (count != 1)}"
