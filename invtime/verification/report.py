"""The outcome of a verification: plain frozen data, and its JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from invtime.spec import InverseTimeDecay


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step of a run whose value is not an allowed one, in the grid's order.

    Its text is one line, as in the table: the step, and both values with their bits.
    """

    step: int | float
    step_dtype: str
    expected: float
    """The exact value, rounded along the chain to the run's dtype."""
    found: float
    expected_bits: str
    """In hexadecimal, such as '0x3dcccccd'; every NaN shows the bits of one."""
    found_bits: str

    def __str__(self) -> str:
        return (
            f"{self.step_dtype} {self.step}: expected {self.expected!r} ({self.expected_bits}), "
            f"found {self.found!r} ({self.found_bits})"
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One backend in one mode, on one device, with one result dtype."""

    backend: str
    version: str
    """The framework's version; all of them, where an executor's workers have several."""
    mode: str
    device: str
    dtype: str
    asked: int = 0
    """The steps to compare: those of the grid in the dtypes that the backend takes."""
    points: int = 0
    """The steps compared."""
    mismatches: int = 0
    """The steps whose value the contract does not allow."""
    worst_ulp: int = 0
    """The largest distance of a mismatch from its expected value, in ULP of `dtype`."""
    first: Difference | None = None
    neighbours: int = 0
    """Steps with another value that is allowed: a float step one ULP off, say."""
    flushed: int = 0
    """Steps with zero where a subnormal number of `dtype` was expected, which is allowed."""
    note: str = ""
    error: str | None = None
    """What the framework raised, or what an executor lost; the run ended there."""

    @property
    def ok(self) -> bool:
        """Whether all points asked for were compared without a mismatch (none, if skipped)."""
        return self.error is None and not self.mismatches and self.points == self.asked


@dataclass(frozen=True, slots=True)
class Missing:
    """A backend that is announced but cannot be used here."""

    backend: str
    install: str
    """The command that installs its framework, or empty."""
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Every run of a verification, and the backends that could not take part."""

    schedule: InverseTimeDecay
    steps: int
    """The number of the consecutive steps, from 0 on."""
    runs: tuple[Run, ...]
    missing: tuple[Missing, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether something was compared and every run is ok; missing backends are no fault."""
        return any(run.points for run in self.runs) and all(run.ok for run in self.runs)

    def to_json(self, indent: int | None = None) -> str:
        """The report as a JSON object: schedule, steps, ok, runs, missing.

        The numbers of a difference are JSON strings: they may be NaN, infinite, or integers
        that other readers of JSON would round.
        """
        report = {
            "schedule": self.schedule.get_config(),
            "steps": self.steps,
            "ok": self.ok,
            "runs": [_plain(run) for run in self.runs],
            "missing": [asdict(missing) for missing in self.missing],
        }
        return json.dumps(report, indent=indent, allow_nan=False)


def _plain(run: Run) -> dict[str, Any]:
    fields = asdict(run)
    if run.first is not None:
        fields["first"] = {key: str(value) for key, value in asdict(run.first).items()}
    return {**fields, "ok": run.ok}
