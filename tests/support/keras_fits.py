"""A Keras model whose weights are the rates of its updates, to the bit."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from invtime.reference import values

STEPS = 90
PHASES = {  # every phase, in that many updates
    "warmup_steps": 10,
    "warmup_learning_rate": 0.001,
    "stable_steps": 15,
    "minimum_learning_rate": 0.05,
    "cooldown_start": 60,
    "cooldown_steps": 15,
    "final_learning_rate": 1 / 3000,
}
QUIET = [
    # Keras 3.15 reads its variables with np.array, and they do not accept copy=.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    # Dynamo warns about deprecated functions of Keras, and Keras calls deprecated ones of torch.
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]


def build(optimizer, **mode):
    """Return a model whose update number k, on batch k only, lowers weight k by the rate.

    The gradient of the loss is 1 for that weight and 0 for the others, and the weights start
    at 0, so the weights are the rates that were used, bit for bit.
    """
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((STEPS,)), layer])
    model.compile(optimizer, loss="mae", **mode)
    return model


def fit(model, first=0, last=STEPS, batches=None, **options):
    """Fit the batches `first` to `last` - 1, in every epoch."""
    batches = np.eye(STEPS, dtype=np.float32) if batches is None else batches
    targets = np.full((STEPS, 1), -1, np.float32)  # below every output
    data = batches[first:last], targets[first:last]
    model.fit(*data, batch_size=1, shuffle=False, verbose=0, **options)
    return model


def rates_used(model):
    return -model.get_weights()[0][:, 0]


def true(schedule, steps, dtype="float32"):
    return np.array(values(schedule, steps, dtype), dtype)


def assert_same_bits(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    wrong = np.flatnonzero(found.view(np.uint32) != expected.view(np.uint32))
    assert not wrong.size, f"at {wrong[:3]}: {found[wrong[:3]]} and not {expected[wrong[:3]]}"
