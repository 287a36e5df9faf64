"""A training step of `fit`: ours against Keras's own schedule, in two copies of one model.

Keras's backend is one per process, so this module is run once for each, as
`python -m benchmarks.keras_fit torch`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.measure import HEADER, Row, compare
from benchmarks.subjects import EXACT, STAIRCASE

STEPS = 50


def rows(backend: str) -> Iterator[Row]:
    """One epoch of `fit`, both forms, as Keras runs it where nothing is said."""
    os.environ["KERAS_BACKEND"] = backend
    from invtime.integrations.keras import InverseTimeDecay

    for schedule in (EXACT, STAIRCASE):
        ours = InverseTimeDecay.from_schedule(schedule)
        kind = "staircase" if schedule.staircase else "exact form"
        row = compare(
            f"{backend}, a step of fit, {kind}",
            _epoch(ours),
            _epoch(ours.to_keras()),
            "<= 1",
            against=f"Keras's InverseTimeDecay on {backend}",
            seconds=20.0,
        )
        yield row._replace(ours_us=row.ours_us / STEPS, peer_us=row.peer_us / STEPS)


def _epoch(schedule: Any) -> Callable[[], object]:
    """An epoch of a model small enough for the schedule to be seen."""
    import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    model.compile(keras.optimizers.SGD(schedule), loss="mse")
    data = np.zeros((STEPS, 8), np.float32)
    return lambda: model.fit(data, data, batch_size=1, verbose=0)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(HEADER)
    for row in rows(sys.argv[1]):
        print(row.markdown(), flush=True)
