"""Arrays of steps for tests in bulk: as the strategies draw them, but by the thousand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.reference import Reference
from invtime.testing.strategies import spans


def bulk_steps(
    schedule: Any, count: int, seed: int, highest: int = 2**63 - 1
) -> npt.NDArray[np.int64]:
    """`count` steps up to `highest`: two thirds beside a stage's start, the rest anywhere.

    Both are drawn with every bit length equally likely; a few are before step 0, or before the
    decay. With phases half of all are in a phase, each equally likely, most near one of its ends.
    """
    random = np.random.default_rng(seed)
    reference = Reference(schedule)
    longest = max(reference.stage(highest).bit_length(), 1)
    stages = _any_length(random, count, min(longest, 63))
    firsts = (reference.first_step(int(k)) for k in stages)
    offsets = random.integers(-1, 2, count).tolist()
    near = [min(n + o, highest) for n, o in zip(firsts, offsets, strict=True)]
    anywhere = np.minimum(_any_length(random, count, max(highest.bit_length(), 1)), highest)
    found = np.where(random.integers(3, size=count) > 0, np.array(near, np.int64), anywhere)
    if not reference.phased:
        return found
    inside = np.minimum(_in_phases(random, count, reference), highest)
    return np.where(random.integers(2, size=count) > 0, found, inside)


def _in_phases(
    random: np.random.Generator, count: int, reference: Reference
) -> npt.NDArray[np.int64]:
    """Steps counted from either end of a phase, every bit length of its own equally likely."""
    ends = np.array([(first, after - 1) for first, after in spans(reference)], np.int64)
    longest = [max(int(last - first).bit_length(), 1) for first, last in ends]
    which = random.integers(len(ends), size=count)
    first, last = ends[which].T
    ahead = np.minimum(_any_length(random, count, np.array(longest)[which]), last - first)
    found: npt.NDArray[np.int64] = np.where(
        random.integers(2, size=count) > 0, first + ahead, last - ahead
    )
    return found


def bulk_arrays(schedule: Any, count: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Arrays of steps of one length: some that the exact form may serve whole, then all of int64.

    The exact form serves steps up to the last one that fits it, or up to the knot of a phase
    that does not.
    """
    reference = Reference(schedule)
    limits = {reference.last_exact_step(), *(knot - 1 for knot in reference.knots)}
    limits = {min(limit, 2**63 - 1) for limit in limits if limit >= 0}
    each = -(-count // (len(limits) + 1))
    return [bulk_steps(schedule, each, seed, limit) for limit in (*sorted(limits), 2**63 - 1)]


def _any_length(random: np.random.Generator, count: int, longest: Any) -> npt.NDArray[np.int64]:
    """Integers of up to `longest` bits, every length equally likely."""
    drawn = random.integers(2**63, size=count)
    found: npt.NDArray[np.int64] = drawn >> random.integers(63 - longest, 63, count)
    return found
