"""One run where it takes place: the schedule, evaluated and compared chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.backends.base import Kernel
from invtime.errors import InvTimeError, PlacementError, StepTypeError
from invtime.spec import InverseTimeDecay
from invtime.verification import bits
from invtime.verification.bits import Ranks
from invtime.verification.expected import Expected
from invtime.verification.grid import CHUNK
from invtime.verification.selection import Place
from invtime.verification.tally import Tally


@dataclass(slots=True)
class Outcome:
    """What one run made of one piece of the grid."""

    version: str
    """The framework's version where it took place."""
    tally: Tally
    refused: int = 0
    """The steps that the backend does not take, for their dtype."""
    skipped: str | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the run ended here; if not, every step must be compared or refused."""
        return self.skipped is not None or self.error is not None


class Evaluation:
    """A schedule in one place: `compare` takes the chunks of a piece, `take` the outcome."""

    def __init__(self, schedule: InverseTimeDecay, place: Place) -> None:
        self._schedule = schedule
        self._place = place
        self._kernel: Kernel | None = None
        self._skipped: str | None = None
        self._error: str | None = None
        self._start()
        try:
            place.backend.dtype(place.dtype)
        except PlacementError as error:
            self._skipped = str(error)

    def _start(self) -> None:
        self._tally = Tally(self._place.dtype)
        self._refused = 0

    def take(self) -> Outcome:
        """The outcome since the last call."""
        outcome = Outcome(
            self._place.version, self._tally, self._refused, self._skipped, self._error
        )
        self._start()
        return outcome

    def compare(self, expected: Expected) -> None:
        """Evaluate a chunk and count what differs; what the framework raises ends the run."""
        if self._skipped or self._error:
            return
        try:
            self._compare(expected)
        except Exception as error:  # a framework can raise anything
            reason = (str(error).strip().splitlines() or [""])[0]
            dtype = expected.steps.dtype.name
            self._error = f"at {dtype} steps: {type(error).__name__}: {reason}"

    def _compare(self, expected: Expected) -> None:
        backend, device, dtype = self._place.backend, self._place.device, self._place.dtype
        steps = expected.steps
        # One length for all chunks: a compiled mode compiles once for each step dtype.
        padded = np.pad(steps, (0, CHUNK - steps.size), mode="edge")
        try:
            native = backend.coerce(padded, backend.device(device))
        except StepTypeError:
            self._refused += steps.size
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


def _ranks(found: npt.NDArray[Any], dtype: str) -> Ranks:
    """The ranks of a result, which must have the padded shape and the dtype asked for."""
    widened = dtype == "bfloat16" and found.dtype == np.float32
    if found.shape != (CHUNK,) or not (widened or found.dtype.name == dtype):
        raise InvTimeError(
            f"the result is {found.dtype.name} of shape {found.shape}; "
            f"it must be {dtype} of shape {(CHUNK,)}, the step's"
        )
    return bits.ranks(found, dtype)
