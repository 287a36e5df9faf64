"""A value midway between two doubles rounds to even, for any other steps in the array."""

from random import Random

import numpy as np
import pytest
from midpoints import near_midpoint, near_midpoint_on_line, tie, tied_often
from modes import usable_modes

from invtime import InverseTimeDecay
from invtime.reference import Reference

KNOWN = [
    (InverseTimeDecay(0.21875, 1754246075931009, 497553737754239), 1),
    (InverseTimeDecay(11465987.25, 260950119, 2251799552735129), 1),
]
# The other steps in the array can make it use another form.
NEIGHBOURS = {
    "alone": [],
    "negative": [-1],
    "far": [2**32],
    "last": [2**63 - 1],
    "fraction": [0.5],
    "float": [2.0**70],
}
MODES = usable_modes()
EAGER = [
    mode for mode in MODES if str(mode) in ("numpy-eager", "torch-eager", "dask-eager")
]  # the others compile each schedule, which takes a second or more


@pytest.mark.parametrize("beside", NEIGHBOURS)
@pytest.mark.parametrize("mode", EAGER, ids=str)
def test_ties_come_out_even(mode, beside):
    """At integers and whole floats, and near ties on the correct side."""
    random = Random(12)
    ties = [tie(random) for _ in range(60)]
    near = [near_midpoint(random, w)[:2] for w in (96, 99, 104) for _ in range(10)]
    lines = [near_midpoint_on_line(random, w)[:2] for w in (96, 99) for _ in range(10)]
    for schedule, step in (*KNOWN, *ties, *near, *lines):
        steps = np.array([step, *NEIGHBOURS[beside]])
        if steps.dtype.kind == "f" and step >= 2**53:
            continue
        bits = mode.kernel(schedule, ["float64"])(steps)["float64"]
        assert bits[0] == Reference(schedule).bits(step), (schedule, step)


@pytest.mark.parametrize("kind", ["int64", "float64"])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_many_ties_of_one_schedule(mode, kind):
    schedule, steps = tied_often(Random(0))
    steps = np.array([n for n in steps if kind == "int64" or n < 2**53], kind)
    assert steps.size > 9
    found = mode.kernel(schedule, ["float64"])(steps)["float64"]
    assert found.tolist() == [Reference(schedule).bits(n) for n in steps.tolist()]


@pytest.mark.parametrize("mode", [m for m in MODES if str(m) != "torch-compile"], ids=str)
def test_ties_of_other_schedules(mode):
    """A staircase, a line, and near ties; PyTorch's compiler would take a minute."""
    random = Random(4)
    near = near_midpoint(random, 100, staircase=True), near_midpoint_on_line(random, 99, True)
    others = [tie(random, kind) for kind in ("staircase", "line")]
    for schedule, step, *_ in (*others, *near):
        found = mode.kernel(schedule, ["float64"])(np.array([step, 0]))["float64"]
        assert found[0] == Reference(schedule).bits(step), (schedule, step)
