"""A log: steps with the rates as they were printed, checked for what no log should have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import inf, isfinite
from typing import Any

from invtime.errors import InvTimeError, cut, shown


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
    """What the format is known to log, by the names in `invtime.checklog.reading.conventions`."""

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
    unit: str = "update",
    conventions: tuple[str, ...] = (),
) -> Log:
    """The log of rows: a step, a rate, and where they stand.

    Raises:
        LogError: there is no row, a step or a rate is no number, or a step has two rates.
    """
    found: dict[int, Decimal] = {}
    count, last, anew = 0, -inf, False
    for step, rate, place in rows:
        number, value = step_of(step, place), _rate(rate, place)
        anew, last = anew or number < last, number
        if found.setdefault(number, value) != value:
            runs = "choose one run with --run 1, 2 or so on" if anew else "leave one run in the log"
            raise LogError(
                f"{place} has step {number} again, with {cut(str(value))} instead of"
                f" {cut(str(found[number]))}; {runs}, or name the column that counts its updates"
            )
        count += 1
    if not found:
        raise LogError("there is no learning rate in the log; name its column, if it has one")
    steps = tuple(sorted(found))
    notes = [*notes, *_holes(steps)]
    if count > len(found):
        notes.append(f"rows that repeat a step, with the same rate: {count - len(found)}")
    rates = tuple(found[step] for step in steps)
    return Log(kind, steps, rates, first_steps, tuple(notes), unit, conventions)


def step_of(value: Any, place: str) -> int:
    """The step that a cell has."""
    if type(value) is str and len(value) < 19 and value.isdecimal():
        return int(value)
    step = number(value)
    if step is None or abs(step) >= 2**63 or step != int(step):
        raise LogError(f"{place} has the step {_printed(value)}, which is no whole number; mend it")
    return int(step)


def _rate(value: Any, place: str) -> Decimal:
    rate = number(value)
    if rate is None or rate < 0:
        raise LogError(
            f"{place} has the learning rate {_printed(value)}; it must be a number of 0 or more; "
            "mend the line or take it out"
        )
    return rate


def _printed(value: Any) -> str:
    """What a cell has, for an error; a number of JSON's as it stands there."""
    return cut(str(value)) if isinstance(value, Decimal) else shown(value)


def number(value: Any) -> Decimal | None:
    """The decimal that was printed, or None where no float is printed so."""
    try:
        decimal = Decimal(value if type(value) in (str, Decimal) else str(value))
    except Exception:  # InvalidOperation, or a str() that raises, as that of a huge int
        return None
    if not decimal.is_finite() or abs(size := decimal.adjusted()) > 1000:  # a zero, too: 0e9999
        return None
    return decimal if size < 300 or isfinite(decimal) else None


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
