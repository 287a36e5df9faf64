"""The laws of the value at integer steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from invtime import InverseTimeDecay
from invtime.backends.base import Backend
from invtime.reference import Steps
from invtime.testing import strategies
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import agree, agree_all, float_dtype, result_dtypes, widest
from invtime.testing.checks.law import law

DRAWS, DRAWN = 12, 64  # the number of random schedules, and of steps for each

# Values near a tie of a narrow format that are on the tie after rounding to float32, values at
# the limit of a format, and subnormal values.
CHAINED = {
    "float32": (3.4028236e38, 1e-39),
    "float16": (1 + 2.0**-11 + 2.0**-40, 65519.99, 65520, 1e-7),
    "bfloat16": (1 + 2.0**-8 + 2.0**-40, 3.4028236e38),
}

# These are also checked in the two narrow dtypes, because rounding to them is the last operation.
NARROWED = (cases.SLOPE, cases.STAIRS, cases.LONG)

START = np.zeros(DRAWN, np.int64)

# The extremes of the accepted parameters.
CORNERS = (
    InverseTimeDecay(0, 1000, 0.5),
    InverseTimeDecay(0.3, 41, 0, staircase=True),
    InverseTimeDecay(1e60, 1e-60, 1e60),
    InverseTimeDecay(1e-60, 1e60, 1e-60, staircase=True),
    InverseTimeDecay(1, 1e-60, 1e60, staircase=True),
    InverseTimeDecay(1, 1, 3.4028235677973366e38),  # infinite in binary32
)

# Hypothesis draws the same examples each time.
DRAWING = settings(
    max_examples=DRAWS,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@law
def check_value_bits(backend: Backend) -> None:
    """At integer steps, results of every dtype have the bits of the rounded exact value."""
    agree_all(backend, cases.SCHEDULES, _near, _dtypes_of(backend))


def _near(schedule: InverseTimeDecay) -> list[Steps]:
    return [cases.dense(), *cases.short(schedule)]


def _dtypes_of(backend: Backend) -> Callable[[InverseTimeDecay], list[str]]:
    """Return all result dtypes for some schedules, and the two wide ones for the others."""
    dtypes = result_dtypes(backend)
    return lambda schedule: dtypes if schedule in NARROWED else dtypes[:2]


@law
def check_huge_steps(backend: Backend) -> None:
    """The bits are those of the exact value up to step 2**63 - 1, also beyond the exact form."""
    agree_all(backend, cases.SCHEDULES, cases.huge, _dtypes_of(backend))


@law
def check_staircase_boundaries(backend: Backend) -> None:
    """A staircase drops at the first integer step of each stage, never a step late or early."""
    dtypes = [widest(backend)]
    stairs = [InverseTimeDecay(0.1, period, 0.5, staircase=True) for period in cases.PERIODS]
    agree_all(backend, stairs, cases.boundaries, lambda schedule: dtypes)


@law
def check_rounding_chain(backend: Backend) -> None:
    """float16 and bfloat16 results are the float32 result, rounded to nearest even."""
    dtypes = result_dtypes(backend)
    for dtype, rates in CHAINED.items():
        for rate in rates if dtype in dtypes else ():
            agree(backend, InverseTimeDecay(rate, 1000, 0.5), [cases.dense()], [dtype])


@law
def check_any_schedule(backend: Backend) -> None:
    """The value is correct for any accepted schedule, at integer and at float steps."""
    dtypes = [widest(backend)]
    kind = float_dtype(backend)
    for corner in CORNERS:
        edges = np.resize([n for n in strategies.landmarks(corner) if abs(n) < 2**62], 2 * DRAWN)
        agree(backend, corner, [START, np.arange(DRAWN), edges[:DRAWN], edges[DRAWN:]], dtypes)

    @DRAWING
    @given(strategies.schedules(), st.data())
    def agrees(schedule: InverseTimeDecay, data: st.DataObject) -> None:
        integers = data.draw(st.lists(strategies.steps(schedule), min_size=1, max_size=DRAWN))
        floats = data.draw(st.lists(strategies.float_steps(schedule), min_size=1, max_size=DRAWN))
        with np.errstate(over="ignore"):
            drawn = [_filled(integers, "int64"), _filled(floats, kind)]
        agree(backend, schedule, [np.arange(DRAWN), *drawn], dtypes)

    agrees()


def _filled(steps: list[Any], kind: str) -> Steps:
    """Return the steps in an array of `DRAWN`, padded with the last step."""
    return np.array(steps + steps[-1:] * (DRAWN - len(steps)), kind)
