"""What `schedule.on(...)` returns: the schedule with its place and dtype fixed."""

from __future__ import annotations

from typing import Any, final

from invtime import registry
from invtime.dtypes import dtype_name
from invtime.errors import PlacementError
from invtime.spec import InverseTimeDecay


@final
class PlacedSchedule:
    """A schedule on one backend, device and dtype; each None leaves that open.

    Call it as the schedule itself. With a backend named, a Python number gives a 0-d
    array of that backend; with none named, a Python number still gives a Python float,
    which no dtype narrows.
    """

    __slots__ = ("__weakref__", "backend", "device", "dtype", "schedule")

    schedule: InverseTimeDecay
    backend: str | None
    device: Any
    dtype: str | None

    # See InverseTimeDecay: nothing for AutoGraph to convert.
    autograph_info__ = None

    def __init__(
        self, schedule: InverseTimeDecay, backend: str | None, device: Any, dtype: Any
    ) -> None:
        dtype = None if dtype is None else dtype_name(dtype)
        if backend is None and device is not None:
            raise PlacementError(
                f"device {device!r} was given without a backend, whose vocabulary it is in; "
                "name the backend too, as in .on('torch', device='cuda:0')"
            )
        if backend is not None:
            found = registry.load(backend)
            found.device(device)
            dtype = dtype if dtype is None else found.dtype(dtype)
        for key, value in (
            ("schedule", schedule),
            ("backend", backend),
            ("device", device),
            ("dtype", dtype),
        ):
            object.__setattr__(self, key, value)

    def __call__(self, step: Any = None) -> Any:
        """The learning rate at `step`; see `InverseTimeDecay.__call__`."""
        if type(step) is int or type(step) is float:
            value = self.schedule(step)
            if self.backend is None:
                return value
            backend = registry.load(self.backend)
            dtype = self.dtype or self.schedule.dtype or backend.default_dtype()
            return backend.constant(value, dtype, None, backend.device(self.device))
        return registry.evaluate(self.schedule, step, self.backend, self.device, self.dtype)

    def _key(self) -> tuple[Any, ...]:
        return self.schedule, self.backend, self.device, self.dtype

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, PlacedSchedule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"PlacedSchedule is frozen; call .on(...) again to change {key!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return PlacedSchedule, self._key()

    def __repr__(self) -> str:
        return (
            f"{self.schedule!r}.on({self.backend!r}, device={self.device!r}, dtype={self.dtype!r})"
        )
