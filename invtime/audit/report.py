"""The outcome of an audit: plain frozen data and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from invtime.spec import InverseTimeDecay

# Further from the exact value than this, in ULP of the peer's dtype, is no rounding: the plain
# expression has three or four operations, each of which adds about one.
FAR = 8


@dataclass(frozen=True, slots=True)
class Shift:
    """A drop of a staircase that comes at another step than it should."""

    step: int
    """Where the drop should be: the first step of a plateau."""
    by: int
    """The number of steps that it comes late or early, as far as the plateau goes."""
    late: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One schedule as one peer computes it, in one of its modes."""

    schedule: InverseTimeDecay
    peer: str
    mode: str
    version: str
    """Of the peer's frameworks."""
    dtype: str = ""
    """Of its rates."""
    points: int = 0
    """The steps at which it was called."""
    drops: int = 0
    """Those of these steps at which the schedule drops."""
    late: int = 0
    early: int = 0
    shifts: tuple[Shift, ...] = ()
    """The first of the drops at a wrong step, in order; `late` and `early` count them all."""
    differing: int = 0
    """Steps with other bits than the exact value's, those of the shifted drops apart."""
    worst_ulp: int = 0
    """The furthest of these, in ULP of `dtype`."""
    far: int | None = None
    """The first of these steps that is off by more than rounding explains."""
    skipped: str | None = None
    """Why it was not called: the peer cannot express the schedule."""
    error: str | None = None
    """What it raised."""

    @property
    def affected(self) -> bool:
        """Whether a run with it had another schedule: a drop elsewhere, or other rates."""
        return bool(self.shifts) or self.far is not None

    @property
    def verdict(self) -> str:
        """One of affected, rounding, exact, skipped, failed."""
        if self.skipped is not None:
            return "skipped"
        if self.error is not None:
            return "failed"
        if self.affected:
            return "affected"
        return "rounding" if self.differing else "exact"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, the verdict with it."""
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
    """The findings, schedule by schedule in the order of the peers, and who was not called."""

    schedules: tuple[InverseTimeDecay, ...]
    start: int
    stop: int
    """The run has the steps start <= n < stop."""
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    @property
    def ok(self) -> bool:
        """Whether nobody was affected, and nobody failed."""
        return not any(finding.verdict in ("affected", "failed") for finding in self.findings)

    def of(self, schedule: InverseTimeDecay) -> Iterator[Finding]:
        """The findings on one of the schedules."""
        return (finding for finding in self.findings if finding.schedule is schedule)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "ok": self.ok,
            "start": self.start,
            "stop": self.stop,
            "findings": [finding.to_dict() for finding in self.findings],
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def to_json(self, indent: int | None = None) -> str:
        """As JSON."""
        return json.dumps(self.to_dict(), indent=indent)
