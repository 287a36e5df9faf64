"""`invtime audit`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from invtime import config as configs
from invtime.cli import schedule as options
from invtime.cli.output import emit, progress_bar, prose, read_file
from invtime.cli.tables import as_table
from invtime.cli.values import completes, whole
from invtime.errors import ConfigError
from invtime.spec import InverseTimeDecay

if TYPE_CHECKING:
    from invtime.audit import Audit

Configs = Annotated[str | None, options.config_option("A JSON config, or a JSON list of configs")]


def _read(file: str) -> list[InverseTimeDecay]:
    found = configs.loads(read_file(file))
    if not isinstance(found, list):
        return [InverseTimeDecay.from_config(found)]
    return [InverseTimeDecay.from_json(json.dumps(one)) for one in found]


def _peers() -> list[str]:
    from invtime.audit.peers import PEERS

    return [*PEERS]


@options.takes(Configs, _read)
def audit(
    *schedules: InverseTimeDecay,
    steps: Annotated[
        int, typer.Option(metavar="N", parser=whole(1), help="The number of steps of the run.")
    ] = 100_000,
    start: Annotated[
        int, typer.Option(metavar="N", parser=whole(0), help="The first step of the run.")
    ] = 0,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completes(_peers),
            help="Audit only this peer, such as keras-jax; may be repeated.",
        ),
    ] = None,
    layout: Annotated[
        Literal["table", "json"], typer.Option("--format", help="The output format.")
    ] = "table",
) -> None:
    """Compare other libraries' versions of a schedule with the exact values.

    Calls the schedules of Keras, TensorFlow, Paddle and PyTorch, and the formula written by hand
    in each framework ("peers"). Reports staircase drops that come late or early, and steps whose
    rates have different bits. Runs on the CPU, one process per framework. Libraries that are not
    installed are listed with the reason.

    Example: `invtime audit --lr 0.1 -S 41 -R 0.5 --staircase --peer keras-jax`

    Exit status: 0 if every peer agrees within rounding, 1 if one does not or fails, 2 for bad
    input.
    """
    from invtime import audit

    _check_installed(peer or ())
    with progress_bar("audit") as progress:
        report = audit.audit(schedules, peers=peer, start=start, steps=steps, progress=progress)
    _check_compared(report)
    emit(_lines(report, layout))
    # _check_installed found the named peers: if one was skipped, its framework cannot be imported.
    raise typer.Exit(0 if report.ok and not (peer and report.skipped) else 1)


def _check_installed(names: Iterable[str]) -> None:
    """Raise a ConfigError if a named peer is not installed."""
    from invtime.audit.peers import PEERS

    for name in names:
        modules = PEERS[name].modules if name in PEERS else ()
        for module in modules:
            if find_spec(module) is None:
                raise ConfigError(
                    f"--peer {name} needs {module}, which is not installed; "
                    "install it, or remove this --peer"
                )


def _check_compared(report: Audit) -> None:
    """Raise a ConfigError if no peer was called for any schedule."""
    if all(finding.skipped for finding in report.findings):
        reasons = [(skipped.peer, skipped.reason) for skipped in report.skipped]
        reasons += [(finding.peer, str(finding.skipped)) for finding in report.findings]
        why = "; ".join(f"{peer}: {reason}" for peer, reason in dict.fromkeys(reasons))
        raise ConfigError(
            f"nothing was compared; {why}; name another --peer, or omit --peer to try them all"
        )


def _lines(report: Audit, layout: str) -> Iterator[str]:
    from invtime.audit import words

    if layout == "json":
        yield report.to_json(indent=2)
        return
    for schedule in report.schedules:
        called = [finding for finding in report.of(schedule) if finding.skipped is None]
        yield prose(words.call(schedule))
        yield from as_table(
            words.COLUMNS,
            map(words.cells, called),
            numbers=words.NUMBERS,
            names=("mode", "dtype"),
            notes=("note",),
        )
        for reason, names in words.skipped(report, schedule).items():
            yield prose(f"skipped: {', '.join(names)} ({reason})")
        verdicts = words.verdicts(report, schedule) if called else ["Nothing was compared."]
        yield from map(prose, verdicts)
        yield ""
    versions = {finding.version for finding in report.findings}
    parts = sorted({part for version in versions for part in version.split(", ") if part})
    yield prose(f"versions: {', '.join(parts)}")
    for skipped in report.skipped:
        yield prose(f"not called: {skipped.peer} ({skipped.reason})")
