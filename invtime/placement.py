"""The object that `schedule.on(...)` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, final, overload

from invtime import registry
from invtime.arrays import ArrayT, NoArray, Scalar, ShapeT
from invtime.backends import autograph
from invtime.dtypes import dtype_name
from invtime.errors import PlacementError, shown
from invtime.form import Form
from invtime.table import Table

if TYPE_CHECKING:
    import numpy as np

BackendT_co = TypeVar("BackendT_co", bound="str | None", covariant=True)


@final
@autograph.unconverted
class PlacedSchedule(NoArray, Generic[BackendT_co]):
    """A schedule with a fixed backend, device or result dtype.

    Build it with `InverseTimeDecay.on`, and call it like the schedule. With a backend, a Python
    number gives a 0-d array of that backend. Without one, a Python number gives a Python float,
    and `dtype` does not apply to it. Two placed schedules are equal if they have the same rates,
    computed from the same integers, and the same backend, device and dtype.

    Args:
        form: the integers of the schedule.
        label: the `repr` of the schedule.
        backend: the name of a backend; None selects it by the type of the step.
        device: a device as the backend names it; None means the device of the step.
        dtype: the result dtype; None means the framework's default float.
    """

    __slots__ = ("__weakref__", "_backend", "_device", "_dtype", "_form", "_label")

    def __init__(
        self, form: Form | Table, label: str, backend: BackendT_co, device: Any, dtype: Any
    ) -> None:
        dtype = None if dtype is None else dtype_name(dtype, registry.default.dtype_name)
        if backend is not None:
            found = registry.default.load(backend)
            found.device(device)
            dtype = dtype if dtype is None else found.dtype(dtype)
        elif device is not None:
            raise PlacementError(
                f"device {shown(device)} was given without a backend; device names differ between "
                "backends; name the backend too, as in .on('torch', device='cuda:0')"
            )
        self._form = form
        self._label = label
        self._backend: BackendT_co = backend
        self._device: Any = device
        self._dtype: str | None = dtype

    @property
    def form(self) -> Form | Table:
        """The integers of the schedule."""
        return self._form

    @property
    def backend(self) -> BackendT_co:
        """The name of the backend, or None if the step's type selects it."""
        return self._backend

    @property
    def device(self) -> Any:
        """The device as it was passed, or None for that of the step."""
        return self._device

    @property
    def dtype(self) -> str | None:
        """The name of the result dtype, or None for the framework's default float."""
        return self._dtype

    @overload
    def __call__(self: PlacedSchedule[None], step: int | float) -> float: ...
    @overload
    def __call__(
        self: PlacedSchedule[None], step: np.ndarray[ShapeT, Any]
    ) -> np.ndarray[ShapeT, np.dtype[np.floating[Any]]]: ...
    @overload
    def __call__(self: PlacedSchedule[None], step: np.number[Any]) -> np.floating[Any]: ...
    @overload
    def __call__(self: PlacedSchedule[None], step: ArrayT) -> ArrayT: ...
    @overload
    def __call__(self: PlacedSchedule[str], step: Scalar) -> Any: ...
    def __call__(self, step: Any = None) -> Any:
        """Return the learning rate at `step`; see `InverseTimeDecay.__call__`."""
        return registry.default.evaluate(self._form, step, self._backend, self._device, self._dtype)

    def _key(self) -> tuple[Any, ...]:
        return self._form, self._backend, self._device, self._dtype

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, PlacedSchedule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        form, *place = self._key()
        return PlacedSchedule, (form, self._label, *place)

    def __repr__(self) -> str:
        return (
            f"{self._label}.on({self._backend!r}, device={self._device!r}, dtype={self._dtype!r})"
        )
