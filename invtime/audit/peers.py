"""The peers: what people use for this schedule today, called as they call it.

A peer is a framework's own schedule, or the plain expression written with a framework. Each
runs in a process of its own, whose environment it may set. Nothing is imported before that.

Compiled and plain host modes take all steps of a run at once. The eager ones are called with
one step after another, as an optimizer does it: with an array of steps JAX divides by a scalar
in another way than with one step, and the bits differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from invtime.spec import InverseTimeDecay

Rates = Callable[[Any], Any]
"""From a NumPy array of int64 steps, or one of them, to the rates, float32 or float64."""
Prepare = Callable[[InverseTimeDecay], Rates]
"""From a schedule to its rates."""


class UnsupportedError(Exception):
    """The peer cannot express the schedule; the message says why."""


class Mode(NamedTuple):
    """One way of calling a peer."""

    name: str
    prepare: Prepare
    one_by_one: bool = False


class Peer(NamedTuple):
    """Something that computes the schedule in its own way."""

    name: str
    what: str
    """In the words of the page."""
    modules: tuple[str, ...]
    """What must import; their versions are the peer's."""
    modes: Callable[[], tuple[Mode, ...]]
    environment: Mapping[str, str] = MappingProxyType({})


def _parameters(schedule: InverseTimeDecay) -> tuple[Any, Any, Any, bool]:
    numbers = schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate
    return *numbers, schedule.staircase


def _plain(schedule: InverseTimeDecay, floor: Callable[[Any], Any]) -> Rates:
    """The textbook expression, as one would write it by hand."""
    rate, steps, decay, staircase = _parameters(schedule)
    if staircase:
        return lambda n: rate / (1 + decay * floor(n / steps))
    return lambda n: rate / (1 + decay * n / steps)


def _numpy() -> tuple[Mode, ...]:
    def prepare(schedule: InverseTimeDecay) -> Rates:
        plain = _plain(schedule, np.floor)
        return lambda n: plain(n.astype(np.float32))

    return (Mode("eager", prepare),)


def _modes(
    function: Prepare, tensor: Callable[[Any], Any], compilers: Mapping[str, Callable[[Any], Any]]
) -> tuple[Mode, ...]:
    """The eager mode of a framework, and one for each way to compile there.

    Args:
        function: from a schedule to its rates, as a function of the framework's tensors.
        tensor: the framework's tensor of steps.
        compilers: by the name of the mode.
    """

    def with_(compiler: Callable[[Any], Any]) -> Prepare:
        def prepare(schedule: InverseTimeDecay) -> Rates:
            compiled = compiler(function(schedule))
            return lambda n: compiled(tensor(n))

        return prepare

    eager = Mode("eager", with_(lambda rates: rates), one_by_one=True)
    return eager, *(Mode(name, with_(compiler)) for name, compiler in compilers.items())


def _modes_of_jax(function: Prepare) -> tuple[Mode, ...]:
    import jax
    import jax.numpy as jnp

    return _modes(function, lambda n: jnp.asarray(n, jnp.int32), {"jit": jax.jit})


def _modes_of_tensorflow(function: Prepare) -> tuple[Mode, ...]:
    import tensorflow as tf

    graph = partial(tf.function, autograph=False)
    xla = partial(graph, jit_compile=True)
    return _modes(function, tf.constant, {"function": graph, "function-xla": xla})


def _modes_of_torch(function: Prepare) -> tuple[Mode, ...]:
    import torch

    def compiled(rates: Rates) -> Any:
        torch.compiler.reset()  # Dynamo compiles one piece of code for eight schedules at most
        return torch.compile(rates)

    return _modes(function, torch.tensor, {"compile": compiled})


def _jax() -> tuple[Mode, ...]:
    import jax.numpy as jnp

    return _modes_of_jax(lambda schedule: _plain(schedule, jnp.floor))


def _tensorflow() -> tuple[Mode, ...]:
    import tensorflow as tf

    def function(schedule: InverseTimeDecay) -> Rates:
        plain = _plain(schedule, tf.floor)
        return lambda n: plain(tf.cast(n, tf.float32))

    return _modes_of_tensorflow(function)


def _torch() -> tuple[Mode, ...]:
    import torch

    return _modes_of_torch(lambda schedule: _plain(schedule, torch.floor))


def _lambda_lr() -> tuple[Mode, ...]:
    import torch

    def prepare(schedule: InverseTimeDecay) -> Rates:
        rate, steps, decay, staircase = _parameters(schedule)
        factor = (
            (lambda n: 1 / (1 + decay * (n // steps)))
            if staircase
            else (lambda n: 1 / (1 + decay * n / steps))
        )
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=float(rate))
        return _host(torch.optim.lr_scheduler.LambdaLR(optimizer, factor), lambda lr: lr[0])

    return (Mode("host", prepare),)


def _paddle() -> tuple[Mode, ...]:
    import paddle

    def prepare(schedule: InverseTimeDecay) -> Rates:
        if schedule.staircase:
            raise UnsupportedError("it has no staircase")
        gamma = schedule.decay_rate / schedule.decay_steps
        own = paddle.optimizer.lr.InverseTimeDecay(float(schedule.initial_learning_rate), gamma)
        return _host(own, lambda lr: lr)

    return (Mode("host", prepare),)


def _host(scheduler: Any, read: Callable[[Any], float]) -> Rates:
    """The rates of a scheduler with a count, which is set instead of stepped to."""

    def at(n: int) -> float:
        scheduler.last_epoch = n
        return read(scheduler.get_lr())

    return lambda steps: np.array([at(n) for n in steps.tolist()], np.float64)


def _optax() -> tuple[Mode, ...]:
    import jax
    import jax.numpy as jnp
    import optax

    def jit(schedule: InverseTimeDecay) -> Rates:
        transform = optax.scale_by_schedule(_plain(schedule, jnp.floor))

        def update(count: Any) -> Any:
            return transform.update(jnp.float32(1), optax.ScaleByScheduleState(count))[0]

        updates = jax.jit(jax.vmap(update))
        return lambda n: updates(jnp.asarray(n, jnp.int32))

    return (Mode("jit", jit),)


def _tf_v1() -> tuple[Mode, ...]:
    import tensorflow as tf

    v1 = tf.compat.v1

    def decay(schedule: InverseTimeDecay, step: Any) -> Any:
        rate, steps, decay, staircase = _parameters(schedule)
        return v1.train.inverse_time_decay(rate, step, steps, decay, staircase)

    def eager(schedule: InverseTimeDecay) -> Rates:
        return lambda n: decay(schedule, tf.constant(n))()

    def graph(schedule: InverseTimeDecay) -> Rates:
        with tf.Graph().as_default() as own:
            step = v1.placeholder(tf.int64, [None])
            value = decay(schedule, step)
        session = v1.Session(graph=own)
        return lambda n: session.run(value, {step: n})

    return Mode("eager", eager, one_by_one=True), Mode("graph", graph)


def _keras() -> tuple[Mode, ...]:
    import keras

    def function(schedule: InverseTimeDecay) -> Rates:
        theirs: Rates = keras.optimizers.schedules.InverseTimeDecay(*_parameters(schedule)).__call__
        return theirs

    modes = {
        "jax": _modes_of_jax,
        "tensorflow": _modes_of_tensorflow,
        "torch": _modes_of_torch,
    }
    return modes[keras.backend.backend()](function)


def _keras_on(backend: str, name: str) -> Peer:
    what = f"Keras's `InverseTimeDecay` on {name}"
    environment = {"KERAS_BACKEND": backend}
    return Peer(f"keras-{backend}", what, ("keras", backend), _keras, environment)


_EXPRESSION = "the plain float32 expression in"
_UNDER_OPTAX = "the plain expression under `optax.scale_by_schedule`"
PEERS = {
    peer.name: peer
    for peer in (
        _keras_on("jax", "JAX"),
        _keras_on("tensorflow", "TensorFlow"),
        _keras_on("torch", "PyTorch"),
        Peer("tf-compat-v1", "`tf.compat.v1.train.inverse_time_decay`", ("tensorflow",), _tf_v1),
        Peer("paddle", "Paddle's `InverseTimeDecay`, gamma = R / S", ("paddle",), _paddle),
        Peer("torch-lambda", "`LambdaLR` with the plain lambda", ("torch",), _lambda_lr),
        Peer("optax", _UNDER_OPTAX, ("optax", "jax"), _optax),
        Peer("jax", f"{_EXPRESSION} JAX", ("jax",), _jax),
        Peer("tensorflow", f"{_EXPRESSION} TensorFlow", ("tensorflow",), _tensorflow),
        Peer("torch", f"{_EXPRESSION} PyTorch", ("torch",), _torch),
        Peer("numpy", f"{_EXPRESSION} NumPy", ("numpy",), _numpy),
    )
}
