"""The schedule: its parameters, its value at a step, and its conversions."""

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
    r"""Inverse time decay of a learning rate, bit-identical in every framework.

    .. math::
        \mathrm{lr}(n) = \frac{L}{1 + R\,n / S}
        \qquad\text{or, as a staircase,}\qquad
        \mathrm{lr}(n) = \frac{L}{1 + R\,\lfloor n / S \rfloor}

    The rate is computed exactly and rounded once to binary64. A float32 result is that binary64
    value rounded again. A float16 or bfloat16 result is the float32 value rounded again.

    Args:
        initial_learning_rate: L, the rate at step 0; 0 or more. A 0-d array or a tensor with a
            float dtype also sets ("pins") the dtype of the results.
        decay_steps: S, in steps; above 0, not necessarily an integer.
        decay_rate: R; 0 or more.
        staircase: if True, the rate drops only at multiples of `decay_steps`.
        name: stored in the config; None means "InverseTimeDecay". Ignored by `==`.
        warmup_steps: W, the number of steps of a linear warm-up before the decay.
        warmup_learning_rate: w, the rate at step 0 if there is a warm-up.
        stable_steps: H, the number of steps at L between the warm-up and the decay.
        minimum_learning_rate: m, the floor of the decay; at most L.
        cooldown_start: X, the first step of a linear cool-down; None for no cool-down.
        cooldown_steps: K, the number of steps of the cool-down.
        final_learning_rate: f, the rate at the end of the cool-down and after it.
        dtype: the dtype of the results for arrays and tensors: "float64", "float32", "float16",
            "bfloat16" or the framework's object for one of them. None means the dtype pinned by
            `initial_learning_rate`, if any, else the framework's default float.

    With phases, L is the peak rate and the formula above applies to the decay phase::

        0 <= n < W          w + (L - w) * n / W
        W <= n < W + H      L
        n >= W + H          max(m, the formula above at n - W - H)
        X <= n < X + K      v(X) + (f - v(X)) * (n - X) / K
        n >= X + K          f

    v(X) is the rate at step X without the cool-down.

    Parameters mean the decimal number that was written: 0.1, `np.float32(0.1)` and a bfloat16
    tensor 0.1 are all exactly 1/10. Each must lie between 1e-60 and 1e60, or be 0 where 0 is
    allowed. Numbers of steps, except `decay_steps`, must be whole and at most 2**53.

    Schedules are immutable, hashable and picklable. Two schedules are equal if all their
    parameters except `name` are equal.

    Raises:
        ConfigError: (a ValueError) a parameter has the wrong type or is out of range, or two
            parameters contradict each other.
        PlacementError: (a ValueError) `dtype` is not one of the four.

    The signature, the formula and the config keys are those of
    `tf.keras.optimizers.schedules.InverseTimeDecay`.

    >>> from invtime import InverseTimeDecay
    >>> schedule = InverseTimeDecay(0.1, decay_steps=1000, decay_rate=0.5)
    >>> schedule(0), schedule(1000), schedule(4000)
    (0.1, 0.06666666666666667, 0.03333333333333333)
    >>> InverseTimeDecay(0.1, 1000, 0.5, staircase=True)(1999)
    0.06666666666666667
    >>> recipe = InverseTimeDecay(
    ...     0.1, 1000, 0.5, warmup_steps=500, minimum_learning_rate=0.01)
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
                f"name is {typed(name)}; it must be a str or None; convert it with str()"
            )
        # A str subclass becomes a plain str.
        self._name = "InverseTimeDecay" if name is None else str.__str__(name)
        self._dtype = pinned if dtype is None else dtype_name(dtype, _name_of)
        self._form = table.of(self._parameters)

    @property
    def initial_learning_rate(self) -> int | float:
        """L, the rate at step 0; with phases, the peak rate."""
        return self._parameters.initial_learning_rate

    @property
    def decay_steps(self) -> int | float:
        """S, the number of steps in which n / S grows by 1."""
        return self._parameters.decay_steps

    @property
    def decay_rate(self) -> int | float:
        """R, the amount added to the denominator every S steps."""
        return self._parameters.decay_rate

    @property
    def staircase(self) -> bool:
        """True if the rate drops only at multiples of `decay_steps`."""
        return self._parameters.staircase

    @property
    def warmup_steps(self) -> int:
        """W, the number of steps of the linear warm-up."""
        return self._parameters.warmup_steps

    @property
    def warmup_learning_rate(self) -> int | float:
        """w, the rate at step 0 if there is a warm-up."""
        return self._parameters.warmup_learning_rate

    @property
    def stable_steps(self) -> int:
        """H, the number of steps at L between the warm-up and the decay."""
        return self._parameters.stable_steps

    @property
    def minimum_learning_rate(self) -> int | float:
        """m, the floor of the decay."""
        return self._parameters.minimum_learning_rate

    @property
    def cooldown_start(self) -> int | None:
        """X, the first step of the linear cool-down, or None for no cool-down."""
        return self._parameters.cooldown_start

    @property
    def cooldown_steps(self) -> int:
        """K, the number of steps of the cool-down."""
        return self._parameters.cooldown_steps

    @property
    def final_learning_rate(self) -> int | float:
        """f, the rate at the end of the cool-down and after it."""
        return self._parameters.final_learning_rate

    @property
    def name(self) -> str:
        """The name stored in the config."""
        return self._name

    @property
    def dtype(self) -> str | None:
        """The name of the result dtype, or None for the framework's default float."""
        return self._dtype

    @property
    def phases(self) -> Phases:
        """The phases in order. Each has a name, a first step and an end step (exclusive).

        >>> from invtime import InverseTimeDecay
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
        """The integers that backends compute with: a `Form`, or a `Table` if there are phases."""
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
        """Return the learning rate at `step`, the number of updates made so far.

        For an int or a float, the result is a Python float, correctly rounded.

        For an array, a tensor or a variable of a known framework, the result has the same shape
        and is on the same device. Its dtype is the pinned dtype, or the framework's default
        float. A NumPy masked array keeps its mask; for other subclasses of `numpy.ndarray` the
        result is a plain array.

        Args:
            step: an int, a float, or NumPy data, an array, a tensor or a variable of any integer
                or float dtype and any shape. Negative steps count as step 0. NaN gives NaN.
                Infinity gives the limit of the rate: 0 for a plain decay, L if `decay_rate` is 0.
                A uint64 step of 2**63 or more is exact in NumPy and Dask arrays; tensors treat
                it as 2**63 - 1.

        Raises:
            StepTypeError: (a TypeError) the step is a bool, complex, text, or of a type that no
                backend knows.

        >>> import numpy as np
        >>> from invtime import InverseTimeDecay
        >>> schedule = InverseTimeDecay(0.1, decay_steps=1000, decay_rate=0.5)
        >>> schedule(1000)
        0.06666666666666667
        >>> schedule(np.array([0, 2000, 18000]))
        array([0.1 , 0.05, 0.01])
        """
        if step.__class__ is int:
            return self._form.at(step)
        if step.__class__ is float:
            return self._form.at_real(step)
        return _registry().default.evaluate(self._form, step, dtype=self._dtype)

    # Dynamo traces this instead of __call__, whose type tests miss symbolic ints; see
    # backends/dynamo.py.
    __call__._torchdynamo_inline = _evaluate  # type: ignore[attr-defined]

    @overload
    def on(
        self, backend: None = None, *, device: None = None, dtype: Any = None
    ) -> PlacedSchedule[None]: ...
    @overload
    def on(self, backend: str, *, device: Any = None, dtype: Any = None) -> PlacedSchedule[str]: ...
    def on(self, backend: Any = None, *, device: Any = None, dtype: Any = None) -> Any:
        """Return this schedule with a fixed backend, device or result dtype.

        Args:
            backend: a name from `invtime.list_backends()`; None selects the backend by the type
                of the step.
            device: a device as the framework names it ("cuda:0", a `jax.Device` or Sharding,
                "/CPU:1"); None keeps the result on the device of the step.
            dtype: "float64", "float32", "float16", "bfloat16" or the framework's object for
                one of them; None means the pinned dtype or the framework's default float.

        Raises:
            UnknownBackendError: no backend has this name.
            BackendUnavailableError: the backend's framework is not installed.
            PlacementError: no such device or dtype; the message lists those that exist.

        >>> import numpy as np
        >>> from invtime import InverseTimeDecay
        >>> half = InverseTimeDecay(0.1, 1000, 0.5).on("numpy", dtype="float16")
        >>> half(np.array([0, 1000])).dtype
        dtype('float16')
        """
        from invtime.placement import PlacedSchedule

        dtype = self._dtype if dtype is None else dtype
        return PlacedSchedule(self._form, repr(self), backend, device, dtype)

    def replace(self, **changes: Any) -> InverseTimeDecay:
        """Return a schedule with some constructor arguments changed.

        `copy.replace` works too, on Python 3.13 and later.

        >>> from invtime import InverseTimeDecay
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
        """Return the schedule that decays from exactly `start` to exactly `end` at step `steps`.

        The decay starts at step 0, or after the warm-up and the stable phase. `steps` counts from
        step 0, so it includes these phases.

        Args:
            start: the peak rate; becomes `initial_learning_rate`.
            end: the rate at step `steps`; above 0 and at most `start`.
            steps: the step at which the rate is `end`; after the warm-up and the stable phase,
                not necessarily an integer.
            decay_steps: used unchanged if given; required for a staircase. None means the number
                of steps of the decay, or another number if only that makes both parameters exact.
            staircase: if True, the rate drops only at multiples of `decay_steps`.
            name: stored in the config.
            warmup_steps: the number of steps of a linear warm-up before the decay.
            warmup_learning_rate: the rate at step 0 if there is a warm-up.
            stable_steps: the number of steps at `start` between the warm-up and the decay.
            minimum_learning_rate: the floor; at most `end`. A floor equal to `end` keeps the rate
                at `end` from `steps` on.

        Raises:
            ConfigError: (a ValueError) no `decay_rate` is exact (the message shows how close the
                nearest comes), or the phases leave no steps for the decay.

        >>> from invtime import InverseTimeDecay
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
        """Return the first integer step at or after the peak whose rate is at most `lr`.

        Return None if there is no such step. The peak is step 0, or the end of the warm-up. The
        comparison is exact: `lr` means the decimal number as written, and the rate is not rounded.

        >>> from invtime import InverseTimeDecay
        >>> InverseTimeDecay(0.1, 1000, 0.5).step_for(0.01)
        18000
        """
        from invtime import planning

        return planning.step_for(self._form, lr)

    def fingerprint(self, values: int | None = None, dtype: Any = None) -> str:
        """Return a short digest of the schedule's rates.

        Without `values`, two schedules have the same fingerprint exactly when their rates are
        equal at every step, barring hash collisions: `(0.1, 1000, 0.5)` and `(0.1, 2000, 1.0)`
        have the same one. Phases that change no rate, `name` and `dtype` do not matter.

        With `values=N`, the digest is that of the bits of the rates at steps 0 to N - 1.

        The page "Fingerprints" defines both digests byte for byte.

        Args:
            values: the number N of rates to digest, or None for the digest of all rates.
            dtype: the dtype of those N rates; None means the pinned dtype or float64.

        Raises:
            ConfigError: (a ValueError) `values` is not an int of 1 or more, or `dtype` is given
                without `values`.
            PlacementError: (a ValueError) `dtype` is not a result dtype.

        >>> from invtime import InverseTimeDecay
        >>> InverseTimeDecay(0.1, 1000, 0.5).fingerprint()
        'itd1-a4047c4ebefeb79a'
        """
        from invtime import fingerprint

        if values is not None:
            dtype = self._dtype if dtype is None else dtype
        return fingerprint.fingerprint(self._form, values, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the parameters as a dict that `from_config` reads.

        The dict has Keras's five keys, and a key for each other parameter that is not at its
        default.

        >>> from invtime import InverseTimeDecay
        >>> sorted(InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500).get_config())
        ['decay_rate', 'decay_steps', 'initial_learning_rate', 'name', 'staircase', 'warmup_steps']
        """
        found = self._parameters
        numbers = zip(found._fields[:4], found[:4], strict=True)
        config = {**dict(numbers), "name": self._name, **found.phases}
        return config if self._dtype is None else {**config, "dtype": self._dtype}

    @classmethod
    def from_config(cls, config: Any) -> InverseTimeDecay:
        """Build the schedule from a config of `get_config`, of this class or of Keras's schedule.

        Raises:
            ConfigError: (a ValueError) the config does not match `invtime.config_schema()`; the
                message names the key.
        """
        _config.check_keys(config)
        return cls(**config)

    def to_json(self, envelope: str | None = None) -> str:
        """Return the config as JSON text.

        With `envelope="keras"`, the text is one that Keras's `deserialize` loads.
        """
        return _config.dumps(self.get_config(), envelope)

    @classmethod
    def from_json(cls, text: str | bytes) -> InverseTimeDecay:
        """Build the schedule from JSON text: a bare config, or a config in Keras's envelope.

        Raises:
            ConfigError: (a ValueError) the text is not JSON, or its config is not accepted.
        """
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
        """Plot the rate over the steps with matplotlib, and return the axes.

        Phases are shaded and named if this is the only curve on the axes.

        Args:
            ax: the axes to draw on. None means pyplot's current axes, so that calls for several
                schedules share one plot; `ax.legend()` then adds their names.
            start: the first step; 0 or more. On a log axis it is at least 1.
            stop: the step after the last one, as in `range`. None means a tenth past the step
                from which the rate is constant, at the floor or after the cool-down. If there is
                no such step, or the floor is below a hundredth of the peak, None means ten
                `decay_steps` after the start of the decay.
            xscale: the scale of the step axis, "linear" or "log"; None does not change it.
            yscale: the scale of the rate axis, "linear" or "log"; None does not change it.

        Raises:
            ConfigError: (a ValueError) the range or a scale cannot be drawn.
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


@cache  # the import statement takes longer than the rest of a call with a NumPy scalar
def _registry() -> ModuleType:
    from invtime import registry

    return registry


def _name_of(dtype: Any) -> str:
    """Return the name of a framework's dtype."""
    name: str = _registry().default.dtype_name(dtype)
    return name
