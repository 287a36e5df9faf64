"""The diagnosis of a log: frozen data classes, their JSON, and their text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from invtime.spec import InverseTimeDecay

MATCHES = {
    "float64": "every rate equals the schedule's in float64",
    "float32": "every rate equals the schedule's in float32",
    "digits": "every rate equals the schedule's, rounded to the printed digits",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation of every rate of a log."""

    kind: str
    """A kind from the list in the documentation of `invtime check-log`, or the name of the
    parameter with another value, such as decay_rate, or two of these joined by "+"."""
    text: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tested:
    """What a log tests, if its steps are those of the schedule."""

    rates: int
    """The number of distinct rates."""
    of_decay: int
    """The number of distinct rates from the decay, without the peak and the floor."""
    phases: tuple[str, ...]
    """The phases with at least one row."""
    last: int
    """The last step of the schedule with a row."""
    decay: bool
    """Whether the decay was tested or, if decay_rate is 0, the constant rate.

    A single rate that only determines the number of updates per epoch does not count."""

    def line(self) -> str:
        """The line to print."""
        rates = f"{self.rates} distinct rate{'s' * (self.rates != 1)}"
        return (
            f"tested: {rates}, {self.of_decay} from the decay; phases: {', '.join(self.phases)}; "
            f"last step: {self.last}"
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of the log that differs from the schedule."""

    step: int
    """As numbered in the log."""
    logged: str
    expected: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a log follows a schedule, and if not, the possible explanations."""

    schedule: InverseTimeDecay
    kind: str
    """The format and the columns of the log."""
    rows: int
    first: int
    last: int
    """The first and the last step in the log."""
    first_step: int
    """The log's number for the schedule's step 0."""
    level: str | None
    """How closely the log agrees with the schedule or, if it does not, with the explanations:
    float64, float32, digits or rounding; None if nothing explains the log."""
    tested: Tested
    reading: Explanation | None = None
    """The step of the schedule that each row has, if the log counts epochs or has no steps and the
    explanations do not say it."""
    explanations: tuple[Explanation, ...] = ()
    """All explanations that fit at this level, likeliest first; empty for a match."""
    differing: int = 0
    difference: Difference | None = None
    """The first row that differs from the schedule. `differing` is the number of such rows."""
    notes: tuple[str, ...] = ()

    @property
    def match(self) -> bool:
        """Whether the log follows the schedule."""
        return self.differing == 0

    @property
    def status(self) -> int:
        """The exit status: 0 for a match, 1 for no match, 3 for a match without a decay rate."""
        if not self.match:
            return 1
        return 0 if self.tested.decay else 3

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as plain data."""
        return {
            **asdict(self),
            "schedule": self.schedule.get_config(),
            "match": self.match,
            "status": self.status,
        }

    def to_json(self, indent: int | None = None) -> str:
        """The diagnosis as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def lines(self) -> Iterator[str]:
        """The lines to print."""
        rates = f"{self.rows} rate{'s' * (self.rows != 1)}"
        yield f"log: {self.kind}; {rates}, steps {self.first} to {self.last}"
        how = f"; {self.reading.text}" if self.reading else ""
        if self.level is not None and self.match:
            verdict = "match: " if self.tested.decay else "match, but the decay was not tested: "
            yield f"{verdict}{MATCHES[self.level]}{how}"
        elif self.explanations:
            yield f"no match: {self.explanations[0].text}{how}"
            yield from (f"or: {other.text}" for other in self.explanations[1:])
        else:
            yield "no match: no known mistake explains the log"
        yield self.tested.line()
        if (row := self.difference) is not None:
            differ = "rate differs" if self.differing == 1 else "rates differ"
            yield (
                f"{self.differing} {differ} from the schedule, first at step {row.step}: "
                f"logged {row.logged}, expected {row.expected!r}"
            )
        if self.first_step:
            yield f"note: the log's step {self.first_step} is read as the schedule's step 0"
        yield from (f"note: {note}" for note in self.notes)
