"""Train the recipe in Keras with `fit`, on the backend in KERAS_BACKEND.

python -m pip install ".[keras,tensorflow]"
python examples/train_keras.py
"""

import keras
from recipe import SCHEDULE, UPDATES, WEIGHTS, batches, report

from invtime.integrations import current_rates
from invtime.integrations.keras import InverseTimeDecay

hidden = keras.layers.Dense(16, activation="tanh")
output = keras.layers.Dense(1)
model = keras.Sequential([keras.Input((8,)), hidden, output])
model.set_weights(list(WEIGHTS.values()))
optimizer = keras.optimizers.SGD(InverseTimeDecay.from_schedule(SCHEDULE))
model.compile(optimizer, loss="mse")
rates = []


def log_rate(batch, logs):
    rates.extend(current_rates(optimizer))


log = keras.callbacks.LambdaCallback(on_train_batch_begin=log_rate)
# One update in each epoch: Keras logs the running mean of an epoch's losses,
# which is then the loss of the update.
history = model.fit(
    batches(),
    epochs=UPDATES,
    steps_per_epoch=1,
    shuffle=False,
    verbose=0,
    callbacks=[log],
)

report(f"keras-{keras.backend.backend()}", rates, history.history["loss"])
