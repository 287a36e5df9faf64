"""The result of an audit, as frozen data and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from invtime.spec import InverseTimeDecay

# The largest distance from the exact value that counts as rounding, in ULP of the peer's dtype.
# The plain expression has three or four operations, and each adds about one ULP.
FAR = 8


@dataclass(frozen=True, slots=True)
class Shift:
    """A drop of a staircase that comes at the wrong step."""

    step: int
    """The correct step of the drop: the first step of a plateau."""
    by: int
    """The number of steps by which it is late or early, at most the length of the plateau."""
    late: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """The comparison of one schedule with one peer in one mode."""

    schedule: InverseTimeDecay
    peer: str
    mode: str
    version: str
    """The versions of the peer's frameworks."""
    dtype: str = ""
    """The dtype of the peer's rates."""
    points: int = 0
    """The number of steps at which the peer was called."""
    drops: int = 0
    """The number of these steps at which the schedule drops."""
    late: int = 0
    early: int = 0
    shifts: tuple[Shift, ...] = ()
    """The first drops at a wrong step, in order. `late` and `early` count all of them."""
    differing: int = 0
    """The number of steps whose bits differ from the exact value's, without the shifted drops."""
    worst_ulp: int = 0
    """The largest distance at these steps, in ULP of `dtype`."""
    far: int | None = None
    """The first of these steps that differs by more than rounding, or None."""
    skipped: str | None = None
    """Why the peer was not called: it cannot express the schedule."""
    error: str | None = None
    """What the peer raised, or how its process ended."""

    @property
    def affected(self) -> bool:
        """Whether the peer computes another schedule: a shifted drop, or rates beyond rounding."""
        return bool(self.shifts) or self.far is not None

    @property
    def verdict(self) -> str:
        """One of "affected", "rounding", "exact", "skipped" and "failed"."""
        if self.skipped is not None:
            return "skipped"
        if self.error is not None:
            return "failed"
        if self.affected:
            return "affected"
        return "rounding" if self.differing else "exact"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data, with its verdict."""
        return {
            **asdict(self),
            "schedule": self.schedule.get_config(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """A peer that could not be called at all."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings, in the order of the schedules and the peers, and the peers not called."""

    schedules: tuple[InverseTimeDecay, ...]
    start: int
    stop: int
    """The steps of the run are start <= n < stop."""
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    @property
    def ok(self) -> bool:
        """Whether no peer is affected and none failed."""
        return not any(finding.verdict in ("affected", "failed") for finding in self.findings)

    def of(self, schedule: InverseTimeDecay) -> Iterator[Finding]:
        """Return the findings for one of the schedules."""
        return (finding for finding in self.findings if finding.schedule is schedule)

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as plain data."""
        return {
            "ok": self.ok,
            "start": self.start,
            "stop": self.stop,
            "findings": [finding.to_dict() for finding in self.findings],
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def to_json(self, indent: int | None = None) -> str:
        """Return the audit as JSON."""
        return json.dumps(self.to_dict(), indent=indent)
