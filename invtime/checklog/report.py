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
    """One of those in the list of kinds in the manual of `invtime check-log`, the parameter that
    is another, such as decay_rate, or two of them with a "+" between."""
    text: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tested:
    """What a log is evidence of, if its steps are those of the schedule."""

    rates: int
    """How many rates are in it, each counted once."""
    of_decay: int
    """How many of them are rates of the decay, and neither the peak nor the floor."""
    phases: tuple[str, ...]
    """The phases that have a row."""
    last: int
    """The last step of the schedule that has one."""
    decay: bool
    """Whether anything of the decay was tested, or else of the constant rate in its place.

    Not by the one rate that says how many updates an epoch has."""

    def line(self) -> str:
        """For reading."""
        rates = f"{self.rates} distinct rate{'s' * (self.rates != 1)}"
        return (
            f"tested: {rates}, {self.of_decay} of the decay; phases: {', '.join(self.phases)}; "
            f"last step: {self.last}"
        )


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
    tested: Tested
    reading: Explanation | None = None
    """Where the log counts epochs or nothing, and no explanation says it: the step of the schedule
    that each row has."""
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

    @property
    def status(self) -> int:
        """The exit status: 0 for a match, 1 for none, 3 for one that tests nothing of the decay."""
        if not self.match:
            return 1
        return 0 if self.tested.decay else 3

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            **asdict(self),
            "schedule": self.schedule.get_config(),
            "match": self.match,
            "status": self.status,
        }

    def to_json(self, indent: int | None = None) -> str:
        """As JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def lines(self) -> Iterator[str]:
        """For reading."""
        rates = f"{self.rows} rate{'s' * (self.rows != 1)}"
        yield f"log: {self.kind}; {rates}, steps {self.first} to {self.last}"
        how = f"; {self.reading.text}" if self.reading else ""
        if self.level is not None and self.match:
            verdict = "match: " if self.tested.decay else "nothing of the decay was tested; "
            yield f"{verdict}{MATCHES[self.level]}{how}"
        elif self.explanations:
            yield f"no match: {self.explanations[0].text}{how}"
            yield from (f"or: {other.text}" for other in self.explanations[1:])
        else:
            yield "no match, and nothing that is known explains it"
        yield self.tested.line()
        if (row := self.difference) is not None:
            differ = "rate differs" if self.differing == 1 else "rates differ"
            yield (
                f"{self.differing} {differ}, the first at step {row.step}: "
                f"logged {row.logged}, the schedule has {row.expected!r}"
            )
        if self.first_step:
            yield f"note: the log's step {self.first_step} is taken for the schedule's step 0"
        yield from (f"note: {note}" for note in self.notes)
