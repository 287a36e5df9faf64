"""current_rates: what the next update of any optimizer will use."""

from __future__ import annotations

import pytest

from invtime import InverseTimeDecay
from invtime.integrations import current_rates
from invtime.reference import Reference

SCHEDULE = InverseTimeDecay(0.1, 3, 0.5, staircase=True)
RECIPE = InverseTimeDecay(  # every phase but a stable one, in seven updates
    0.1,
    3,
    0.5,
    warmup_steps=2,
    minimum_learning_rate=0.09,
    cooldown_start=4,
    cooldown_steps=2,
    final_learning_rate=0.01,
)


@pytest.fixture(params=[SCHEDULE, RECIPE], ids=["staircase", "phases"])
def schedule(request):
    return request.param


@pytest.fixture
def rate(schedule):
    """The true rate of a step."""
    reference = Reference(schedule)
    return lambda step, dtype="float32": reference.value(step, dtype)


def test_the_recipe_has_what_it_says():
    names = [phase.name for phase in RECIPE.phases]
    assert names == ["warm-up", "decay", "floor", "cool-down", "end"]


def test_of_a_torch_optimizer_or_scheduler(schedule, rate):
    torch = pytest.importorskip("torch")
    from invtime.integrations.torch import InverseTimeLR

    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    optimizer.param_groups[1]["lr"] = torch.tensor(1.0)
    scheduler = InverseTimeLR.from_schedule(optimizer, schedule)
    for step in range(7):
        assert current_rates(optimizer) == current_rates(scheduler)
        assert current_rates(optimizer) == [rate(step, "float64"), rate(step)]
        optimizer.step()
        scheduler.step()


def test_of_a_keras_optimizer(schedule, rate):
    pytest.importorskip("keras")
    import keras

    from invtime.integrations.keras import InverseTimeDecay as KerasInverseTimeDecay

    optimizer = keras.optimizers.SGD(KerasInverseTimeDecay.from_schedule(schedule))
    weight = keras.Variable([0.0])
    optimizer.build([weight])
    for step in range(7):
        assert current_rates(optimizer) == [rate(step)]
        optimizer.apply([keras.ops.ones(1)])


@pytest.fixture
def optax():
    return pytest.importorskip("optax")


def states(optimizer):
    """The state before each of seven updates."""
    import jax.numpy as jnp

    weight = jnp.zeros(1)
    state = optimizer.init(weight)
    for _ in range(7):
        yield state
        _, state = optimizer.update(jnp.ones(1), state)


def test_of_an_optax_state(optax, schedule, rate):
    optimizer = optax.adam(schedule)
    found = [current_rates(state, schedule) for state in states(optimizer)]
    assert found == [[rate(step)] for step in range(7)]


def test_of_an_optax_state_that_is_nested(optax, schedule, rate):
    optimizer = optax.MultiSteps(optax.chain(optax.clip(1.0), optax.sgd(schedule)), 2)
    found = [current_rates(state, schedule) for state in states(optimizer)]
    assert found == [[rate(step // 2)] for step in range(7)]


def test_of_an_injected_schedule(optax, schedule, rate):
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=schedule)
    before = list(states(optimizer))
    assert [current_rates(state, schedule) for state in before] == [[rate(n)] for n in range(7)]
    # Without the schedule, the rate that the last update used.
    last = [[rate(max(n - 1, 0))] for n in range(7)]
    assert [current_rates(state) for state in before] == last


def test_other_injected_hyperparameters_are_passed_over(optax, schedule, rate):
    inject = optax.inject_hyperparams(optax.scale_by_adam)
    optimizer = optax.chain(inject(b1=0.5), optax.scale_by_learning_rate(schedule))
    assert current_rates(optimizer.init({}), schedule) == [rate(0)]


def test_an_optax_state_needs_the_schedule(optax):
    with pytest.raises(TypeError, match=r"pass it too: current_rates\(state, schedule\)"):
        current_rates(optax.sgd(SCHEDULE).init({}))


def test_a_constant_rate_is_not_in_an_optax_state(optax):
    with pytest.raises(TypeError, match="no learning rate was found in a tuple"):
        current_rates(optax.sgd(0.1).init({}), SCHEDULE)


@pytest.mark.parametrize("wrong", [None, 0.1, SCHEDULE])
def test_what_has_no_rate_is_refused(wrong):
    with pytest.raises(TypeError, match="no learning rate was found in a"):
        current_rates(wrong)
