"""The books of one run: what was asked for, what came back, and the `Run` they make."""

from __future__ import annotations

from invtime.verification.evaluation import Outcome
from invtime.verification.grid import Piece
from invtime.verification.report import Run
from invtime.verification.selection import Place
from invtime.verification.tally import Tally


class Account:
    """A run, put together from the outcomes of its pieces, which come in the grid's order."""

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
        """Whether the run goes on."""
        return self._skipped is None and self._error is None

    def add(self, piece: Piece, outcome: Outcome) -> None:
        """Enter the outcome of a piece, unless the run has ended before it."""
        if not self.open:
            return
        self._versions.add(outcome.version)
        self._tally.merge(outcome.tally)
        self.asked -= outcome.refused
        if outcome.refused and piece.dtype not in self._refused:
            self._refused.append(piece.dtype)
        self._skipped, self._error = outcome.skipped, outcome.error

    def fail(self, reason: str) -> None:
        """End the run, unless it has ended."""
        if self.open:
            self._error = reason

    def result(self) -> Run:
        """The run as far as it has come."""
        place, tally = self.place, self._tally
        error = self._error
        if self.open and not tally.points:
            error = f"no step was evaluated: refused are {', '.join(self._refused)}"
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
            profile=tally.profile(),
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
            notes.append(f"no {', '.join(self._refused)} steps")
        return "; ".join(notes)
