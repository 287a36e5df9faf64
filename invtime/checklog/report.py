"""What was found out about a log: plain frozen data, its JSON and its lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from invtime.spec import InverseTimeDecay

MATCHES = {
    "float64": "every rate has the bits of the schedule's, in float64",
    "float32": "every rate has the bits of the schedule's, in float32",
    "digits": "every rate is the schedule's, rounded to the digits that were printed",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Something that explains every rate of a log."""

    kind: str
    """rounding, late-drop, shifted, continuous, staircase, epochs, log-in-epochs,
    decay_rate, initial_learning_rate, decay_steps, two-parameters or left-out."""
    text: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of the log that is not the schedule's."""

    step: int
    """As the log counts."""
    logged: str
    expected: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a log is that of a schedule, and if not, what explains it."""

    schedule: InverseTimeDecay
    kind: str
    """The log's format and columns."""
    rows: int
    first: int
    last: int
    """The first and the last step in the log."""
    first_step: int
    """What the log calls the schedule's step 0."""
    level: str | None
    """How closely the log agrees with the schedule, or else with the explanations: float64,
    float32, digits, rounding; None where nothing explains it."""
    explanations: tuple[Explanation, ...] = ()
    """All that fit as closely as that, the likeliest first; none for a match."""
    differing: int = 0
    difference: Difference | None = None
    """How many rows differ from the schedule, and the first of them."""
    notes: tuple[str, ...] = ()

    @property
    def match(self) -> bool:
        """Whether the log is that of the schedule."""
        return self.differing == 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "schedule": self.schedule.get_config(), "match": self.match}

    def to_json(self, indent: int | None = None) -> str:
        """As JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def lines(self) -> Iterator[str]:
        """For reading."""
        yield f"log: {self.kind}; {self.rows} rates, steps {self.first} to {self.last}"
        if self.level is not None and self.match:
            yield f"match: {MATCHES[self.level]}"
        elif self.explanations:
            yield f"no match: {self.explanations[0].text}"
            yield from (f"or: {other.text}" for other in self.explanations[1:])
        else:
            yield "no match, and nothing that is known explains it"
        if (row := self.difference) is not None:
            yield (
                f"{self.differing} rates differ, the first at step {row.step}: "
                f"logged {row.logged}, the schedule has {row.expected!r}"
            )
        if self.first_step:
            yield f"note: the log's step {self.first_step} is taken for the schedule's step 0"
        yield from (f"note: {note}" for note in self.notes)
