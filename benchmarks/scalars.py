"""A scalar on the CPU, eager: against Keras's own schedule on the same framework.

Keras takes a Python int, too; ours is then the host's value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, kind

TIMES_FASTER = {"tensorflow": 15, "jax": 10, "torch": 10}


def rows(backend: str) -> Iterator[Row]:
    """One int64 (JAX: int32) scalar, both forms, on one Keras backend; then a Python int."""
    import keras

    step = _scalar(backend)
    for schedule in (EXACT, STAIRCASE):
        theirs = keras.optimizers.schedules.InverseTimeDecay(**schedule.get_config())
        for what, n in (("scalar tensor", step), ("Python int", 123456)):
            row = compare(
                f"{backend}, {what}, {kind(schedule)}",
                lambda schedule=schedule, n=n: schedule(n),  # type: ignore[misc]
                lambda theirs=theirs, n=n: theirs(n),  # type: ignore[misc]
                against="Keras's InverseTimeDecay",
            )
            yield row.ratio_at_most(round(1 / TIMES_FASTER[backend], 3)) if n is step else row


def _scalar(backend: str) -> Any:
    if backend == "torch":
        import torch

        return torch.tensor(123456)
    if backend == "jax":
        import jax

        return jax.numpy.int32(123456)
    import tensorflow as tf

    return tf.constant(123456, tf.int64)
