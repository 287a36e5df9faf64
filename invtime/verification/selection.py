"""Select the backends that can run, and the requested modes, devices and dtypes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from invtime import registry
from invtime.backends.base import Backend
from invtime.dtypes import DTYPES, dtype_name
from invtime.errors import PlacementError, shown
from invtime.verification import grid
from invtime.verification.report import Missing


class Loaded(NamedTuple):
    """A backend with its framework imported, and the framework's version."""

    backend: Backend
    version: str


class Place(NamedTuple):
    """The backend, mode, device and result dtype of one run."""

    backend: Backend
    version: str
    mode: str
    device: str
    dtype: str

    @property
    def step_dtypes(self) -> tuple[str, ...]:
        """The step dtypes of the run: all in the eager mode, which is the first mode."""
        eager = self.mode == next(iter(self.backend.modes()))
        return grid.DTYPES if eager else grid.COMPILED


def usable(names: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """Return the names of the usable backends, and what each other backend lacks.

    With None, a backend is usable if its framework is installed. This imports no framework.

    Raises:
        UnknownBackendError: no backend has one of the names.
        BackendConflictError: two backends have one of the names.
    """
    if names is not None:
        for name in names:
            registry.default.plugins.find(name)
        return list(dict.fromkeys(names)), {}
    states = registry.list_backends()
    missing = {state.name: state.problem for state in states if state.problem is not None}
    found = [state.name for state in states if state.problem is None]
    # The fallback backend has no framework of its own, so it is never missing.
    return found, {name: what for name, what in missing.items() if what != registry.NO_FRAMEWORK}


def load(names: Sequence[str] | None) -> tuple[list[Loaded], tuple[Missing, ...]]:
    """Import the named backends, or all usable ones; return them and the missing ones.

    If a named backend cannot be loaded, the error of `registry.load` is raised.
    """
    states = {state.name: state for state in registry.list_backends()}
    found, missing = usable(names)
    loaded = []
    for name in found:
        try:
            loaded.append(Loaded(registry.default.load(name), str(states[name].version)))
        except Exception as error:  # importing a broken framework can raise anything
            if names is not None:
                raise
            missing[name] = f"{type(error).__name__}: {error}"
    listed = (name for name in states if name in missing)
    return loaded, tuple(Missing(name, states[name].install, missing[name]) for name in listed)


def places(loaded: Iterable[Loaded]) -> list[Place]:
    """Return every combination of backend, device, mode and dtype, in the order of a report."""
    return [
        Place(backend, version, mode, device, dtype)
        for backend, version in loaded
        for device in backend.devices()
        for mode in backend.modes()
        for dtype in DTYPES
    ]


class Choice(NamedTuple):
    """The requested modes, devices and result dtypes; None means all."""

    modes: Sequence[str] | None
    devices: Sequence[str] | None
    dtypes: Sequence[str] | None

    def has(self, mode: str, device: str, dtype: str) -> bool:
        """Return whether this combination was requested."""
        return dtype in self.result_dtypes and self._takes(mode, device)

    def _takes(self, mode: str, device: str) -> bool:
        return (self.modes is None or mode in self.modes) and (
            self.devices is None or not _forms(device).isdisjoint(self.devices)
        )

    @property
    def result_dtypes(self) -> list[str]:
        """The result dtypes, in the order of a report; PlacementError for an unknown one."""
        if self.dtypes is None:
            return list(DTYPES)
        wanted = {dtype_name(dtype, registry.default.dtype_name) for dtype in self.dtypes}
        return [dtype for dtype in DTYPES if dtype in wanted]

    def check(self, there: set[tuple[str, str]]) -> None:
        """Raise PlacementError if a mode, a device or their combination is not available.

        `there` contains each mode paired with each device of its backend.
        """
        _check("mode", self.modes, {mode for mode, _ in there})
        _check("device", self.devices, {form for _, device in there for form in _forms(device)})
        if there and not any(self._takes(*pair) for pair in there):
            pairs = sorted(f"{mode} on {device}" for mode, device in there)
            raise PlacementError(
                f"no chosen backend has the modes {shown(self.modes)} on the devices "
                f"{shown(self.devices)}; available: {', '.join(pairs)}; "
                "pass a mode and a device of one of these pairs"
            )


EVERYTHING = Choice(None, None, None)


def select(found: Sequence[Place], choice: Choice) -> list[Place]:
    """Return the requested places.

    Raises:
        PlacementError: no place has the mode, the device or both together, or the dtype is
            unknown.
    """
    choice.check({(place.mode, place.device) for place in found})
    return [place for place in found if choice.has(place.mode, place.device, place.dtype)]


def _forms(device: str) -> set[str]:
    """Return the names that select a device: its name, and its kind ("cpu" for "/CPU:0")."""
    return {device, device.lower().lstrip("/").partition(":")[0]}


def _check(what: str, wanted: Iterable[str] | None, there: set[str]) -> None:
    for name in wanted or ():
        if name not in there:
            raise PlacementError(
                f"no chosen backend has the {what} {shown(name)}; "
                f"available: {', '.join(map(repr, sorted(there)))}; pass one of these"
            )
