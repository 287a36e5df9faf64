"""A verification in processes: each has one backend and some of the result dtypes.

Most of the time goes into compilers, PyTorch's above all, which keep to one core and compile
for each dtype anew. A framework that takes its process with it ends no other's runs.
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
# JAX and TensorFlow each take nearly all of a GPU's memory, and a second process finds none.
SHARING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
UNITS = 1000  # of progress in each part


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
    """The report of `verify`, which has the same arguments and errors.

    The runs whose process ended before them have an error that says how it ended.
    """
    check_steps(steps)
    choice = Choice(modes, devices, dtypes)
    names, missing = usable(backends)
    if modes is not None or devices is not None:  # a wrong one is to be known before the work
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
    """What has come of a part so far."""

    part: Part
    unusable: Unusable | None = None
    offer: Offer | None = None
    runs: list[Run] | None = None
    problem: str | None = None
    """How its process failed."""
    share: float = 0.0
    """How much of it is done."""


def offered(
    names: Iterable[str],
    choice: Choice = EVERYTHING,
    progress: Callable[[int, int], object] | None = None,
) -> list[Result]:
    """What each of these backends has, or why it cannot be used."""
    results = [Result(Part(name, choice, None, 0)) for name in names]
    _work(results, progress)
    return results


def _with_places(names: Iterable[str], choice: Choice, named: bool) -> list[str]:
    """The backends that have something of the choice, and those of which it is not known."""
    results = offered(names, choice)
    for result in results:
        if result.unusable is not None:
            _reason(result.unusable, named)
    offers = [result.offer for result in results if result.offer is not None]
    if all(result.problem is None for result in results):  # or what one has is not known
        choice.check({pair for offer in offers for pair in product(offer.modes, offer.devices)})
    return [r.part.backend for r in results if r.offer is None or r.offer.chosen]


def _reason(unusable: Unusable, named: bool) -> str:
    """Why a backend is missing; BackendUnavailableError where it was named."""
    if named:
        raise BackendUnavailableError(unusable.message)
    return unusable.reason


def _shares(dtypes: Sequence[str]) -> list[list[str]]:
    """The dtypes in as many shares as there are cores: a backend's parts take equally long."""
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
    """The runs of one backend as a report has them: by device, mode and dtype."""
    runs = [run for result in results for run in _runs(result)]
    devices = list(dict.fromkeys(run.device for run in runs))
    modes = list(dict.fromkeys(run.mode for run in runs))
    dtypes = list(DTYPES)

    def place(run: Run) -> tuple[int, int, int]:
        return devices.index(run.device), modes.index(run.mode), dtypes.index(run.dtype)

    return sorted(runs, key=place)


def _runs(result: Result) -> Iterator[Run]:
    """The runs of a part, which have an error where its process ended before them."""
    if result.runs is not None:
        yield from result.runs
    elif result.offer is not None:
        for run in result.offer.chosen:
            yield replace(run, error=result.problem)
    else:  # it ended as it imported the framework, or another process imports it
        error = result.problem if result.unusable is None else result.unusable.reason
        version = next(s.version for s in registry.list_backends() if s.name == result.part.backend)
        for dtype in result.part.choice.result_dtypes:
            yield Run(result.part.backend, str(version), "", "", dtype, error=error)
