"""An audit as a page of Markdown, and the phrases that the command's table shares with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from invtime.audit.peers import PEERS
from invtime.audit.report import Audit, Finding
from invtime.audit.worker import DROPS, FIRST, SPREAD
from invtime.spec import InverseTimeDecay

COLUMNS = ("peer", "mode", "dtype", "points", "late", "early", "other bits", "ULP", "verdict")
NUMBERS = COLUMNS[3:8]

SHOWN = 5  # steps of shifted drops in a line; the JSON has more

INTRO = """\
# What others compute

`invtime audit --config examples/audit.json --format markdown` wrote this page. It compares what \
people use for this schedule today with the exact values, on a CPU, over the steps {start} to \
{last}:

- **late**, **early**: the drops of a staircase that come at a later or an earlier step, of all \
at which the peer was called;
- **other bits**: the steps, apart from those, whose rate has other bits than the exact value in \
the same dtype, among the points, and the furthest of them in units in the last place (ULP);
- **affected**: a run with it had another schedule: a drop at another step, or rates that no \
rounding explains. Other bits alone are rounding.

Compiled modes take every step; the eager ones, which are slow, the first {first} steps, the two \
sides of the first {drops} drops, and {spread} more, one step at a time as an optimizer does. \
Optax has no inverse time decay: `optax` is the expression with `jnp.floor`, which is how its \
`exponential_decay(staircase=True)` computes the plateau, and drops late as that does. \
Keras takes an integer `initial_learning_rate` for a computation in integers, where a decay_rate \
of 0.5 is 0: write `1.0`. \
Whoever computes in float32 also loses steps past 2**24 = 16,777,216: \
`invtime audit --start 16777216 ...` shows it.
"""


def markdown(audit: Audit) -> Iterator[str]:
    """The lines of the page."""
    yield INTRO.format(
        start=audit.start, last=audit.stop - 1, first=FIRST, drops=DROPS, spread=SPREAD
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


def call(schedule: InverseTimeDecay) -> str:
    """The schedule as it is written in Python, without the names of its parameters."""
    numbers = schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate
    staircase = ["staircase=True"] if schedule.staircase else []
    return f"InverseTimeDecay({', '.join([*map(repr, numbers), *staircase])})"


def cells(finding: Finding) -> list[str]:
    """A finding under `COLUMNS`."""
    names = [finding.peer, finding.mode]
    if finding.skipped is not None or finding.error is not None:
        reason = finding.skipped or finding.error
        return [*names, "", "", "", "", "", "", f"{finding.verdict}: {reason}"]
    drops = finding.drops
    return [
        *(*names, finding.dtype, str(finding.points)),
        *(f"{count} of {drops}" if drops else "" for count in (finding.late, finding.early)),
        *(str(finding.differing), str(finding.worst_ulp)),
        finding.verdict,
    ]


def effect(finding: Finding) -> str:
    """What an affected run had, in a phrase."""
    if not finding.shifts:
        return f"other rates from step {finding.far} on"
    kinds = []
    for late in (True, False):
        shifts = [shift for shift in finding.shifts if shift.late is late]
        if shifts:
            count = finding.late if late else finding.early
            least, most = min(shift.by for shift in shifts), max(shift.by for shift in shifts)
            by = f"{least}" if least == most else f"{least} to {most}"
            steps = ", ".join(str(shift.step) for shift in shifts[:SHOWN])
            kinds.append(
                f"{count} of {finding.drops} drops {by} step{'s' * (most > 1)} "
                f"{'late' if late else 'early'}, at {steps}{', ...' if count > SHOWN else ''}"
            )
    return "; ".join(kinds)


def verdicts(audit: Audit, schedule: InverseTimeDecay) -> Iterator[str]:
    """A line on a schedule for each way in which runs with it had another one."""
    ways: dict[str, list[str]] = {}
    for finding in audit.of(schedule):
        if finding.affected:
            ways.setdefault(effect(finding), []).append(f"{finding.peer} {finding.mode}")
    for way, names in ways.items():
        yield f"Affected are runs with {', '.join(names)}: {way}"
    if not ways:
        yield "No run with these was affected."


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
