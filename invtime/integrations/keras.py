"""The schedule as a Keras 3 learning-rate schedule, for every Keras backend."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from invtime import registry, spec, versions
from invtime.arrays import Scalar
from invtime.errors import BackendUnavailableError, ConfigError, StepTypeError, typed
from invtime.parameters import PHASES

try:
    import keras
    from keras.config import floatx
    from keras.optimizers import schedules
except ImportError as error:
    raise BackendUnavailableError(
        f"invtime.integrations.keras needs Keras 3, which failed to import ({error}); run: "
        "python -m pip install 'keras>=3.9', and set KERAS_BACKEND to an installed framework"
    ) from error

# Keras 3.8 loads its own schedule in place of this one when it loads a model.
if versions.too_old(keras.__version__, "3.9"):
    raise BackendUnavailableError(
        f"invtime.integrations.keras needs Keras 3.9 or later, and {keras.__version__} is "
        "installed; run: python -m pip install 'keras>=3.9'"
    )


def _of_schedule(key: str) -> property:
    """Return a read-only attribute: an optimizer compiled earlier would not see a change."""
    return property(attrgetter(f"schedule.{key}"), doc=f"`{key}` of the schedule; read-only.")


@keras.saving.register_keras_serializable(package="invtime")
class InverseTimeDecay(schedules.LearningRateSchedule):  # type: ignore[misc]
    r"""Inverse time decay for a Keras optimizer, bit-identical on every Keras backend.

    .. math::
        \mathrm{lr}(n) = \frac{L}{1 + R\,n / S}
        \qquad\text{or, as a staircase,}\qquad
        \mathrm{lr}(n) = \frac{L}{1 + R\,\lfloor n / S \rfloor}

    n is the number of updates that the optimizer has made, so update k, counted from 1, uses the
    rate of step k - 1. With `gradient_accumulation_steps`, Keras counts batches instead.

    Args:
        initial_learning_rate: L, the rate at step 0; 0 or more.
        decay_steps: S, in updates; above 0.
        decay_rate: R; 0 or more.
        staircase: if True, the rate drops only at multiples of `decay_steps`.
        name: stored in the config.
        warmup_steps: the number of updates of a linear warm-up before the decay; L is then the
            peak rate.
        warmup_learning_rate: the rate at step 0 if there is a warm-up.
        stable_steps: the number of updates at L between the warm-up and the decay.
        minimum_learning_rate: the floor of the decay; at most L.
        cooldown_start: the first step of a linear cool-down; None for no cool-down.
        cooldown_steps: the number of updates of the cool-down.
        final_learning_rate: the rate at the end of the cool-down and after it.

    Raises:
        ConfigError: (a ValueError) a parameter has the wrong type or is out of range, two
            parameters contradict each other, or `initial_learning_rate` is a tensor or a variable
            whose dtype is not `keras.config.floatx()`, since the config cannot store a dtype.

    The signature up to `name`, the formula and its config keys are those of
    `keras.optimizers.schedules.InverseTimeDecay`, which has no phases.

    >>> import keras
    >>> from invtime.integrations.keras import InverseTimeDecay
    >>> schedule = InverseTimeDecay(0.1, decay_steps=1000, decay_rate=0.5)
    >>> optimizer = keras.optimizers.SGD(learning_rate=schedule)
    """

    schedule: spec.InverseTimeDecay
    """The `invtime.InverseTimeDecay` that computes the rates."""

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
        initial_learning_rate: Scalar,
        decay_steps: Scalar,
        decay_rate: Scalar,
        staircase: bool = False,
        name: str | None = "InverseTimeDecay",
        *,
        warmup_steps: Scalar = 0,
        warmup_learning_rate: Scalar = 0,
        stable_steps: Scalar = 0,
        minimum_learning_rate: Scalar = 0,
        cooldown_start: Scalar | None = None,
        cooldown_steps: Scalar = 0,
        final_learning_rate: Scalar = 0,
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
        """Return the rate at `step` as a tensor of the Keras backend, in `keras.config.floatx()`.

        Args:
            step: the optimizer's count, or anything that `invtime.InverseTimeDecay` accepts. The
                result is a tensor for a Python number too.
            learning_rate: ignored. `keras.callbacks.LearningRateScheduler` passes it after the
                epoch, which is then the step. If it is given, the result is a Python float, as
                this callback requires.

        Raises:
            StepTypeError: (a TypeError) the step is not a real number or an array of real numbers.
        """
        if step is None:
            raise StepTypeError(
                "the schedule was called without a step, as by an optimizer that is not from "
                f"Keras {keras.__version__}, such as one of tf_keras; for these, write a subclass "
                "of their own schedule class that calls an invtime.InverseTimeDecay with the step"
            )
        if learning_rate is not None:
            return self.schedule(step)
        form, backend = self.schedule.form, keras.backend.backend()
        return registry.default.evaluate(form, step, backend, dtype=floatx())

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Raise a StepTypeError, the same on each backend, if the schedule is used as a number."""
        raise StepTypeError(
            "the schedule was used as a number, without a step, as by "
            "keras.optimizers.AdamW(weight_decay=schedule); a schedule must be called with a step; "
            "pass it as learning_rate, which Keras calls with its count, and pass a float as "
            "weight_decay, which Keras multiplies by the learning rate; elsewhere, call the "
            "schedule with a step"
        )

    def get_config(self) -> dict[str, Any]:
        """Return the config: the five keys of Keras's schedule, and those of the phases.

        The keys of the phases are included only if they are not at their defaults.
        """
        return self.schedule.get_config()

    @classmethod
    def from_config(cls, config: Any) -> InverseTimeDecay:
        """Build the schedule from a config of this class or of Keras's schedule.

        A subclass passes the config to its constructor, as Keras's schedules do.

        Raises:
            ConfigError: (a ValueError) the config does not match `invtime.config_schema()`.
        """
        if cls is not InverseTimeDecay:
            return cls(**config)
        return cls.from_schedule(spec.InverseTimeDecay.from_config(config))

    @classmethod
    def from_schedule(cls, schedule: Any) -> InverseTimeDecay:
        """Build the schedule from an `invtime.InverseTimeDecay` or from Keras's own schedule.

        Raises:
            ConfigError: (a ValueError) `schedule` is neither of the two, or its pinned dtype is
                not `keras.config.floatx()`.

        >>> from invtime import InverseTimeDecay
        >>> from invtime.integrations import keras as invtime_keras
        >>> schedule = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500)
        >>> invtime_keras.InverseTimeDecay.from_schedule(schedule).warmup_steps
        500
        """
        if type(schedule) is schedules.InverseTimeDecay:
            return cls.from_config(schedule.get_config())
        if type(schedule) is not spec.InverseTimeDecay:
            raise ConfigError(
                f"the schedule is {typed(schedule)}; it must be an "
                "invtime.InverseTimeDecay or a keras.optimizers.schedules.InverseTimeDecay; a "
                "subclass is not accepted, since it may compute another rate; build one of these"
            )
        return cls(**_unpinned(schedule).get_config())

    def to_keras(self) -> Any:
        """Return Keras's own schedule with the same parameters.

        Keras's schedule rounds differently, so its rates may differ slightly.

        Raises:
            ConfigError: (a ValueError) the schedule has phases, which Keras's schedule lacks.
        """
        config = self.get_config()
        phases = [f"{key}={config[key]!r}" for key in PHASES if key in config]
        if phases:
            raise ConfigError(
                f"the schedule has {', '.join(phases)}, which Keras's own InverseTimeDecay does "
                "not support; use this schedule, which Keras's optimizers accept and save like "
                "their own, or convert a schedule without phases"
            )
        # From an int rate, Keras would compute int rates only.
        rate = float(config.pop("initial_learning_rate"))
        return schedules.InverseTimeDecay(rate, **config)

    def __eq__(self, other: object) -> bool:
        """Return whether the class and the parameters are equal; names are ignored."""
        if type(other) is not type(self):
            return NotImplemented
        own, others = ({**each.get_config(), "name": None} for each in (self, other))
        return self.schedule == other.schedule and own == others

    def __hash__(self) -> int:
        return hash(self.schedule)

    def __repr__(self) -> str:
        return f"{__name__}.{self.schedule!r}"


def _unpinned(schedule: spec.InverseTimeDecay) -> spec.InverseTimeDecay:
    """Return the schedule without a pinned dtype; raise a ConfigError if it is not floatx."""
    if schedule.dtype not in (None, floatx()):
        raise ConfigError(
            f"initial_learning_rate pins the dtype {schedule.dtype}, which the config of a Keras "
            f"schedule cannot store; the rates have the dtype keras.config.floatx(), {floatx()}; "
            f"pass the plain number, {schedule.initial_learning_rate!r}"
        )
    return schedule.replace(dtype=None)
