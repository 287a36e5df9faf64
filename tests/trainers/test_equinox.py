"""Equinox: a filtered, jitted step with the schedule, through a checkpoint and back."""

import numpy as np
import pytest

from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_array

jax = pytest.importorskip("jax", exc_type=ImportError)
eqx = pytest.importorskip("equinox")
optax = pytest.importorskip("optax")
import jax.numpy as jnp  # noqa: E402

SCHEDULE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
UPDATES = 85
BATCH = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
TRUE = [Reference(SCHEDULE).bits(step, "float32") for step in range(UPDATES)]
OPTIMIZER = optax.inject_hyperparams(optax.adam)(learning_rate=SCHEDULE)


def build(seed=0):
    """Return a model and its optimizer's state, which contains the rate of the last update."""
    model = eqx.nn.MLP(3, 1, width_size=5, depth=1, key=jax.random.key(seed))
    return model, OPTIMIZER.init(eqx.filter(model, eqx.is_array))


@eqx.filter_value_and_grad
def loss(model):
    return jnp.mean((jax.vmap(model)(BATCH) - BATCH.sum(1, keepdims=True)) ** 2)


@eqx.filter_jit
def train_step(model, state):
    value, gradients = loss(model)
    updates, state = OPTIMIZER.update(gradients, state, eqx.filter(model, eqx.is_array))
    return eqx.apply_updates(model, updates), state, value


def train(model, state, updates):
    """Return the model and the state after the updates, and all losses and rates."""
    losses, rates = [], []
    for _ in range(updates):
        model, state, value = train_step(model, state)
        losses.append(value)
        rates.append(state.hyperparams["learning_rate"])
    return (model, state), np.array(losses), np.array(rates)


def leaves(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def test_the_rates_of_a_training_run():
    _, losses, rates = train(*build(), UPDATES)
    assert bits_of_array(rates, "float32").tolist() == TRUE
    assert losses[-1] < losses[0] / 10


def test_the_rate_is_what_moves_the_weights():
    """SGD without injection: each weight moves by exactly the rate times its gradient."""
    optimizer = optax.sgd(SCHEDULE)
    zeros = jax.tree.map(jnp.zeros_like, eqx.filter(build()[0], eqx.is_array))
    gradients = jax.tree.map(lambda leaf: leaf - 1, zeros)
    state = optimizer.init(zeros)
    update = eqx.filter_jit(optimizer.update)
    for true in TRUE[:43]:
        updates, state = update(gradients, state)
        for leaf in jax.tree.leaves(eqx.apply_updates(zeros, updates)):
            assert (bits_of_array(np.asarray(leaf), "float32") == true).all()


def test_one_trace_for_all_steps_and_for_an_equal_schedule():
    traces = []

    @eqx.filter_jit
    def rate(schedule, step):
        traces.append(step)
        return schedule(step)

    for step in range(45):
        found = rate(SCHEDULE, jnp.asarray(step))
        assert bits_of_array(np.asarray(found), "float32") == TRUE[step]
    rate(InverseTimeDecay.from_config(SCHEDULE.get_config()), jnp.asarray(0))
    assert len(traces) == 1
    rate(InverseTimeDecay(0.2, 41, 0.5, staircase=True), jnp.asarray(0))
    assert len(traces) == 2


@pytest.mark.parametrize("updates", [1, 40, 41, 42])
def test_resumed_is_uninterrupted(updates, tmp_path):
    whole, losses, rates = train(*build(), UPDATES)
    first, _, _ = train(*build(), updates)
    eqx.tree_serialise_leaves(tmp_path / "checkpoint.eqx", first)

    second = eqx.tree_deserialise_leaves(tmp_path / "checkpoint.eqx", build(seed=1))
    second, resumed_losses, resumed_rates = train(*second, UPDATES - updates)
    assert resumed_losses.tobytes() == losses[updates:].tobytes()
    assert resumed_rates.tobytes() == rates[updates:].tobytes()
    assert leaves(second) == leaves(whole)


def test_a_schedule_inside_a_module_is_no_array_of_it():
    class Scaled(eqx.Module):
        weight: jax.Array
        schedule: InverseTimeDecay

        def __call__(self, step):
            return self.weight * self.schedule(step)

    module = Scaled(jnp.float32(1), SCHEDULE)
    arrays, rest = eqx.partition(module, eqx.is_array)
    assert jax.tree.leaves(arrays) == [1]
    assert rest.schedule == SCHEDULE
    gradient = eqx.filter_jit(eqx.filter_grad(lambda module: module(jnp.asarray(41))))(module)
    assert bits_of_array(np.asarray(gradient.weight), "float32") == TRUE[41]
