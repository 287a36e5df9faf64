"""A training step in Keras.

Two copies of a small model run `fit`. They differ only in the learning rate: invtime in one,
Keras's own schedule or a constant rate in the other. The rows with a constant rate in both show the
noise of the measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, PHASES, STAIRCASE, kind

STEPS = 50


def rows(backend: str) -> Iterator[Row]:
    """Measure one epoch of `fit` with Keras's default settings, for both forms."""
    from invtime.integrations.keras import InverseTimeDecay

    for schedule in (EXACT, STAIRCASE):
        ours = InverseTimeDecay.from_schedule(schedule)
        row = compare(
            f"{backend}, {kind(schedule)}",
            _epoch(ours),
            _epoch(ours.to_keras()),
            against="Keras's `InverseTimeDecay`",
            seconds=10.0,
            calls=STEPS,
        )
        yield row.ratio_at_most(1.02)
    phases, bare = (_epoch(InverseTimeDecay.from_schedule(s)) for s in (PHASES, EXACT))
    row = compare(
        f"{backend}, every phase",
        phases,
        bare,
        against="the decay without phases",
        seconds=10.0,
        calls=STEPS,
    )
    yield row.ratio_at_most(1.02)
    constant = _epoch(0.1)
    ours = InverseTimeDecay.from_schedule(EXACT)
    for what, rate in (("a constant rate", 0.1), ("continuous", ours)):
        yield compare(
            f"{backend}, {what}",
            _epoch(rate),
            constant,
            against="a constant rate",
            seconds=5.0,
            calls=STEPS,
        )


def _epoch(rate: Any) -> Callable[[], object]:
    """Return an epoch of a model so small that the cost of the schedule shows."""
    import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    data = np.zeros((STEPS, 8), np.float32)
    return lambda: model.fit(data, data, batch_size=1, verbose=0)
