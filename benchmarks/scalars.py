"""A scalar on the CPU, eager.

invtime is compared with Keras's own schedule in the same framework. Keras also accepts a Python
int, for which invtime returns a Python float. For a `tf.Variable`, both columns are invtime: with
the variable and with a constant tensor. Reading the variable is a TensorFlow operation that takes
longer than the rest of the call. NumPy scalars are compared with the plain expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, kind, plain

TIMES_FASTER = {"tensorflow": 15, "jax": 10, "torch": 10}


def rows(backend: str) -> Iterator[Row]:
    """Measure an int64 (JAX: int32) scalar and a Python int on one Keras backend."""
    if backend == "numpy":
        yield from _numpy()
        return
    import keras

    step = _scalar(backend)
    for schedule in (EXACT, STAIRCASE):
        theirs = keras.optimizers.schedules.InverseTimeDecay(**schedule.get_config())
        for what, n in (("scalar tensor", step), ("Python int", 123456)):
            row = compare(
                f"{backend}, {what}, {kind(schedule)}",
                lambda schedule=schedule, n=n: schedule(n),  # type: ignore[misc]
                lambda theirs=theirs, n=n: theirs(n),  # type: ignore[misc]
                against="Keras's `InverseTimeDecay`",
            )
            yield row.ratio_at_most(round(1 / TIMES_FASTER[backend], 3)) if n is step else row

    if backend == "tensorflow":
        yield _variable(step)


def _numpy() -> Iterator[Row]:
    peer = plain(EXACT)
    for n, limit in ((np.float64(123456), 8), (np.int64(123456), 2)):
        row = compare(
            f"np.{type(n).__name__}, continuous",
            lambda n=n: EXACT(n),  # type: ignore[misc]
            lambda n=n: peer(n),  # type: ignore[misc]
            against="the plain expression",
        )
        yield row.ratio_at_most(limit)


def _variable(step: Any) -> Row:
    import tensorflow as tf

    variable = tf.Variable(step)
    return compare(
        "tensorflow, tf.Variable, continuous",
        lambda: EXACT(variable),
        lambda: EXACT(step),
        against="a constant tensor",
    ).ratio_at_most(1)


def _scalar(backend: str) -> Any:
    if backend == "torch":
        import torch

        return torch.tensor(123456)
    if backend == "jax":
        import jax

        return jax.numpy.int32(123456)
    import tensorflow as tf

    return tf.constant(123456, tf.int64)
