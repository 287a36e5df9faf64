"""Vectors of ten million steps in PyTorch, JAX and TensorFlow.

The plain expression computes in float32, and 27 % to 98 % of its results are not the correctly
rounded ones; ours computes in float64, rounded to float32 at the end. TensorFlow's graphs do not
fuse, so that each operation is a pass over memory there. An int64 step can be too large for the
exact form, so that the steps are read once more, to choose the form; for int32 that is known
beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, kind, plain, steps

COUNT = 10_000_000
Function = Callable[[Any], Any]
Compiler = Callable[[Function], Function]
FUSED = 1.05


def rows(framework: str) -> Iterator[Row]:
    """Each framework eager and compiled."""
    return {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[framework]()


def _torch() -> Iterator[Row]:
    import torch

    yield from _rows("torch, eager", _as_it_is, torch.from_numpy, torch.floor)
    yield from _rows("Inductor", _fullgraph, torch.from_numpy, torch.floor, FUSED)


def _fullgraph(function: Function) -> Function:
    import torch

    return torch.compile(function, fullgraph=True)


def _jax() -> Iterator[Row]:
    import jax

    def array(n: Any) -> Any:
        with jax.enable_x64(True):
            return jax.numpy.asarray(n)

    def compiled(function: Function) -> Function:
        return waited(jax.jit(function))

    def waited(function: Function) -> Function:
        return lambda n: function(n).block_until_ready()

    yield from _rows("JAX, eager", waited, array, jax.numpy.floor)
    yield from _rows("XLA (jax.jit)", compiled, array, jax.numpy.floor, FUSED)


def _tensorflow() -> Iterator[Row]:
    import tensorflow as tf

    def xla(function: Function) -> Function:
        return tf.function(function, jit_compile=True)  # type: ignore[no-any-return]

    yield from _rows("TensorFlow, eager", _as_it_is, tf.constant, tf.floor, cast=_as_float32)
    yield from _rows("TensorFlow, graph", tf.function, tf.constant, tf.floor, cast=_as_float32)
    yield from _rows("XLA (TensorFlow)", xla, tf.constant, tf.floor, FUSED, cast=_as_float32)


def _as_it_is(function: Function) -> Function:
    return function


def _as_float32(function: Function) -> Function:
    """TensorFlow does not multiply a float and an int tensor: the cast that one must write."""
    import tensorflow as tf

    return lambda n: function(tf.cast(n, tf.float32))


def _rows(
    name: str,
    compiler: Compiler,
    array: Function,
    floor: Function,
    limit: float | None = None,
    cast: Compiler = _as_it_is,
) -> Iterator[Row]:
    for dtype in ("int32", "int64"):
        n = array(steps(COUNT, dtype))
        for schedule in (EXACT, STAIRCASE):
            ours, peer = compiler(schedule), compiler(cast(plain(schedule, floor)))
            row = compare(
                f"{name}, 1e7 {dtype} steps, {kind(schedule)}",
                lambda ours=ours, n=n: ours(n),  # type: ignore[misc]
                lambda peer=peer, n=n: peer(n),  # type: ignore[misc]
                against="the plain expression, the same way",
                seconds=2.0,
            )
            yield row if limit is None else row.ratio_at_most(limit)
