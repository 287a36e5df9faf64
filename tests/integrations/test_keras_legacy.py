"""Optimizers from before Keras 3: those of tf_keras, and of TensorFlow 1 in graphs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", exc_type=ImportError)

import tensorflow as tf

from invtime import InverseTimeDecay, StepTypeError
from invtime.reference import Reference

v1 = tf.compat.v1

STEPS = 60  # past the drop of the staircase
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)


def assert_rates(weights, steps=STEPS):
    """Update number k has lowered weight k from 0 by the rate: its gradient is 1 there."""
    reference = Reference(STAIRCASE)
    expected = np.array([reference.value(step, "float32") for step in range(steps)], np.float32)
    found = -np.ravel(weights)[:steps]
    assert (found.view(np.uint32) == expected.view(np.uint32)).all(), found


# -- tf_keras --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tf_keras():
    return pytest.importorskip("tf_keras")


@pytest.fixture(scope="module")
def wrapper(tf_keras):
    """A schedule of tf_keras's own class, as docs/keras.md has it."""

    @tf_keras.saving.register_keras_serializable(package="invtime")
    class InverseTime(tf_keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, *args, **config):
            self.schedule = InverseTimeDecay(*args, **config)

        def __call__(self, step):
            return self.schedule(tf.convert_to_tensor(step))

        def get_config(self):
            return self.schedule.get_config()

    return InverseTime


def model_of(tf_keras, optimizer, **mode):
    layer = tf_keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = tf_keras.Sequential([tf_keras.Input((STEPS,)), layer])
    model.compile(optimizer, loss="mae", **mode)
    return model


def fit(model, first=0, last=STEPS):
    data = np.eye(STEPS, dtype=np.float32)[first:last], np.full((last - first, 1), -1, np.float32)
    model.fit(*data, batch_size=1, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("mode", [{}, {"run_eagerly": True}, {"jit_compile": True}])
@pytest.mark.parametrize("module", ["optimizers", "optimizers.legacy"])
def test_tf_keras_with_a_schedule_of_its_own_class(tf_keras, wrapper, module, mode):
    optimizer = optimizers(tf_keras, module).SGD(wrapper(**STAIRCASE.get_config()))
    model = fit(model_of(tf_keras, optimizer, **mode))
    assert_rates(model.get_weights()[0])


def optimizers(tf_keras, module):
    return tf_keras.optimizers.legacy if module.endswith("legacy") else tf_keras.optimizers


def test_a_legacy_optimizer_with_a_function_of_nothing(tf_keras):
    optimizer = tf_keras.optimizers.legacy.SGD(lambda: STAIRCASE(optimizer.iterations))
    assert_rates(fit(model_of(tf_keras, optimizer)).get_weights()[0])


def test_tf_keras_has_a_tensor_of_a_number_too(wrapper):
    rate = wrapper(0.1, 41, 0.5, staircase=True)(41)
    assert tf.is_tensor(rate)
    assert rate.numpy() == np.float32(STAIRCASE(41))


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64"])
def test_a_legacy_optimizer_reads_the_integer_count_in_a_function_alone(tf_keras, wrapper, dtype):
    schedule = InverseTimeDecay(0.1, 2**24 + 1, 0.5, staircase=True)

    def update(optimizer):
        weight = tf.Variable(0, dtype=dtype)
        optimizer.iterations.assign(2**24 + 1)
        optimizer.apply_gradients([(tf.ones_like(weight), weight)])
        return -weight.numpy()

    optimizer = tf_keras.optimizers.legacy.SGD(lambda: schedule(optimizer.iterations))
    chain = np.float32(schedule(2**24 + 1)).astype(dtype)
    assert update(optimizer) == chain
    cast = tf_keras.optimizers.legacy.SGD(wrapper(**schedule.get_config()))
    if dtype == "complex64":
        with pytest.raises(StepTypeError):
            update(cast)
    else:
        assert update(cast) == {"float16": 0, "float32": np.float32(0.1)}[dtype]


@pytest.mark.parametrize("interrupted", [40, 41, 42])
def test_tf_keras_resumed_from_a_whole_model(tf_keras, wrapper, interrupted, tmp_path):
    optimizer = tf_keras.optimizers.SGD(wrapper(**STAIRCASE.get_config()))
    fit(model_of(tf_keras, optimizer), 0, interrupted).save(tmp_path / "model.keras")
    model = fit(tf_keras.models.load_model(tmp_path / "model.keras"), interrupted)
    assert_rates(model.get_weights()[0])


@pytest.mark.parametrize("interrupted", [40, 41, 42])
def test_a_legacy_optimizer_resumed_from_a_checkpoint(tf_keras, interrupted, tmp_path):
    """A whole model saves the count of the newer optimizers, but not of these."""

    def build():
        optimizer = tf_keras.optimizers.legacy.SGD(lambda: STAIRCASE(optimizer.iterations))
        model = model_of(tf_keras, optimizer)
        return model, tf.train.Checkpoint(model=model, optimizer=optimizer)

    model, checkpoint = build()
    fit(model, 0, interrupted)
    path = checkpoint.write(str(tmp_path / "model"))
    model, checkpoint = build()
    checkpoint.read(path)
    assert_rates(fit(model, interrupted).get_weights()[0])


@pytest.mark.parametrize("module", ["optimizers", "optimizers.legacy"])
def test_tf_keras_with_another_class_says_what_to_do(tf_keras, module):
    from invtime.integrations import keras as integration

    for schedule in (STAIRCASE, integration.InverseTimeDecay.from_schedule(STAIRCASE)):
        with pytest.raises(StepTypeError, match="called without a step"):
            # The newer optimizers call the schedule at once, the legacy ones at the first update.
            fit(model_of(tf_keras, optimizers(tf_keras, module).SGD(schedule), run_eagerly=True))


# -- TensorFlow 1 ----------------------------------------------------------------------------

RATES = {
    "tensor": STAIRCASE,
    "function of nothing": lambda count: lambda: STAIRCASE(count),
}


def graph(rate, resource):
    """Return the update and the weights, in the current graph."""
    count = v1.train.get_or_create_global_step()
    zeros = v1.zeros_initializer()
    weights = v1.get_variable("weights", [STEPS], initializer=zeros, use_resource=resource)
    loss = tf.reduce_sum(weights * tf.one_hot(count, STEPS))
    optimizer = v1.train.GradientDescentOptimizer(learning_rate=RATES[rate](count))
    return optimizer.minimize(loss, global_step=count), weights


@pytest.mark.parametrize("resource", [True, False])
@pytest.mark.parametrize("rate", RATES)
def test_version_1_in_a_session(rate, resource):
    with tf.Graph().as_default():
        update, weights = graph(rate, resource)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(STEPS):
                session.run(update)
            assert_rates(session.run(weights))


@pytest.mark.parametrize("interrupted", [1, 40, 41, 42])
def test_version_1_resumed_by_a_saver(interrupted, tmp_path):
    path = str(tmp_path / "model")
    with tf.Graph().as_default(), v1.Session() as session:
        update, weights = graph("tensor", True)
        session.run(v1.global_variables_initializer())
        for _ in range(interrupted):
            session.run(update)
        assert_rates(session.run(weights), interrupted)
        v1.train.Saver().save(session, path)
    with tf.Graph().as_default(), v1.Session() as session:
        update, weights = graph("tensor", True)
        v1.train.Saver().restore(session, path)
        for _ in range(STEPS - interrupted):
            session.run(update)
        assert_rates(session.run(weights))


def test_version_1_with_the_schedule_itself_says_what_to_do():
    with tf.Graph().as_default():
        weights = v1.get_variable("weights", [STEPS])
        optimizer = v1.train.GradientDescentOptimizer(learning_rate=STAIRCASE)
        with pytest.raises(StepTypeError, match="called without a step"):
            optimizer.minimize(tf.reduce_sum(weights))
