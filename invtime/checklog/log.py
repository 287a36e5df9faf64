"""A log: steps and printed rates, validated."""

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
    """A file is not a log of learning rates, or a value in it is not valid."""


@dataclass(frozen=True, slots=True)
class Log:
    """Logged learning rates in ascending order of their steps."""

    kind: str
    """The format, such as "CSV", and the columns that were read."""
    steps: tuple[int, ...]
    rates: tuple[Decimal, ...]
    """As printed, with their digits."""
    first_steps: tuple[int, ...] = (0,)
    """The log's possible numbers for the schedule's step 0, likeliest first."""
    notes: tuple[str, ...] = ()
    unit: str = "update"
    """What the steps count: "update", "epoch", or "row" if the log has no steps.

    Rows are numbered from 0, and each stands for the same, unknown number of updates.
    """
    conventions: tuple[str, ...] = ()
    """The known conventions of the format, named in `invtime.checklog.reading.conventions`."""

    @classmethod
    def of(cls, rates: Mapping[int, Any]) -> Log:
        """Build a log from rates by step. Each rate is a float, or the text that was printed."""
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
    """Build a log from rows: a step, a rate, and their place in the file.

    Raises:
        LogError: there is no row, a step or a rate is not a number, or a step has two rates.
    """
    found: dict[int, Decimal] = {}
    count, last, anew = 0, -inf, False
    for step, rate, place in rows:
        number, value = step_of(step, place), _rate(rate, place)
        anew, last = anew or number < last, number
        if found.setdefault(number, value) != value:
            runs = (
                "choose a run with --run 1, --run 2, ..."
                if anew
                else "keep only one run in the log"
            )
            raise LogError(
                f"{place} has step {number} again, with the rate {cut(str(value))} instead of "
                f"{cut(str(found[number]))}; {runs}, or pass the column that counts updates as "
                "--step-column"
            )
        count += 1
    if not found:
        raise LogError(
            "the log has no learning rate; if it should, name the column with --rate-column"
        )
    steps = tuple(sorted(found))
    notes = [*notes, *_holes(steps)]
    if count > len(found):
        notes.append(f"rows that repeat a step with the same rate, ignored: {count - len(found)}")
    rates = tuple(found[step] for step in steps)
    return Log(kind, steps, rates, first_steps, tuple(notes), unit, conventions)


def step_of(value: Any, place: str) -> int:
    """The step in a cell."""
    if type(value) is str and len(value) < 19 and value.isdecimal():
        return int(value)
    step = number(value)
    if step is None or abs(step) >= 2**63 or step != int(step):
        raise LogError(f"{place} has the step {_printed(value)}, not a whole number; fix that row")
    return int(step)


def _rate(value: Any, place: str) -> Decimal:
    rate = number(value)
    if rate is None or rate < 0:
        raise LogError(
            f"{place} has the learning rate {_printed(value)}; it must be a number, 0 or more; "
            "fix or remove that row"
        )
    return rate


def _printed(value: Any) -> str:
    """A cell, for an error message; a JSON number is shown as it is in the file."""
    return cut(str(value)) if isinstance(value, Decimal) else shown(value)


def number(value: Any) -> Decimal | None:
    """The decimal that was printed, or None if it is not a float."""
    try:
        decimal = Decimal(value if type(value) in (str, Decimal) else str(value))
    except Exception:  # InvalidOperation, or a str() that raises, as for a huge int
        return None
    if (
        not decimal.is_finite() or abs(size := decimal.adjusted()) > 1000
    ):  # also for a zero such as 0e9999
        return None
    return decimal if size < 300 or isfinite(decimal) else None


def _holes(steps: tuple[int, ...]) -> list[str]:
    """A note if steps are missing from a log with otherwise equal distances."""
    distances = Counter(b - a for a, b in pairwise(steps))
    if not distances:
        return []
    usual, count = distances.most_common(1)[0]
    holes = [(a, b) for a, b in pairwise(steps) if b - a > usual]
    if not holes or count < 0.9 * distances.total():
        return []
    first, last = holes[0]
    more = f"; gaps in total: {len(holes)}" if len(holes) > 1 else ""
    return [f"the log has a gap between step {first} and step {last}{more}"]
