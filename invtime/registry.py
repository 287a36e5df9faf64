"""From the type of a step to the backend that evaluates it.

pluggy finds the backends, once; after that a type costs one dictionary look-up. Entry
points are loaded one by one, so that a broken plugin warns and leaves the others working.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from importlib import import_module, metadata, util
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from invtime.errors import (
    BackendConflictError,
    BackendUnavailableError,
    InvTimeError,
    PluginWarning,
    StepTypeError,
    UnknownBackendError,
)

if TYPE_CHECKING:
    from invtime.backends.base import Backend
    from invtime.hookspecs import BackendInfo
    from invtime.spec import InverseTimeDecay

GROUP = "invtime"
SWITCH = "INVTIME_DISABLE_PLUGINS"

# What `backend_name_for` answers for values that are unwrapped first.
NUMBER, KERAS = "a Python number", "a keras.Variable"

# The backend of the types that nothing else claims and that say `__array_namespace__`, and
# what `backends()` says of one that claims no modules.
FALLBACK = "array_api"
NO_FRAMEWORK = "no framework of its own; it evaluates the arrays that are passed to it"

_lock = threading.RLock()
_plugins: Plugins | None = None
_names: dict[type, str | None] = {}
_loaded = SimpleNamespace()  # an attribute for each backend in use, which Dynamo guards alone


class Announced(NamedTuple):
    """A backend and the distribution that announced it."""

    info: BackendInfo
    distribution: str


class BackendState(NamedTuple):
    """One row of `invtime.backends()`."""

    name: str
    distribution: str
    """The distribution that announced it, with its version."""
    version: str | None
    """The framework's version; None where it is not installed."""
    install: str
    """The command that installs the framework."""
    problem: str | None
    """Why it is not usable, or None."""


def evaluate(
    schedule: InverseTimeDecay,
    step: Any,
    backend: str | None = None,
    device: Any = None,
    dtype: str | None = None,
) -> Any:
    """The schedule at a step that is not a plain Python number."""
    kind = backend_name_for(type(step))
    if kind == KERAS:
        return evaluate(schedule, step.value, backend, device, dtype)
    if kind == NUMBER:
        number = int(step) if isinstance(step, int) else float(step)
        placed = schedule if backend is None else schedule.on(backend, device=device, dtype=dtype)
        return placed(number)
    if kind is None:
        raise _wrong_step(step)
    found = getattr(_loaded, kind) if backend is None else load(backend)
    placement = None if device is None else found.device(device)
    return found(schedule.exact_form, step, dtype or schedule.dtype, placement)


def backend_name_for(step_type: type) -> str | None:
    """The name of the backend for a type, which is loaded then; None where there is none.

    A pure function of the type, which Dynamo may therefore treat as a constant: it then
    runs as plain Python during tracing, with its lock, imports and dictionaries untraced.
    """
    try:
        return _names[step_type]
    except KeyError:
        pass
    with _lock:
        name = _resolve(step_type)
        if name not in (None, NUMBER, KERAS):
            load(name)
        _names[step_type] = name
        return name


backend_name_for._dynamo_marked_constant = True  # type: ignore[attr-defined]


def load(name: Any) -> Backend:
    """The backend of this name, its framework imported."""
    found: Backend | None = getattr(_loaded, name, None) if isinstance(name, str) else None
    return _load(name) if found is None else found


def _load(name: Any) -> Backend:
    with _lock:
        info = plugins().find(name)
        module, _, attribute = info.target.partition(":")
        try:
            backend: Backend = getattr(import_module(module), attribute)()
        except ImportError as error:
            needed = info.modules[0] if info.modules else module
            raise BackendUnavailableError(
                f"backend {name!r} needs {needed!r}, which does not import ({error}); "
                f"run: {info.install}"
            ) from error
        setattr(_loaded, name, backend)
        return backend


def backends() -> list[BackendState]:
    """Every announced backend and whether it can be used; imports none of the frameworks.

    >>> [state.name for state in backends()][:4]
    ['numpy', 'torch', 'jax', 'tensorflow']
    """
    found = plugins()
    rows = [_state(found, announced) for announced in found.announced.values()]
    return rows + [
        BackendState(name, "", None, "", problem) for name, problem in found.problems.items()
    ]


def _state(found: Plugins, announced: Announced) -> BackendState:
    info, distribution = announced
    problem = found.conflicts.get(info.name)
    if not info.modules:
        return BackendState(info.name, distribution, None, info.install, problem or NO_FRAMEWORK)
    module = info.modules[0]
    if sys.modules.get(module) is None and util.find_spec(module) is None:
        return BackendState(info.name, distribution, None, info.install, f"{module} is missing")
    return BackendState(info.name, distribution, _version(module), info.install, problem)


def _version(module: str) -> str:
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:  # tensorflow may come as tensorflow_cpu
        names = metadata.packages_distributions().get(module, [])
        return metadata.version(names[0]) if names else "unknown"


def _resolve(step_type: type) -> str | None:
    if step_type is bool or issubclass(step_type, str | bytes | complex):
        return None
    name = plugins().backend_for(step_type)
    if name is None and issubclass(step_type, int | float):
        return NUMBER
    return name


def _wrong_step(step: Any) -> StepTypeError:
    if step is None:
        return StepTypeError(
            "the schedule was called without a step, as Keras optimizers call a plain callable; "
            "pass the step, or give Keras "
            "invtime.integrations.keras.InverseTimeDecay.from_schedule(schedule)"
        )
    return StepTypeError.refusing(f"{step!r} of type {type(step).__name__}")


def plugins() -> Plugins:
    """The plugins of this process, found at the first call."""
    global _plugins
    with _lock:
        if _plugins is None:
            _plugins = Plugins()
        return _plugins


class Plugins:
    """What the plugins announced, gathered once through pluggy."""

    def __init__(self) -> None:
        import pluggy

        from invtime import hookspecs
        from invtime.backends import builtin

        self.announced: dict[str, Announced] = {}
        self.conflicts: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._register("builtin", builtin, f"invtime {_version('invtime')}")
        for entry_point in metadata.entry_points(group=GROUP):
            if not _disabled(entry_point.name):
                self._load(entry_point)

    def find(self, name: Any) -> BackendInfo:
        """What was announced under this name; an error that says what there is, otherwise."""
        if name in self.conflicts:
            raise BackendConflictError(self.conflicts[name])
        if name not in self.announced:
            raise UnknownBackendError(
                f"no backend is named {name!r}; there are {sorted(self.announced)}; "
                "pass one of these, or install the plugin that brings it"
            )
        return self.announced[name].info

    def backend_for(self, step_type: type) -> str | None:
        """The first answer of a plugin, else the owner of the first known class of the MRO.

        Else the fallback, where the type has `__array_namespace__`.
        """
        try:
            answer: str | None = self._manager.hook.invtime_backend_for(step_type=step_type)
        except Exception as error:  # a plugin's code can raise anything
            answer = None
            warnings.warn(
                f"a plugin failed on type {step_type.__name__} ({error!r}); it is passed over",
                PluginWarning,
                stacklevel=2,
            )
        if answer is not None:
            return answer
        for cls in step_type.__mro__:
            top = cls.__module__.partition(".")[0]
            if top == "keras":
                return KERAS if hasattr(step_type, "value") else None
            for announced in self.announced.values():
                if top in announced.info.modules:
                    return announced.info.name
        return FALLBACK if hasattr(step_type, "__array_namespace__") else None

    def _load(self, entry_point: metadata.EntryPoint) -> None:
        dist = entry_point.dist
        distribution = f"{dist.name} {dist.version}" if dist else "an unknown distribution"
        try:
            self._register(entry_point.name, entry_point.load(), distribution)
        except Exception as error:  # a plugin's code can raise anything
            self.problems[entry_point.name] = f"{distribution}: {error!r}"
            warnings.warn(
                f"plugin {entry_point.name!r} of {distribution} cannot be used ({error!r}); "
                f"mend or uninstall it, or set {SWITCH}={entry_point.name}",
                PluginWarning,
                stacklevel=2,
            )

    def _register(self, name: str, plugin: object, distribution: str) -> None:
        self._manager.register(plugin, name=name)
        try:
            hook = getattr(plugin, "invtime_backends", None)
            infos = [_checked(info) for info in hook()] if hook else []
        except Exception:
            self._manager.unregister(plugin)
            raise
        for info in infos:
            if info.name in self.announced:
                first = self.announced[info.name].distribution
                self.conflicts[info.name] = (
                    f"two plugins announce a backend named {info.name!r}: {first} and "
                    f"{distribution}; uninstall one, or set {SWITCH}={name}"
                )
            else:
                self.announced[info.name] = Announced(info, distribution)


def _checked(info: Any) -> BackendInfo:
    from invtime.hookspecs import BackendInfo

    name, modules, target, install = info
    texts = (name, target, install, *modules)
    if isinstance(modules, str) or not all(isinstance(t, str) for t in texts):
        raise InvTimeError(f"{info!r} is not a BackendInfo(name, modules, target, install)")
    if not name.isidentifier() or ":" not in target:
        raise InvTimeError(f"{info!r} needs an identifier as name and 'module:Class' as target")
    return BackendInfo(name, tuple(modules), target, install)


def _disabled(name: str) -> bool:
    blocked = os.environ.get(SWITCH, "")
    return blocked == "1" or name in blocked.split(",")
