"""Train the recipe in NumPy, with gradients written by hand.

python -m pip install . && python examples/train_numpy.py
"""

import numpy as np
from recipe import SCHEDULE, WEIGHTS, batches, report

schedule = SCHEDULE.on("numpy", dtype="float32")
weights = {name: value.copy() for name, value in WEIGHTS.items()}
rates, losses = [], []

for step, (inputs, targets) in enumerate(batches()):
    hidden = np.tanh(inputs @ weights["w1"] + weights["b1"])
    error = hidden @ weights["w2"] + weights["b2"] - targets
    losses.append(float(np.mean(error**2)))

    d_output = 2 * error / len(error)
    d_hidden = (d_output @ weights["w2"].T) * (1 - hidden**2)
    gradients = {
        "w1": inputs.T @ d_hidden,
        "b1": d_hidden.sum(axis=0),
        "w2": hidden.T @ d_output,
        "b2": d_output.sum(axis=0),
    }
    rate = schedule(np.array(step))
    for name, gradient in gradients.items():
        weights[name] -= rate * gradient
    rates.append(float(rate))

report("numpy", rates, losses)
