"""The conformance checks, without a waiver, and tests specific to MLX."""

import mlx.core as mx
import numpy as np

from invtime import InverseTimeDecay
from invtime.testing import parametrize_with_checks

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)


@parametrize_with_checks("mlx")
def test_conformance(check):
    check()


def test_the_name_and_the_type_lead_here():
    steps = mx.array([0, 1000, 4000])
    expected = [np.float32(SCHEDULE(n)) for n in (0, 1000, 4000)]
    assert SCHEDULE(steps).tolist() == expected
    assert [SCHEDULE.on("mlx")(n).item() for n in (0, 1000, 4000)] == expected


def test_evaluating_waits_until_the_result_is_wanted():
    mx.reset_peak_memory()
    before = mx.get_peak_memory()
    rates = SCHEDULE(mx.arange(2**20, dtype=mx.int64))
    assert mx.get_peak_memory() - before < 2**20
    mx.eval(rates)
    assert mx.get_peak_memory() - before >= 2**23


def test_training_with_a_compiled_step():
    weight = mx.array(1.0)

    @mx.compile
    def update(weight, step):
        return weight - SCHEDULE(step) * weight

    expected = np.float32(1.0)
    for step in range(5):
        weight = update(weight, mx.array(step))
        expected -= np.float32(SCHEDULE(step)) * expected
    assert abs(weight.item() - expected) <= 4 * np.spacing(expected)  # MLX may fuse a * b + c
