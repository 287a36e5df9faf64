"""The result of a verification, as frozen data and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from invtime.spec import InverseTimeDecay


@dataclass(frozen=True, slots=True)
class Difference:
    """The first mismatch of a run, in the order of the grid.

    `str()` returns one line, as in the table: the step, and both values with their bits.
    """

    step: int | float
    step_dtype: str
    expected: float
    """The exact value, rounded along the chain to the run's dtype."""
    found: float
    expected_bits: str
    """In hexadecimal, such as '0x3dcccccd'; every NaN has the same bits here."""
    found_bits: str

    def __str__(self) -> str:
        return (
            f"{self.step_dtype} step {self.step}: expected {self.expected!r} "
            f"({self.expected_bits}), "
            f"found {self.found!r} ({self.found_bits})"
        )


@dataclass(frozen=True, slots=True)
class Run:
    """The comparison of one backend in one mode, on one device, with one result dtype."""

    backend: str
    version: str
    """The framework's version. If the workers of an executor have several, all of them."""
    mode: str
    device: str
    dtype: str
    asked: int = 0
    """The number of steps to compare: the grid's steps in the dtypes that the backend accepts."""
    points: int = 0
    """The number of steps that were compared."""
    mismatches: int = 0
    """The number of steps whose value the contract does not allow."""
    worst_ulp: int = 0
    """The largest distance of a mismatch from its expected value, in ULP of `dtype`."""
    first: Difference | None = None
    neighbours: int = 0
    """The number of steps that differ as the contract allows, such as a float step by 1 ULP."""
    flushed: int = 0
    """The number of steps with 0 instead of a subnormal number of `dtype`, which is allowed."""
    note: str = ""
    error: str | None = None
    """What the framework raised, or which work an executor lost. The run ended there."""

    @property
    def ok(self) -> bool:
        """Whether every step to compare was compared, without a mismatch.

        A skipped run has no steps to compare, and is ok.
        """
        return self.error is None and not self.mismatches and self.points == self.asked


@dataclass(frozen=True, slots=True)
class Missing:
    """A backend that is announced but cannot be used in this environment."""

    backend: str
    install: str
    """The command that installs its framework, or an empty string."""
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of a verification, and the backends that were not compared."""

    schedule: InverseTimeDecay
    steps: int
    """The number of consecutive steps, which start at 0."""
    runs: tuple[Run, ...]
    missing: tuple[Missing, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether at least one step was compared and every run is ok.

        Missing backends do not count as failures.
        """
        return any(run.points for run in self.runs) and all(run.ok for run in self.runs)

    def to_json(self, indent: int | None = None) -> str:
        """Return the report as a JSON object with the keys schedule, steps, ok, runs, missing.

        The numbers of a difference are JSON strings. They can be NaN, infinite, or integers
        that some JSON readers would round.
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
