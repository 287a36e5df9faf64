"""Each parameter of the Keras schedule reaches the schedule, and can be read and not written."""

from types import SimpleNamespace

import pytest

pytest.importorskip("keras", exc_type=ImportError)

import invtime
from invtime.integrations import keras as module
from invtime.integrations.keras import InverseTimeDecay

PARAMETERS = {
    "initial_learning_rate": 0.1,
    "decay_steps": 12,
    "decay_rate": 0.5,
    "staircase": True,
    "name": "mine",
    "warmup_steps": 3,
    "warmup_learning_rate": 0.01,
    "stable_steps": 4,
    "minimum_learning_rate": 0.02,
    "cooldown_start": 90,
    "cooldown_steps": 9,
    "final_learning_rate": 0.001,
}


def test_the_schedule_has_every_parameter():
    made = InverseTimeDecay(**PARAMETERS)
    assert made.schedule == invtime.InverseTimeDecay(**PARAMETERS)
    assert made.get_config() == PARAMETERS
    assert made.schedule.name == "mine"
    other = InverseTimeDecay.from_schedule(made.schedule)
    assert other == made
    assert other.get_config() == PARAMETERS


@pytest.mark.parametrize("key", PARAMETERS)
def test_a_parameter_is_read_and_not_written(key):
    made = InverseTimeDecay(**PARAMETERS)
    assert getattr(made, key) == PARAMETERS[key]
    with pytest.raises(AttributeError):
        setattr(made, key, PARAMETERS[key])
    assert getattr(InverseTimeDecay, key).__doc__ == f"`{key}` of the schedule; read-only."


def test_an_attribute_is_that_of_the_schedule():
    found = module._of_schedule("odd")
    assert found.fget(SimpleNamespace(schedule=SimpleNamespace(odd=3))) == 3
    assert found.__doc__ == "`odd` of the schedule; read-only."


def test_equal_schedules_have_one_hash_and_others_mostly_another():
    made = InverseTimeDecay(**PARAMETERS)
    assert hash(made) == hash(InverseTimeDecay(**PARAMETERS)) == hash(made.schedule)
    others = [InverseTimeDecay(0.1, steps, 0.5) for steps in range(1, 50)]
    assert len(set(map(hash, others))) == len(others)
