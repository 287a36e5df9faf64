"""The conformance checks, without a waiver, and tests specific to Paddle."""

import subprocess
import sys
import textwrap

import numpy as np
import paddle
import pytest

from invtime import InverseTimeDecay
from invtime.testing import parametrize_with_checks

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
FAR = np.array([0, 1000, 2**53 + 1, 2**62 + 1])


@parametrize_with_checks("paddle")
def test_conformance(check):
    check()


def test_the_name_and_the_type_lead_here():
    steps = paddle.to_tensor([0, 1000, 4000])
    expected = [np.float32(SCHEDULE(n)) for n in (0, 1000, 4000)]
    assert SCHEDULE(steps).tolist() == expected
    assert [SCHEDULE.on("paddle")(n).item() for n in (0, 1000, 4000)] == expected


@pytest.mark.parametrize("full_graph", [True, False])
def test_a_schedule_inside_of_a_compiled_function(full_graph):
    rate = SCHEDULE.on("paddle", dtype="float64")

    def update(weight, step):
        return weight - rate(step) * weight

    compiled = paddle.jit.to_static(update, full_graph=full_graph)
    weight = paddle.ones([4], "float64")
    expected = [1 - SCHEDULE(n) for n in FAR.tolist()]
    assert compiled(weight, paddle.to_tensor(FAR)).tolist() == expected


def test_a_graph_gives_the_same_bits_each_time():
    # In a graph, `detach` shares memory that an executor thread may free too early.
    schedule = InverseTimeDecay(0.1, 1000, 0.5).on("paddle", dtype="float64")

    def evaluate(steps):
        return schedule(steps)

    run = paddle.jit.to_static(evaluate, full_graph=True)
    steps = np.arange(16384.0, 32768.0)
    expected = SCHEDULE(steps)
    assert all((run(paddle.to_tensor(steps)).numpy() == expected).all() for _ in range(50))


def test_a_tiny_rate_is_zero_in_float16():
    # Paddle's own conversion turns 2**-83 into 1.9e-06.
    schedule = InverseTimeDecay(2.0**-60, 1, 1)
    steps = paddle.to_tensor(2.0 ** np.arange(40))
    assert schedule.on("paddle", dtype="float16")(steps).tolist() == [0.0] * 40


def test_the_rate_in_an_optimizer():
    weight = paddle.create_parameter([1], "float32")
    weight.set_value(np.ones(1, "float32"))
    optimizer = paddle.optimizer.SGD(SCHEDULE(0), parameters=[weight])
    expected = np.float32(1)
    for step in range(3):
        optimizer.set_lr(SCHEDULE(step))
        weight.sum().backward()
        optimizer.step()
        optimizer.clear_grad()
        expected -= np.float32(SCHEDULE(step))
    assert weight.item() == expected


def test_after_tensorflow_the_import_is_refused_before_it_crashes():
    code = """
        import sys, types, invtime
        sys.modules["tensorflow"] = types.ModuleType("tensorflow")
        try:
            invtime.InverseTimeDecay(0.1, 1000, 0.5).on("paddle")
            raise AssertionError
        except invtime.BackendUnavailableError as error:
            assert "import paddle before" in str(error)
            assert "paddle" not in sys.modules
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
