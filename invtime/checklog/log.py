"""A log: steps with the rates as they were printed, checked for what no log should have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import isfinite
from typing import Any

from invtime.errors import InvTimeError, cut, shown


CONVENTIONS = {
    "keras-epoch": "epoch e, from 0, has the rate after its last update: step m * (e + 1)",
    "lightning-epoch": "epoch e, from 0, has the rate of its first update: step m * e",
    "trainer": "step n has the rate of update n - 1, the one that was just counted",
}
"""What the frameworks log by design, where an epoch has m updates."""


class LogError(InvTimeError, ValueError):
    """A file is not a log of learning rates, or has something in it that no log should have."""


@dataclass(frozen=True, slots=True)
class Log:
    """Logged learning rates, by ascending step."""

    kind: str
    """The format, such as "CSV", and the columns that were read."""
    steps: tuple[int, ...]
    rates: tuple[Decimal, ...]
    """As printed: with their digits."""
    first_steps: tuple[int, ...] = (0,)
    """What the log may call the schedule's step 0; the likely one comes first."""
    notes: tuple[str, ...] = ()
    unit: str = "update"
    """What the steps count: "update", "epoch", or "row" where the log has no steps.

    Rows are numbered from 0, and each is one more of an unknown number of updates.
    """
    conventions: tuple[str, ...] = ()
    """What the format is known to log, as the names in `CONVENTIONS`."""

    @classmethod
    def of(cls, rates: Mapping[int, Any]) -> Log:
        """The log of rates by step, each a float, or the text that was printed."""
        return build(
            "mapping", ((step, rate, f"step {shown(step)}") for step, rate in rates.items())
        )


def build(
    kind: str,
    rows: Iterable[tuple[Any, Any, str]],
    first_steps: tuple[int, ...] = (0,),
    notes: Iterable[str] = (),
) -> Log:
    """The log of rows: a step, a rate, and where they stand.

    Raises:
        LogError: there is no row, a step or a rate is no number, or a step has two rates.
    """
    found: dict[int, Decimal] = {}
    repeated = 0
    for step, rate, place in rows:
        number, value = _step(step, place), _rate(rate, place)
        if found.setdefault(number, value) != value:
            raise LogError(
                f"{place} has step {number} again, with {cut(str(value))} instead of"
                f" {cut(str(found[number]))}; "
                "leave one run in the log, or name the column that counts its updates"
            )
        repeated += 1
    if not found:
        raise LogError("there is no learning rate in the log; name its column, if it has one")
    repeated -= len(found)
    steps = tuple(sorted(found))
    notes = [*notes, *_holes(steps)]
    if repeated:
        notes.append(f"rows that repeat a step, with the same rate: {repeated}")
    return Log(kind, steps, tuple(found[step] for step in steps), first_steps, tuple(notes))


def _step(value: Any, place: str) -> int:
    number = _number(value)
    if number is None or abs(number) >= 2**63 or number != int(number):
        raise LogError(f"{place} has the step {shown(value)}, which is no whole number; mend it")
    return int(number)


def _rate(value: Any, place: str) -> Decimal:
    number = _number(value)
    if number is None or number < 0:
        raise LogError(
            f"{place} has the learning rate {shown(value)}; it must be a number of 0 or more; "
            "mend the line or take it out"
        )
    return number


def _number(value: Any) -> Decimal | None:
    """The decimal that was printed, or None where no float is printed so."""
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except Exception:  # InvalidOperation, or a str() that raises, as that of a huge int
        return None
    if not number.is_finite() or abs(number.adjusted()) > 1000:  # 0e999999 is a zero, too
        return None
    return number if isfinite(number) else None


def _holes(steps: tuple[int, ...]) -> list[str]:
    """A note where a log of otherwise equal distances leaves steps out."""
    distances = Counter(b - a for a, b in pairwise(steps))
    if not distances:
        return []
    usual, count = distances.most_common(1)[0]
    holes = [(a, b) for a, b in pairwise(steps) if b - a > usual]
    if not holes or count < 0.9 * distances.total():
        return []
    first, last = holes[0]
    more = f", and {len(holes) - 1} more holes" if len(holes) > 1 else ""
    return [f"the log has a hole: nothing between step {first} and step {last}{more}"]
