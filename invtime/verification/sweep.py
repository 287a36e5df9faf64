"""Evaluate pieces of the grid in every place, and compare them with the exact values.

An executor runs this in its workers. A worker keeps its sweep, so its frameworks compile once and
not for each piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from invtime.backends.base import Kernel
from invtime.errors import InvTimeError, PlacementError, StepTypeError
from invtime.reference import Bits, Reference, Truth, bits_of_array
from invtime.spec import InverseTimeDecay
from invtime.verification.grid import CHUNK, Grid, Piece
from invtime.verification.selection import Place, load
from invtime.verification.tally import Outcome, Tally


class Evaluation:
    """A schedule in one place: `compare` adds a chunk, `take` returns the outcome."""

    def __init__(self, schedule: InverseTimeDecay, place: Place) -> None:
        self._schedule = schedule
        self._place = place
        self._kernel: Kernel | None = None
        self._outcome = Outcome(place.version, Tally(place.dtype))
        try:
            place.backend.dtype(place.dtype)
        except PlacementError as error:
            self._outcome.skipped = str(error)

    def take(self) -> Outcome:
        """Return the outcome since the last call, and start a new one."""
        done, place = self._outcome, self._place
        self._outcome = Outcome(
            place.version, Tally(place.dtype), skipped=done.skipped, error=done.error
        )
        return done

    def compare(self, truth: Truth) -> None:
        """Evaluate a chunk and count the differences; an exception ends the run."""
        if self._outcome.ended:
            return
        try:
            self._compare(truth)
        except Exception as error:  # a framework can raise anything
            reason = (str(error).strip().splitlines() or [""])[0]
            dtype = truth.steps.dtype.name
            self._outcome.error = f"at {dtype} steps: {type(error).__name__}: {reason}"

    def _compare(self, truth: Truth) -> None:
        backend, device, dtype = self._place.backend, self._place.device, self._place.dtype
        steps = truth.steps
        # All chunks have the same length, so a compiled mode compiles once for each step dtype.
        padded = np.pad(steps, (0, CHUNK - steps.size), mode="edge")
        try:
            native = backend.coerce(padded, backend.device(device))
        except StepTypeError:
            self._outcome.refused += steps.size
            return
        precision = backend.precision(native)
        if precision < 53 and dtype == "float64":
            self._outcome.skipped = f"{device} has no binary64"
            return
        if self._kernel is None:
            self._kernel = self._wrapped()
        found = _bits(backend.to_numpy(self._kernel(native)), dtype)[: steps.size]
        self._outcome.tally.add(truth, found, precision)

    def _wrapped(self) -> Kernel:
        backend, _, mode, device, dtype = self._place
        placed = self._schedule.on(backend.name, device=device, dtype=dtype)

        def kernel(step: Any) -> Any:
            return placed(step)

        # Dynamo keeps at most eight compiled versions of a code object: each run needs a new one.
        kernel.__code__ = kernel.__code__.replace()
        return backend.modes()[mode](kernel)


def _bits(found: npt.NDArray[Any], dtype: str) -> Bits:
    """Return the bits of a result; raise if it does not have the padded shape and the dtype."""
    widened = dtype == "bfloat16" and found.dtype == np.float32
    if found.shape != (CHUNK,) or not (widened or found.dtype.name == dtype):
        raise InvTimeError(
            f"the result has dtype {found.dtype.name} and shape {found.shape}; "
            f"it must have dtype {dtype} and shape {(CHUNK,)}, which is the shape of the step"
        )
    return bits_of_array(found, dtype)


class Job(NamedTuple):
    """The input of a worker, as plain data."""

    schedule: InverseTimeDecay
    last: int
    places: tuple[tuple[str, str, str, str], ...]
    """Backend, mode, device and dtype of each run."""
    token: str
    """Different for each call of `verify`, so that a worker does not reuse an earlier sweep."""


class Sweep:
    """A schedule evaluated over the grid up to the step `last`, in several places."""

    def __init__(self, schedule: InverseTimeDecay, last: int, places: Iterable[Place]) -> None:
        self.grid = Grid(schedule.form, last)
        self._reference = Reference(schedule)
        self._runs = [(place.step_dtypes, Evaluation(schedule, place)) for place in places]

    def compare(self, piece: Piece, tick: Callable[[], object] = lambda: None) -> list[Outcome]:
        """Return the outcome of each run that accepts steps of the piece's dtype, in order.

        `tick` is called after each chunk of each run.
        """
        runs = [run for step_dtypes, run in self._runs if piece.dtype in step_dtypes]
        for steps in self.grid.chunks(piece):
            truth = self._reference.at(steps)
            for run in runs:
                run.compare(truth)
                tick()
        return [run.take() for run in runs]


def compare(job: Job, piece: Piece, attempt: int) -> list[Outcome]:
    """Call `Sweep.compare` in a worker.

    `attempt` is not used. Dask merges two calls with the same arguments, so it makes them differ.
    """
    with _one_at_a_time:  # some frameworks cannot compile in several threads at once
        return _sweep(job).compare(piece)


_one_at_a_time = Lock()


@lru_cache(maxsize=4)
def _sweep(job: Job) -> Sweep:
    versions = {name: load([name])[0][0] for name, *_ in job.places}
    places = (
        Place(*versions[name], mode, device, dtype) for name, mode, device, dtype in job.places
    )
    return Sweep(job.schedule, job.last, places)
