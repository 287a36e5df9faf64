"""Verify in several processes: each runs one backend with some of the result dtypes.

Compilers take most of the time, PyTorch's above all. They use one core, and compile again for
each dtype. If a framework crashes its process, the runs of the other frameworks continue.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product

from invtime import children, registry
from invtime.dtypes import DTYPES
from invtime.errors import BackendUnavailableError
from invtime.spec import InverseTimeDecay
from invtime.verification.report import Missing, Report, Run
from invtime.verification.runner import check_steps
from invtime.verification.selection import EVERYTHING, Choice, usable
from invtime.verification.worker import Offer, Part, Progress, Unusable

WORKER = "invtime.verification.worker"
# By default JAX and TensorFlow reserve nearly all of a GPU's memory: none is left for a second
# process.
SHARING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
UNITS = 1000  # units of progress in each part


def verify_apart(
    schedule: InverseTimeDecay,
    *,
    backends: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    dtypes: Sequence[str] | None = None,
    steps: int = 100_000,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Return the report that `verify` returns; the arguments and the errors are the same.

    If a process ends early, its unfinished runs have an error that says how it ended.
    """
    check_steps(steps)
    choice = Choice(modes, devices, dtypes)
    names, missing = usable(backends)
    if modes is not None or devices is not None:  # reject an unknown one before the work starts
        names = _with_places(names, choice, named=backends is not None)
    shares = [choice._replace(dtypes=share) for share in _shares(choice.result_dtypes)]
    parts = [Result(Part(name, share, schedule, steps)) for name in names for share in shares]
    _work(parts, progress)
    runs: list[Run] = []
    for name in names:
        own = [result for result in parts if result.part.backend == name]
        unusable = [result.unusable for result in own if result.unusable is not None]
        if len(unusable) < len(own):
            runs += _in_order(own)
        else:
            missing[name] = _reason(unusable[0], named=backends is not None)
    states = [state for state in registry.list_backends() if state.name in missing]
    listed = tuple(Missing(state.name, state.install, missing[state.name]) for state in states)
    return Report(schedule, steps, tuple(runs), listed)


@dataclass(slots=True)
class Result:
    """The state of a part: what its process has reported so far."""

    part: Part
    unusable: Unusable | None = None
    offer: Offer | None = None
    runs: list[Run] | None = None
    problem: str | None = None
    """How its process failed, or None."""
    share: float = 0.0
    """The fraction that is done, from 0 to 1."""


def offered(
    names: Iterable[str],
    choice: Choice = EVERYTHING,
    progress: Callable[[int, int], object] | None = None,
) -> list[Result]:
    """Return the modes and devices of each backend, or the reason why it cannot be used."""
    results = [Result(Part(name, choice, None, 0)) for name in names]
    _work(results, progress)
    return results


def _with_places(names: Iterable[str], choice: Choice, named: bool) -> list[str]:
    """Return the backends that match the choice, and those whose offer is unknown."""
    results = offered(names, choice)
    for result in results:
        if result.unusable is not None:
            _reason(result.unusable, named)
    offers = [result.offer for result in results if result.offer is not None]
    if all(result.problem is None for result in results):  # a failed process offers unknown modes
        choice.check({pair for offer in offers for pair in product(offer.modes, offer.devices)})
    return [r.part.backend for r in results if r.offer is None or r.offer.chosen]


def _reason(unusable: Unusable, named: bool) -> str:
    """Return why a backend is missing; raise BackendUnavailableError if it was named."""
    if named:
        raise BackendUnavailableError(unusable.message)
    return unusable.reason


def _shares(dtypes: Sequence[str]) -> list[list[str]]:
    """Split the dtypes into one share for each core, of about the same run time."""
    count = max(1, min(children.cores(), len(dtypes)))
    return [list(dtypes[first::count]) for first in range(count)]


def _work(results: Sequence[Result], progress: Callable[[int, int], object] | None) -> None:
    environment = {name: os.environ.get(name, value) for name, value in SHARING.items()}
    tasks = [children.Task(WORKER, result.part, environment) for result in results]
    with closing(children.run(tasks)) as messages:
        for index, message in messages:
            _enter(results[index], message)
            if progress is not None:
                done = sum(int(UNITS * result.share) for result in results)
                progress(done, UNITS * len(results))


def _enter(result: Result, message: object) -> None:
    if isinstance(message, Unusable):
        result.unusable = message
    elif isinstance(message, Offer):
        result.offer = message
    elif isinstance(message, Progress):
        result.share = message.share
    elif isinstance(message, children.Ended):
        result.problem, result.share = message.problem, 1.0
    elif isinstance(message, list):
        result.runs = message


def _in_order(results: Sequence[Result]) -> list[Run]:
    """Return the runs of one backend in the order of a report: by device, mode and dtype."""
    runs = [run for result in results for run in _runs(result)]
    devices = list(dict.fromkeys(run.device for run in runs))
    modes = list(dict.fromkeys(run.mode for run in runs))
    dtypes = list(DTYPES)

    def place(run: Run) -> tuple[int, int, int]:
        return devices.index(run.device), modes.index(run.mode), dtypes.index(run.dtype)

    return sorted(runs, key=place)


def _runs(result: Result) -> Iterator[Run]:
    """Yield the runs of a part; the unfinished ones have an error if its process ended."""
    if result.runs is not None:
        yield from result.runs
    elif result.offer is not None:
        for run in result.offer.chosen:
            yield replace(run, error=result.problem)
    else:  # the import of the framework failed here, but succeeded in another process
        error = result.problem if result.unusable is None else result.unusable.reason
        version = next(s.version for s in registry.list_backends() if s.name == result.part.backend)
        for dtype in result.part.choice.result_dtypes:
            yield Run(result.part.backend, str(version), "", "", dtype, error=error)
