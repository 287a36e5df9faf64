"""A compiled training step with Optax.

The other step uses Optax's most similar schedule, `polynomial_schedule`, or a constant rate, for
which Optax keeps no count. The rows with a constant rate in both show the noise of the measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Function, Row, compare
from benchmarks.subjects import EXACT, PHASES
from invtime import InverseTimeDecay

WIDTH, BATCH = 256, 64
SCHEDULES = {
    "continuous": InverseTimeDecay(0.001, 1000, 0.5),
    "staircase": InverseTimeDecay(0.001, 1000, 0.5, staircase=True),
    "long decimals": InverseTimeDecay(0.001, 1000, 1 / 7),
}


def rows() -> Iterator[Row]:
    """Measure a small model, and a single weight, whose step costs little more than its rate."""
    import optax

    polynomial = optax.polynomial_schedule(0.001, 0.0001, power=2, transition_steps=100_000)
    for what, build in (("MLP 256x256, batch 64, adam", mlp_step), ("one weight, sgd", bare_step)):
        nearest, constant = build(polynomial), build(0.001)
        yield _compare(f"{what}, a constant rate", build(0.001), constant, "a constant rate")
        for kind, schedule in SCHEDULES.items():
            ours = build(schedule)
            row = _compare(f"{what}, {kind}", ours, nearest, "`optax.polynomial_schedule`")
            yield row.ratio_at_most(1.02)
            row = _compare(f"{what}, {kind}", ours, constant, "a constant rate")
            yield row.ratio_at_most(1.02) if build is mlp_step else row
        row = _compare(
            f"{what}, every phase", build(PHASES), build(EXACT), "the decay without phases"
        )
        yield row.ratio_at_most(1.02)


def _compare(what: str, ours: Function, peer: Function, against: str) -> Row:
    return compare(what, ours, peer, against=against, seconds=4.0)


def mlp_step(rate: Any) -> Function:
    """Return a step of three layers of 256 by 256 with Adam: forward, backward and update."""
    import jax
    import jax.numpy as jnp
    import optax

    keys = jax.random.split(jax.random.key(0), 4)
    layers = [jax.random.normal(key, (WIDTH, WIDTH)) * (2 / WIDTH) ** 0.5 for key in keys[1:]]
    batch = jax.random.normal(keys[0], (BATCH, WIDTH))

    def loss(layers: Any) -> Any:
        x = batch
        for weights in layers[:-1]:
            x = jax.nn.relu(x @ weights)
        return jnp.mean((x @ layers[-1] - batch) ** 2)

    return _train_step(optax.adam(rate), layers, jax.grad(loss))


def bare_step(rate: Any) -> Function:
    """Return a step of one weight with SGD, whose gradient is the weight itself."""
    import jax.numpy as jnp
    import optax

    return _train_step(optax.sgd(rate), jnp.float32(1.0), lambda weight: weight)


def _train_step(optimizer: Any, params: Any, gradient: Callable[[Any], Any]) -> Function:
    """Return a step that continues from its last state, in the same memory, as in training."""
    from functools import partial

    import jax
    import optax

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any) -> Any:
        updates, state = optimizer.update(gradient(params), state, params)
        return optax.apply_updates(params, updates), state

    carry = params, optimizer.init(params)

    def run() -> None:
        nonlocal carry
        carry = jax.block_until_ready(step(*carry))

    return run
