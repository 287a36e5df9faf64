"""Compiled vectors of ten million steps: against the plain expression under the same compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, plain, steps

COUNT = 10_000_000
Compiler = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]


def rows() -> Iterator[Row]:
    """Inductor, XLA through JAX, and TensorFlow's graph with and without XLA."""
    yield from _torch()
    yield from _jax()
    yield from _tensorflow()


def _torch() -> Iterator[Row]:
    import torch

    def compiler(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return torch.compile(function, fullgraph=True)

    yield from _rows("Inductor", compiler, torch.from_numpy, torch.floor, ("1.2", "1.5"))


def _jax() -> Iterator[Row]:
    import jax

    def compiler(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        jitted = jax.jit(function)
        return lambda n: jitted(n).block_until_ready()

    def array(n: Any) -> Any:
        with jax.enable_x64(True):
            return jax.numpy.asarray(n)

    yield from _rows("XLA (JAX)", compiler, array, jax.numpy.floor, ("1.2", "1.5"))


def _tensorflow() -> Iterator[Row]:
    import tensorflow as tf

    def floor(x: Any) -> Any:
        return tf.floor(x)

    for name, xla, promised in (
        ("TF graph", False, ("1.6", "1.6")),
        ("XLA (TF)", True, ("1.2", "1.5")),
    ):

        def compiler(function: Callable[[Any], Any], xla: bool = xla) -> Callable[[Any], Any]:
            return tf.function(function, jit_compile=xla)  # type: ignore[no-any-return]

        yield from _rows(name, compiler, tf.constant, floor, promised, _as_float32)


def _as_float32(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """TensorFlow does not multiply a float and an int tensor: the cast that one must write."""
    import tensorflow as tf

    return lambda n: function(tf.cast(n, tf.float32))


def _rows(
    name: str,
    compiler: Compiler,
    array: Callable[[Any], Any],
    floor: Callable[[Any], Any],
    promised: tuple[str, str],
    wrap: Compiler = lambda function: function,
) -> Iterator[Row]:
    for dtype in ("int32", "int64"):
        n = array(steps(COUNT, dtype))
        for schedule, limit in ((EXACT, promised[0]), (STAIRCASE, promised[1])):
            ours, peer = compiler(schedule), compiler(wrap(plain(schedule, floor)))
            kind = "staircase" if schedule.staircase else "exact form"
            yield compare(
                f"{name}, 1e7 {dtype} steps, {kind}",
                lambda ours=ours, n=n: ours(n),  # type: ignore[misc]
                lambda peer=peer, n=n: peer(n),  # type: ignore[misc]
                f"<= {limit}",
                against="the plain expression, compiled (float32)",
            )
