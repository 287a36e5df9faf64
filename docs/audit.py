"""Write docs/audit.md: the audit of examples/audit.json as Markdown.

python docs/audit.py    call all peers, which takes some minutes, and write the page
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
# What other libraries compute

This page compares other implementations of the schedule with the exact rates. Read it to find \
out whether a run with one of them had the schedule that you configured. The comparison ran on \
a CPU, at the steps {start} to {last}. \
[`invtime audit`](command.md#invtime-audit) does the same for your own schedule.

## Affected runs

Each row is a library (a "peer"), in the worst of its modes. Each column is one of \
[the schedules](#the-schedules): its number, `smooth` or `stairs` (a staircase), its \
`decay_steps`, and `phases` if it has any.\
"""

LEGEND = """
- **late**, **early**: this many drops of the staircase come at a later or an earlier step.
- **from**: some rates differ by more than rounding, and this is the first step where they do.
- **rounding**: some rates have different bits, within rounding errors. No run is affected.
- **same**: every rate has the bits of the exact rate.
- **fails**: the peer raises an error, or its process ends.
- **-**: the peer does not support this schedule.

## The peers
"""

METHOD = """\
## How it is measured

`python docs/audit.py` wrote this page.

**Steps.** Compiled and host modes compute every step. Eager modes are slow. They compute the \
first {first} steps, the two steps around each of the first {drops} drops, and {spread} more. With \
phases they also compute the steps around the knots and some steps in each phase. They compute \
one step at a time, as an optimizer does.

**Bits.** Rates are compared in the dtype of the peer. The largest difference is given in ULP, \
the unit in the last place of that dtype.

**Rounding in phases.** On the line of a warm-up or a cool-down, and after it, the limit for \
rounding is relative to the larger end of the line, since near an end at 0 a harmless error is \
many ULP of the rate. `SequentialLR` computes each rate of a line from the one before, so errors \
accumulate. Up to {added:.0e} of the rate counts as rounding there.

**Peers.**

- Optax has no inverse time decay. The peer `optax` is the plain expression with `jnp.floor`. \
Optax's `exponential_decay(staircase=True)` computes its plateaus in the same way, and its drops \
are late too.
- Recipes with phases are written in the usual ways: with `where` between the expressions of the \
phases, with `optax.join_schedules`, or with PyTorch's `SequentialLR`.
- Levanter's `inv` returns the second rate of the decay at the first step of the decay too.
- Keras computes in integers if `initial_learning_rate` is an integer, and a `decay_rate` of 0.5 \
becomes 0. Write `1.0`, not `1`.
- Peers that compute in float32 also skip steps above 2**24 = 16,777,216. \
`invtime audit --start 16777216 ...` shows it.
"""

WIDTH = 5  # columns of a table; more do not fit on a phone
WORDS = {"skipped": "-", "exact": "same", "failed": "**fails**"}
RANK = ("skipped", "exact", "rounding", "affected", "failed")


def markdown(audit: Audit) -> Iterator[str]:
    """Yield the lines of the page."""
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
    """Yield a table with a row for each peer and a column for each of these schedules."""
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
    """Return the cell of a finding: a word, with a number if a run is affected."""
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
        yield f"- **{absent.peer}** was not compared: {absent.reason}"


def _details(audit: Audit, schedule: InverseTimeDecay) -> Iterator[str]:
    """Yield the verdicts, the numbers of each mode, and the peers that were not compared."""
    own = list(audit.of(schedule))
    yield "\n\n".join(verdicts(audit, schedule))
    drops = any(finding.drops for finding in own)
    columns = ["peer, mode", *(["drops"] if drops else []), "different bits", "verdict"]
    called = [finding for finding in own if finding.verdict != "skipped"]
    yield "\n<details>\n<summary>Results of each mode</summary>\n"
    yield from _rows(columns, (_numbers(finding, drops) for finding in called))
    for reason, names in skipped(audit, schedule).items():
        yield f"\nNot compared: {', '.join(names)} ({reason})."
    yield "\n</details>"


def _numbers(finding: Finding, drops: bool) -> Iterator[str]:
    """Yield the cells of a mode; the one for drops only if the schedule has drops."""
    name = f"{finding.peer} {finding.mode}".rstrip()  # no mode if its process ended early
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
