"""InverseTimeDecay in the optimizers of Keras, on the backend that KERAS_BACKEND names.

The backend is one per process: the tests are run once for each.
"""

from __future__ import annotations

import copy
import inspect
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

import invtime
from invtime import ConfigError, StepTypeError
from invtime.integrations import current_rates
from invtime.integrations.keras import InverseTimeDecay
from invtime.reference import Reference

BACKEND = keras.backend.backend()

pytestmark = QUIET

STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)  # its second drop is at step 82
RECIPE = InverseTimeDecay(0.1, 12.25, 0.5, **PHASES)  # every phase, in 90 updates
KNOTS = [10, 25, 50, 60, 75]
SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "staircase": STAIRCASE,
    "double word": InverseTimeDecay(1 / 3, 12.345678901, 1 / 7, staircase=True),
    "phases": RECIPE,
}
MODES = {
    "as Keras chooses": {},
    "eager": {"run_eagerly": True},
    "compiled": {"jit_compile": True},
}


def sgd(schedule, **options):
    return keras.optimizers.SGD(schedule, **options)


def adam(schedule):
    """An Adam whose update is the rate times the sign of the gradient."""
    return keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.0, epsilon=1e-30)


def scaled(schedule):
    return keras.optimizers.LossScaleOptimizer(sgd(schedule), initial_scale=2.0**10)


# -- the rate of each update -----------------------------------------------------------------


def test_the_recipe_has_every_phase():
    assert [(phase.name, phase.start) for phase in RECIPE.schedule.phases] == [
        ("warm-up", 0),
        *zip(("stable", "decay", "floor", "cool-down", "end"), KNOTS, strict=True),
    ]


CASES = [(name, mode) for name in ("staircase", "phases") for mode in MODES]
CASES += [(name, "as Keras chooses") for name in ("exact", "double word")]


@pytest.mark.parametrize(("schedule", "mode"), CASES)
def test_update_k_has_the_rate_of_step_k_minus_1(schedule, mode):
    schedule = SCHEDULES[schedule]
    model = fit(build(sgd(schedule), **MODES[mode]))
    assert_same_bits(rates_used(model), true(schedule, range(STEPS)))
    assert int(model.optimizer.iterations) == STEPS
    assert float(model.optimizer.learning_rate) == true(schedule, [STEPS])[0]


@pytest.mark.parametrize("make", [adam, scaled])
@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_other_optimizers(make, schedule):
    model = fit(build(make(schedule)))
    assert_same_bits(rates_used(model), true(schedule, range(STEPS)))


def test_the_count_goes_on_from_fit_to_fit():
    model = build(sgd(STAIRCASE))
    for first, last in ((0, 1), (1, 41), (41, STEPS)):
        fit(model, first, last)
    assert_same_bits(rates_used(model), true(STAIRCASE, range(STEPS)))


def test_a_callback_reads_the_rate_that_the_next_update_will_use():
    class Log(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    rates = []
    fit(build(sgd(STAIRCASE)), callbacks=[Log()])
    assert_same_bits(np.array(rates, np.float32), true(STAIRCASE, range(STEPS)))


def test_gradient_accumulation_counts_batches():
    model = fit(build(sgd(STAIRCASE, gradient_accumulation_steps=2)))
    updates = true(STAIRCASE, range(1, STEPS, 2))  # Keras asks at the last batch of an update
    assert_same_bits(rates_used(model), np.repeat(updates, 2) / 2)


def test_an_update_that_loss_scaling_skips_does_not_count():
    batches = np.eye(STEPS, dtype=np.float32)
    batches[40, 40] = np.inf
    model = fit(build(scaled(STAIRCASE)), batches=batches)
    expected = np.insert(true(STAIRCASE, range(STEPS - 1)), 40, 0)
    assert_same_bits(np.abs(rates_used(model)), expected)


@pytest.mark.parametrize("start", [1, 41, 2**24 - 3, 2**31 - STEPS])
def test_the_count_can_start_elsewhere(start):
    """Float32 steps, which Keras's own schedule computes with, would lose 2**24 + 1."""
    schedule = InverseTimeDecay(0.1, 2**24 + 1 if start > 41 else 41, 0.5, staircase=True)
    model = build(sgd(schedule))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(start)
    fit(model)
    assert_same_bits(rates_used(model), true(schedule, range(start, start + STEPS)))


def one_update_after_another(optimizer, weight):
    """Return a compiled function that makes one update, without a model."""
    optimizer.build([weight])
    gradient = keras.ops.ones(())
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda: optimizer.apply([gradient], [weight]))
    if BACKEND == "torch":
        import torch

        return torch.compile(lambda: optimizer.apply([gradient], [weight]))
    import jax

    jitted = jax.jit(optimizer.stateless_apply)

    def update():
        states = [variable.value for variable in optimizer.variables]
        weights, states = jitted(states, [gradient], [weight.value])
        weight.assign(weights[0])
        for variable, state in zip(optimizer.variables, states, strict=True):
            variable.assign(state)

    return update


def test_a_training_loop_of_ones_own():
    optimizer, weight = sgd(STAIRCASE), keras.Variable(0.0)
    update = one_update_after_another(optimizer, weight)
    rates = []
    for _ in range(STEPS):
        weight.assign(0.0)
        update()
        rates.append(-keras.ops.convert_to_numpy(weight))
    assert_same_bits(np.array(rates, np.float32), true(STAIRCASE, range(STEPS)))


# -- saved and resumed -----------------------------------------------------------------------


RESUMED = [(sgd, "staircase", updates) for updates in (1, 40, 41, 42)]
RESUMED += [(sgd, "phases", updates) for updates in (1, 9, *KNOTS, 76)]
RESUMED += [(make, "staircase", 41) for make in (adam, scaled)]


@pytest.mark.parametrize(("make", "schedule", "interrupted"), RESUMED)
def test_resumed_equals_uninterrupted(make, schedule, interrupted, tmp_path):
    schedule = SCHEDULES[schedule]
    fit(build(make(schedule)), 0, interrupted).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    assert int(model.optimizer.iterations) == interrupted
    fit(model, interrupted)
    assert_same_bits(rates_used(model), true(schedule, range(STEPS)))


IN_ANOTHER_PROCESS = """
import keras, numpy as np
try:
    keras.models.load_model("model.keras")
except TypeError as error:
    assert "Could not locate class 'InverseTimeDecay'" in str(error), error
else:
    raise AssertionError("another class was taken for it")
import invtime.integrations.keras
model = keras.models.load_model("model.keras")
data = np.load("data.npz")
model.fit(data["batches"], data["targets"], batch_size=1, shuffle=False, verbose=0)
np.save("weights.npy", model.get_weights()[0])
"""


@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_in_another_process_the_import_is_all_that_loading_needs(schedule, tmp_path):
    fit(build(sgd(schedule)), 0, 41).save(tmp_path / "model.keras")
    batches, targets = np.eye(STEPS)[41:], np.full((STEPS - 41, 1), -1.0)
    np.savez(tmp_path / "data.npz", batches=batches, targets=targets)
    done = run(IN_ANOTHER_PROCESS, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = -np.load(tmp_path / "weights.npy")[:, 0]
    assert_same_bits(found, true(schedule, range(STEPS)))


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"KERAS_BACKEND": BACKEND},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_cloned_model_with_a_new_optimizer():
    model = fit(build(sgd(RECIPE)), 0, 5)
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    clone = keras.models.clone_model(model)
    clone.compile(optimizer, loss="mae")
    assert_same_bits(rates_used(fit(clone)), true(RECIPE, range(STEPS)))


@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_keras_serializes_it(schedule):
    serialized = keras.optimizers.schedules.serialize(schedule)
    assert serialized["registered_name"] == "invtime>InverseTimeDecay"
    text = json.dumps(serialized)
    found = keras.optimizers.schedules.deserialize(json.loads(text))
    assert type(found) is InverseTimeDecay
    assert found == schedule


READERS = {
    "saving": keras.saving.deserialize_keras_object,
    "schedules": keras.optimizers.schedules.deserialize,
}


@pytest.mark.parametrize("reader", READERS)
def test_keras_reads_the_envelope_of_a_schedule_with_phases(reader):
    envelope = json.loads(RECIPE.schedule.to_json(envelope="keras"))
    found = READERS[reader](envelope)
    assert type(found) is InverseTimeDecay
    assert found == RECIPE
    # Keras writes the same config, and it can be read without Keras.
    assert keras.optimizers.schedules.serialize(RECIPE) == envelope
    assert invtime.InverseTimeDecay.from_json(json.dumps(envelope)) == RECIPE.schedule


@pytest.mark.parametrize("reader", READERS)
def test_without_phases_the_envelope_is_that_of_keras(reader):
    found = READERS[reader](json.loads(STAIRCASE.schedule.to_json(envelope="keras")))
    assert type(found) is keras.optimizers.schedules.InverseTimeDecay
    assert InverseTimeDecay.from_schedule(found) == STAIRCASE


# -- another schedule, and the state of the optimizer kept -----------------------------------


def with_momentum(learning_rate):
    """An SGD whose momentum has the rate of every update, to the bit: it is halved in each."""
    return sgd(learning_rate, momentum=0.5)


def rates_in_the_momentum(model):
    (momentum,) = model.optimizer.momentums
    halved = np.arange(STEPS - 1, -1, -1, dtype=np.float32)
    return -keras.ops.convert_to_numpy(momentum)[:, 0] * np.float32(2) ** halved


def one_then_the_other(one, other):
    first = np.full(41, one, np.float32) if isinstance(one, float) else true(one, range(41))
    return np.concatenate([first, true(other, range(41, STEPS))])


def give(model, schedule):
    """The steps of docs/howto/resume.md for a model that was already fitted."""
    model.optimizer.learning_rate = schedule
    model.make_train_function(force=True)


@pytest.mark.parametrize("mode", MODES)
def test_another_schedule_between_two_fits(mode):
    model = fit(build(with_momentum(STAIRCASE), **MODES[mode]), 0, 41)
    give(model, RECIPE)
    assert current_rates(model.optimizer) == [true(RECIPE, [41])[0]]
    assert_same_bits(rates_in_the_momentum(fit(model, 41)), one_then_the_other(STAIRCASE, RECIPE))


def test_without_a_new_step_a_compiled_one_goes_on_with_the_old_schedule():
    """Keras does this, and the page warns about it: current_rates reads only the optimizer."""
    model = fit(build(with_momentum(STAIRCASE)), 0, 41)
    model.optimizer.learning_rate = RECIPE
    assert current_rates(model.optimizer) == [true(RECIPE, [41])[0]]
    used = RECIPE if BACKEND == "torch" else STAIRCASE  # Keras is eager on torch
    assert_same_bits(rates_in_the_momentum(fit(model, 41)), one_then_the_other(STAIRCASE, used))


def test_where_something_still_holds_the_old_step():
    """JAX reuses the old step as long as something, such as a traceback, keeps it alive."""
    model = fit(build(with_momentum(STAIRCASE)), 0, 41)
    kept = model.train_function
    give(model, RECIPE)
    if BACKEND == "jax":
        import jax

        jax.clear_caches()
    assert model.train_function is not kept
    assert_same_bits(rates_in_the_momentum(fit(model, 41)), one_then_the_other(STAIRCASE, RECIPE))


def test_another_schedule_between_two_epochs():
    class Branch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                give(self.model, RECIPE)

    model = build(sgd(STAIRCASE))
    fit(model, 0, 10, epochs=2, callbacks=[Branch()])
    expected = true(STAIRCASE, range(10)) + true(RECIPE, range(10, 20))
    assert_same_bits(rates_used(model)[:10], expected)


@pytest.mark.parametrize("old", [STAIRCASE, 0.5], ids=["schedule", "float"])
@pytest.mark.parametrize("mode", MODES)
def test_another_schedule_in_a_loaded_model(mode, old, tmp_path):
    fit(build(with_momentum(old), **MODES[mode]), 0, 41).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    model.optimizer.learning_rate = RECIPE
    assert_same_bits(rates_in_the_momentum(fit(model, 41)), one_then_the_other(old, RECIPE))


@pytest.mark.parametrize("make", [adam, scaled])
def test_another_schedule_in_other_optimizers(make, tmp_path):
    fit(build(make(STAIRCASE)), 0, 41).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    model.optimizer.learning_rate = RECIPE
    fit(model, 41, 60)
    give(model, STAIRCASE)
    expected = one_then_the_other(STAIRCASE, RECIPE)
    expected[60:] = true(STAIRCASE, range(60, STEPS))
    assert_same_bits(rates_used(fit(model, 60)), expected)


def test_the_weights_are_saved_with_the_state_of_the_optimizer(tmp_path):
    """The schedule is that of the new program, not that of the saved model."""
    fit(build(with_momentum(STAIRCASE)), 0, 41).save_weights(tmp_path / "model.weights.h5")
    model = build(with_momentum(RECIPE))
    model.optimizer.build(model.trainable_variables)
    model.load_weights(tmp_path / "model.weights.h5")
    assert_same_bits(rates_in_the_momentum(fit(model, 41)), one_then_the_other(STAIRCASE, RECIPE))


NO_PLACE_FOR_THE_STATE = {
    "not built": (lambda: with_momentum(STAIRCASE), False),
    "with a rate that is a variable": (lambda: with_momentum(0.5), True),
}


@pytest.mark.parametrize("case", NO_PLACE_FOR_THE_STATE)
def test_keras_warns_where_the_optimizer_has_no_place_for_its_state(case, tmp_path):
    make, built = NO_PLACE_FOR_THE_STATE[case]
    fit(build(with_momentum(STAIRCASE)), 0, 41).save_weights(tmp_path / "model.weights.h5")
    model = build(make())
    if built:
        model.optimizer.build(model.trainable_variables)
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        model.load_weights(tmp_path / "model.weights.h5")
    assert int(model.optimizer.iterations) == 0


def test_backup_and_restore_takes_the_schedule_of_the_new_program(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise InterruptedError

    def fitted(schedule, *callbacks):
        model = build(sgd(schedule))
        backup = keras.callbacks.BackupAndRestore(tmp_path)
        return fit(model, 0, 30, epochs=2, callbacks=[backup, *callbacks])

    with pytest.raises(InterruptedError):
        fitted(STAIRCASE, Stop())
    expected = true(STAIRCASE, range(30)) + true(RECIPE, range(30, 60))
    assert_same_bits(rates_used(fitted(RECIPE))[:30], expected)


@pytest.mark.parametrize(("moved", "first"), [(False, 0), (True, 60)])
def test_initial_epoch_does_not_move_the_count(moved, first):
    model = build(sgd(STAIRCASE))
    if moved:
        model.optimizer.iterations.assign(2 * 30)  # updates in an epoch
    fit(model, 0, 30, initial_epoch=2, epochs=3)
    assert_same_bits(rates_used(model)[:30], true(STAIRCASE, range(first, first + 30)))


def test_the_count_of_batches_can_be_moved():
    model = build(sgd(STAIRCASE, gradient_accumulation_steps=2))
    model.optimizer.variables[0].assign(40)
    updates = true(STAIRCASE, range(41, 40 + STEPS, 2))
    assert_same_bits(rates_used(fit(model)), np.repeat(updates, 2) / 2)


# -- what it is converted from and to --------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_schedule_inside_leads_back(schedule):
    assert InverseTimeDecay.from_schedule(schedule.schedule) == schedule
    assert InverseTimeDecay.from_config(schedule.get_config()) == schedule


def test_schedules_with_phases_have_no_counterpart_in_keras():
    schedule = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500, minimum_learning_rate=0.01)
    with pytest.raises(
        ConfigError,
        match=r"the schedule has warmup_steps=500, minimum_learning_rate=0\.01, which Keras's "
        r"own InverseTimeDecay does not support; use this .* or convert a schedule without",
    ):
        schedule.to_keras()


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "phases"])
def test_conversions(name):
    schedule = SCHEDULES[name]
    theirs = schedule.to_keras()
    assert type(theirs) is keras.optimizers.schedules.InverseTimeDecay
    assert theirs.get_config() == schedule.get_config()
    assert InverseTimeDecay.from_schedule(theirs) == schedule
    assert invtime.InverseTimeDecay.from_config(theirs.get_config()) == schedule.schedule


def test_keras_gets_a_float_from_an_int():
    assert float(InverseTimeDecay(1, 10, 0.5).to_keras()(10)) == np.float32(1 / 1.5)


def test_the_config_has_the_keys_and_the_constructor_of_keras():
    theirs = keras.optimizers.schedules.InverseTimeDecay
    arguments = (0.1, 1000, 0.5, True, "mine")
    config = theirs(*arguments).get_config()
    assert InverseTimeDecay(*arguments).get_config() == config
    assert InverseTimeDecay(**config).get_config() == config
    assert InverseTimeDecay.from_config(config).name == "mine"
    defaults = 0.1, 1000, 0.5
    assert InverseTimeDecay(*defaults).get_config() == theirs(*defaults).get_config()


@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_a_copy_is_equal(schedule):
    for again in (copy.copy(schedule), copy.deepcopy(schedule), unpickled(schedule)):
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert again.get_config() == schedule.get_config()
    assert SCHEDULES["exact"] != schedule
    assert InverseTimeDecay(0.1, 12.25, 0.5) != schedule
    assert schedule.schedule != schedule
    assert eval(repr(schedule), {"invtime": invtime}) == schedule


def unpickled(schedule):
    return pickle.loads(pickle.dumps(schedule))


def test_its_parameters_are_attributes_that_cannot_be_set():
    config = {"name": "InverseTimeDecay", "staircase": False, **PHASES}
    config |= {"initial_learning_rate": 0.1, "decay_steps": 12.25, "decay_rate": 0.5}
    assert RECIPE.get_config() == config
    for key, value in config.items():
        assert getattr(RECIPE, key) == value
        with pytest.raises(AttributeError):
            setattr(RECIPE, key, value)


def test_the_phases_are_those_of_the_schedule_by_keyword_alone():
    found, expected = (
        {
            each.name: each.default
            for each in inspect.signature(kind).parameters.values()
            if each.kind is each.KEYWORD_ONLY
        }
        for kind in (InverseTimeDecay, invtime.InverseTimeDecay)
    )
    assert {**found, "dtype": None} == expected


# -- steps and results -----------------------------------------------------------------------

STEPS_OF_ALL_KINDS = {
    "int": lambda: 41,
    "float": lambda: 41.0,
    "NumPy": lambda: np.int64(41),
    "tensor": lambda: keras.ops.convert_to_tensor(41),
    "variable": lambda: keras.Variable(41, dtype="int", trainable=False),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("step", STEPS_OF_ALL_KINDS)
@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_the_result_is_a_tensor_of_the_float_type_of_keras(schedule, step, dtype):
    step = STEPS_OF_ALL_KINDS[step]()
    before = keras.config.floatx()
    try:
        keras.config.set_floatx(dtype)
        rate = schedule(step)
    finally:
        keras.config.set_floatx(before)
    assert keras.ops.is_tensor(rate)
    assert keras.backend.standardize_dtype(rate.dtype) == dtype
    assert float(rate) == Reference(schedule).value(41, dtype)


@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_many_steps(schedule):
    rates = keras.ops.convert_to_numpy(schedule(keras.ops.arange(STEPS)))
    assert_same_bits(rates, true(schedule, range(STEPS)))


@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
@pytest.mark.parametrize("of", ["adapter", "schedule inside"])
def test_the_callback_that_sets_the_rate_of_an_epoch_asks_for_a_float(of, schedule):
    callback = keras.callbacks.LearningRateScheduler(
        schedule if of == "adapter" else schedule.schedule
    )
    model = build(keras.optimizers.SGD(1.0))
    for epoch in (0, 1, 40, 41, 60, 76):
        batch = {"first": epoch, "last": epoch + 1}
        fit(model, **batch, initial_epoch=epoch, epochs=epoch + 1, callbacks=[callback])
        assert rates_used(model)[epoch] == true(schedule, [epoch])[0]


def test_beside_a_rate_the_result_is_a_python_float():
    rate = STAIRCASE(41, 0.1)
    assert type(rate) is float
    assert rate == Reference(STAIRCASE).value(41)


# -- bad use ---------------------------------------------------------------------------------


class Warmup(keras.optimizers.schedules.InverseTimeDecay):
    """A subclass may compute anything."""


NO_SCHEDULES = {
    "number": lambda: 0.1,
    "other": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
    "subclass": lambda: Warmup(0.1, 10, 0.5),
}


@pytest.mark.parametrize("wrong", NO_SCHEDULES)
def test_from_schedule_takes_the_two_classes_alone(wrong):
    with pytest.raises(ConfigError, match=r"must be an invtime\.InverseTimeDecay or a keras"):
        InverseTimeDecay.from_schedule(NO_SCHEDULES[wrong]())


def test_a_dtype_that_the_config_cannot_keep_is_refused():
    rate = keras.ops.convert_to_tensor(0.1, "bfloat16")
    makers = (
        lambda: InverseTimeDecay(rate, 1000, 0.5),
        lambda: InverseTimeDecay.from_schedule(invtime.InverseTimeDecay(rate, 1000, 0.5)),
        lambda: InverseTimeDecay.from_schedule(
            keras.optimizers.schedules.InverseTimeDecay(rate, 1000, 0.5)
        ),
    )
    for make in makers:
        with pytest.raises(ConfigError, match=r"dtype bfloat16.*pass the plain number, 0\.1$"):
            make()


def test_a_bad_parameter_or_key_is_named():
    with pytest.raises(ConfigError, match="decay_steps is 0"):
        InverseTimeDecay(0.1, 0, 0.5)
    with pytest.raises(ConfigError, match=r"minimum_learning_rate is 0\.2, above the initial_"):
        InverseTimeDecay(0.1, 1000, 0.5, minimum_learning_rate=0.2)
    with pytest.raises(ConfigError, match="unknown key 'power'"):
        InverseTimeDecay.from_config({**STAIRCASE.get_config(), "power": 2})


def test_an_optimizer_with_a_schedule_that_is_no_keras_schedule():
    optimizer = sgd(STAIRCASE.schedule)
    with pytest.raises(StepTypeError, match=r"integrations\.keras\.InverseTimeDecay\.from_sch"):
        optimizer.learning_rate  # noqa: B018


def test_a_call_without_a_step_or_with_none():
    with pytest.raises(StepTypeError, match=f"not from Keras {keras.__version__}"):
        STAIRCASE()
    with pytest.raises(StepTypeError, match="a step cannot be"):
        STAIRCASE("41")


@pytest.mark.parametrize(("kind", "mode"), [("Lion", "eager"), *(("AdamW", m) for m in MODES)])
def test_a_schedule_of_the_weight_decay(kind, mode):
    optimizer = getattr(keras.optimizers, kind)(0.1, weight_decay=STAIRCASE)
    model = build(optimizer, **MODES[mode])
    with pytest.raises(StepTypeError, match=r"AdamW\(weight_decay=schedule\); .*; pass it as lear"):
        fit(model, 0, 1)


def test_a_schedule_is_no_number():
    for convert in (np.asarray, keras.ops.convert_to_tensor):
        with pytest.raises(StepTypeError, match="used as a number, without a step"):
            convert(STAIRCASE)


def test_a_keras_that_is_too_old(tmp_path):
    code = "import keras; keras.__version__ = '3.8.0'; import invtime.integrations.keras"
    done = run(code, tmp_path)
    assert done.stderr.splitlines()[-1] == (
        "invtime.errors.BackendUnavailableError: invtime.integrations.keras needs Keras 3.9 or "
        "later, and 3.8.0 is installed; run: python -m pip install 'keras>=3.9'"
    )


@pytest.mark.parametrize("code", ["", "raise ImportError('nothing here')"])
def test_without_keras_3_the_error_says_what_to_do(code, tmp_path):
    (tmp_path / "keras.py").write_text(code, encoding="utf-8")
    done = run("import invtime.integrations.keras", tmp_path)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("invtime.errors.BackendUnavailableError: ")
    assert "pip install 'keras>=3.9'" in last
