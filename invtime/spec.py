"""The schedule itself: its parameters, their meaning, and the way to a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, final

from invtime import config as _config
from invtime.decimals import ratio
from invtime.errors import ConfigError, StepTypeError
from invtime.exact import ExactForm
from invtime.parameters import read_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from invtime.placement import PlacedSchedule


@final
class InverseTimeDecay:
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

    A parameter means the number as written: 0.1, `np.float32(0.1)` and a bfloat16 tensor
    0.1 are all exactly 1/10. Each lies between 1e-60 and 1e60, or is 0 where that is allowed.

    Raises:
        ConfigError: (a ValueError) a parameter is of a wrong type or out of range.

    Source: the signature, the formula and the config keys are those of
    `tf.keras.optimizers.schedules.InverseTimeDecay`.

    >>> schedule = InverseTimeDecay(0.1, decay_steps=1000, decay_rate=0.5)
    >>> schedule(0), schedule(1000), schedule(4000)
    (0.1, 0.06666666666666667, 0.03333333333333333)
    >>> InverseTimeDecay(0.1, 1000, 0.5, staircase=True)(1999)
    0.06666666666666667
    """

    __slots__ = (
        "_A",
        "_B",
        "_C",
        "_P",
        "_Q",
        "__weakref__",
        "_a",
        "_b",
        "_c",
        "_last",
        "_last_staged",
        "_p",
        "_q",
        "_token",
        "decay_rate",
        "decay_steps",
        "dtype",
        "exact_form",
        "initial_learning_rate",
        "name",
        "staircase",
    )

    initial_learning_rate: int | float
    decay_steps: int | float
    decay_rate: int | float
    staircase: bool
    name: str
    dtype: str | None
    exact_form: ExactForm
    _a: int
    _b: int
    _c: int
    _p: int
    _q: int
    _last: int
    _last_staged: int
    _A: int
    _B: int
    _C: int
    _P: int
    _Q: int
    _token: int

    # AutoGraph calls what bears this mark as it is: there is nothing in here to convert.
    autograph_info__ = None

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        rate, dtype = read_number("initial_learning_rate", initial_learning_rate)
        steps, _ = read_number("decay_steps", decay_steps)
        decay, _ = read_number("decay_rate", decay_rate)
        if rate < 0:
            raise ConfigError(
                f"initial_learning_rate is {rate!r}; it must be 0 or more; pass its magnitude, "
                "and subtract the update where you mean to go uphill"
            )
        if steps <= 0:
            raise ConfigError(
                f"decay_steps is {steps!r}; it must be above 0; pass the number of steps in "
                "which the decay advances by one decay_rate"
            )
        if not isinstance(staircase, bool):
            raise ConfigError(
                f"staircase is {staircase!r} of type {type(staircase).__name__}; it must be "
                "True or False; pass bool(...) of it if that is meant"
            )
        if decay < 0:
            raise ConfigError(_pole(steps, decay, staircase))
        if not isinstance(name, str | None):
            raise ConfigError(
                f"name is {name!r} of type {type(name).__name__}; it must be a str or None; "
                "pass str(...) of it"
            )
        self._fill(rate, steps, decay, staircase, name, dtype)

    def _fill(
        self,
        rate: int | float,
        steps: int | float,
        decay: int | float,
        staircase: bool,
        name: str | None,
        dtype: str | None,
    ) -> None:
        form = ExactForm.of(rate, steps, decay, staircase)
        last = form.last_exact_step(53)
        fields = {
            "initial_learning_rate": rate,
            "decay_steps": steps,
            "decay_rate": decay,
            "staircase": staircase,
            "name": "InverseTimeDecay" if name is None else str.__str__(name),  # no subclass
            "dtype": dtype,
            "exact_form": form,
            "_a": form.A,
            "_b": form.B,
            "_c": form.C,
            "_p": form.P if staircase else 0,
            "_q": form.Q,
            # Up to these, 53 bits hold every value and 64 every product, so that even
            # symbolic integers give the right bits.
            "_last": -1 if staircase else last,
            "_last_staged": min(last, (2**63 - 1) // form.Q) if staircase else -1,
            # The same again for every step: read only where the token is no symbolic integer,
            # and so none of these is, since it differs from schedule to schedule as they do.
            "_A": form.A,
            "_B": form.B,
            "_C": form.C,
            "_P": form.P if staircase else 0,
            "_Q": form.Q if form.Q > 1 else 0,
            "_token": hash(form),
        }
        for key, value in fields.items():
            object.__setattr__(self, key, value)

    def __call__(self, step: Any = None) -> Any:
        """The learning rate at `step`, the number of updates made so far.

        Args:
            step: an int or a float (the result is a Python float, correctly rounded), or
                NumPy data, a tensor, an array, a variable of a known framework, of any
                integer or float dtype and any shape (the result has its shape and device,
                and the pinned dtype or the framework's default float). A negative step
                counts as step 0, NaN gives NaN, infinity gives 0 (L if decay_rate is 0).

        Raises:
            StepTypeError: (a TypeError) bool, complex, text, or a type of no known backend.
        """
        # torch.compile makes a symbolic int of a Python int that varies, this step or an
        # attribute below. `type(x) is int` holds for it too; `x.__class__ is int` does not.
        if step.__class__ is int and step >= 0:
            if step <= self._last:
                return self._a / (self._b + self._c * step)
            if self._token.__class__ is int:
                if self._P:
                    step = (step * self._Q if self._Q else step) // self._P
                return self._A / (self._B + self._C * step)
        return self._evaluate(step)

    def _evaluate(self, step: Any) -> Any:
        kind = type(step)
        if kind is int:
            return self._at_int(step)
        if kind is float:
            return self.exact_form.at(step)
        from invtime import registry

        return registry.evaluate(self, step)

    def _at_int(self, step: int) -> float:
        """At a negative or a symbolic int; at the last only where 64 bits are exact."""
        if step <= 0:
            return self._a / self._b
        if step <= self._last:
            return self._a / (self._b + self._c * step)
        if step <= self._last_staged:
            return self._a / (self._b + self._c * (step * self._q // self._p))
        raise StepTypeError(  # plain text: Dynamo cannot format a symbolic int
            "a Python int step inside torch.compile would not be exact this far out; "
            "pass the step as an int64 tensor"
        )

    def on(
        self, backend: str | None = None, *, device: Any = None, dtype: Any = None
    ) -> PlacedSchedule:
        """The same schedule with the backend, the device or the result dtype fixed.

        Args:
            backend: a name from `invtime.backends()`; None picks it by the step's type.
            device: in the framework's own vocabulary ("cuda:0", a `jax.Device` or Sharding,
                "/CPU:1"); None leaves the result where the step is.
            dtype: "float64", "float32", "float16", "bfloat16" or the framework's object for
                one of them; None means the pinned dtype or the framework's default float.

        Raises:
            UnknownBackendError, BackendUnavailableError: no such backend, or not installed.
            PlacementError: no such device or dtype; the message lists those that exist.
        """
        from invtime.placement import PlacedSchedule

        return PlacedSchedule(self, backend, device, dtype)

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
    ) -> InverseTimeDecay:
        """The schedule that is exactly `start` at step 0 and exactly `end` at step `steps`.

        Args:
            start: the rate at step 0, as `initial_learning_rate`.
            end: the rate at `steps`, above 0 and not above `start`.
            steps: the step of the end, above 0; it need not be an integer.
            decay_steps: kept where it is given, and needed for a staircase; None takes `steps`,
                or what makes both parameters exact.
            staircase: whether the rate drops only at multiples of `decay_steps`.
            name: as the constructor's.

        Raises:
            ConfigError: no decay_rate is exact; the message says how near one comes.

        >>> InverseTimeDecay.from_endpoints(0.1, 0.001, steps=100_000)
        InverseTimeDecay(initial_learning_rate=0.1, decay_steps=100000, decay_rate=99)
        >>> InverseTimeDecay.from_endpoints(0.1, 0.03, steps=1000)
        InverseTimeDecay(initial_learning_rate=0.1, decay_steps=3000, decay_rate=7)
        """
        from invtime import planning

        period, decay = planning.endpoints(start, end, steps, decay_steps, staircase)
        return cls(start, period, decay, staircase, name)

    def step_for(self, lr: Any) -> int | None:
        """The first integer step with v(n) <= `lr`, None where the rate never gets there.

        Both are exact: `lr` is the number as written, v(n) the rate before it is rounded.

        >>> InverseTimeDecay(0.1, 1000, 0.5).step_for(0.01)
        18000
        """
        from invtime import planning

        return planning.step_for(self.exact_form, lr)

    @property
    def half_life(self) -> int | None:
        """The first integer step with half the initial rate or less, None if there is none.

        It is decay_steps / decay_rate, rounded up, unless the schedule is a staircase. The
        next halving takes twice as long: 1 / n is not exponential.

        >>> InverseTimeDecay(0.1, 1000, 0.5).half_life
        2000
        """
        from invtime import planning

        return planning.half_life(self.exact_form)

    def rate_sum(self, start: int, stop: int) -> float:
        """The sum of the rates at start <= n < stop, exact and then rounded once to binary64.

        What is summed is v(n), not the rounded rates. A continuous schedule, and a staircase
        with an integer `decay_steps`, take the same time for any range; a staircase with a
        fractional one takes time in proportion to its plateaus.

        >>> InverseTimeDecay(0.1, 1000, 0.5).rate_sum(0, 10**12)
        4006.0737358438596
        """
        from invtime import planning

        return planning.rate_sum(self.exact_form, start, stop)

    def fingerprint(self, values: int | None = None, dtype: Any = None) -> str:
        """A short digest of what the schedule means, or of the bits of its first values.

        Two schedules have one fingerprint if, and but for chance only if, their rates are the
        same numbers at every step: `(0.1, 1000, 0.5)` and `(0.1, 2000, 1.0)` do. `name` and
        `dtype` take no part. The page on fingerprints defines both digests byte for byte.

        Args:
            values: None for the meaning; N for the bits of the rates at 0 <= n < N.
            dtype: of those rates; None means the pinned dtype or float64.

        >>> InverseTimeDecay(0.1, 1000, 0.5).fingerprint()
        'itd1-a4047c4ebefeb79a'
        """
        from invtime import fingerprint

        return fingerprint.fingerprint(self, values, dtype)

    def get_config(self) -> dict[str, Any]:
        """The parameters under Keras's five keys, and `dtype` where a tensor pinned it."""
        config = {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }
        return config if self.dtype is None else {**config, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Any) -> InverseTimeDecay:
        """The schedule of a config, as `get_config` or Keras's own schedule returns it.

        Raises ConfigError, naming the key, for one that `config_schema()` does not accept.
        """
        _config.check_keys(config)
        parameters = dict(config)
        dtype = parameters.pop("dtype", None)
        schedule = cls(**parameters)
        if dtype is not None:
            object.__setattr__(schedule, "dtype", str.__str__(dtype))
        return schedule

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

        Args:
            ax: the axes to draw on; None means pyplot's current ones, so that several
                schedules come together. `ax.legend()` names them.
            start: the first step, 0 or more; on a log axis it is at least 1.
            stop: the last step; None means ten times `decay_steps`.
            xscale: "linear" or "log"; None leaves the axis as it is.
            yscale: the same, for the rate.

        Raises:
            ConfigError: (a ValueError) a range or a scale that cannot be drawn.
            ImportError: matplotlib is not installed.
        """
        from invtime.plotting import draw

        return draw(self, ax, start=start, stop=stop, xscale=xscale, yscale=yscale)

    def _key(self) -> tuple[Any, ...]:
        numbers = self.initial_learning_rate, self.decay_steps, self.decay_rate
        return *numbers, self.staircase, self.dtype

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InverseTimeDecay):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __setattr__(self, key: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen; build a new one to change {key!r}")

    def __delattr__(self, key: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen; {key!r} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return InverseTimeDecay.from_config, (self.get_config(),)

    def __repr__(self) -> str:
        config = self.get_config()
        if self.dtype is not None:  # the constructor takes no dtype of its own
            return f"InverseTimeDecay.from_config({config!r})"
        if config["name"] == "InverseTimeDecay":
            del config["name"]
        if not config["staircase"]:
            del config["staircase"]
        return f"InverseTimeDecay({', '.join(f'{k}={v!r}' for k, v in config.items())})"


def _pole(steps: int | float, decay: int | float, staircase: bool) -> str:
    """Why a negative decay_rate is refused, with the step where the rate would blow up."""
    p, q = ratio(steps)
    r, d = ratio(-decay)
    if staircase:
        step = _ceil(_ceil(d, r) * p, q)
    else:
        step = _ceil(p * d, q * r)
    return (
        f"decay_rate is {decay!r}; it must be 0 or more: the denominator would reach zero at or "
        f"just before step {step}; pass a positive decay_rate, or another kind of schedule for "
        "a rate that grows"
    )


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
