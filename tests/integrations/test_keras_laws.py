"""The behaviour that Keras expects from any schedule, on each backend.

A process has one backend. The tests are run once for each, like those of test_keras.py.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("keras", exc_type=ImportError)

import keras
from keras_fits import PHASES, QUIET, STEPS, assert_same_bits, build, fit, rates_used, true

from invtime.integrations.keras import InverseTimeDecay
from invtime.reference import Reference

BACKEND = keras.backend.backend()

pytestmark = QUIET

SCHEDULES = {
    "continuous": InverseTimeDecay(0.1, 12, 0.5),
    "staircase": InverseTimeDecay(0.05, 10, 0.96, staircase=True, name="mine"),
    "double word": InverseTimeDecay(1 / 3, 12.345678901, 1 / 7, staircase=True),
    "phases": InverseTimeDecay(0.1, 12.25, 0.5, **PHASES),
}
STAIRCASE = SCHEDULES["staircase"]
RECIPE = SCHEDULES["phases"]
FIVE = {"initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name"}


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


# -- the config ------------------------------------------------------------------------------


def test_the_config_has_the_keys_of_keras_and_those_of_the_phases(schedule):
    config = schedule.get_config()
    assert set(config) == FIVE | (set(PHASES) if schedule is RECIPE else set())
    assert config == json.loads(json.dumps(config))


def test_the_config_is_what_the_constructor_takes(schedule):
    again = InverseTimeDecay(**schedule.get_config())
    assert again.get_config() == schedule.get_config()
    assert again == schedule


def test_changing_the_config_that_was_returned_changes_nothing(schedule):
    before = schedule.get_config()
    schedule.get_config()["decay_rate"] = 7
    assert schedule.get_config() == before


def through_json(serialized):
    return json.loads(json.dumps(serialized))


ROUND_TRIPS = {
    "config": lambda schedule: InverseTimeDecay.from_config(through_json(schedule.get_config())),
    "schedules": lambda schedule: keras.optimizers.schedules.deserialize(
        through_json(keras.optimizers.schedules.serialize(schedule))
    ),
    "saving": lambda schedule: keras.saving.deserialize_keras_object(
        through_json(keras.saving.serialize_keras_object(schedule))
    ),
    "optimizer": lambda schedule: (
        keras.optimizers.deserialize(
            through_json(keras.optimizers.serialize(keras.optimizers.SGD(schedule)))
        )._learning_rate
    ),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda schedule: pickle.loads(pickle.dumps(schedule)),
}


@pytest.mark.parametrize("way", ROUND_TRIPS)
def test_every_round_trip_gives_an_equal_schedule(way, schedule):
    again = ROUND_TRIPS[way](schedule)
    assert type(again) is InverseTimeDecay
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert again.name == schedule.name  # which equality ignores
    assert float(again(41)) == float(schedule(41))


def test_a_serialized_schedule_names_its_class_and_its_module():
    serialized = keras.saving.serialize_keras_object(RECIPE)
    assert serialized == {
        "module": "invtime.integrations.keras",
        "class_name": "InverseTimeDecay",
        "config": RECIPE.get_config(),
        "registered_name": "invtime>InverseTimeDecay",
    }
    assert keras.saving.get_registered_object("invtime>InverseTimeDecay") is InverseTimeDecay
    assert keras.saving.get_registered_name(InverseTimeDecay) == "invtime>InverseTimeDecay"


@keras.saving.register_keras_serializable(package="tests")
class Doubled(InverseTimeDecay):
    """A subclass, with a config of its own."""

    def __call__(self, step=None, learning_rate=None):
        return 2 * super().__call__(step, learning_rate)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_a_subclass_that_is_registered_or_a_custom_object():
    doubled = Doubled(0.1, 12, 0.5)
    serialized = keras.optimizers.schedules.serialize(doubled)
    assert type(keras.optimizers.schedules.deserialize(serialized)) is Doubled
    serialized["registered_name"] = "Named"
    found = keras.optimizers.schedules.deserialize(serialized, custom_objects={"Named": Doubled})
    assert type(found) is Doubled
    assert float(found(12)) == 2 * true(SCHEDULES["continuous"], [12])[0]


# -- steps -----------------------------------------------------------------------------------

INTEGERS = ["int32"] if BACKEND == "jax" else ["int32", "int64"]  # JAX has them if enabled


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32"])
def test_a_variable_is_a_step_wherever_it_stands(schedule, dtype):
    step = keras.Variable(0, dtype=dtype, trainable=False)
    expected = true(schedule, range(80))
    for n in (0, 1, 9, 10, 11, 24, 25, 50, 60, 75, 79):
        step.assign(n)
        assert float(schedule(step)) == expected[n]
    step.assign(step + 1)  # as an optimizer counts
    assert float(schedule(step)) == true(schedule, [80])[0]


@pytest.mark.parametrize("kind", [*INTEGERS, "uint8", "float32"])
def test_tensors_of_steps_keep_their_shape(schedule, kind):
    steps = keras.ops.convert_to_tensor(np.arange(84).reshape(7, 12), dtype=kind)
    rates = keras.ops.convert_to_numpy(schedule(steps))
    assert_same_bits(rates, true(schedule, range(84)).reshape(7, 12))


def test_before_the_start_the_rate_is_that_of_step_0(schedule):
    """Steps of a variable that starts below 0, as after another schedule."""
    step = keras.Variable(-999, dtype="int32", trainable=False)
    assert float(schedule(step)) == float(schedule(0)) == true(schedule, [0])[0]


def compiled(function):
    """The function of one tensor, by the compiler of the backend."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "torch":
        import torch

        return torch.compile(function, fullgraph=True)
    import jax

    return jax.jit(function)


@pytest.mark.parametrize("name", ["continuous", "staircase"])
def test_compiled_it_gives_the_same_bits(name):
    """test_keras.py compiles the others in its fits, because Inductor is slow for them."""
    schedule = SCHEDULES[name]
    steps = keras.ops.arange(90)
    rates = keras.ops.convert_to_numpy(compiled(schedule)(steps))
    assert_same_bits(rates, true(schedule, range(90)))


# -- optimizers ------------------------------------------------------------------------------


def optimizers_of_keras():
    """Return the names of the classes, without the base class and the wrappers."""
    apart = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    kinds = {name: getattr(keras.optimizers, name) for name in dir(keras.optimizers)}
    classes = {name for name, kind in kinds.items() if isinstance(kind, type)}
    return sorted(
        name for name in classes - apart if issubclass(kinds[name], keras.optimizers.Optimizer)
    )


class Recorded(keras.optimizers.schedules.LearningRateSchedule):
    """The exact rates as a table: another schedule that must train to the same weights."""

    def __init__(self, schedule, steps):
        self.rates = true(schedule, range(steps))

    def __call__(self, step):
        return keras.ops.take(keras.ops.convert_to_tensor(self.rates), step)


@pytest.mark.parametrize("family", optimizers_of_keras())
def test_an_optimizer_trains_as_with_the_exact_rates(family):
    """Eagerly, so that only the rates can differ between the two runs."""
    kind = getattr(keras.optimizers, family)
    weights = []
    for learning_rate in (RECIPE, Recorded(RECIPE, 13)):
        model = build(kind(learning_rate), run_eagerly=True)
        assert float(model.optimizer.learning_rate) == true(RECIPE, [0])[0]
        weights.append(rates_used(fit(model, 0, 12)))
        assert int(model.optimizer.iterations) == 12
        assert float(model.optimizer.learning_rate) == true(RECIPE, [12])[0]
    assert np.count_nonzero(weights[0]) >= 12
    assert_same_bits(*weights)
    config = through_json(kind(RECIPE).get_config())
    assert kind.from_config(config)._learning_rate == RECIPE


# -- training --------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulated", [2, 3])
def test_accumulated_gradients_are_counted_in_batches(schedule, accumulated):
    """Update number k has the rate of step G * k - 1, and `iterations` counts updates."""
    optimizer = keras.optimizers.SGD(schedule, gradient_accumulation_steps=accumulated)
    model = fit(build(optimizer))
    assert int(optimizer.iterations) == STEPS // accumulated
    assert int(optimizer.variables[0]) == STEPS
    asked = true(schedule, range(accumulated - 1, STEPS, accumulated))
    # The gradient of each batch, 1, is divided by G before the multiplication by the rate.
    gradient = np.float32(1) / np.float32(accumulated)
    assert_same_bits(rates_used(model), np.repeat(asked * gradient, accumulated))


def test_several_steps_in_one_execution(schedule):
    model = build(keras.optimizers.SGD(schedule), steps_per_execution=7)
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="must be 1 with the PyTorch backend"):
            fit(model)
        return
    assert_same_bits(rates_used(fit(model)), true(schedule, range(STEPS)))


def test_a_loss_that_is_scaled_and_batches_that_are_skipped(schedule):
    batches = np.eye(STEPS, dtype=np.float32)
    skipped = [3, 40, 41]
    batches[skipped, skipped] = np.inf
    inner = keras.optimizers.SGD(schedule)
    model = build(keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**10))
    fit(model, batches=batches)
    assert int(model.optimizer.iterations) == STEPS - len(skipped)
    made = np.delete(np.arange(STEPS), skipped)
    assert_same_bits(rates_used(model)[made], true(schedule, range(len(made))))


def test_a_clone_with_the_optimizer_of_the_config(schedule):
    model = fit(build(keras.optimizers.SGD(schedule)), 0, 5)
    clone = keras.models.clone_model(model)
    clone.compile_from_config(model.get_compile_config())
    assert clone.optimizer is not model.optimizer
    assert int(clone.optimizer.iterations) == 0
    assert_same_bits(rates_used(fit(clone)), true(schedule, range(STEPS)))


def test_a_compiled_model_is_saved_and_loaded_with_its_state(schedule, tmp_path):
    model = fit(build(keras.optimizers.Adam(schedule)), 0, 41)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer._learning_rate == schedule
    pairs = zip(model.optimizer.variables, loaded.optimizer.variables, strict=True)
    for pair in pairs:
        before, after = map(keras.ops.convert_to_numpy, pair)
        assert (before == after).all()
    assert float(loaded.optimizer.learning_rate) == true(schedule, [41])[0]


# -- a run of several processes --------------------------------------------------------------

STEP = """
import sys
import keras, numpy as np
from invtime.integrations.keras import InverseTimeDecay

COUNT = 90
ONE = InverseTimeDecay(0.1, 7, 0.5, staircase=True)
PHASES = dict(warmup_steps=5, cooldown_start=60, cooldown_steps=15, final_learning_rate=0.001)
OTHER = InverseTimeDecay(0.2, 12.25, 0.5, **PHASES)
batches, targets = np.eye(COUNT, dtype="float32"), np.full((COUNT, 1), -1, "float32")


def fit(model, first, last, *callbacks):
    data = batches[first:last], targets[first:last]
    model.fit(*data, batch_size=1, shuffle=False, verbose=0, callbacks=list(callbacks))
"""
RUN = [
    """
# started, saved at update 20, and killed seven updates later
import os

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 6:
            os._exit(3)

layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
model = keras.Sequential([keras.Input((COUNT,)), layer])
model.compile(keras.optimizers.SGD(ONE, momentum=0.5), loss="mae")
fit(model, 0, 20)
model.save("model.keras")
fit(model, 20, COUNT, Kill())
""",
    """
# resumed
model = keras.models.load_model("model.keras")
assert int(model.optimizer.iterations) == 20
fit(model, 20, 33)
model.save("model.keras")
""",
    """
# resumed with another recipe, and changed back and forth
model = keras.models.load_model("model.keras")
model.optimizer.learning_rate = OTHER
fit(model, 33, 50)
model.optimizer.learning_rate = ONE
model.make_train_function(force=True)
fit(model, 50, 55)
model.optimizer.learning_rate = OTHER
model.make_train_function(force=True)
fit(model, 55, 62)
model.save("model.keras")
""",
    """
# resumed again: the file has the new recipe
model = keras.models.load_model("model.keras")
fit(model, 62, COUNT)
(momentum,) = model.optimizer.momentums
assert int(model.optimizer.iterations) == COUNT
np.savez("found.npz", momentum=keras.ops.convert_to_numpy(momentum), weights=model.get_weights()[0])
""",
]


def test_a_run_that_is_killed_resumed_changed_and_resumed(tmp_path):
    """The momentum is halved at each update, so that it has every rate, to the bit."""
    for number, part in enumerate(RUN):
        done = subprocess.run(
            [sys.executable, "-c", STEP + part],
            cwd=tmp_path,
            env=os.environ | {"KERAS_BACKEND": BACKEND},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (3 if number == 0 else 0), done.stderr[-2000:]
    names = {}
    exec(STEP, names)
    one, other = Reference(names["ONE"]), Reference(names["OTHER"])
    new = {*range(33, 50), *range(55, 90)}
    expected = [(other if n in new else one).value(n, "float32") for n in range(90)]
    with np.load(tmp_path / "found.npz") as found:
        halved = np.float32(2) ** np.arange(89, -1, -1, dtype=np.float32)
        assert_same_bits(-found["momentum"][:, 0] * halved, np.array(expected, np.float32))


# -- layers that are unfrozen ----------------------------------------------------------------


def half_frozen(schedule):
    """A frozen layer beside another one; the weights of each become its rates."""
    inputs = keras.Input((STEPS,))
    options = {"use_bias": False, "kernel_initializer": "zeros"}
    body, head = keras.layers.Dense(1, **options), keras.layers.Dense(1, **options)
    body.trainable = False
    model = keras.Model(inputs, body(inputs) + head(inputs))
    model.compile(keras.optimizers.SGD(schedule), loss="mae")
    return model, body, head


def test_a_layer_that_is_unfrozen_has_the_rates_of_the_count(schedule):
    model, body, head = half_frozen(schedule)
    fit(model, 0, 30)
    body.trainable = True
    optimizer = keras.optimizers.SGD(schedule)
    optimizer.iterations.assign(model.optimizer.iterations)
    model.compile(optimizer, loss="mae")
    fit(model, 30)
    rates = true(schedule, range(STEPS))
    assert_same_bits(rates_used(head), rates)
    assert_same_bits(rates_used(body)[30:], rates[30:])
    assert not rates_used(body)[:30].any()


def test_a_layer_that_is_unfrozen_without_compile_does_not_train():
    model, body, _ = half_frozen(STAIRCASE)
    fit(model, 0, 3)
    body.trainable = True
    if BACKEND == "tensorflow":
        fit(model, 3, 6)
        assert int(model.optimizer.iterations) == 6
        assert not rates_used(body).any()
    else:
        with pytest.raises(ValueError, match="optimizer"):
            fit(model, 3, 6)


# -- a rate that is a variable, and subclasses -----------------------------------------------


def test_the_constant_rate_of_an_optimizer_may_become_the_initial_rate():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.learning_rate = InverseTimeDecay(optimizer.learning_rate, 12, 0.5)
    assert optimizer._learning_rate.get_config() == InverseTimeDecay(0.1, 12, 0.5).get_config()
    found = rates_used(fit(build(optimizer)))
    assert_same_bits(found, true(SCHEDULES["continuous"], range(STEPS)))


@keras.saving.register_keras_serializable(package="tests")
class Scaled(InverseTimeDecay):
    """The ordinary pattern: one more argument, and one more key."""

    def __init__(self, *args, factor=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor

    def __call__(self, step):
        return super().__call__(step) * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Bare(InverseTimeDecay):
    """The same parameters, and other values."""

    def __call__(self, step):
        return super().__call__(step) / 2


def test_a_subclass_with_an_argument_more_is_saved_and_loaded(tmp_path):
    schedule = Scaled(0.1, 12, 0.5, factor=4.0, stable_steps=3)
    model = fit(build(keras.optimizers.SGD(schedule)), 0, 20)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.optimizer._learning_rate
    assert type(again) is Scaled
    assert again == schedule
    assert again.factor == 4.0
    expected = true(schedule, range(STEPS)) * np.float32(4)  # a power of two
    assert_same_bits(rates_used(fit(loaded, 20)), expected)
    assert Scaled.from_schedule(schedule.schedule) == Scaled(**schedule.schedule.get_config())


def test_a_subclass_is_not_equal_to_its_parent_or_to_one_of_another_argument():
    own, parent = Bare(0.1, 12, 0.5), InverseTimeDecay(0.1, 12, 0.5)
    assert own == Bare(0.1, 12, 0.5, name="mine")
    assert own != parent
    assert parent != own
    assert Scaled(0.1, 12, 0.5) == Scaled(0.1, 12, 0.5)
    assert Scaled(0.1, 12, 0.5) != Scaled(0.1, 12, 0.5, factor=3.0)
