"""Vectors of up to ten million steps in PyTorch, JAX and TensorFlow.

The plain expression computes in float32, and 27 % to 98 % of its results are not correctly rounded.
invtime computes in float64 and rounds to float32 at the end. TensorFlow's graphs do not fuse, so
each operation is a pass over memory there.

An int64 step can be too large for the exact form, so invtime reads the steps once more to choose
the form. For int32 steps this is not needed. The rows compared with "the plain expression, reading
twice" show the least that this costs: that expression also reads all steps first, to check that
none is below 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, kind, plain, steps

COUNT = 10_000_000
Function = Callable[[Any], Any]
Compiler = Callable[[Function], Function]
FUSED = {"int32": 1.05, "int64": 1.1}
# PyTorch's eager vectors: (dtype, schedule) -> the target ratio at 1e5 and 1e6 steps.
SHORT = {
    ("int64", EXACT): 1.0,
    ("int64", STAIRCASE): 1.0,
    ("float32", EXACT): 1.5,
    ("float32", STAIRCASE): 1.0,
}


def rows(framework: str) -> Iterator[Row]:
    """Measure one framework, eager and compiled."""
    return {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[framework]()


def _torch() -> Iterator[Row]:
    import torch

    for (dtype, schedule), limit in SHORT.items():
        for exponent in (5, 6):
            n = torch.from_numpy(steps(10**exponent, dtype))
            what = f"torch, eager, 1e{exponent} {dtype} steps, {kind(schedule)}"
            yield _row(what, schedule, plain(schedule, torch.floor), n).ratio_at_most(limit)
    yield from _rows("torch, eager", _as_it_is, torch.from_numpy, torch.floor)
    yield from _rows("Inductor", _fullgraph, torch.from_numpy, torch.floor, _read_once_more)


def _read_once_more(n: Any) -> Any:
    return n + (n.max() < 0)


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
    yield from _rows("XLA (jax.jit)", compiled, array, jax.numpy.floor, _read_once_more)


def _tensorflow() -> Iterator[Row]:
    import tensorflow as tf

    def xla(function: Function) -> Function:
        return tf.function(function, jit_compile=True)  # type: ignore[no-any-return]

    def read_once_more(n: Any) -> Any:
        return n + tf.cast(tf.reduce_max(n) < 0, n.dtype)

    n = tf.constant(steps(1_000_000, "int32"))
    peer = _as_float32(plain(EXACT, tf.floor))
    yield _row("TensorFlow, eager, 1e6 int32 steps, continuous", EXACT, peer, n).ratio_at_most(1.2)
    for name, compiler in (("TensorFlow, eager", _as_it_is), ("TensorFlow, graph", tf.function)):
        yield from _rows(name, compiler, tf.constant, tf.floor, cast=_as_float32)
    yield from _rows("XLA (TensorFlow)", xla, tf.constant, tf.floor, read_once_more, _as_float32)


def _as_it_is(function: Function) -> Function:
    return function


def _as_float32(function: Function) -> Function:
    """Add the cast that TensorFlow needs, since it does not multiply float and int tensors."""
    import tensorflow as tf

    return lambda n: function(tf.cast(n, tf.float32))


def _rows(
    name: str,
    compiler: Compiler,
    array: Function,
    floor: Function,
    read_once_more: Function | None = None,
    cast: Compiler = _as_it_is,
) -> Iterator[Row]:
    """Measure ten million steps. With `read_once_more` (compilers), each row has a target."""
    for dtype in ("int32", "int64"):
        n = array(steps(COUNT, dtype))
        for schedule in (EXACT, STAIRCASE):
            ours, expression = compiler(schedule), cast(plain(schedule, floor))
            what = f"{name}, 1e7 {dtype} steps, {kind(schedule)}"
            row = _row(what, ours, compiler(expression), n)
            if read_once_more is None:
                yield row
                continue
            yield row.ratio_at_most(FUSED[dtype])
            if dtype == "int64":
                peer = compiler(lambda n, f=expression: f(read_once_more(n)))  # type: ignore[misc]
                yield _row(what, ours, peer, n, "the plain expression, reading twice")


def _row(
    what: str,
    ours: Function,
    peer: Function,
    n: Any,
    against: str = "the plain expression, same mode",
) -> Row:
    return compare(what, lambda: ours(n), lambda: peer(n), against=against, seconds=2.0)
