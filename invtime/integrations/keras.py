"""The schedule as a learning-rate schedule of Keras 3, on any of its backends."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from invtime import registry, spec, versions
from invtime.errors import BackendUnavailableError, ConfigError, StepTypeError, typed
from invtime.parameters import PHASES

try:
    import keras
    from keras.config import floatx
    from keras.optimizers import schedules
except ImportError as error:
    raise BackendUnavailableError(
        f"invtime.integrations.keras needs Keras 3, which does not import ({error}); run: "
        "python -m pip install 'keras>=3.9', and set KERAS_BACKEND to a framework that is "
        "installed"
    ) from error

# Keras 3.8 takes its own schedule for ours when it loads a model.
if versions.too_old(keras.__version__, "3.9"):
    raise BackendUnavailableError(
        f"invtime.integrations.keras needs Keras 3.9 or later, and {keras.__version__} is "
        "installed; run: python -m pip install 'keras>=3.9'"
    )


def _of_schedule(key: str) -> property:
    """A read-only attribute: an optimizer that is compiled already would not see a change."""
    return property(attrgetter(f"schedule.{key}"), doc=f"`{key}` of the schedule; read-only.")


@keras.saving.register_keras_serializable(package="invtime")
class InverseTimeDecay(schedules.LearningRateSchedule):  # type: ignore[misc]
    r"""Inverse time decay for a Keras optimizer, the same bits on every Keras backend.

    .. math::
        \mathrm{lr}(n) = \frac{L}{1 + R\,n / S}
        \qquad\text{or, as a staircase,}\qquad
        \mathrm{lr}(n) = \frac{L}{1 + R\,\lfloor n / S \rfloor}

    n is the optimizer's count of updates made so far, so that update number k (the first is 1)
    has the rate of step k - 1. With `gradient_accumulation_steps` Keras counts batches instead.

    Args:
        initial_learning_rate: L, the rate at step 0, at least 0.
        decay_steps: S, in updates, above 0.
        decay_rate: R, at least 0.
        staircase: whether the rate drops only at multiples of `decay_steps`.
        name: kept in the config.
        warmup_steps: the updates of a linear warm-up before the decay; L is then the peak.
        warmup_learning_rate: the rate at step 0 where there is a warm-up.
        stable_steps: the updates at L between the warm-up and the decay.
        minimum_learning_rate: the floor of the decay, at most L.
        cooldown_start: the step from which a linear cool-down takes over; None for none.
        cooldown_steps: its number of updates.
        final_learning_rate: the rate at the end of the cool-down and after it.

    Raises:
        ConfigError: (a ValueError) a parameter is of a wrong type or out of range, or
            `initial_learning_rate` is a tensor or a variable of another dtype than
            `keras.config.floatx()`: it would not survive in the config.

    Source: the signature up to `name`, the formula and its config keys are those of
    `keras.optimizers.schedules.InverseTimeDecay`, which has no phases.

    >>> schedule = InverseTimeDecay(0.1, decay_steps=1000, decay_rate=0.5)  # doctest: +SKIP
    >>> optimizer = keras.optimizers.SGD(learning_rate=schedule)  # doctest: +SKIP
    """

    schedule: spec.InverseTimeDecay
    """The schedule that gives the rates."""

    initial_learning_rate = _of_schedule("initial_learning_rate")
    decay_steps = _of_schedule("decay_steps")
    decay_rate = _of_schedule("decay_rate")
    staircase = _of_schedule("staircase")
    name = _of_schedule("name")
    warmup_steps = _of_schedule("warmup_steps")
    warmup_learning_rate = _of_schedule("warmup_learning_rate")
    stable_steps = _of_schedule("stable_steps")
    minimum_learning_rate = _of_schedule("minimum_learning_rate")
    cooldown_start = _of_schedule("cooldown_start")
    cooldown_steps = _of_schedule("cooldown_steps")
    final_learning_rate = _of_schedule("final_learning_rate")

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        name: str | None = "InverseTimeDecay",
        *,
        warmup_steps: Any = 0,
        warmup_learning_rate: Any = 0,
        stable_steps: Any = 0,
        minimum_learning_rate: Any = 0,
        cooldown_start: Any = None,
        cooldown_steps: Any = 0,
        final_learning_rate: Any = 0,
    ) -> None:
        super().__init__()
        schedule = spec.InverseTimeDecay(
            initial_learning_rate,
            decay_steps,
            decay_rate,
            staircase,
            name,
            warmup_steps=warmup_steps,
            warmup_learning_rate=warmup_learning_rate,
            stable_steps=stable_steps,
            minimum_learning_rate=minimum_learning_rate,
            cooldown_start=cooldown_start,
            cooldown_steps=cooldown_steps,
            final_learning_rate=final_learning_rate,
        )
        self.schedule = _unpinned(schedule)

    def __call__(self, step: Any = None, learning_rate: Any = None) -> Any:
        """The rate at `step`, in `keras.config.floatx()`, as a tensor of the Keras backend.

        Args:
            step: the optimizer's count, or anything that `invtime.InverseTimeDecay` takes; a
                Python number gives a tensor too.
            learning_rate: what `keras.callbacks.LearningRateScheduler` passes beside the epoch,
                which is the step then. It is not used, and the result is the Python float that
                this callback asks for.

        Raises:
            StepTypeError: (a TypeError) the step is no real number.
        """
        if step is None:
            raise StepTypeError(
                "the schedule was called without a step, as optimizers call it that are not those "
                f"of Keras {keras.__version__}, such as tf_keras's; give those a schedule of their "
                "own class, which calls the invtime.InverseTimeDecay with the step"
            )
        if learning_rate is not None:
            return self.schedule(step)
        form, backend = self.schedule.form, keras.backend.backend()
        return registry.default.evaluate(form, step, backend, dtype=floatx())

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Raises the StepTypeError that each backend gives for a schedule in a number's place."""
        raise StepTypeError(
            "the schedule was used as a number, without a step, as by "
            "keras.optimizers.AdamW(weight_decay=schedule); pass it as the learning_rate, which "
            "Keras calls with its count, and a float there: the weight decay of Keras is "
            "multiplied by the learning rate, so that it follows the schedule; elsewhere call it "
            "with a step"
        )

    def get_config(self) -> dict[str, Any]:
        """The parameters under the five keys of Keras's own schedule, and those of the phases.

        A phase's key is there only where it is not at its default.
        """
        return self.schedule.get_config()

    @classmethod
    def from_config(cls, config: Any) -> InverseTimeDecay:
        """The schedule of a config, of this class or of Keras's own; else a ConfigError.

        The config of a subclass is passed to its constructor, as Keras's own schedules do it.
        """
        if cls is not InverseTimeDecay:
            return cls(**config)
        return cls.from_schedule(spec.InverseTimeDecay.from_config(config))

    @classmethod
    def from_schedule(cls, schedule: Any) -> InverseTimeDecay:
        """The Keras schedule of an `invtime.InverseTimeDecay`, or in place of Keras's own.

        Raises:
            ConfigError: (a ValueError) it is neither of the two, or its dtype is pinned to
                another one than `keras.config.floatx()`.
        """
        if type(schedule) is schedules.InverseTimeDecay:
            return cls.from_config(schedule.get_config())
        if type(schedule) is not spec.InverseTimeDecay:
            raise ConfigError(
                f"the schedule is {typed(schedule)}; it must be an "
                "invtime.InverseTimeDecay or a keras.optimizers.schedules.InverseTimeDecay "
                "itself, since a subclass may compute something else; build one of these"
            )
        return cls(**_unpinned(schedule).get_config())

    def to_keras(self) -> Any:
        """Keras's own schedule of the same parameters, which rounds in its own way.

        Raises:
            ConfigError: (a ValueError) the schedule has phases, and Keras's own has none.
        """
        config = self.get_config()
        phases = [f"{key}={config[key]!r}" for key in PHASES if key in config]
        if phases:
            raise ConfigError(
                f"the schedule has {', '.join(phases)}, for which Keras's own InverseTimeDecay has "
                "no parameters; use this one, which Keras's optimizers take and save as their own, "
                "or convert a schedule without phases"
            )
        rate = float(config.pop("initial_learning_rate"))  # of an int Keras would make ints only
        return schedules.InverseTimeDecay(rate, **config)

    def __eq__(self, other: object) -> bool:
        """Whether the class and the parameters are the same, whatever the names."""
        if type(other) is not type(self):
            return NotImplemented
        own, others = ({**each.get_config(), "name": None} for each in (self, other))
        return self.schedule == other.schedule and own == others

    def __hash__(self) -> int:
        return hash(self.schedule)

    def __repr__(self) -> str:
        return f"{__name__}.{self.schedule!r}"


def _unpinned(schedule: spec.InverseTimeDecay) -> spec.InverseTimeDecay:
    """The schedule without a dtype, which is that of Keras anyway."""
    if schedule.dtype not in (None, floatx()):
        raise ConfigError(
            f"initial_learning_rate is of the pinned dtype {schedule.dtype}, for which the config "
            f"of a Keras schedule has no key: rates are of keras.config.floatx(), {floatx()}; "
            f"pass the plain number, {schedule.initial_learning_rate!r}"
        )
    return schedule.replace(dtype=None)
