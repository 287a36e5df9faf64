"""Train the recipe in TensorFlow, with the schedule in a tf.function.

python -m pip install ".[tensorflow]"
python examples/train_tensorflow.py
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
    variables = list(weights.values())
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(rate * gradient)
    step.assign_add(1)
    return rate, loss


rates, losses = [], []
for inputs, targets in batches():
    rate, loss = update(inputs, targets)
    rates.append(float(rate))
    losses.append(float(loss))

report("tensorflow", rates, losses)
