"""One run while it goes on: the schedule in one place, evaluated chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.backends.base import Kernel
from invtime.errors import InvTimeError, PlacementError, StepTypeError
from invtime.spec import InverseTimeDecay
from invtime.verification import bits
from invtime.verification.bits import Ranks
from invtime.verification.expected import Expected
from invtime.verification.grid import CHUNK, COMPILED, DTYPES
from invtime.verification.report import Run
from invtime.verification.selection import Place
from invtime.verification.tally import Tally


class Evaluation:
    """A schedule in one place: `compare` takes the chunks, `result` gives the `Run`."""

    def __init__(self, schedule: InverseTimeDecay, place: Place) -> None:
        self._schedule = schedule
        self._place = place
        self._kernel: Kernel | None = None
        self._tally = Tally(place.dtype)
        eager = place.mode == next(iter(place.backend.modes()))
        self._step_dtypes = DTYPES if eager else COMPILED
        self._refused: list[str] = []
        self._skipped: str | None = None
        self._error: str | None = None
        try:
            place.backend.dtype(place.dtype)
        except PlacementError as error:
            self._skipped = str(error)

    def compare(self, expected: Expected) -> None:
        """Evaluate a chunk and count what differs; what the framework raises ends the run."""
        dtype = expected.steps.dtype.name
        if self._skipped or self._error or dtype not in self._step_dtypes:
            return
        try:
            self._compare(expected)
        except Exception as error:  # a framework can raise anything
            reason = (str(error).strip().splitlines() or [""])[0]
            self._error = f"at {dtype} steps: {type(error).__name__}: {reason}"

    def _compare(self, expected: Expected) -> None:
        backend, device, dtype = self._place.backend, self._place.device, self._place.dtype
        steps = expected.steps
        # One length for all chunks: a compiled mode compiles once for each step dtype.
        padded = np.pad(steps, (0, CHUNK - steps.size), mode="edge")
        try:
            native = backend.coerce(padded, backend.device(device))
        except StepTypeError:
            self._refused.append(steps.dtype.name)
            return
        precision = backend.precision(native)
        if precision < 53 and dtype == "float64":
            self._skipped = f"{device} has no binary64"
            return
        if self._kernel is None:
            self._kernel = self._wrapped()
        found = _ranks(backend.to_numpy(self._kernel(native)), dtype)[: steps.size]
        self._tally.add(steps, found, expected.allowed(dtype, precision))

    def _wrapped(self) -> Kernel:
        backend, _, mode, device, dtype = self._place
        placed = self._schedule.on(backend.name, device=device, dtype=dtype)

        def kernel(step: Any) -> Any:
            return placed(step)

        # Dynamo keeps what it compiled by code object, eight at most: each run needs its own.
        kernel.__code__ = kernel.__code__.replace()
        return backend.modes()[mode](kernel)

    def result(self) -> Run:
        """The run as far as it has come."""
        place, tally = self._place, self._tally
        error = self._error
        if error is None and not self._skipped and not tally.points:
            error = f"no step was evaluated: refused are {', '.join(dict.fromkeys(self._refused))}"
        return Run(
            backend=place.backend.name,
            version=place.version,
            mode=place.mode,
            device=place.device,
            dtype=place.dtype,
            points=tally.points,
            mismatches=tally.mismatches,
            worst_ulp=tally.worst_ulp,
            first=tally.first,
            neighbours=tally.neighbours,
            flushed=tally.flushed,
            note=self._note(),
            error=error,
        )

    def _note(self) -> str:
        if self._skipped:
            return f"skipped: {self._skipped}"
        notes = []
        if self._tally.flushed:
            notes.append(f"subnormals flushed to zero: {self._tally.flushed}")
        if self._tally.neighbours:
            notes.append(f"neighbours, as allowed: {self._tally.neighbours}")
        if self._refused:
            notes.append(f"no {', '.join(dict.fromkeys(self._refused))} steps")
        return "; ".join(notes)


def _ranks(found: npt.NDArray[Any], dtype: str) -> Ranks:
    """The ranks of a result, which must have the padded shape and the dtype asked for."""
    widened = dtype == "bfloat16" and found.dtype == np.float32
    if found.shape != (CHUNK,) or not (widened or found.dtype.name == dtype):
        raise InvTimeError(
            f"the result is {found.dtype.name} of shape {found.shape}; "
            f"it must be {dtype} of shape {(CHUNK,)}, the step's"
        )
    return bits.ranks(found, dtype)
