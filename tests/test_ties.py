"""A value in the middle between two doubles comes out even, whatever its neighbours are."""

from random import Random

import numpy as np
import pytest
from midpoints import near_midpoint, near_midpoint_on_line, tie
from modes import usable_modes

from invtime import InverseTimeDecay
from invtime.reference import Reference

KNOWN = [
    (InverseTimeDecay(0.21875, 1754246075931009, 497553737754239), 1),
    (InverseTimeDecay(11465987.25, 260950119, 2251799552735129), 1),
]
# What stands beside the step may make the array take another way.
NEIGHBOURS = {
    "alone": [],
    "negative": [-1],
    "far": [2**32],
    "last": [2**63 - 1],
    "fraction": [0.5],
    "float": [2.0**70],
}


def cases(count):
    random = Random(12)
    ties = [tuple(tie(random)) for _ in range(count)]
    near = [near_midpoint(random, w)[:2] for w in (96, 99, 104) for _ in range(count // 6)]
    lines = [near_midpoint_on_line(random, w)[:2] for w in (96, 99) for _ in range(count // 6)]
    return [*KNOWN, *ties, *near, *lines]


EAGER = ("numpy-eager", "torch-eager", "dask-eager", "tensorflow-eager")
FEW = {"torch-compile": 1}  # it takes seconds to compile


@pytest.mark.parametrize("beside", NEIGHBOURS)
@pytest.mark.parametrize("mode", usable_modes(), ids=str)
def test_ties_come_out_even(mode, beside):
    """In every mode, at integers and at whole floats, whatever stands beside them."""
    eager = str(mode) in EAGER
    if not eager and beside not in ("last", "fraction"):
        pytest.skip("a compiler sees no values")
    for schedule, step in cases(60 if eager else FEW.get(str(mode), 6)):
        steps = np.array([step, *NEIGHBOURS[beside]])
        if steps.dtype.kind == "f" and step >= 2**53:
            continue
        bits = mode.kernel(schedule, ["float64"])(steps)["float64"]
        assert bits[0] == Reference(schedule).bits(step), (schedule, step)
