"""Count the result of a run: its points, its first difference, and the `Run` made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from invtime.reference import FORMATS, Bits, Steps, Truth, float_of_bits, ulp_distances
from invtime.verification.grid import Piece
from invtime.verification.report import Difference, Run
from invtime.verification.selection import Place


@dataclass(slots=True)
class Tally:
    """The counts so far; they have the names and meanings of the fields of `Run`."""

    dtype: str
    points: int = 0
    mismatches: int = 0
    worst_ulp: int = 0
    neighbours: int = 0
    flushed: int = 0
    first: Difference | None = None

    def add(self, truth: Truth, found: Bits, precision: int = 53) -> None:
        """Compare the bits found at the steps of a chunk with the bits that are allowed there."""
        steps, dtype = truth.steps, self.dtype
        expected = truth.bits(dtype)
        self.points += steps.size
        differs = found != expected
        if not differs.any():
            return
        wrong = ~truth.allowed(found, dtype, precision)
        allowed = differs & ~wrong
        flushed = allowed & (found == 0) & (expected < FORMATS[dtype].smallest_normal)
        self.flushed += int(flushed.sum())
        self.neighbours += int((allowed & ~flushed).sum())
        if not wrong.any():
            return
        self.mismatches += int(wrong.sum())
        # -0.0 differs from 0.0 in its bits, but the distance is 0 ULP: count it as 1.
        worst = ulp_distances(found[wrong], expected[wrong], dtype).max()
        self.worst_ulp = max(self.worst_ulp, int(worst), 1)
        if self.first is None:
            at = int(np.argmax(wrong))
            self.first = _difference(steps, int(expected[at]), int(found[at]), at, dtype)

    def merge(self, other: Tally) -> None:
        """Add the counts of later steps."""
        for count in ("points", "mismatches", "neighbours", "flushed"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        self.worst_ulp = max(self.worst_ulp, other.worst_ulp)
        self.first = self.first or other.first


def _difference(steps: Steps, expected: int, found: int, at: int, dtype: str) -> Difference:
    return Difference(
        step=steps[at].item(),
        step_dtype=steps.dtype.name,
        expected=float_of_bits(expected, dtype),
        found=float_of_bits(found, dtype),
        expected_bits=FORMATS[dtype].hex(expected),
        found_bits=FORMATS[dtype].hex(found),
    )


@dataclass(slots=True)
class Outcome:
    """The result of one run for one piece of the grid."""

    version: str
    """The framework's version in the process that did the work."""
    tally: Tally
    refused: int = 0
    """The number of steps whose dtype the backend does not accept."""
    skipped: str | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the run ended here; if not, every step must be compared or refused."""
        return self.skipped is not None or self.error is not None


class Account:
    """Combine the outcomes of the pieces, in the order of the grid, into a run."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.asked = 0
        self._tally = Tally(place.dtype)
        self._versions: set[str] = set()
        self._refused: list[str] = []
        self._skipped: str | None = None
        self._error: str | None = None

    @property
    def open(self) -> bool:
        """Whether the run has not ended."""
        return self._skipped is None and self._error is None

    def add(self, piece: Piece, outcome: Outcome) -> None:
        """Record the outcome of a piece, unless the run has already ended."""
        if not self.open:
            return
        self._versions.add(outcome.version)
        self._tally.merge(outcome.tally)
        self.asked -= outcome.refused
        if outcome.refused and piece.dtype not in self._refused:
            self._refused.append(piece.dtype)
        self._skipped, self._error = outcome.skipped, outcome.error

    def fail(self, reason: str) -> None:
        """End the run with an error, unless it has already ended."""
        if self.open:
            self._error = reason

    def result(self) -> Run:
        """Return the run with everything that was recorded so far."""
        place, tally, error = self.place, self._tally, self._error
        if self.open and not tally.points:
            error = (
                "no step was evaluated: the backend does not accept steps of "
                f"{', '.join(self._refused)}"
            )
        return Run(
            backend=place.backend.name,
            version=", ".join(sorted(self._versions)) or place.version,
            mode=place.mode,
            device=place.device,
            dtype=place.dtype,
            asked=0 if self._skipped else self.asked,
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
            notes.append(f"allowed differences: {self._tally.neighbours}")
        if self._refused:
            notes.append(f"steps not accepted: {', '.join(self._refused)}")
        return "; ".join(notes)
