"""The text of an audit: the rows of its table, and the lines about affected runs."""

from __future__ import annotations

from collections.abc import Iterator

from invtime.audit.report import Audit, Finding
from invtime.parameters import PHASES
from invtime.spec import InverseTimeDecay

NUMBERS = ("points", "late", "early", "other bits", "ULP")
COLUMNS = ("peer", "mode", "dtype", *NUMBERS, "verdict", "note")

SHOWN = 5  # the number of shifted drops in a line; the JSON has more


def call(schedule: InverseTimeDecay) -> str:
    """Return the Python call of the schedule, with the first three parameters by position."""
    numbers = schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate
    staircase = ["staircase=True"] if schedule.staircase else []
    phases = (f"{key}={value!r}" for key, value in schedule.get_config().items() if key in PHASES)
    return f"InverseTimeDecay({', '.join([*map(repr, numbers), *staircase, *phases])})"


def cells(finding: Finding) -> list[str]:
    """Return the cells of a finding, in the order of `COLUMNS`."""
    counts = finding.points, finding.late, finding.early, finding.differing, finding.worst_ulp
    numbers = [str(count or "") for count in counts]
    return [
        *(finding.peer, finding.mode, finding.dtype, *numbers, finding.verdict),
        finding.error or "",
    ]


def skipped(audit: Audit, schedule: InverseTimeDecay) -> dict[str, list[str]]:
    """Return the reasons why peers were not called for a schedule, each with its peers."""
    reasons: dict[str, dict[str, None]] = {}
    for finding in audit.of(schedule):
        if finding.skipped is not None:
            reasons.setdefault(finding.skipped, {})[finding.peer] = None
    return {reason: list(peers) for reason, peers in reasons.items()}


def effect(finding: Finding) -> str:
    """Describe how the schedule of an affected run differs."""
    if not finding.shifts:
        return f"The rates differ by more than rounding, first at step {finding.far}"
    kinds = []
    for late in (True, False):
        shifts = [shift for shift in finding.shifts if shift.late is late]
        if shifts:
            count = finding.late if late else finding.early
            least, most = min(shift.by for shift in shifts), max(shift.by for shift in shifts)
            by = f"{least}" if least == most else f"{least} to {most}"
            steps = ", ".join(str(shift.step) for shift in shifts[:SHOWN])
            kinds.append(
                f"{count} of {finding.drops} drops come {by} step{'s' * (most > 1)} "
                f"{'late' if late else 'early'}, at steps {steps}{', ...' * (count > SHOWN)}"
            )
    return "; ".join(kinds)


def verdicts(audit: Audit, schedule: InverseTimeDecay) -> Iterator[str]:
    """Yield a line for each way in which peers differ from a schedule, and for failed peers."""
    ways: dict[str, list[str]] = {}
    failed: list[str] = []
    for finding in audit.of(schedule):
        if finding.error is not None:
            failed.append(f"{finding.peer} {finding.mode}".strip())
        elif finding.affected:
            ways.setdefault(effect(finding), []).append(f"{finding.peer} {finding.mode}")
    for way, names in ways.items():
        yield f"Affected: {', '.join(names)}. {way}"
    if not ways:
        yield "Affected: none"
    if failed:
        yield f"Failed, not compared: {', '.join(failed)}"
