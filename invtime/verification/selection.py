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


def load(names: Sequence[str] | None) -> tuple[list[Loaded], tuple[Missing, ...]]:
    """The backends of these names, or all that are usable, and those that are not.

    Raises what `registry.load` raises for a backend that was named.
    """
    states = {state.name: state for state in registry.list_backends()}
    if names is not None:
        found = {name: registry.default.load(name) for name in names}
        return [Loaded(found[name], str(states[name].version)) for name in found], ()
    loaded, missing = [], []
    for name, state in states.items():
        problem = state.problem
        if problem is None:
            try:
                loaded.append(Loaded(registry.default.load(name), str(state.version)))
            except Exception as error:  # importing a broken framework can raise anything
                problem = f"{type(error).__name__}: {error}"
        if problem is not None and problem != registry.NO_FRAMEWORK:  # nothing can be missing
            missing.append(Missing(name, state.install, problem))
    return loaded, tuple(missing)


def select(
    loaded: Iterable[Loaded],
    modes: Sequence[str] | None,
    devices: Sequence[str] | None,
    dtypes: Sequence[str] | None,
) -> list[Place]:
    """Every combination that was asked for; None asks for all.

    Raises PlacementError for a mode or a device that no backend has, or no backend has together,
    or an unknown dtype.
    """
    places = [
        Place(backend, version, mode, device, dtype)
        for backend, version in loaded
        for device in backend.devices()
        for mode in backend.modes()
        for dtype in DTYPES
    ]
    _check("mode", modes, {place.mode for place in places})
    _check("device", devices, {form for place in places for form in _forms(place.device)})
    wanted = None if dtypes is None else {dtype_name(dtype) for dtype in dtypes}
    found = [
        place
        for place in places
        if (modes is None or place.mode in modes)
        and (devices is None or not _forms(place.device).isdisjoint(devices))
        and (wanted is None or place.dtype in wanted)
    ]
    if places and not found:
        pairs = sorted({f"{place.mode} on {place.device}" for place in places})
        raise PlacementError(
            f"no chosen backend has the modes {shown(modes)} on the devices {shown(devices)}; "
            f"there are {', '.join(pairs)}; pass two of these that go together"
        )
    return found


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
