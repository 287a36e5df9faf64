"""Large arrays of random steps, distributed like those of the strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.reference import Reference
from invtime.testing.strategies import spans


def bulk_steps(
    schedule: Any, count: int, seed: int, highest: int = 2**63 - 1
) -> npt.NDArray[np.int64]:
    """Draw `count` steps up to `highest`: two thirds next to the start of a stage.

    Every bit length is equally likely. A few steps are before step 0 or before the decay. With
    phases, half of the steps are in a phase. Each phase is equally likely, and most of its steps
    are near one of its ends.
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
    """Draw distances from either end of a phase, with every bit length equally likely."""
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
    """Return arrays of equal length: some for the exact form alone, then one of all int64 steps.

    The exact form covers the steps up to its last exact step, or up to the knot of a phase
    that it does not cover.
    """
    reference = Reference(schedule)
    limits = {reference.last_exact_step(), *(knot - 1 for knot in reference.knots)}
    limits = {min(limit, 2**63 - 1) for limit in limits if limit >= 0}
    each = -(-count // (len(limits) + 1))
    return [bulk_steps(schedule, each, seed, limit) for limit in (*sorted(limits), 2**63 - 1)]


def _any_length(random: np.random.Generator, count: int, longest: Any) -> npt.NDArray[np.int64]:
    """Draw integers of up to `longest` bits, with every length equally likely."""
    drawn = random.integers(2**63, size=count)
    found: npt.NDArray[np.int64] = drawn >> random.integers(63 - longest, 63, count)
    return found
