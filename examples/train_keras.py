"""The recipe in Keras, with `fit`, on the backend that KERAS_BACKEND names.

python -m pip install ".[keras,tensorflow]" && python examples/train_keras.py
"""

import keras
from recipe import SCHEDULE, UPDATES, WEIGHTS, batches, report

from invtime.integrations import current_rates
from invtime.integrations.keras import InverseTimeDecay

hidden = keras.layers.Dense(16, activation="tanh")
model = keras.Sequential([keras.Input((8,)), hidden, keras.layers.Dense(1)])
model.set_weights(list(WEIGHTS.values()))
optimizer = keras.optimizers.SGD(InverseTimeDecay.from_schedule(SCHEDULE))
model.compile(optimizer, loss="mse")
rates = []

log = keras.callbacks.LambdaCallback(
    on_train_batch_begin=lambda batch, logs: rates.extend(current_rates(optimizer))
)
# An epoch for each update, so that its loss is its own and no running mean.
history = model.fit(
    batches(), epochs=UPDATES, steps_per_epoch=1, shuffle=False, verbose=0, callbacks=[log]
)

report(f"keras-{keras.backend.backend()}", rates, history.history["loss"])
