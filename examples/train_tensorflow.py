"""The recipe in TensorFlow, in one tf.function, with the schedule called on the step.

python -m pip install ".[tensorflow]" && python examples/train_tensorflow.py
"""

import tensorflow as tf
from recipe import SCHEDULE, WEIGHTS, batches, report

weights = {name: tf.Variable(value) for name, value in WEIGHTS.items()}
step = tf.Variable(0, dtype=tf.int64)


@tf.function
def update(inputs, targets):
    with tf.GradientTape() as tape:
        hidden = tf.tanh(inputs @ weights["w1"] + weights["b1"])
        outputs = hidden @ weights["w2"] + weights["b2"]
        loss = tf.reduce_mean((outputs - targets) ** 2)
    rate = SCHEDULE(step)
    for variable, gradient in zip(
        weights.values(), tape.gradient(loss, list(weights.values())), strict=True
    ):
        variable.assign_sub(rate * gradient)
    step.assign_add(1)
    return rate, loss


rates, losses = [], []
for inputs, targets in batches():
    rate, loss = update(inputs, targets)
    rates.append(float(rate))
    losses.append(float(loss))

report("tensorflow", rates, losses)
