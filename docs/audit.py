"""The page of what others compute: the audit of examples/audit.json as Markdown.

python docs/audit.py    calls the peers, which takes some minutes, and writes docs/audit.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from invtime import InverseTimeDecay
from invtime.audit import Audit, Finding, audit
from invtime.audit.expressions import has_phases
from invtime.audit.peers import ADDED_UP, PEERS
from invtime.audit.words import call, skipped, verdicts
from invtime.audit.worker import DROPS, FIRST, SPREAD

DOCS = Path(__file__).parent

INTRO = """\
# What others compute

What people use for this schedule today, compared with the exact values on a CPU at the steps \
{start} to {last}. A row is a peer in the worst of its modes, a column \
[a schedule](#the-schedules).

## Who is affected\
"""

LEGEND = """
- **late**, **early**: so many drops of the staircase come at a later or an earlier step.
- **from**: the first step with a rate that no rounding explains.
- **rounding**: some rates have other bits, as far off as rounding explains; no run is affected.
- **same**: every rate has the bits of the exact value.
- **fails**: it raises an error, or its process ends.
- **-**: it has no such schedule.

## The peers
"""

METHOD = """\
## How it is measured

`python docs/audit.py` wrote this page. Compiled modes take every step. The eager ones are slow: \
they take the first {first} steps, the two sides of the first {drops} drops, {spread} more, and \
with phases the steps around the knots and some in each phase, one step at a time as an \
optimizer does. Bits are compared in the dtype of the peer; ULP is its unit in the last place, \
and the furthest rate is named.

- Optax has no inverse time decay: `optax` is the expression with `jnp.floor`, which is how its \
`exponential_decay(staircase=True)` computes the plateau, and drops late as that does.
- A recipe with phases is written as people write it: with a choice (`where`) between the \
expressions of the phases, by `optax.join_schedules`, or by torch's `SequentialLR`.
- On the line of a warm-up or a cool-down, and after it, rounding is measured by the larger end \
of the line: near an end at 0 a harmless error is many ULP of the rate. `SequentialLR` makes each \
rate of a line from the one before, so that the errors add up; up to {added:.0e} of the rate are \
taken for rounding there.
- Levanter's `inv` has the second rate of the decay at its first step too.
- Keras takes an integer `initial_learning_rate` for a computation in integers, where a \
decay_rate of 0.5 is 0: write `1.0`.
- Whoever computes in float32 also loses steps past 2**24 = 16,777,216: \
`invtime audit --start 16777216 ...` shows it.
"""

WIDTH = 5  # schedules beside each other: a phone has room for so many
WORDS = {"skipped": "-", "exact": "same", "failed": "**fails**"}
RANK = ("skipped", "exact", "rounding", "affected", "failed")


def markdown(audit: Audit) -> Iterator[str]:
    """The lines of the page."""
    yield INTRO.format(start=audit.start, last=audit.stop - 1)
    numbered = list(enumerate(audit.schedules, 1))
    for first in range(0, len(numbered), WIDTH):
        yield ""
        yield from _matrix(audit, numbered[first : first + WIDTH])
    yield LEGEND
    yield from _peers(audit)
    yield "\n## The schedules"
    for number, schedule in numbered:
        yield f"\n### {number}. `{call(schedule)}`\n"
        yield from _details(audit, schedule)
    yield ""
    yield METHOD.format(first=FIRST, drops=DROPS, spread=SPREAD, added=ADDED_UP * 2.0**-52)


def _matrix(audit: Audit, numbered: list[tuple[int, InverseTimeDecay]]) -> Iterator[str]:
    """A row for each peer that was called, a column for each of these schedules."""
    rows = []
    for name in PEERS:
        cells = []
        for _, schedule in numbered:
            own = [finding for finding in audit.of(schedule) if finding.peer == name]
            cells += [_cell(max(own, key=_weight))] if own else []
        rows += [[name, *cells]] if cells else []
    yield ":::{table}"
    yield ":class: matrix"
    yield ""
    yield from _rows(["", *(_label(number, schedule) for number, schedule in numbered)], rows)
    yield ":::"


def _label(number: int, schedule: InverseTimeDecay) -> str:
    kind = "stairs" if schedule.staircase else "smooth"
    phases = " phases" if has_phases(schedule) else ""
    return f"{number} {kind} {schedule.decay_steps}{phases}"


def _weight(finding: Finding) -> tuple[int, int]:
    return RANK.index(finding.verdict), finding.late + finding.early


def _cell(finding: Finding) -> str:
    """A finding in a word, with the number where a run is affected."""
    if finding.late or finding.early:
        counts = ((finding.late, "late"), (finding.early, "early"))
        return f"**{', '.join(f'{count} {when}' for count, when in counts if count)}**"
    if finding.affected:
        return f"**from {finding.far}**"
    return WORDS.get(finding.verdict, finding.verdict)


def _peers(audit: Audit) -> Iterator[str]:
    for name, peer in PEERS.items():
        version = next((finding.version for finding in audit.findings if finding.peer == name), "")
        if version:
            yield f"- **{name}**: {peer.what} ({version})"
    for absent in audit.skipped:
        yield f"- **{absent.peer}** was not called: {absent.reason}"


def _details(audit: Audit, schedule: InverseTimeDecay) -> Iterator[str]:
    """What affected a run, the numbers of every mode, and who has no such schedule."""
    own = list(audit.of(schedule))
    yield from verdicts(audit, schedule)
    drops = any(finding.drops for finding in own)
    columns = ["peer, mode", *(["drops"] if drops else []), "other bits", "verdict"]
    called = [finding for finding in own if finding.verdict != "skipped"]
    yield "\n<details>\n<summary>The numbers of each mode</summary>\n"
    yield from _rows(columns, (_numbers(finding, drops) for finding in called))
    for reason, names in skipped(audit, schedule).items():
        yield f"\nNot called: {', '.join(names)} ({reason})."
    yield "\n</details>"


def _numbers(finding: Finding, drops: bool) -> Iterator[str]:
    """The cells of a mode; that of its drops only where the schedule has some."""
    name = f"{finding.peer} {finding.mode}".rstrip()  # without one where its process ended early
    yield f"{name}, {finding.dtype}" if finding.dtype else name
    if drops and finding.error is not None:
        yield ""
    elif drops:
        shifted = finding.late + finding.early
        yield f"{_cell(finding).strip('*')} of {finding.drops}" if shifted else "on time"
    if finding.error is not None:
        yield finding.error
    elif finding.differing:
        yield f"{finding.differing} of {finding.points}, {finding.worst_ulp} ULP"
    else:
        yield f"none of {finding.points}"
    yield WORDS.get(finding.verdict, finding.verdict)


def _rows(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = tuple(columns)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    configs = json.loads((DOCS.parent / "examples" / "audit.json").read_text("utf-8"))
    report = audit([InverseTimeDecay.from_config(config) for config in configs])
    (DOCS / "audit.md").write_text("\n".join([*markdown(report), ""]), "utf-8")
