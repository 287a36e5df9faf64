"""Flax NNX: an `nnx.Optimizer` with the schedule, through a jitted step, a checkpoint and back."""

from functools import partial

import numpy as np
import pytest

from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_array

jax = pytest.importorskip("jax", exc_type=ImportError)
nnx = pytest.importorskip("flax.nnx")
optax = pytest.importorskip("optax")
import jax.numpy as jnp  # noqa: E402
from flax import serialization  # noqa: E402

SCHEDULE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
UPDATES = 85
BATCH = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
TRUE = [Reference(SCHEDULE).bits(step, "float32") for step in range(UPDATES)]


class Net(nnx.Module):
    """Two layers and the schedule, which is not part of the state."""

    def __init__(self, rngs):
        self.first = nnx.Linear(3, 5, rngs=rngs)
        self.second = nnx.Linear(5, 1, rngs=rngs)
        self.schedule = SCHEDULE

    def __call__(self, x):
        return self.second(jax.nn.relu(self.first(x)))


def loss(model):
    return jnp.mean((model(BATCH) - BATCH.sum(1, keepdims=True)) ** 2)


def build(make=optax.adam, seed=0):
    """Return a model and its optimizer, whose state contains the rate of the last update."""
    model = Net(nnx.Rngs(seed))
    adam = optax.inject_hyperparams(make)(learning_rate=SCHEDULE)
    return model, nnx.Optimizer(model, adam, wrt=nnx.Param)


def rate_of(optimizer):
    return optimizer.opt_state.hyperparams["learning_rate"][...]


@nnx.jit
def train_step(model, optimizer):
    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients)
    return value, rate_of(optimizer)


def train(model, optimizer, updates):
    """Return the losses and the rates of the updates."""
    losses, rates = zip(*(train_step(model, optimizer) for _ in range(updates)), strict=True)
    return np.array(losses), np.array(rates)


def leaves(*modules):
    return [np.asarray(leaf) for module in modules for leaf in jax.tree.leaves(nnx.state(module))]


def test_the_rates_of_a_training_run():
    model, optimizer = build()
    losses, rates = train(model, optimizer, UPDATES)
    assert bits_of_array(rates, "float32").tolist() == TRUE
    assert losses[-1] < losses[0] / 10
    assert optimizer.step[...] == UPDATES


def test_the_rate_is_what_moves_the_weights():
    """SGD without injection: each weight moves by exactly the rate times its gradient."""
    model = Net(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.sgd(SCHEDULE), wrt=nnx.Param)
    update = nnx.jit(lambda model, optimizer, gradients: optimizer.update(model, gradients))
    ones = jax.tree.map(lambda leaf: -jnp.ones_like(leaf), nnx.state(model, nnx.Param))
    for true in TRUE[:43]:
        nnx.update(model, jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param)))
        update(model, optimizer, ones)
        for leaf in leaves(model):
            assert (bits_of_array(leaf, "float32") == true).all()


def test_one_trace_for_all_steps():
    model, optimizer = build()
    traces = []

    @nnx.jit
    def step(model, optimizer):
        traces.append(optimizer)
        optimizer.update(model, nnx.grad(loss)(model))

    for _ in range(45):
        step(model, optimizer)
    assert len(traces) == 1


@pytest.mark.parametrize("updates", [1, 40, 41, 42])
def test_resumed_is_uninterrupted(updates):
    whole = build()
    losses, rates = train(*whole, UPDATES)
    first = build()
    train(*first, updates)
    saved = serialization.msgpack_serialize(nnx.to_pure_dict(nnx.state(first)))

    second = build(seed=1)
    state = nnx.state(second)
    nnx.replace_by_pure_dict(state, nnx.restore_int_paths(serialization.msgpack_restore(saved)))
    nnx.update(second, state)
    resumed_losses, resumed_rates = train(*second, UPDATES - updates)
    assert resumed_losses.tobytes() == losses[updates:].tobytes()
    assert resumed_rates.tobytes() == rates[updates:].tobytes()
    assert [leaf.tobytes() for leaf in leaves(*second)] == [
        leaf.tobytes() for leaf in leaves(*whole)
    ]


def test_split_and_merge():
    """The functional form: the graph contains the schedule, and is separate from the arrays."""
    graph, state = nnx.split(build())

    @jax.jit
    def step(state):
        model, optimizer = nnx.merge(graph, state)
        optimizer.update(model, nnx.grad(loss)(model))
        return nnx.state((model, optimizer)), rate_of(optimizer)

    rates = []
    for _ in range(45):
        state, rate = step(state)
        rates.append(rate)
    assert bits_of_array(np.array(rates), "float32").tolist() == TRUE[:45]
    assert nnx.merge(graph, state)[0].schedule == SCHEDULE


STATES = {
    "sgd": optax.sgd(SCHEDULE),
    "inject_hyperparams": optax.inject_hyperparams(optax.sgd)(learning_rate=SCHEDULE),
    "apply_if_finite": optax.apply_if_finite(optax.sgd(SCHEDULE), 3),
}


@pytest.mark.parametrize("optimizer", STATES)
@pytest.mark.parametrize("updates", [1, 40, 41, 42])
def test_the_state_of_optax_through_bytes(optimizer, updates):
    """Linen's `TrainState` is stored like this; the gradient is -1, so an update adds the rate."""
    step = jax.jit(partial(STATES[optimizer].update, jnp.float32(-1)))
    fresh = state = STATES[optimizer].init(jnp.float32(0))
    rates = []
    for n in range(45):
        if n == updates:
            state = serialization.from_bytes(fresh, serialization.to_bytes(state))
        rate, state = step(state)
        rates.append(rate)
    assert bits_of_array(np.array(rates), "float32").tolist() == TRUE[:45]
