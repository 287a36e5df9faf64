"""The base class of backends: it reads steps and places results, but holds no formula.

A backend is one final class. It implements the abstract primitives (`primitives.py`), the abstract
methods below, `from_numpy` with `arrays`, and what its framework supports: devices, modes,
derivatives. If the framework can compute a whole form at once (compiled, in blocks or fused), the
backend overrides `evaluate`, and `evaluate_phases` for schedules with phases. Both use the shared
evaluator by default.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, ClassVar, cast

from invtime.dtypes import STEPS
from invtime.errors import PlacementError, StepTypeError, cut, shown, typed
from invtime.evaluate import evaluate
from invtime.form import Form
from invtime.primitives import PieceT, Primitives, T
from invtime.table import Table

Kernel = Callable[[Any], Any]


class Backend(Primitives):
    """Evaluate schedules on the tensors of one framework.

    In the methods below, `x` is an array of the framework, `dtype` is one of "float64",
    "float32", "float16", "bfloat16", and a mask is an array of booleans.
    """

    name: ClassVar[str]
    """The name for `.on(name)`; the same as in the plugin's `BackendInfo`."""

    arrays: ClassVar[type | tuple[type, ...]] = ()
    """The types of the framework's arrays. `coerce` passes these through unchanged."""

    # -- reading and placing -----------------------------------------------------------

    def coerce(self, step: Any, device: Any) -> Any:
        """Convert `step` (an array of this framework or of NumPy, or a number) to an array.

        The array keeps the dtype of `step`, and its device unless `device` is given. Raises a
        `StepTypeError` for bool, complex and anything else that is not a real number.
        """
        x: Any = step if isinstance(step, self.arrays) else self._from_host(step)
        if self.dtype_name(x.dtype) not in STEPS:
            raise StepTypeError.refusing(f"an array of dtype {cut(str(x.dtype))}")
        return x if device is None else self.place(x, device)

    def _from_host(self, step: Any) -> Any:
        import numpy as np  # `import invtime` must not import it

        try:
            host = np.asarray(step)
        except (AttributeError, TypeError, ValueError):  # a traced array or a ragged list
            raise StepTypeError.refusing(typed(step)) from None
        if host.dtype.name not in STEPS:
            raise StepTypeError.refusing(typed(step))
        try:
            return self.from_numpy(host.astype(host.dtype.newbyteorder("="), copy=False))
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # no such dtype
            raise StepTypeError.refusing(f"NumPy data of dtype {host.dtype.name}") from error

    def from_numpy(self, x: Any) -> Any:
        """Convert a NumPy array of integers or floats, in native byte order, keeping its dtype.

        Raise a TypeError, ValueError, AttributeError or KeyError if the framework lacks the dtype.
        """
        raise NotImplementedError(
            f"backend {self.name!r} has no from_numpy; implement it, or coerce and constant"
        )

    def place(self, x: Any, device: Any) -> Any:
        """Move x to a device that `device` returned. Override it if there is more than one."""
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        """Return a 0-d array of `value`, rounded to `dtype`, on `device` or on that of `like`."""
        import numpy as np

        x = self.from_numpy(np.asarray(value, np.float64))
        if device is None and like is not None:
            device = getattr(like, "device", None)
        x = x if device is None else self.place(x, device)
        with self.scope(x):
            return self.plain(self.round_to(self.operand(x), dtype))

    @abstractmethod
    def default_dtype(self) -> str:
        """Return the name of the framework's default float, read at each call."""

    def device(self, device: Any) -> Any:
        """Return `device` in the framework's form, or raise a `PlacementError` that lists all."""
        if device is None or (isinstance(device, str) and device in self.devices()):
            return device
        raise PlacementError(
            f"device {shown(device)} does not exist for backend {self.name!r}; "
            f"there are {self.devices()}; pass one of these"
        )

    def dtype(self, dtype: str) -> str:
        """Return `dtype` if results can have it on this backend, else raise a `PlacementError`."""
        return dtype

    # -- evaluating --------------------------------------------------------------------

    def host_step(self, x: Any) -> int | float | None:
        """Return the step as a Python number if reading it is cheap and exact, else None.

        Return a number only for a concrete scalar in host memory, outside of any trace, and for a
        float only if no derivative is requested.
        """
        return None

    def kept(self, make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
        """Return make(piece, precision), computed once per piece."""
        return cast("T", _kept(make, piece, precision))

    def scope(self, x: Any) -> AbstractContextManager[object]:
        """Return the context in which the primitives must run for `x`.

        It may set a device, a precision or an error state.
        """
        return nullcontext()

    def operand(self, x: Any) -> Any:
        """Return x, wrapped if its operators do not follow the rules (see `operand.py`)."""
        return x

    def plain(self, x: Any) -> Any:
        """Return the array of an operand; the inverse of `operand`."""
        return x

    def evaluate(self, form: Form, x: Any, dtype: str) -> Any:
        """Return the schedule at x. Overrides must return the same bits."""
        return self._shared(form, x, dtype)

    def evaluate_phases(self, form: Table, x: Any, dtype: str) -> Any:
        """Return a schedule with phases at x. Overrides must return the same bits."""
        return self._shared(form, x, dtype)

    def _shared(self, form: Form | Table, x: Any, dtype: str) -> Any:
        with self.scope(x):
            return self.plain(evaluate(form, self, self.operand(x), dtype))

    def __call__(
        self, form: Form | Table, step: Any, dtype: str | None = None, device: Any = None
    ) -> Any:
        """Return the schedule at a step that `coerce` accepts, in `dtype` or the default float."""
        x = self.coerce(step, device)
        dtype = self.default_dtype() if dtype is None else dtype
        n = self.host_step(x)
        if n is not None:
            value = form.at(n) if type(n) is int else form.at_real(n)
            return self.constant(value, dtype, x, device)
        if isinstance(form, Table):
            return self.evaluate_phases(form, x, dtype)
        return self.evaluate(form, x, dtype)

    # -- for verification --------------------------------------------------------------

    def devices(self) -> list[str]:
        """List the available devices, each as text that `device` accepts."""
        return ["cpu"]

    def modes(self) -> Mapping[str, Callable[[Kernel], Kernel]]:
        """Return the ways to run a function of an array: first eager, then compiled and others."""
        return {"eager": lambda function: function}

    def derivative(self, function: Kernel, x: Any) -> Any:
        """Return the derivative of an elementwise function at each of the floats x.

        Required if the backend is `differentiable`. It runs inside `scope(x)`, and may be nested.
        """
        raise NotImplementedError(
            f"backend {self.name!r} has no derivative; implement it, or set differentiable = False"
        )

    @abstractmethod
    def to_numpy(self, x: Any) -> Any:
        """Return x as a NumPy array of the same dtype; bfloat16 may be widened to float32."""


@lru_cache(maxsize=256)
def _kept(make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
    return make(piece, precision)
