"""A framework, as the schedule uses it: how to read a step and place a result, never the formula.

A backend is one final class. It implements the primitives that the formula is written over
(`primitives.py`), and of the methods below those that are abstract, `from_numpy` with `arrays`,
and what its framework has: devices, modes, derivatives. `evaluate` is meant to be overridden
where a framework computes a whole form at once: compiled, in blocks, fused; and
`evaluate_phases`, the same for a table of several, which otherwise takes the shared way.
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
    """Tensor evaluation in one framework.

    In the methods below `x` is an array of the framework, `dtype` one of "float64",
    "float32", "float16", "bfloat16", and a mask an array of booleans.
    """

    name: ClassVar[str]
    """The name that `.on(name)` takes; the same as in the plugin's `BackendInfo`."""

    arrays: ClassVar[type | tuple[type, ...]] = ()
    """The types of the framework's arrays; the `coerce` below takes them as they are."""

    # -- reading and placing -----------------------------------------------------------

    def coerce(self, step: Any, device: Any) -> Any:
        """`step` (an array of this framework, of NumPy, or a Python number) as an array.

        It keeps its dtype, and stays on its device unless `device` is given. bool, complex and
        anything else that is not a real number is a `StepTypeError`.
        """
        x: Any = step if isinstance(step, self.arrays) else self._from_host(step)
        if self.dtype_name(x.dtype) not in STEPS:
            raise StepTypeError.refusing(f"an array of dtype {cut(str(x.dtype))}")
        return x if device is None else self.place(x, device)

    def _from_host(self, step: Any) -> Any:
        import numpy as np  # `import invtime` loads none

        try:
            host = np.asarray(step)
        except (AttributeError, TypeError, ValueError):  # a traced array, a ragged list
            raise StepTypeError.refusing(typed(step)) from None
        if host.dtype.name not in STEPS:
            raise StepTypeError.refusing(typed(step))
        try:
            return self.from_numpy(host.astype(host.dtype.newbyteorder("="), copy=False))
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # no such dtype
            raise StepTypeError.refusing(f"NumPy data of dtype {host.dtype.name}") from error

    def from_numpy(self, x: Any) -> Any:
        """A NumPy array of integers or floats, in native byte order, as an array of its dtype.

        A TypeError, ValueError, AttributeError or KeyError says that the framework lacks it.
        """
        raise NotImplementedError(
            f"backend {self.name!r} has no from_numpy; write it, or write coerce and constant"
        )

    def place(self, x: Any, device: Any) -> Any:
        """x on a device, as `device` gives it; to be given where there is more than one."""
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        """A 0-d array of `value`, rounded along the chain, on `device` or where `like` is."""
        import numpy as np

        x = self.from_numpy(np.asarray(value, np.float64))
        if device is None and like is not None:
            device = getattr(like, "device", None)
        x = x if device is None else self.place(x, device)
        with self.scope(x):
            return self.plain(self.round_to(self.operand(x), dtype))

    @abstractmethod
    def default_dtype(self) -> str:
        """The framework's default float, read at the time of the call."""

    def device(self, device: Any) -> Any:
        """`device` in the framework's own form, or a `PlacementError` that lists them."""
        if device is None or (isinstance(device, str) and device in self.devices()):
            return device
        raise PlacementError(
            f"device {shown(device)} does not exist for backend {self.name!r}; "
            f"there are {self.devices()}; pass one of these"
        )

    def dtype(self, dtype: str) -> str:
        """`dtype` if this backend can return it, else a `PlacementError`."""
        return dtype

    # -- evaluating --------------------------------------------------------------------

    def host_step(self, x: Any) -> int | float | None:
        """The step as a Python number where reading it is free and exact, else None.

        Only for a concrete scalar in host memory, outside of every trace; a float only where no
        derivative is asked for.
        """
        return None

    def kept(self, make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
        """make(piece, precision), computed once for each piece."""
        return cast("T", _kept(make, piece, precision))

    def scope(self, x: Any) -> AbstractContextManager[object]:
        """What the primitives have to run in, for an `x`: a device, a precision, an error state."""
        return nullcontext()

    def operand(self, x: Any) -> Any:
        """x as the formula takes it: itself, unless its operators need help (`operand.py`)."""
        return x

    def plain(self, x: Any) -> Any:
        """The array of an operand."""
        return x

    def evaluate(self, form: Form, x: Any, dtype: str) -> Any:
        """The schedule at x: an override point, which must give the same bits."""
        return self._shared(form, x, dtype)

    def evaluate_phases(self, form: Table, x: Any, dtype: str) -> Any:
        """The same for a schedule with phases, whether `evaluate` is overridden or not."""
        return self._shared(form, x, dtype)

    def _shared(self, form: Form | Table, x: Any, dtype: str) -> Any:
        with self.scope(x):
            return self.plain(evaluate(form, self, self.operand(x), dtype))

    def __call__(
        self, form: Form | Table, step: Any, dtype: str | None = None, device: Any = None
    ) -> Any:
        """The schedule at any step that `coerce` takes, in `dtype` or the default float."""
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
        """The devices present, each as text that `device` takes."""
        return ["cpu"]

    def modes(self) -> Mapping[str, Callable[[Kernel], Kernel]]:
        """Ways to run a function of an array: eager first, then compiled and the like."""
        return {"eager": lambda function: function}

    def derivative(self, function: Kernel, x: Any) -> Any:
        """The derivative of an elementwise function at each of the floats x.

        To be given where the backend is `differentiable`; run inside of `scope(x)`, and nested.
        """
        raise NotImplementedError(
            f"backend {self.name!r} has no derivative; write it, or set differentiable = False"
        )

    @abstractmethod
    def to_numpy(self, x: Any) -> Any:
        """x as a NumPy array of the same dtype (bfloat16 may come widened to float32)."""


@lru_cache(maxsize=256)
def _kept(make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
    return make(piece, precision)
