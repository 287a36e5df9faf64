"""Which backends can run here, and which of their modes, devices and dtypes were asked for."""

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
    """Where one run takes place."""

    backend: Backend
    version: str
    mode: str
    device: str
    dtype: str

    @property
    def step_dtypes(self) -> tuple[str, ...]:
        """The dtypes of the steps there: all in the eager mode, which comes first."""
        eager = self.mode == next(iter(self.backend.modes()))
        return grid.DTYPES if eager else grid.COMPILED


def usable(names: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The backends of these names, or all whose framework is installed, and what others lack.

    Imports no framework. Raises UnknownBackendError or BackendConflictError for a name that is
    of no backend, or of two.
    """
    if names is not None:
        for name in names:
            registry.default.plugins.find(name)
        return list(dict.fromkeys(names)), {}
    states = registry.list_backends()
    missing = {state.name: state.problem for state in states if state.problem is not None}
    found = [state.name for state in states if state.problem is None]
    # The fallback has no framework that could be missing.
    return found, {name: what for name, what in missing.items() if what != registry.NO_FRAMEWORK}


def load(names: Sequence[str] | None) -> tuple[list[Loaded], tuple[Missing, ...]]:
    """The backends of these names, or all that are usable, and those that are not.

    Raises what `registry.load` raises for a backend that was named.
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
    """Every combination that there is, in the order of a report."""
    return [
        Place(backend, version, mode, device, dtype)
        for backend, version in loaded
        for device in backend.devices()
        for mode in backend.modes()
        for dtype in DTYPES
    ]


class Choice(NamedTuple):
    """Which modes, devices and result dtypes were asked for; None asks for all."""

    modes: Sequence[str] | None
    devices: Sequence[str] | None
    dtypes: Sequence[str] | None

    def has(self, mode: str, device: str, dtype: str) -> bool:
        """Whether it was asked for."""
        return dtype in self.result_dtypes and self._takes(mode, device)

    def _takes(self, mode: str, device: str) -> bool:
        return (self.modes is None or mode in self.modes) and (
            self.devices is None or not _forms(device).isdisjoint(self.devices)
        )

    @property
    def result_dtypes(self) -> list[str]:
        """The result dtypes, in the order of a report; PlacementError for one that is none."""
        if self.dtypes is None:
            return list(DTYPES)
        wanted = {dtype_name(dtype, registry.default.dtype_name) for dtype in self.dtypes}
        return [dtype for dtype in DTYPES if dtype in wanted]

    def check(self, there: set[tuple[str, str]]) -> None:
        """Raise PlacementError for a mode or a device that is not there, or not with another.

        `there` has each mode with each device of its backend.
        """
        _check("mode", self.modes, {mode for mode, _ in there})
        _check("device", self.devices, {form for _, device in there for form in _forms(device)})
        if there and not any(self._takes(*pair) for pair in there):
            pairs = sorted(f"{mode} on {device}" for mode, device in there)
            raise PlacementError(
                f"no chosen backend has the modes {shown(self.modes)} on the devices "
                f"{shown(self.devices)}; there are {', '.join(pairs)}; "
                "pass two of these that go together"
            )


EVERYTHING = Choice(None, None, None)


def select(found: Sequence[Place], choice: Choice) -> list[Place]:
    """The places that were asked for.

    Raises PlacementError for a mode or a device that none of them has, or none has together, or
    an unknown dtype.
    """
    choice.check({(place.mode, place.device) for place in found})
    return [place for place in found if choice.has(place.mode, place.device, place.dtype)]


def _forms(device: str) -> set[str]:
    """What selects a device: its own name, and its kind ("cpu" for TensorFlow's "/CPU:0")."""
    return {device, device.lower().lstrip("/").partition(":")[0]}


def _check(what: str, wanted: Iterable[str] | None, there: set[str]) -> None:
    for name in wanted or ():
        if name not in there:
            raise PlacementError(
                f"no chosen backend has the {what} {shown(name)}; "
                f"there are {sorted(there)}; pass one of these"
            )
