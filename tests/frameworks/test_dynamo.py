"""The code that Dynamo traces for a Python number, run here as plain Python."""

from math import isnan

import pytest

from invtime import InverseTimeDecay, StepTypeError
from invtime.backends import dynamo
from invtime.reference import values

PHASES = {
    "warmup_steps": 10,
    "stable_steps": 20,
    "minimum_learning_rate": 0.01,
    "cooldown_start": 9000,
    "cooldown_steps": 100,
    "final_learning_rate": 0.001,
}
SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "staircase": InverseTimeDecay(0.1, 41, 0.5, staircase=True),
    "fractional period": InverseTimeDecay(0.1, 12.25, 0.5, staircase=True),
    "phases": InverseTimeDecay(0.1, 1000, 0.5, **PHASES),
    "phases of a staircase": InverseTimeDecay(0.1, 41, 0.5, True, **PHASES),
}
KNOTS = (0, 10, 30, 41, 82, 9000, 9100, 18010)
STEPS = sorted({knot + near for knot in KNOTS for near in (-1, 0, 1)} | {-5, 49, 500, 9050, 2**40})


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_step_has_the_true_value(name):
    form = SCHEDULES[name].form
    true = values(SCHEDULES[name], STEPS)
    assert [dynamo._traced_number(form, step) for step in STEPS] == list(true)
    assert [dynamo.at_number(form, step) for step in STEPS] == list(true)
    for step in (-0.5, 0.0, 10.5, 40.75, 1e300):
        assert dynamo._traced_number(form, step) == SCHEDULES[name](step)
    assert isnan(dynamo._traced_number(form, float("nan")))


FAR = {
    "1 / (10 + n)": (InverseTimeDecay(0.1, 10, 1), 2**53 - 10),
    "a staircase of stages 4 * n // 49": (SCHEDULES["fractional period"], (2**63 - 1) // 4),
    "a constant": (InverseTimeDecay(0.5, 1000, 0), 2**63 - 1),
}


@pytest.mark.parametrize("name", FAR)
def test_the_last_step_that_is_exact_in_the_arithmetic_of_the_compiler(name):
    """Beyond it, A and B + C * t need more than 53 bits, or the products more than 64."""
    schedule, bound = FAR[name]
    last = min(bound, schedule.form.last_exact_step(53))
    assert dynamo._traced_number(schedule.form, last) == values(schedule, [last])[0]
    with pytest.raises(StepTypeError) as caught:
        dynamo._traced_number(schedule.form, last + 1)
    assert str(caught.value) == (
        "a Python int step of this size would not be exact inside torch.compile; "
        "pass the step as an int64 tensor"
    )
    assert dynamo.at_number(schedule.form, last + 1) == values(schedule, [last + 1])[0]


def test_a_warm_up_of_long_decimals_is_refused():
    long = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=10**6, warmup_learning_rate=1 / 300)
    for step in (0, 5):
        with pytest.raises(StepTypeError, match="step of this size"):
            dynamo._traced_number(long.form, step)
        assert long(step) == values(long, [step])[0]
    after = 10**6 + 3
    assert dynamo._traced_number(long.form, after) == values(long, [after])[0]


def test_a_held_form_is_equal_and_of_its_type():
    for schedule in SCHEDULES.values():
        held = dynamo.held(schedule.form)
        assert (type(held), held) == (type(schedule.form), schedule.form)
