"""Train the recipe in JAX, compiled, with the schedule passed to Optax.

python -m pip install ".[jax]" optax && python examples/train_jax.py
"""

import jax
import jax.numpy as jnp
import optax
from recipe import SCHEDULE, WEIGHTS, batches, report

from invtime.integrations import current_rates

optimizer = optax.sgd(SCHEDULE)


def loss_of(weights, inputs, targets):
    hidden = jnp.tanh(inputs @ weights["w1"] + weights["b1"])
    outputs = hidden @ weights["w2"] + weights["b2"]
    return jnp.mean((outputs - targets) ** 2)


@jax.jit
def update(weights, state, inputs, targets):
    value_and_grad = jax.value_and_grad(loss_of)
    loss, gradients = value_and_grad(weights, inputs, targets)
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(weights, updates), state, loss


weights = jax.tree.map(jnp.asarray, WEIGHTS)
state = optimizer.init(weights)
rates, losses = [], []

for inputs, targets in batches():
    rates += current_rates(state, SCHEDULE)
    weights, state, loss = update(weights, state, inputs, targets)
    losses.append(float(loss))

report("jax", rates, losses)
