"""The counts of one run, and its first difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from invtime.verification import bits
from invtime.verification.bits import Ranks
from invtime.verification.expected import Allowed
from invtime.verification.grid import Steps
from invtime.verification.report import Difference


@dataclass(slots=True)
class Tally:
    """What has been compared so far; the counts are those of `Run`, of the same names."""

    dtype: str
    points: int = 0
    mismatches: int = 0
    worst_ulp: int = 0
    neighbours: int = 0
    flushed: int = 0
    first: Difference | None = None

    def add(self, steps: Steps, found: Ranks, allowed: Allowed) -> None:
        """Count what was found at `steps` against what is allowed there."""
        expected = allowed.expected
        differs = found != expected
        subnormal = (expected > 0) & (expected < bits.smallest_normal(self.dtype))
        flushed = differs & (found == 0) & subnormal
        neighbour = differs & ~flushed & (found >= allowed.low) & (found <= allowed.high)
        wrong = differs & ~flushed & ~neighbour
        self.points += steps.size
        self.flushed += int(flushed.sum())
        self.neighbours += int(neighbour.sum())
        if not wrong.any():
            return
        self.mismatches += int(wrong.sum())
        worst = bits.distance(found[wrong], expected[wrong]).max()
        self.worst_ulp = max(self.worst_ulp, int(worst))
        if self.first is None:
            at = int(np.argmax(wrong))
            self.first = _difference(steps, int(expected[at]), int(found[at]), at, self.dtype)


def _difference(steps: Steps, expected: int, found: int, at: int, dtype: str) -> Difference:
    return Difference(
        step=steps[at].item(),
        step_dtype=steps.dtype.name,
        expected=bits.value(expected, dtype),
        found=bits.value(found, dtype),
        expected_bits=bits.bits(expected, dtype),
        found_bits=bits.bits(found, dtype),
    )
