"""A recipe with every phase.

For a Python int, the other computation is a function with one `if` per phase, which computes only
the phase of the step. In NumPy it is `np.select` over the phases, with `jax.jit` Optax's
`join_schedules`, and with Inductor and TensorFlow's XLA nested `where`s. The compiled ones compute
in float32, and invtime in float64.

In the rows compared with "the decay without phases", both columns are invtime. They show what the
phases add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.host import CALLS, loop
from benchmarks.measure import Row, compare
from benchmarks.subjects import steps
from invtime import InverseTimeDecay

COUNT = 10_000_000
L, S, R, W, H, M, X, K = 0.1, 100_000, 0.5, 100_000, 1_000_000, 0.02, 8_000_000, 1_000_000
RECIPE = InverseTimeDecay(
    *(L, S, R),
    warmup_steps=W,
    stable_steps=H,
    minimum_learning_rate=M,
    cooldown_start=X,
    cooldown_steps=K,
)
BARE = InverseTimeDecay(L, S, R)
Function = Callable[[Any], Any]


def rows(framework: str) -> Iterator[Row]:
    """Measure one framework; Python numbers are measured with NumPy."""
    found = {"numpy": _numpy, "torch": _torch, "jax": _jax, "tensorflow": _tensorflow}
    return found[framework]()


def by_ifs(n: int) -> float:
    """Return the rate of the recipe, computed in plain Python."""
    if n < W:
        return L * n / W
    if n < W + H:
        return L
    if n < X:
        return max(M, L / (1 + R * (n - W - H) / S))
    if n < X + K:
        return M - M * (n - X) / K
    return 0.0


def by_where(n: Any, where: Callable[..., Any], maximum: Callable[..., Any]) -> Any:
    """Return the rates of the recipe, computed by nested choices between arrays."""
    decayed = maximum(L / (1 + R * maximum(n - (W + H), 0) / S), M)
    found = where(n < W + H, L, decayed)
    found = where(n < W, L * n / W, found)
    found = where(n < X, found, M - M * (n - X) / K)
    return where(n < X + K, found, 0.0)


def _numpy() -> Iterator[Row]:
    for phase in RECIPE.phases:
        n = phase.start + 1000
        ours, peer = (loop(function, n) for function in (RECIPE, by_ifs))
        against = "a function with `if`s"
        row = compare(f"Python int, {phase.name}", ours, peer, against=against, calls=CALLS)
        yield row.ratio_at_most(3.0)
    for dtype in ("int32", "int64"):
        n = steps(COUNT, dtype)

        def select(n: Any = n) -> Any:
            decayed = np.maximum(M, L / (1 + R * np.maximum(n - (W + H), 0) / S))
            pieces = [L * n / W, np.full(n.shape, L), decayed, M - M * (n - X) / K]
            return np.select([n < W, n < W + H, n < X, n < X + K], pieces, 0.0)

        what = f"NumPy, 1e7 {dtype} steps"
        row = compare(what, lambda n=n: RECIPE(n), select, against="`np.select`")  # type: ignore[misc]
        yield row.ratio_at_most(1.0)


def _torch() -> Iterator[Row]:
    import torch

    def expression(n: Any) -> Any:
        return by_where(n, torch.where, lambda x, least: torch.clamp(x, min=least))

    def compiled(function: Function) -> Function:
        return torch.compile(function, fullgraph=True)  # type: ignore[no-any-return]

    yield from _compiled("Inductor", torch.from_numpy, compiled, expression)


def _jax() -> Iterator[Row]:
    import jax
    import jax.numpy as jnp
    import optax

    def decay(n: Any) -> Any:
        return jnp.maximum(L / (1 + R * n / S), M)

    pieces = [
        optax.linear_schedule(0.0, L, W),
        optax.constant_schedule(L),
        decay,
        optax.linear_schedule(M, 0.0, K),
    ]
    joined = optax.join_schedules(pieces, [W, W + H, X])

    def array(n: Any) -> Any:
        with jax.enable_x64(True):
            return jnp.asarray(n)

    def compiled(function: Function) -> Function:
        run = jax.jit(function)
        return lambda n: run(n).block_until_ready()

    yield from _compiled("XLA (jax.jit)", array, compiled, joined, "`optax.join_schedules`")


def _tensorflow() -> Iterator[Row]:
    import tensorflow as tf

    def expression(n: Any) -> Any:
        return by_where(tf.cast(n, tf.float32), tf.where, tf.maximum)

    def compiled(function: Function) -> Function:
        return tf.function(function, jit_compile=True)  # type: ignore[no-any-return]

    yield from _compiled("XLA (TensorFlow)", tf.constant, compiled, expression)


def _compiled(
    name: str,
    array: Function,
    compiler: Callable[[Function], Function],
    expression: Function,
    against: str = "nested `where`s, same mode",
) -> Iterator[Row]:
    for dtype in ("int32", "int64"):
        n = array(steps(COUNT, dtype))
        ours, peer = compiler(RECIPE), compiler(expression)
        row = compare(
            f"{name}, 1e7 {dtype} steps",
            lambda ours=ours, n=n: ours(n),  # type: ignore[misc]
            lambda peer=peer, n=n: peer(n),  # type: ignore[misc]
            against=against,
            seconds=2.0,
        )
        if dtype == "int64":
            yield row
            continue
        yield row.ratio_at_most(1.1)
        bare = compiler(BARE)
        yield compare(
            f"{name}, 1e7 {dtype} steps",
            lambda ours=ours, n=n: ours(n),  # type: ignore[misc]
            lambda bare=bare, n=n: bare(n),  # type: ignore[misc]
            against="the decay without phases, same mode",
            seconds=2.0,
        )
