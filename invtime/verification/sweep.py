"""The work of one process: pieces of the grid, each compared in every place.

With an executor this runs in its workers. A worker keeps the sweep, and so what its
frameworks compiled, from piece to piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from invtime.spec import InverseTimeDecay
from invtime.verification.evaluation import Evaluation, Outcome
from invtime.verification.expected import Expected, TrueValues
from invtime.verification.grid import Grid, Piece
from invtime.verification.selection import Place, load


class Job(NamedTuple):
    """What a worker has to know, as plain data."""

    schedule: InverseTimeDecay
    last: int
    places: tuple[tuple[str, str, str, str], ...]
    """Backend, mode, device and dtype of each run."""
    token: str
    """Another for each call of `verify`, so that nothing of an earlier one is taken for it."""


class Sweep:
    """A schedule over the grid up to the step `last`, in a number of places."""

    def __init__(self, schedule: InverseTimeDecay, last: int, places: Iterable[Place]) -> None:
        self.grid = Grid(schedule.form, last)
        self._values = TrueValues(schedule)
        self._runs = [(place.step_dtypes, Evaluation(schedule, place)) for place in places]

    def compare(self, piece: Piece, tick: Callable[[], object] = lambda: None) -> list[Outcome]:
        """The outcome of each run that takes steps of the piece's dtype, in order.

        `tick` is called after each chunk in each run.
        """
        runs = [run for step_dtypes, run in self._runs if piece.dtype in step_dtypes]
        for steps in self.grid.chunks(piece):
            expected = Expected(steps, self._values.at(steps))
            for run in runs:
                run.compare(expected)
                tick()
        return [run.take() for run in runs]


def compare(job: Job, piece: Piece, attempt: int) -> list[Outcome]:
    """What `Sweep.compare` gives, in a worker.

    `attempt` is not used: Dask takes two calls of the same arguments for one.
    """
    with _one_at_a_time:  # frameworks do not all compile in several threads at once
        return _sweep(job).compare(piece)


_one_at_a_time = Lock()


@lru_cache(maxsize=4)
def _sweep(job: Job) -> Sweep:
    versions = {name: load([name])[0][0] for name, *_ in job.places}
    places = (
        Place(*versions[name], mode, device, dtype) for name, mode, device, dtype in job.places
    )
    return Sweep(job.schedule, job.last, places)
