"""An eager scalar tensor on the CPU: against Keras's own schedule on the same framework.

Keras's backend is one per process, so this module is run once for each, as
`python -m benchmarks.scalars torch`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.measure import HEADER, Row, compare
from benchmarks.subjects import EXACT, STAIRCASE


def rows(backend: str) -> Iterator[Row]:
    """One int64 (JAX: int32) scalar, both forms, on one Keras backend."""
    os.environ["KERAS_BACKEND"] = backend
    import keras

    step = _scalar(backend)
    for schedule in (EXACT, STAIRCASE):
        theirs = keras.optimizers.schedules.InverseTimeDecay(**schedule.get_config())
        kind = "staircase" if schedule.staircase else "exact form"
        yield compare(
            f"{backend}, eager scalar tensor, {kind}",
            lambda schedule=schedule: schedule(step),  # type: ignore[misc]
            lambda theirs=theirs: theirs(step),  # type: ignore[misc]
            "<= 0.1",
            against=f"Keras's InverseTimeDecay on {backend}",
        )


def _scalar(backend: str) -> Any:
    if backend == "torch":
        import torch

        return torch.tensor(123456)
    if backend == "jax":
        import jax

        return jax.numpy.int32(123456)
    import tensorflow as tf

    return tf.constant(123456, tf.int64)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(HEADER)
    for row in rows(sys.argv[1]):
        print(row.markdown(), flush=True)
