"""From the type of a step to the backend that evaluates it.

pluggy finds the backends, once; after that a type costs one dictionary look-up. Entry
points are loaded one by one, so that a broken plugin warns and leaves the others working.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import cache
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
    from pluggy import HookImpl

    from invtime.backends.base import Backend
    from invtime.hookspecs import BackendInfo
    from invtime.spec import InverseTimeDecay

GROUP = "invtime"
SWITCH = "INVTIME_DISABLE_PLUGINS"
OF = " of "  # between an entry point and its distribution, in a plugin's name

# What `backend_name_for` answers for values that are unwrapped first.
NUMBER, KERAS = "a Python number", "a keras.Variable"

# The backend of the types that nothing else claims and that say `__array_namespace__`, and
# what `backends()` says of one that claims no modules.
FALLBACK = "array_api"
NO_FRAMEWORK = "no framework of its own; it evaluates the arrays that are passed to it"

_lock = threading.RLock()
_plugins: Plugins | None = None
_names: dict[type, str | None] = {}
MANY_TYPES = 1024  # then all are asked for anew: a program can make types without end
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
        if step_type not in _names:  # by a thread that was here first
            name = _resolve(step_type)
            if name not in (None, NUMBER, KERAS):
                load(name)
            if len(_names) >= MANY_TYPES:
                _names.clear()
            _names[step_type] = name
        return _names[step_type]


backend_name_for._dynamo_marked_constant = True  # type: ignore[attr-defined]


def load(name: Any) -> Backend:
    """The backend of this name, its framework imported."""
    found: Backend | None = getattr(_loaded, name, None) if isinstance(name, str) else None
    return _load(name) if found is None else found


def _load(name: Any) -> Backend:
    with _lock:
        info, distribution = plugins().find(name)
        found: Backend | None = getattr(_loaded, name, None)
        if found is not None:  # made by a thread that was here first
            return found
        module, _, attribute = info.target.partition(":")
        try:
            backend: Backend = getattr(import_module(module), attribute)()
        except (Exception, SystemExit) as error:  # a plugin's code can raise anything
            raise _unavailable(info, distribution, error) from error
        setattr(_loaded, name, backend)
        return backend


def _unavailable(
    info: BackendInfo, distribution: str, error: BaseException
) -> BackendUnavailableError:
    """The framework's fault, where what does not import is none of the plugin's own modules."""
    own = info.target.partition(":")[0].partition(".")[0]
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] != own:
        return BackendUnavailableError(
            f"backend {info.name!r} needs {(*info.modules, own)[0]!r}, which does not import "
            f"({error}); run: {info.install}"
        )
    return BackendUnavailableError(
        f"backend {info.name!r} of {distribution} cannot be made: {info.target} raised "
        f"{_in_words(error)}; mend or uninstall that distribution"
    )


def backends() -> list[BackendState]:
    """Every announced backend and whether it can be used; imports none of the frameworks.

    >>> [state.name for state in backends()][:4]
    ['numpy', 'torch', 'jax', 'tensorflow']
    """
    found = plugins()
    return [_state(found, announced) for announced in found.announced.values()] + found.problems


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
        names = _providers().get(module)
        return metadata.version(names[0]) if names else "unknown"


@cache
def _providers() -> Mapping[str, list[str]]:
    """The distributions that bring each module; it takes the reading of all their records."""
    return metadata.packages_distributions()


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
            _plugins = Plugins()  # what a plugin asks while it is imported finds the built-ins
            try:
                faults = _plugins.load()
            except BaseException:  # Ctrl-C: the next call begins anew
                _plugins = None
                raise
            _names.clear()
            for fault in faults:  # last, so that all is loaded where a warning is an error
                _warn(fault)
        return _plugins


class Plugins:
    """What the plugins announced, gathered once through pluggy."""

    def __init__(self) -> None:
        import pluggy

        from invtime import hookspecs
        from invtime.backends import builtin

        self.announced: dict[str, Announced] = {}
        self.conflicts: dict[str, str] = {}
        self.problems: list[BackendState] = []
        self._builtin: frozenset[str] = frozenset()
        self._asking = False
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._register("builtin", builtin, f"invtime {_version('invtime')}")
        self._builtin = frozenset(self.announced)

    def load(self) -> list[str]:
        """Load the entry points one by one, in alphabetical order; the faults of some."""
        try:
            found = metadata.entry_points(group=GROUP)
        except Exception as error:  # of any distribution at all, one that is damaged
            return [f"no plugin can be used: the entry points cannot be read ({_in_words(error)})"]
        faults = []
        for entry_point in sorted(found, key=lambda point: (point.name, point.value)):
            if not _disabled(entry_point.name):
                faults += self._load(entry_point)
        return faults

    def find(self, name: Any) -> Announced:
        """What was announced under this name; an error that says what there is, otherwise."""
        known = isinstance(name, str) and name in self.announced
        if known and name in self.conflicts:
            raise BackendConflictError(self.conflicts[name])
        if not known:
            raise UnknownBackendError(
                f"no backend is named {name!r}; there are {sorted(self.announced)}; "
                "pass one of these, or install the plugin that brings it"
            )
        return self.announced[name]

    def backend_for(self, step_type: type) -> str | None:
        """The first answer of a plugin, else the owner of the first known class of the MRO.

        Else the fallback, where the type has `__array_namespace__`.
        """
        answer = self._ask(step_type)
        if answer is not None:
            return answer
        for cls in step_type.__mro__:
            top = cls.__module__.partition(".")[0]
            if top == "keras":
                return KERAS if hasattr(step_type, "value") else None
            owner = self._owner(top)
            if owner is not None:
                return owner
        return FALLBACK if hasattr(step_type, "__array_namespace__") else None

    def _owner(self, module: str) -> str | None:
        """The first backend that was announced with this module."""
        for announced in self.announced.values():
            if module in announced.info.modules:
                return announced.info.name
        return None

    def _ask(self, step_type: type) -> str | None:
        """The first answer of a hook that works; one that does not is asked no more.

        One by one in pluggy's order, since a hook that raises would end pluggy's own call.
        """
        if self._asking:
            raise InvTimeError("it evaluates an array; a hook may only look at the type")
        hook = self._manager.hook.invtime_backend_for
        for implementation in reversed(hook.get_hookimpls()):
            try:
                answer = self._answer(implementation, step_type)
                if answer is not None:
                    load(answer)
                    return str(answer)
            except (Exception, SystemExit) as error:  # a plugin's code can raise anything
                self._manager.unregister(name=implementation.plugin_name)
                name, _, distribution = implementation.plugin_name.partition(OF)
                _warn(
                    f"plugin {name!r} of {distribution} failed on type {step_type.__name__} "
                    f"({_in_words(error)}); it is asked no more; {_remedy(name)}"
                )
        return None

    def _answer(self, implementation: HookImpl, step_type: type) -> Any:
        self._asking = True
        try:
            return implementation.function(*[step_type][: len(implementation.argnames)])
        finally:
            self._asking = False

    def _load(self, entry_point: metadata.EntryPoint) -> list[str]:
        """Load one plugin; what is wrong with it, if anything."""
        name, distribution = entry_point.name, _distribution(entry_point)
        try:
            return self._register(name, entry_point.load(), distribution)
        except (Exception, SystemExit) as error:  # a plugin's code can raise anything
            problem = _in_words(error)
            self.problems.append(BackendState(name, distribution, None, "", problem))
            return [
                f"plugin {name!r} of {distribution} cannot be used ({problem}); {_remedy(name)}"
            ]

    def _register(self, name: str, plugin: object, distribution: str) -> list[str]:
        key = f"{name}{OF}{distribution}"
        try:
            self._manager.register(plugin, name=key)
            hooks = self._hooks(plugin)
            announce = hooks.get("invtime_backends", list)
            infos = [_checked(info) for info in announce()]
            for info in infos:
                self._refuse_builtin(info)
        except BaseException:
            if self._manager.get_plugin(key) is plugin:  # else the name is another's
                self._manager.unregister(name=key)
            raise
        faults = []
        for info in infos:
            overlap = None if "invtime_backend_for" in hooks else self._overlap(info)
            if overlap is not None:
                faults.append(f"plugin {name!r} of {distribution} {overlap}; {_remedy(name)}")
            self._announce(info, name, distribution)
        return faults

    def _hooks(self, plugin: object) -> dict[str, Callable[..., Any]]:
        """The hooks that a plugin has; an error if one is unknown or none is there."""
        callers = self._manager.get_hookcallers(plugin) or []
        unknown = [caller.name for caller in callers if not caller.has_spec()]
        if unknown or not callers:
            raise InvTimeError(
                f"it has {f'a hook {unknown[0]!r}' if unknown else 'no hook'}; write "
                "invtime_backends() or invtime_backend_for(step_type) with @invtime.hookimpl"
            )
        return {
            caller.name: implementation.function
            for caller in callers
            for implementation in caller.get_hookimpls()
            if implementation.plugin is plugin
        }

    def _refuse_builtin(self, info: BackendInfo) -> None:
        if info.name in self._builtin:
            raise InvTimeError(
                f"invtime has a backend named {info.name!r} itself; announce another name, and "
                "answer invtime_backend_for where its types are meant"
            )

    def _overlap(self, info: BackendInfo) -> str | None:
        """What to say where another backend has the types that this one claims."""
        for module in info.modules:
            owner = self._owner(module)
            if owner is not None and owner != info.name:
                return (
                    f"claims the types of {module!r}, which go to backend {owner!r} of "
                    f"{self.announced[owner].distribution}; .on({info.name!r}) reaches it; "
                    "to take the types, answer invtime_backend_for"
                )
        return None

    def _announce(self, info: BackendInfo, name: str, distribution: str) -> None:
        if info.name in self.announced:
            first = self.announced[info.name].distribution
            self.conflicts[info.name] = (
                f"two plugins announce a backend named {info.name!r}: {first} and "
                f"{distribution}; uninstall one, or set {SWITCH}={name}"
            )
        else:
            self.announced[info.name] = Announced(info, distribution)


def _distribution(entry_point: metadata.EntryPoint) -> str:
    if entry_point.dist is None:
        return "an unknown distribution"
    about = entry_point.dist.metadata  # read once: it is parsed each time
    return f"{about['Name']} {about['Version']}"


def _remedy(name: str) -> str:
    return f"mend or uninstall it, or set {SWITCH}={name}"


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _warn(message: str) -> None:
    warnings.warn(message, PluginWarning, stacklevel=2)


def _checked(info: Any) -> BackendInfo:
    from invtime.hookspecs import BackendInfo

    if not isinstance(info, tuple) or len(info) != 4 or not isinstance(info[1], tuple | list):
        raise InvTimeError(f"{info!r} is not a BackendInfo(name, modules, target, install)")
    name, modules, target, install = info
    if not all(isinstance(text, str) for text in (name, target, install, *modules)):
        raise InvTimeError(f"{info!r} is not a BackendInfo(name, modules, target, install)")
    if not name.isidentifier() or ":" not in target:
        raise InvTimeError(f"{info!r} needs an identifier as name and 'module:Class' as target")
    if "builtins" in modules or not all(module.isidentifier() for module in modules):
        raise InvTimeError(f"{info!r} needs as modules the top-level ones of a framework's types")
    return BackendInfo(name, tuple(modules), target, install)


def _disabled(name: str) -> bool:
    blocked = os.environ.get(SWITCH, "")
    return blocked == "1" or name in map(str.strip, blocked.split(","))
