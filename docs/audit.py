"""The page of what others compute: the audit of examples/audit.json as Markdown.

python docs/audit.py    calls the peers, which takes some minutes, and writes docs/audit.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from invtime import InverseTimeDecay
from invtime.audit import Audit, Finding, audit
from invtime.audit.peers import ADDED_UP, PEERS
from invtime.audit.words import COLUMNS, NUMBERS, call, cells, verdicts
from invtime.audit.worker import DROPS, FIRST, SPREAD

DOCS = Path(__file__).parent

INTRO = """\
# What others compute

`python docs/audit.py` wrote this page. It compares what \
people use for this schedule today with the exact values, on a CPU, over the steps {start} to \
{last}:

- **late**, **early**: the drops of a staircase that come at a later or an earlier step, of all \
at which the peer was called;
- **other bits**: the steps, apart from those, whose rate has other bits than the exact value in \
the same dtype, among the points, and the furthest of them in units in the last place (ULP);
- **affected**: a run with it had another schedule: a drop at another step, or rates that no \
rounding explains. Other bits alone are rounding.

Compiled modes take every step; the eager ones, which are slow, the first {first} steps, the two \
sides of the first {drops} drops, {spread} more, and with phases the steps around the knots and \
some in each phase, one step at a time as an optimizer does. \
Optax has no inverse time decay: `optax` is the expression with `jnp.floor`, which is how its \
`exponential_decay(staircase=True)` computes the plateau, and drops late as that does. \
A recipe with phases is written as people write it: with a choice (`where`) between the \
expressions of the phases, by `optax.join_schedules`, or by torch's `SequentialLR`. On the line \
of a warm-up or a cool-down, and after it, rounding is measured by the larger end of the line: \
near an end at 0 a harmless error is many ULP of the rate. `SequentialLR` makes each rate of a \
line from the one before, so that the errors add up; up to {added:.0e} of the rate are taken for \
rounding there. Levanter's `inv` has the second rate of the decay at its first step too. \
Keras takes an integer `initial_learning_rate` for a computation in integers, where a decay_rate \
of 0.5 is 0: write `1.0`. \
Whoever computes in float32 also loses steps past 2**24 = 16,777,216: \
`invtime audit --start 16777216 ...` shows it.
"""


def markdown(audit: Audit) -> Iterator[str]:
    """The lines of the page."""
    yield INTRO.format(
        start=audit.start,
        last=audit.stop - 1,
        first=FIRST,
        drops=DROPS,
        spread=SPREAD,
        added=ADDED_UP * 2.0**-52,
    )
    yield "## Who is affected"
    yield ""
    yield from _rows(("peer", "version", "affected"), _summary(audit))
    for skipped in audit.skipped:
        yield f"\nNot called: {skipped.peer} ({skipped.reason})."
    for schedule in audit.schedules:
        yield f"\n## `{call(schedule)}`\n"
        yield from _rows(COLUMNS, map(cells, audit.of(schedule)), NUMBERS)
        yield ""
        yield from verdicts(audit, schedule)


def _summary(audit: Audit) -> Iterator[list[str]]:
    for name, peer in PEERS.items():
        own = [finding for finding in audit.findings if finding.peer == name]
        if own:
            ways: dict[str, list[str]] = {}
            for finding in own:
                if way := _step(finding):
                    ways.setdefault(f"`{call(finding.schedule)}` {way}", []).append(finding.mode)
            found = "; ".join(f"{way} ({', '.join(modes)})" for way, modes in ways.items())
            yield [f"{name}: {peer.what}", own[0].version, found or "-"]


def _step(finding: Finding) -> str:
    if finding.shifts:
        return f"from step {finding.shifts[0].step}"
    if finding.affected:
        return f"from step {finding.far}"
    return "fails" if finding.error else ""


def _rows(
    columns: Iterable[str], rows: Iterable[Iterable[str]], numbers: Iterable[str] = ()
) -> Iterator[str]:
    columns = tuple(columns)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join('---:' if column in numbers else '---' for column in columns)}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    configs = json.loads((DOCS.parent / "examples" / "audit.json").read_text("utf-8"))
    report = audit([InverseTimeDecay.from_config(config) for config in configs])
    (DOCS / "audit.md").write_text("\n".join([*markdown(report), ""]), "utf-8")
