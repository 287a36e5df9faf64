"""The schedule under tf.distribute.MirroredStrategy, over two logical CPUs.

They must be configured before TensorFlow starts, so everything runs in a separate process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", exc_type=ImportError)
pytest.importorskip("keras", exc_type=ImportError)

from invtime import InverseTimeDecay
from invtime.reference import values

STEPS = 81  # the second drop of the staircase follows the next update
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)

# Each replica has one of the two samples of a batch. Update number k lowers weight k by the
# rate: the gradient is 1 for that weight and 0 for the others.
SCRIPT = """
import json, sys
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
import keras
from invtime import InverseTimeDecay
from invtime.integrations import current_rates, keras as integration

parameters, steps, folder = json.loads(sys.argv[1])
schedule = InverseTimeDecay(*parameters)
shell = integration.InverseTimeDecay.from_schedule(schedule)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
batches = np.repeat(np.eye(steps, dtype="float32"), strategy.num_replicas_in_sync, axis=0)
targets = np.full((len(batches), 1), -1, "float32")
found = {}

def replicas(variable):
    local = strategy.experimental_local_results(variable.value)
    return [(-copy.numpy().ravel()).tolist() for copy in local]

def fit(model, first, last):
    data = batches[2 * first : 2 * last], targets[2 * first : 2 * last]
    model.fit(*data, batch_size=2, shuffle=False, verbose=0)

for name, wrap in {"SGD": lambda x: x, "scaled": keras.optimizers.LossScaleOptimizer}.items():
    with strategy.scope():
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((steps,)), layer])
        model.compile(wrap(keras.optimizers.SGD(shell)), loss="mae")
    fit(model, 0, 41)
    model.save(folder + "/model.keras")
    with strategy.scope():
        resumed = keras.models.load_model(folder + "/model.keras")
    fit(model, 41, steps)
    fit(resumed, 41, steps)
    found[name] = replicas(model.weights[0])
    found[name + " resumed"] = replicas(resumed.weights[0])
    found[name + " next"] = current_rates(model.optimizer)

with strategy.scope():
    weight = keras.Variable(np.zeros(steps, "float32"))
    optimizer = keras.optimizers.SGD(shell)
    optimizer.build([weight])
    count = tf.Variable(0, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

@tf.function
def update(batch):
    def on_replica(sample):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight * sample) / strategy.num_replicas_in_sync
        optimizer.apply(tape.gradient(loss, [weight.value]), [weight])
        return schedule(count)

    rates = strategy.run(on_replica, args=(batch,))
    count.assign_add(1)
    return rates

dataset = tf.data.Dataset.from_tensor_slices(batches).batch(2)
rates = [
    [float(rate) for rate in strategy.experimental_local_results(update(batch))]
    for batch in strategy.experimental_distribute_dataset(dataset)
]
found["custom loop"] = replicas(weight)
found["the schedule itself"] = np.transpose(rates).tolist()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    arguments = list(STAIRCASE.get_config().values()), STEPS, str(tmp_path_factory.mktemp("model"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)],
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def true(*steps):
    return values(STAIRCASE, steps, "float32")


@pytest.mark.parametrize(
    "loop", ["SGD", "SGD resumed", "scaled", "scaled resumed", "custom loop", "the schedule itself"]
)
def test_every_replica_has_the_rate_of_step_k_minus_1(found, loop):
    assert found[loop] == [true(*range(STEPS))] * 2


@pytest.mark.parametrize("loop", ["SGD next", "scaled next"])
def test_the_rate_that_the_next_update_will_use(found, loop):
    assert found[loop] == true(STEPS)
