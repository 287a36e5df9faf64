"""The peers: other implementations of the schedule, called as their users call them.

A peer is a framework's own schedule, or the plain expression written in a framework. The peers of
a framework run in a separate process, whose environment a peer can set. No framework is imported
in the calling process.

Compiled and host modes get all steps of a run at once. Eager modes get one step at a time, as from
an optimizer. This matters: JAX divides an array of steps by a scalar in another way than a single
step, and the bits differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from invtime.audit.expressions import (
    NUMPY,
    PYTHON,
    Library,
    Rates,
    UnsupportedError,
    before_cooldown,
    decay,
    deepmd,
    has_phases,
    levanter,
    numbers,
    plain,
    stretches,
)
from invtime.audit.report import FAR
from invtime.spec import InverseTimeDecay

Prepare = Callable[[InverseTimeDecay], Rates]
"""A function from a schedule to its rates. The rates are a function of a NumPy array of int64
steps, or of a single one, and return float32 or float64."""

# LinearLR computes each rate from the one before, so the rounding errors of a line accumulate.
ADDED_UP = 2**20
LONGEST = 10**7  # the last step for a scheduler whose count cannot be set


class Mode(NamedTuple):
    """One way to call a peer."""

    name: str
    prepare: Prepare
    one_by_one: bool = False
    far: int = FAR
    """The largest difference that counts as rounding, in ULP."""


class Peer(NamedTuple):
    """Another implementation of the schedule."""

    name: str
    what: str
    """The description in docs/audit.md."""
    modules: tuple[str, ...]
    """The modules that the peer imports; a finding reports their versions."""
    modes: Callable[[], tuple[Mode, ...]]
    environment: Mapping[str, str] = MappingProxyType({})


def _numpy() -> tuple[Mode, ...]:
    def prepare(schedule: InverseTimeDecay) -> Rates:
        rates = plain(schedule, NUMPY)
        return lambda n: rates(n.astype(np.float32))

    return (Mode("eager", prepare),)


def _modes(
    function: Prepare, tensor: Callable[[Any], Any], compilers: Mapping[str, Callable[[Any], Any]]
) -> tuple[Mode, ...]:
    """Return the eager mode of a framework, and one mode for each of its compilers.

    Args:
        function: takes a schedule, and returns its rates as a function of the framework's tensors.
        tensor: converts the steps to the framework's tensor.
        compilers: the compilers by the name of their mode.
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
        torch.compiler.reset()  # Dynamo compiles one code object for at most eight schedules
        return torch.compile(rates)

    return _modes(function, torch.tensor, {"compile": compiled})


def _jax() -> tuple[Mode, ...]:
    import jax.numpy as jnp

    return _modes_of_jax(lambda schedule: plain(schedule, _library(jnp)))


def _tensorflow() -> tuple[Mode, ...]:
    import tensorflow as tf

    def function(schedule: InverseTimeDecay) -> Rates:
        rates = plain(schedule, _library(tf))
        return lambda n: rates(tf.cast(n, tf.float32))

    return _modes_of_tensorflow(function)


def _torch() -> tuple[Mode, ...]:
    import torch

    library = Library(torch.floor, torch.where, lambda x, least: torch.clamp(x, min=least))
    return _modes_of_torch(lambda schedule: plain(schedule, library))


def _library(namespace: Any) -> Library:
    return Library(namespace.floor, namespace.where, namespace.maximum)


def _lambda_lr() -> tuple[Mode, ...]:
    from torch.optim.lr_scheduler import LambdaLR

    def prepare(schedule: InverseTimeDecay) -> Rates:
        rate, steps, decay = numbers(schedule)
        if has_phases(schedule):
            rate, factor = 1, plain(schedule, PYTHON)
        elif schedule.staircase:
            factor = lambda n: 1 / (1 + decay * (n // steps))  # noqa: E731  # the usual way
        else:
            factor = lambda n: 1 / (1 + decay * n / steps)  # noqa: E731
        return _host(LambdaLR(_sgd(rate), factor), lambda lr: lr[0])

    return (Mode("host", prepare),)


def _sgd(rate: float) -> Any:
    import torch

    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=float(rate))


def _sequential_lr() -> tuple[Mode, ...]:
    from torch.optim.lr_scheduler import LambdaLR, LinearLR, SequentialLR

    def prepare(schedule: InverseTimeDecay) -> Rates:
        if not has_phases(schedule):
            raise UnsupportedError("a decay without phases needs only LambdaLR")
        peak, first = schedule.initial_learning_rate, schedule.warmup_learning_rate
        optimizer, rates = _sgd(peak), decay(schedule, PYTHON)

        def line(begin: float, end: float, steps: int) -> Any:
            if not 0 < begin <= peak or end > peak:
                raise UnsupportedError("LinearLR cannot start at 0 or go above the peak")
            return LinearLR(optimizer, begin / peak, end / peak, steps)

        of: dict[str, Callable[[], Any]] = {
            "warm-up": lambda: line(first, peak, schedule.warmup_steps),
            "stable": lambda: LambdaLR(optimizer, lambda n: 1.0),
            "decay": lambda: LambdaLR(optimizer, lambda n: rates(n) / peak),
            "cool-down": lambda: line(
                before_cooldown(schedule), schedule.final_learning_rate, schedule.cooldown_steps
            ),
        }
        names, starts = zip(*stretches(schedule), strict=True)
        made = [of[name]() for name in names]
        return _stepped(SequentialLR(optimizer, made, list(starts[1:])))

    return (Mode("host", prepare, far=ADDED_UP),)


def _stepped(scheduler: Any) -> Rates:
    """Return the rates of a scheduler, which is stepped to each step in ascending order."""
    seen = [scheduler.get_last_lr()[0]]

    def at(n: int) -> float:
        if n > LONGEST:
            raise UnsupportedError(f"its count cannot be set; the audit steps it to {LONGEST}")
        while len(seen) <= n:
            scheduler.step()
            seen.append(scheduler.get_last_lr()[0])
        return float(seen[n])

    return lambda steps: np.array([at(n) for n in steps.tolist()], np.float64)


def _paddle() -> tuple[Mode, ...]:
    import paddle

    def prepare(schedule: InverseTimeDecay) -> Rates:
        _refuse_phases(schedule)
        if schedule.staircase:
            raise UnsupportedError("it has no staircase")
        gamma = schedule.decay_rate / schedule.decay_steps
        own = paddle.optimizer.lr.InverseTimeDecay(float(schedule.initial_learning_rate), gamma)
        return _host(own, lambda lr: lr)

    return (Mode("host", prepare),)


def _host(scheduler: Any, read: Callable[[Any], float]) -> Rates:
    """Return the rates of a scheduler whose count can be set instead of stepped to."""

    def at(n: int) -> float:
        scheduler.last_epoch = n
        return read(scheduler.get_lr())

    return lambda steps: np.array([at(n) for n in steps.tolist()], np.float64)


def _refuse_phases(schedule: InverseTimeDecay) -> None:
    if has_phases(schedule):
        raise UnsupportedError("it has no phases")


def _optax() -> tuple[Mode, ...]:
    import jax
    import jax.numpy as jnp
    import optax

    def joined(schedule: InverseTimeDecay) -> Rates:
        peak, rates = schedule.initial_learning_rate, decay(schedule, _library(jnp))
        if not has_phases(schedule):
            return rates
        of: dict[str, Callable[[], Any]] = {
            "warm-up": lambda: optax.linear_schedule(
                schedule.warmup_learning_rate, peak, schedule.warmup_steps
            ),
            "stable": lambda: optax.constant_schedule(peak),
            "decay": lambda: rates,
            "cool-down": lambda: optax.linear_schedule(
                before_cooldown(schedule), schedule.final_learning_rate, schedule.cooldown_steps
            ),
        }
        names, starts = zip(*stretches(schedule), strict=True)
        found: Rates = optax.join_schedules([of[name]() for name in names], starts[1:])
        return found

    def jit(schedule: InverseTimeDecay) -> Rates:
        transform = optax.scale_by_schedule(joined(schedule))

        def update(count: Any) -> Any:
            return transform.update(jnp.float32(1), optax.ScaleByScheduleState(count))[0]

        updates = jax.jit(jax.vmap(update))
        return lambda n: updates(jnp.asarray(n, jnp.int32))

    return (Mode("jit", jit),)


def _levanter() -> tuple[Mode, ...]:
    return _modes_of_jax(levanter)


def _deepmd() -> tuple[Mode, ...]:
    def prepare(schedule: InverseTimeDecay) -> Rates:
        rates = deepmd(schedule)
        return lambda n: rates(n.astype(np.float64))

    return (Mode("host", prepare),)


def _tf_v1() -> tuple[Mode, ...]:
    import tensorflow as tf

    v1 = tf.compat.v1

    def decay(schedule: InverseTimeDecay, step: Any) -> Any:
        rate, steps, decay = numbers(schedule)
        return v1.train.inverse_time_decay(rate, step, steps, decay, schedule.staircase)

    def eager(schedule: InverseTimeDecay) -> Rates:
        _refuse_phases(schedule)
        return lambda n: decay(schedule, tf.constant(n))()

    def graph(schedule: InverseTimeDecay) -> Rates:
        _refuse_phases(schedule)
        with tf.Graph().as_default() as own:
            step = v1.placeholder(tf.int64, [None])
            value = decay(schedule, step)
        session = v1.Session(graph=own)
        return lambda n: session.run(value, {step: n})

    return Mode("eager", eager, one_by_one=True), Mode("graph", graph)


def _keras() -> tuple[Mode, ...]:
    import keras

    def function(schedule: InverseTimeDecay) -> Rates:
        _refuse_phases(schedule)
        own = keras.optimizers.schedules.InverseTimeDecay
        theirs: Rates = own(*numbers(schedule), schedule.staircase).__call__
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
_UNDER_OPTAX = "the plain expression under `optax.scale_by_schedule`, phases by `join_schedules`"
PEERS = {
    peer.name: peer
    for peer in (
        _keras_on("jax", "JAX"),
        _keras_on("tensorflow", "TensorFlow"),
        _keras_on("torch", "PyTorch"),
        Peer("tf-compat-v1", "`tf.compat.v1.train.inverse_time_decay`", ("tensorflow",), _tf_v1),
        Peer("paddle", "Paddle's `InverseTimeDecay`, gamma = R / S", ("paddle",), _paddle),
        Peer("torch-lambda", "`LambdaLR` with the plain lambda", ("torch",), _lambda_lr),
        Peer(
            "torch-sequential",
            "`SequentialLR` of `LinearLR` and `LambdaLR`",
            ("torch",),
            _sequential_lr,
        ),
        Peer("optax", _UNDER_OPTAX, ("optax", "jax"), _optax),
        Peer(
            "levanter",
            "Levanter's `inv`, reimplemented from its source",
            ("optax", "jax"),
            _levanter,
        ),
        Peer(
            "deepmd",
            "DeePMD-kit's `wsd`, `inverse_linear`, reimplemented from its source",
            ("numpy",),
            _deepmd,
        ),
        Peer("jax", f"{_EXPRESSION} JAX", ("jax",), _jax),
        Peer("tensorflow", f"{_EXPRESSION} TensorFlow", ("tensorflow",), _tensorflow),
        Peer("torch", f"{_EXPRESSION} PyTorch", ("torch",), _torch),
        Peer("numpy", f"{_EXPRESSION} NumPy", ("numpy",), _numpy),
    )
}
