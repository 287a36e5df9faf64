"""The schedules and steps for the tests of every framework, and the comparison of bits."""

import numpy as np
import pytest

from invtime import InverseTimeDecay
from invtime.reference import FORMATS, Reference, bits_of_array

SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "staircase": InverseTimeDecay(0.1, 41, 0.5, staircase=True),
    "double word": InverseTimeDecay(1 / 3, 1000, 1 / 7),
    "fractional period": InverseTimeDecay(0.1, 0.3, 0.5, staircase=True),
    "long fractional": InverseTimeDecay(1 / 3, 12.34567890123, 1 / 7, staircase=True),
    "extreme": InverseTimeDecay(1e60, 3, 1e60, staircase=True),
    "constant": InverseTimeDecay(0.3, 1000, 0),
}

EDGES = [2**k + d for k in (8, 16, 24, 31, 32, 53, 62) for d in (-1, 0, 1)]
INTEGERS = np.array(
    [-(2**63), -5, -1, *range(130), 999, 1000, 1001, 65504, 65520, *EDGES, 2**63 - 1], np.int64
)
SHORT = INTEGERS[(INTEGERS < 2**31) & (INTEGERS >= -(2**31))].astype(np.int32)
FLOATS = np.concatenate([INTEGERS.astype(np.float64), [0.5, 2.999999, 1e300, np.nan, np.inf]])


def assert_bits(schedule, steps, result, dtype="float64"):
    """Compare bits with what the contract allows."""
    assert np.shape(result) == steps.shape
    truth = Reference(schedule).at(steps)
    found = bits_of_array(np.asarray(result), dtype).ravel()
    wrong = ~truth.allowed(found, dtype)
    cases = zip(truth.steps[wrong], found[wrong], truth.bits(dtype)[wrong], strict=True)
    assert not wrong.any(), f"{schedule!r}: {list(cases)[:3]}"


@pytest.fixture(name="assert_bits")
def _assert_bits():
    return assert_bits


@pytest.fixture
def assert_float32_words():
    """Without binary64 the contract allows 1 ULP where the true value is a normal float32."""

    def check(schedule, steps, result):
        reference = Reference(schedule)
        true = np.array([reference.bits(step.item(), "float32") for step in steps], np.int64)
        found = bits_of_array(np.asarray(result), "float32").astype(np.int64)
        normal = true >= FORMATS["float32"].smallest_normal
        assert np.abs(found - true)[normal].max() <= 1

    return check


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


@pytest.fixture(params=["int64", "int32", "float64"])
def steps(request):
    return {"int64": INTEGERS, "int32": SHORT, "float64": FLOATS}[request.param]


@pytest.fixture
def integers():
    return INTEGERS
