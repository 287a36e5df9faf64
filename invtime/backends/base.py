"""What a framework must offer: a few primitives, never the formula.

A backend is one final class. It says how to read a step, how to place a result, and
how its framework spells a dozen operations; `invtime.exact` does the rest with those and
with the operators `+ - * & < <= >= ==`. The only method meant to be overridden is
`evaluate`, where a framework wants the whole form at once: compiled, in blocks, fused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from invtime import exact
from invtime.compensated import Words, cached_words
from invtime.errors import PlacementError
from invtime.exact import ExactForm

Kernel = Callable[[Any], Any]


class Backend(ABC):
    """Tensor evaluation in one framework.

    In the methods below `x` is an array of the framework, `dtype` one of "float64",
    "float32", "float16", "bfloat16", and a mask an array of booleans.
    """

    name: ClassVar[str]
    """The name that `.on(name)` takes; the same as in the plugin's `BackendInfo`."""

    differentiable: ClassVar[bool] = True
    """Whether the framework differentiates; False spares the derivative's formula."""

    # -- reading and placing -----------------------------------------------------------

    @abstractmethod
    def coerce(self, step: Any, device: Any) -> Any:
        """`step` (an array of this framework, of NumPy, or a Python number) as an array.

        It stays on its device unless `device` is given. bool, complex and anything else
        that is not a real number is a `StepTypeError` (`StepTypeError.refusing` words it).
        """

    @abstractmethod
    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        """A 0-d array of `value`, rounded along the chain, on `device` or where `like` is."""

    @abstractmethod
    def default_dtype(self) -> str:
        """The framework's default float, read at the time of the call."""

    def device(self, device: Any) -> Any:
        """`device` in the framework's own form, or a `PlacementError` that lists them."""
        if device in (None, *self.devices()):
            return device
        raise PlacementError(
            f"device {device!r} does not exist for backend {self.name!r}; "
            f"there are {self.devices()}; pass one of these"
        )

    def dtype(self, dtype: str) -> str:
        """`dtype` if this backend can return it, else a `PlacementError`."""
        return dtype

    # -- the primitives ----------------------------------------------------------------

    @abstractmethod
    def integer_range(self, x: Any) -> tuple[int, int] | None:
        """The smallest and the largest value of an integer dtype; None for a float one."""

    def precision(self, x: Any) -> int:
        """53 where the device of `x` has binary64, 24 where binary32 is its widest."""
        return 53

    @abstractmethod
    def widest(self, x: Any) -> Any:
        """Integers, floats or a mask, converted to binary64 (binary32 at precision 24)."""

    @abstractmethod
    def index(self, x: Any) -> Any:
        """Integers, a mask, or floats truncated toward zero, converted to int64."""

    @abstractmethod
    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Elementwise choice; one of `a` and `b` may be a Python number."""

    @abstractmethod
    def divide(self, a: float, b: Any) -> Any:
        """One IEEE division of a number or an array by an array; never by a reciprocal."""

    @abstractmethod
    def quotient(self, n: Any, divisor: int) -> Any:
        """n // divisor for integers n >= 0 of any width that holds `divisor`."""

    def clamp(self, n: Any) -> Any:
        """Integers with the negative ones replaced by 0."""
        return self.where(n < 0, 0, n)

    @abstractmethod
    def floor(self, x: Any) -> Any:
        """The largest whole float at or below x."""

    @abstractmethod
    def head(self, x: Any) -> Any:
        """x with its last 27 significand bits cleared (12 at precision 24), by a bit mask."""

    def detach(self, x: Any) -> Any:
        """x, taken as a constant by differentiation."""
        return x

    @abstractmethod
    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        """exact() where x <= last, else otherwise(); x holds no NaN.

        Either for the array as a whole (exact() only if all of x is at most `last`) or element
        by element; never by reading an accelerator's memory from the host.
        """

    @abstractmethod
    def round_to(self, x: Any, dtype: str) -> Any:
        """Round widest -> float32 -> `dtype`, each to nearest even; float64 stays as it is."""

    # -- evaluating --------------------------------------------------------------------

    def host_step(self, x: Any) -> int | None:
        """The step as a Python int where reading it is free and exact, else None.

        Only for a concrete integer scalar in host memory, outside of every trace.
        """
        return None

    def words(self, form: ExactForm, precision: int) -> Words:
        """The constants of the double-word form, cut once for each form."""
        return cached_words(form, precision)

    def scope(self, x: Any) -> AbstractContextManager[object]:
        """What the primitives have to run in, for an `x`: a device, a precision, an error state."""
        return nullcontext()

    def evaluate(self, form: ExactForm, x: Any, dtype: str) -> Any:
        """The schedule at x: the one override point, which must give the same bits."""
        with self.scope(x):
            return exact.evaluate(form, self, x, dtype)

    def __call__(
        self, form: ExactForm, step: Any, dtype: str | None = None, device: Any = None
    ) -> Any:
        """The schedule at any step that `coerce` takes, in `dtype` or the default float."""
        x = self.coerce(step, device)
        dtype = self.default_dtype() if dtype is None else dtype
        n = self.host_step(x)
        if n is not None:
            return self.constant(form.at(n), dtype, x, device)
        return self.evaluate(form, x, dtype)

    # -- for verification --------------------------------------------------------------

    @abstractmethod
    def devices(self) -> list[str]:
        """The devices present, each as text that `device` takes."""

    def modes(self) -> Mapping[str, Callable[[Kernel], Kernel]]:
        """Ways to run a function of an array: eager first, then compiled and the like."""
        return {"eager": lambda function: function}

    def derivative(self, function: Kernel, x: Any) -> Any:
        """The derivative of an elementwise function at each of the floats x.

        To be given where the backend is `differentiable`; run inside of `scope(x)`, and nested.
        """
        raise NotImplementedError

    @abstractmethod
    def to_numpy(self, x: Any) -> Any:
        """x as a NumPy array of the same dtype (bfloat16 may come widened to float32)."""
