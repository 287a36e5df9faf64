"""The counts of one run, its first difference, and its largest ones along the steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from invtime.verification import bits
from invtime.verification.bits import Ranks
from invtime.verification.expected import Allowed
from invtime.verification.grid import Steps
from invtime.verification.report import Difference, Distance

# bucket -> the step of the largest distance in it, and that distance
Buckets = dict[int, tuple[int | float, int]]


@dataclass(slots=True)
class Tally:
    """What has been compared so far; the counts are those of `Run`, of the same names.

    Its size does not grow with the steps: of the distances, it keeps the largest of each
    bucket, 16 to an octave of the step.
    """

    dtype: str
    points: int = 0
    mismatches: int = 0
    worst_ulp: int = 0
    neighbours: int = 0
    flushed: int = 0
    first: Difference | None = None
    wrong: Buckets = field(default_factory=dict)
    allowed: Buckets = field(default_factory=dict)

    def add(self, steps: Steps, found: Ranks, allowed: Allowed) -> None:
        """Count what was found at `steps` against what is allowed there."""
        expected = allowed.expected
        differs = found != expected
        self.points += steps.size
        if not differs.any():
            return
        subnormal = (expected > 0) & (expected < bits.smallest_normal(self.dtype))
        flushed = differs & (found == 0) & subnormal
        neighbour = differs & ~flushed & (found >= allowed.low) & (found <= allowed.high)
        wrong = differs & ~flushed & ~neighbour
        self.flushed += int(flushed.sum())
        self.neighbours += int(neighbour.sum())
        ulps = bits.distance(found, expected)
        for buckets, mask in ((self.wrong, wrong), (self.allowed, flushed | neighbour)):
            for bucket, step, ulp in _largest(steps[mask], ulps[mask]):
                _keep(buckets, bucket, step, ulp)
        if not wrong.any():
            return
        self.mismatches += int(wrong.sum())
        self.worst_ulp = max(self.worst_ulp, int(ulps[wrong].max()))
        if self.first is None:
            at = int(np.argmax(wrong))
            self.first = _difference(steps, int(expected[at]), int(found[at]), at, self.dtype)

    def merge(self, other: Tally) -> None:
        """Add what was compared after this, at other steps."""
        self.points += other.points
        self.mismatches += other.mismatches
        self.worst_ulp = max(self.worst_ulp, other.worst_ulp)
        self.neighbours += other.neighbours
        self.flushed += other.flushed
        self.first = self.first or other.first
        for mine, theirs in ((self.wrong, other.wrong), (self.allowed, other.allowed)):
            for bucket, (step, ulp) in theirs.items():
                _keep(mine, bucket, step, ulp)

    def profile(self) -> tuple[Distance, ...]:
        """The largest distances, by step."""
        found = [
            Distance(step, ulp, buckets is self.allowed)
            for buckets in (self.wrong, self.allowed)
            for step, ulp in buckets.values()
        ]
        return tuple(sorted(found, key=lambda distance: distance.step))


def _largest(steps: Steps, ulps: npt.NDArray[np.uint64]) -> Iterator[tuple[int, int | float, int]]:
    """The bucket, the step and the distance of the largest in each bucket, the first of equals.

    A step that is not finite has no place along the steps.
    """
    finite = np.isfinite(steps)
    steps, ulps = steps[finite], ulps[finite]
    mantissa, exponent = np.frexp(steps.astype(np.float64))
    octave = exponent.astype(np.int64) * 32 + (np.abs(mantissa) * 32).astype(np.int64)
    bucket = 2 * octave + (mantissa < 0)
    order = np.lexsort((-np.arange(steps.size), ulps, bucket))
    last = np.append(np.diff(bucket[order]) > 0, [True] * bool(steps.size))
    for at in order[last.astype(bool)].tolist():
        yield int(bucket[at]), steps[at].item(), int(ulps[at])


def _keep(buckets: Buckets, bucket: int, step: int | float, ulp: int) -> None:
    if bucket not in buckets or ulp > buckets[bucket][1]:
        buckets[bucket] = step, ulp


def _difference(steps: Steps, expected: int, found: int, at: int, dtype: str) -> Difference:
    return Difference(
        step=steps[at].item(),
        step_dtype=steps.dtype.name,
        expected=bits.value(expected, dtype),
        found=bits.value(found, dtype),
        expected_bits=bits.bits(expected, dtype),
        found_bits=bits.bits(found, dtype),
    )
