"""The conformance checks, without a waiver, and tests specific to tinygrad."""

import numpy as np
from tinygrad import Tensor, TinyJit, dtypes

from invtime import InverseTimeDecay, registry
from invtime.testing import parametrize_with_checks

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)


@parametrize_with_checks("tinygrad")
def test_conformance(check):
    check()


def test_the_name_and_the_type_lead_here():
    expected = [np.float32(SCHEDULE(n)) for n in (0, 1000, 4000)]
    assert SCHEDULE(Tensor([0, 1000, 4000])).tolist() == expected
    assert [SCHEDULE.on("tinygrad")(n).item() for n in (0, 1000, 4000)] == expected


def test_its_dtypes_and_tensors_are_known_by_their_own_names():
    rate = Tensor([0.1], dtype=dtypes.float32).reshape(())
    pinned = InverseTimeDecay(rate, 1000, 0.5)
    assert pinned == InverseTimeDecay(0.1, 1000, 0.5, dtype="float32")
    wide = SCHEDULE.on("tinygrad", dtype=dtypes.float64)
    assert wide(Tensor([1000])).tolist() == [SCHEDULE(1000)]


def test_a_step_that_is_a_constant():
    assert SCHEDULE(Tensor(1000)).item() == np.float32(SCHEDULE(1000))


def test_inside_of_a_captured_function():
    @TinyJit
    def update(weight, step):
        return (weight - SCHEDULE(step) * weight).realize()

    for n in range(5):
        found = update(Tensor([1.0]).realize(), Tensor([n]).realize())
        assert found.item() == np.float32(1) - np.float32(SCHEDULE(n))


def test_a_number_that_is_first_met_in_a_capture_is_kept():
    backend = registry.default.load("tinygrad")
    numbers = 11.5, 12.5, 13.5, 14.5
    calls = []

    @TinyJit
    def update(x):
        calls.append(x)
        for number in numbers if len(calls) > 1 else ():  # the second call captures
            x = (x + backend.number(number, x)).contiguous().realize()
        return x.contiguous().realize()

    for n in range(4):
        update(Tensor([float(n)]).realize())
    like = Tensor([1.0])
    assert [backend.number(number, like).item() for number in numbers] == list(numbers)
