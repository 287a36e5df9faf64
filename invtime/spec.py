"""The schedule itself: its parameters, their meaning, and the way to a value."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, final, overload

from invtime import config as _config
from invtime import parameters, table
from invtime.arrays import ArrayT, NoArray, Scalar, ShapeT
from invtime.backends import autograph
from invtime.dtypes import dtype_name
from invtime.errors import ConfigError, typed
from invtime.form import Form
from invtime.table import Phases, Table

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from matplotlib.axes import Axes

    from invtime.placement import PlacedSchedule


@final
@autograph.unconverted
class InverseTimeDecay(NoArray):
    r"""Inverse time decay of a learning rate, the same bits in every framework.

    .. math::
        \mathrm{lr}(n) = \frac{L}{1 + R\,n / S}
        \qquad\text{or, as a staircase,}\qquad
        \mathrm{lr}(n) = \frac{L}{1 + R\,\lfloor n / S \rfloor}

    The value is that of exact rational arithmetic, rounded once to binary64; float32 is
    that rounded again, float16 and bfloat16 the float32 rounded again.

    Args:
        initial_learning_rate: L, the rate at step 0, at least 0. A 0-d array or a tensor
            of a float dtype also pins the dtype of the results.
        decay_steps: S, in steps, above 0; it need not be an integer.
        decay_rate: R, at least 0.
        staircase: whether the rate drops only at multiples of `decay_steps`.
        name: kept in the config; None reads as "InverseTimeDecay". Not part of equality.
        warmup_steps: W, the steps of a linear warm-up before the decay.
        warmup_learning_rate: w, the rate at step 0 where there is a warm-up.
        stable_steps: H, the steps at L between the warm-up and the decay.
        minimum_learning_rate: m, the floor of the decay, at most L.
        cooldown_start: X, the step from which a linear cool-down takes over; None for none.
        cooldown_steps: K, its number of steps.
        final_learning_rate: f, the rate at the end of the cool-down and after it.
        dtype: the dtype of the results on arrays and tensors: "float64", "float32", "float16",
            "bfloat16" or the framework's object for one of them. None means that of
            `initial_learning_rate`, if it pins one, else the framework's default float.

    With phases L is the peak rate, and the formula above that of the decay::

        0 <= n < W          w + (L - w) * n / W
        W <= n < W + H      L
        from W + H on       max(m, the formula above at n - W - H)
        X <= n < X + K      v(X) + (f - v(X)) * (n - X) / K, where v(X) is the rate before
        from X + K on       f

    A parameter means the number as written: 0.1, `np.float32(0.1)` and a bfloat16 tensor
    0.1 are all exactly 1/10. Each lies between 1e-60 and 1e60, or is 0 where that is allowed;
    numbers of steps but `decay_steps` are whole, and at most 2**53.

    A schedule is immutable, hashable and picklable, and equal to another of equal parameters.

    Raises:
        ConfigError: (a ValueError) a parameter is of a wrong type or out of range, or two do
            not go together.
        PlacementError: (a ValueError) `dtype` is none of the four.

    Source: the signature, the formula and the config keys are those of
    `tf.keras.optimizers.schedules.InverseTimeDecay`.

    >>> schedule = InverseTimeDecay(0.1, decay_steps=1000, decay_rate=0.5)
    >>> schedule(0), schedule(1000), schedule(4000)
    (0.1, 0.06666666666666667, 0.03333333333333333)
    >>> InverseTimeDecay(0.1, 1000, 0.5, staircase=True)(1999)
    0.06666666666666667
    >>> recipe = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500, minimum_learning_rate=0.01)
    >>> recipe(0), recipe(250), recipe(500), recipe(1500), recipe(10**6)
    (0.0, 0.05, 0.1, 0.06666666666666667, 0.01)
    """

    __slots__ = ("__weakref__", "_dtype", "_form", "_name", "_parameters")

    def __init__(
        self,
        initial_learning_rate: Scalar,
        decay_steps: Scalar,
        decay_rate: Scalar,
        staircase: bool = False,
        name: str | None = None,
        *,
        warmup_steps: Scalar = 0,
        warmup_learning_rate: Scalar = 0,
        stable_steps: Scalar = 0,
        minimum_learning_rate: Scalar = 0,
        cooldown_start: Scalar | None = None,
        cooldown_steps: Scalar = 0,
        final_learning_rate: Scalar = 0,
        dtype: Any = None,
    ) -> None:
        self._parameters, pinned = parameters.read(locals(), _name_of)
        if not isinstance(name, str | None):
            raise ConfigError(
                f"name is {typed(name)}; it must be a str or None; pass str(...) of it"
            )
        self._name = "InverseTimeDecay" if name is None else str.__str__(name)  # no subclass
        self._dtype = pinned if dtype is None else dtype_name(dtype, _name_of)
        self._form = table.of(self._parameters)

    @property
    def initial_learning_rate(self) -> int | float:
        """L, the rate at step 0, or the peak where there are phases."""
        return self._parameters.initial_learning_rate

    @property
    def decay_steps(self) -> int | float:
        """S, the steps in which n / S grows by one."""
        return self._parameters.decay_steps

    @property
    def decay_rate(self) -> int | float:
        """R, what each n / S adds to the denominator."""
        return self._parameters.decay_rate

    @property
    def staircase(self) -> bool:
        """Whether the rate drops only at multiples of `decay_steps`."""
        return self._parameters.staircase

    @property
    def warmup_steps(self) -> int:
        """W, the steps of the linear warm-up."""
        return self._parameters.warmup_steps

    @property
    def warmup_learning_rate(self) -> int | float:
        """w, the rate at step 0 of a warm-up."""
        return self._parameters.warmup_learning_rate

    @property
    def stable_steps(self) -> int:
        """H, the steps at L between the warm-up and the decay."""
        return self._parameters.stable_steps

    @property
    def minimum_learning_rate(self) -> int | float:
        """m, the floor of the decay."""
        return self._parameters.minimum_learning_rate

    @property
    def cooldown_start(self) -> int | None:
        """X, the first step of the linear cool-down, or None."""
        return self._parameters.cooldown_start

    @property
    def cooldown_steps(self) -> int:
        """K, the steps of the cool-down."""
        return self._parameters.cooldown_steps

    @property
    def final_learning_rate(self) -> int | float:
        """f, the rate after the cool-down."""
        return self._parameters.final_learning_rate

    @property
    def name(self) -> str:
        """The name in the config."""
        return self._name

    @property
    def dtype(self) -> str | None:
        """The name of the dtype of the results, or None for the framework's default float."""
        return self._dtype

    @property
    def phases(self) -> Phases:
        """What there is, in order: the name, the first step, the step after the last one.

        >>> recipe = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500, stable_steps=2000,
        ...     minimum_learning_rate=0.01, cooldown_start=9000, cooldown_steps=1000)
        >>> print(recipe.phases)
        warm-up    0 <= n < 500
        stable     500 <= n < 2500
        decay      2500 <= n < 9000
        cool-down  9000 <= n < 10000
        end        10000 <= n
        >>> recipe.phases[0]
        Phase(name='warm-up', start=0, stop=500)
        """
        return table.phases_of(self._parameters)

    @property
    def form(self) -> Form | Table:
        """The integers that backends compute with: a `Table` where there are phases."""
        return self._form

    def _evaluate(self, step: Any = None) -> Any:
        from invtime import registry

        return registry.default.evaluate(self._form, step, dtype=self._dtype)

    @overload
    def __call__(self, step: int | float) -> float: ...
    @overload
    def __call__(
        self, step: np.ndarray[ShapeT, Any]
    ) -> np.ndarray[ShapeT, np.dtype[np.floating[Any]]]: ...
    @overload
    def __call__(self, step: np.number[Any]) -> np.floating[Any]: ...
    @overload
    def __call__(self, step: ArrayT) -> ArrayT: ...
    def __call__(self, step: Any = None) -> Any:
        """The learning rate at `step`, the number of updates made so far.

        Args:
            step: an int or a float (the result is a Python float, correctly rounded), or
                NumPy data, a tensor, an array, a variable of a known framework, of any
                integer or float dtype and any shape (the result has its shape and device,
                and the pinned dtype or the framework's default float). A negative step
                counts as step 0, NaN gives NaN, infinity gives 0 (L if decay_rate is 0). A
                masked array keeps its mask; of another subclass of `numpy.ndarray` the result
                is a plain array. A uint64 step from 2**63 on counts as 2**63 - 1 on tensors,
                and is exact in NumPy and Dask arrays.

        Raises:
            StepTypeError: (a TypeError) bool, complex, text, or a type of no known backend.
        """
        if step.__class__ is int:
            return self._form.at(step)
        if step.__class__ is float:
            return self._form.at_real(step)
        return _registry().default.evaluate(self._form, step, dtype=self._dtype)

    # What Dynamo traces for a call: no test would find a symbolic int; see backends/dynamo.py.
    __call__._torchdynamo_inline = _evaluate  # type: ignore[attr-defined]

    @overload
    def on(
        self, backend: None = None, *, device: None = None, dtype: Any = None
    ) -> PlacedSchedule[None]: ...
    @overload
    def on(self, backend: str, *, device: Any = None, dtype: Any = None) -> PlacedSchedule[str]: ...
    def on(self, backend: Any = None, *, device: Any = None, dtype: Any = None) -> Any:
        """The same schedule with the backend, the device or the result dtype fixed.

        Args:
            backend: a name from `invtime.list_backends()`; None picks it by the step's type.
            device: in the framework's own vocabulary ("cuda:0", a `jax.Device` or Sharding,
                "/CPU:1"); None leaves the result where the step is.
            dtype: "float64", "float32", "float16", "bfloat16" or the framework's object for
                one of them; None means the pinned dtype or the framework's default float.

        Raises:
            UnknownBackendError, BackendUnavailableError: no such backend, or not installed.
            PlacementError: no such device or dtype; the message lists those that exist.
        """
        from invtime.placement import PlacedSchedule

        dtype = self._dtype if dtype is None else dtype
        return PlacedSchedule(self._form, repr(self), backend, device, dtype)

    def replace(self, **changes: Any) -> InverseTimeDecay:
        """A schedule with these parameters of the constructor changed; `copy.replace` works too.

        >>> InverseTimeDecay(0.1, 1000, 0.5).replace(decay_rate=0.25)
        InverseTimeDecay(initial_learning_rate=0.1, decay_steps=1000, decay_rate=0.25)
        """
        return InverseTimeDecay(**{**self.get_config(), **changes})

    __replace__ = replace

    @classmethod
    def from_endpoints(
        cls,
        start: Any,
        end: Any,
        steps: Any,
        *,
        decay_steps: Any = None,
        staircase: bool = False,
        name: str | None = None,
        warmup_steps: Any = 0,
        warmup_learning_rate: Any = 0,
        stable_steps: Any = 0,
        minimum_learning_rate: Any = 0,
    ) -> InverseTimeDecay:
        """The schedule that is exactly `start` at its peak and exactly `end` at step `steps`.

        The peak is step 0, or the end of the warm-up. `steps` counts from step 0.

        Args:
            start: the rate at the peak, as `initial_learning_rate`.
            end: the rate at `steps`, above 0 and not above `start`.
            steps: the step of the end, after the warm-up and the stable phase; it need not be
                an integer.
            decay_steps: kept where it is given, and needed for a staircase; None takes the steps
                of the decay, or what makes both parameters exact.
            staircase: whether the rate drops only at multiples of `decay_steps`.
            name: as the constructor's.
            warmup_steps: as the constructor's, and so the next two.
            warmup_learning_rate: the rate at step 0.
            stable_steps: the steps at `start` between the warm-up and the decay.
            minimum_learning_rate: the floor, at most `end`; `end` itself is held from `steps` on.

        Raises:
            ConfigError: no decay_rate is exact, and the message says how near one comes; or the
                phases leave no step for the decay.

        >>> InverseTimeDecay.from_endpoints(0.1, 0.001, steps=100_000)
        InverseTimeDecay(initial_learning_rate=0.1, decay_steps=100000, decay_rate=99)
        >>> InverseTimeDecay.from_endpoints(0.1, 0.03, steps=1000)
        InverseTimeDecay(initial_learning_rate=0.1, decay_steps=3000, decay_rate=7)
        >>> recipe = InverseTimeDecay.from_endpoints(0.1, 0.01, steps=10_000, warmup_steps=500,
        ...     stable_steps=2000, minimum_learning_rate=0.01)
        >>> recipe.decay_steps, recipe.decay_rate, recipe(500), recipe(10_000), recipe(20_000)
        (7500, 9, 0.1, 0.01, 0.01)
        """
        from invtime import planning

        phases = {
            "warmup_steps": warmup_steps,
            "stable_steps": stable_steps,
            "minimum_learning_rate": minimum_learning_rate,
        }
        period, decay = planning.endpoints(
            start, end, steps, decay_steps=decay_steps, staircase=staircase, **phases
        )
        phases["warmup_learning_rate"] = warmup_learning_rate
        return cls(start, period, decay, staircase, name, **phases)

    def step_for(self, lr: Any) -> int | None:
        """The first integer step with v(n) <= `lr` from the peak on, None where there is none.

        The peak is step 0, or the end of the warm-up. Both sides are exact: `lr` is the number
        as written, v(n) the rate before it is rounded.

        >>> InverseTimeDecay(0.1, 1000, 0.5).step_for(0.01)
        18000
        """
        from invtime import planning

        return planning.step_for(self._form, lr)

    def fingerprint(self, values: int | None = None, dtype: Any = None) -> str:
        """A short digest of what the schedule means, or of the bits of its first values.

        Two schedules have one fingerprint if, and but for chance only if, their rates are the
        same numbers at every step: `(0.1, 1000, 0.5)` and `(0.1, 2000, 1.0)` do, and phases that
        change nothing make no difference. `name` and `dtype` take no part. The page on
        fingerprints defines both digests byte for byte.

        Args:
            values: None for the meaning; N for the bits of the rates at 0 <= n < N.
            dtype: of those rates; None means the pinned dtype or float64.

        >>> InverseTimeDecay(0.1, 1000, 0.5).fingerprint()
        'itd1-a4047c4ebefeb79a'
        """
        from invtime import fingerprint

        if values is not None:
            dtype = self._dtype if dtype is None else dtype
        return fingerprint.fingerprint(self._form, values, dtype)

    def get_config(self) -> dict[str, Any]:
        """The parameters under Keras's five keys, and each other one that is not at its default."""
        found = self._parameters
        numbers = zip(found._fields[:4], found[:4], strict=True)
        config = {**dict(numbers), "name": self._name, **found.phases}
        return config if self._dtype is None else {**config, "dtype": self._dtype}

    @classmethod
    def from_config(cls, config: Any) -> InverseTimeDecay:
        """The schedule of a config, as `get_config` or Keras's own schedule returns it.

        Raises ConfigError, naming the key, for one that `config_schema()` does not accept.
        """
        _config.check_keys(config)
        return cls(**config)

    def to_json(self, envelope: str | None = None) -> str:
        """The config as JSON; envelope="keras" writes what Keras's `deserialize` loads."""
        return _config.dumps(self.get_config(), envelope)

    @classmethod
    def from_json(cls, text: str | bytes) -> InverseTimeDecay:
        """The schedule of a JSON text: a bare config, or one in Keras's envelope."""
        return cls.from_config(_config.loads(text))

    def plot(
        self,
        ax: Axes | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
        xscale: str | None = None,
        yscale: str | None = None,
    ) -> Axes:
        """Draw the rate by step with matplotlib, and return the axes.

        Phases are shaded and named, as long as theirs is the only curve on the axes.

        Args:
            ax: the axes to draw on; None means pyplot's current ones, so that several
                schedules come together. `ax.legend()` names them.
            start: the first step, 0 or more; on a log axis it is at least 1.
            stop: the steps end before this one, as in `range`; None means a tenth past the step
                from which the rate is held, at the floor or after the cool-down, or ten
                `decay_steps` from the start of the decay where there is none, or the floor is
                below a hundredth of the peak.
            xscale: "linear" or "log"; None leaves the axis as it is.
            yscale: the same, for the rate.

        Raises:
            ConfigError: (a ValueError) a range or a scale that cannot be drawn.
            ImportError: matplotlib is not installed.
        """
        from invtime import plotting

        label = plotting.formula(self.get_config())
        return plotting.draw(
            self._form, label, ax, start=start, stop=stop, xscale=xscale, yscale=yscale
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InverseTimeDecay):
            return NotImplemented
        return (self._parameters, self._dtype) == (other._parameters, other._dtype)

    def __hash__(self) -> int:
        return hash((self._parameters, self._dtype))

    def __reduce__(self) -> tuple[Any, ...]:
        return InverseTimeDecay.from_config, (self.get_config(),)

    def __repr__(self) -> str:
        config = self.get_config()
        for key, default in (("staircase", False), ("name", "InverseTimeDecay")):
            if config[key] == default:
                del config[key]
        return f"InverseTimeDecay({', '.join(f'{k}={v!r}' for k, v in config.items())})"


@cache  # an import statement costs more than the rest of a call with a NumPy scalar
def _registry() -> ModuleType:
    from invtime import registry

    return registry


def _name_of(dtype: Any) -> str:
    """The name of a framework's dtype."""
    name: str = _registry().default.dtype_name(dtype)
    return name
