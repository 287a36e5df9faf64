"""What the plugins of a process announce and answer, gathered through pluggy.

Each entry point is loaded by itself, so that a plugin that fails becomes a warning and leaves
the others working.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import pluggy

from invtime import hookspecs
from invtime.errors import (
    BackendConflictError,
    InvTimeError,
    PluginWarning,
    UnknownBackendError,
    shown,
)
from invtime.hookspecs import BackendInfo

GROUP = "invtime"
SWITCH = "INVTIME_DISABLE_PLUGINS"


class Plugin(NamedTuple):
    """Where a plugin comes from; its text is its name for pluggy and in messages."""

    name: str
    distribution: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution}"

    def fault(self, problem: str) -> str:
        """What to say of a problem, with what to do."""
        return f"{self} {problem}; fix or uninstall it, or set {SWITCH}={self.name}"


class Announced(NamedTuple):
    """A backend and the distribution that announced it."""

    info: BackendInfo
    distribution: str


class Plugins:
    """The plugins, each registered with pluggy, and the backends that they announce."""

    def __init__(self, builtin: object, version: str) -> None:
        self.announced: dict[str, Announced] = {}
        self.conflicts: dict[str, str] = {}
        self.unusable: dict[Plugin, str] = {}
        self._origins: dict[str, Plugin] = {}
        self._builtin: frozenset[str] = frozenset()
        self._asking = False
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self.register(builtin, Plugin("builtin", f"invtime {version}"))
        self._builtin = frozenset(self.announced)

    def load_entry_points(self) -> list[str]:
        """Register what the installed distributions bring; returns what to warn of."""
        try:
            found = metadata.entry_points(group=GROUP)
        except Exception as error:  # of any distribution at all, one that is damaged
            return [f"no plugin can be used: the entry points cannot be read ({in_words(error)})"]
        blocked = os.environ.get(SWITCH, "")
        faults = []
        for point in sorted(found, key=lambda point: (point.name, point.value)):
            plugin = Plugin(point.name, _distribution(point))
            if blocked == "1" or plugin.name in map(str.strip, blocked.split(",")):
                continue
            try:
                faults += self.register(point.load(), plugin)
            except (Exception, SystemExit) as error:  # a plugin's code can raise anything
                self.unusable[plugin] = in_words(error)
                faults.append(plugin.fault(f"cannot be used ({in_words(error)})"))
        return faults

    def register(self, module: object, plugin: Plugin) -> list[str]:
        """Take in a plugin's module or object, and its backends; returns what to warn of.

        Raises:
            InvTimeError, pluggy.PluginValidationError: it has no hook, an unknown one, or
                announces something else than backends. It is not registered then.
        """
        try:
            self._manager.register(module, str(plugin))
            infos = self._infos(module)
        except BaseException:  # pluggy keeps the hooks before the one that it refuses
            if self._manager.get_plugin(str(plugin)) is module:
                self._manager.unregister(module)
            raise
        self._origins[str(plugin)] = plugin
        asked = self._manager.hook.invtime_backend_for.get_hookimpls()
        answers = any(implementation.plugin is module for implementation in asked)
        overlaps = [] if answers else [self._overlap(info) for info in infos]
        for info in infos:
            first = self.announced.setdefault(info.name, Announced(info, plugin.distribution))
            if first.info is not info:
                self.conflicts[info.name] = (
                    f"two plugins announce a backend named {info.name!r}: {first.distribution} "
                    f"and {plugin.distribution}; uninstall one, or set {SWITCH}={plugin.name}"
                )
        return [plugin.fault(overlap) for overlap in overlaps if overlap is not None]

    def _infos(self, module: object) -> list[BackendInfo]:
        """The backends of a registered plugin."""
        self._manager.check_pending()  # an unknown hook is an error
        if not self._manager.get_hookcallers(module):
            raise InvTimeError(
                "it has no hook; write invtime_backends() or invtime_backend_for(step_type) with "
                "@invtime.hookimpl"
            )
        others = [other for other in self._manager.get_plugins() if other is not module]
        announce = self._manager.subset_hook_caller("invtime_backends", others)
        infos = [info for found in announce() for info in found]
        if not infos and announce.get_hookimpls():
            raise InvTimeError("invtime_backends() returned no backend; return a list of them")
        for info in infos:
            _check(info)
            if info.name in self._builtin:
                raise InvTimeError(
                    f"invtime has a backend named {info.name!r} itself; announce another name, "
                    "and answer invtime_backend_for where its types are meant"
                )
        return infos

    def _overlap(self, info: BackendInfo) -> str | None:
        """What to say where another backend has the types that this one claims."""
        for module in info.modules:
            owner = self.owner(module)
            if owner is not None and owner != info.name:
                return (
                    f"claims the types of {module!r}, which go to backend {owner!r} of "
                    f"{self.announced[owner].distribution}; .on({info.name!r}) reaches it; "
                    "to take the types, answer invtime_backend_for"
                )
        return None

    def owner(self, module: str) -> str | None:
        """The first backend that was announced with this top-level module."""
        owners = (name for name, (info, _) in self.announced.items() if module in info.modules)
        return next(owners, None)

    def find(self, name: Any) -> Announced:
        """What was announced under this name; an error that says what there is, otherwise."""
        if not isinstance(name, str) or name not in self.announced:
            raise UnknownBackendError(
                f"no backend is named {shown(name)}; there are {sorted(self.announced)}; "
                "pass one of these, or install the plugin that brings it"
            )
        if name in self.conflicts:
            raise BackendConflictError(self.conflicts[name])
        return self.announced[name]

    def ask(self, step_type: type, load: Callable[[str], object]) -> str | None:
        """The first answer of a hook that `load` takes, in pluggy's order.

        One by one, since a hook that raises would end pluggy's own call. A plugin whose hook
        or whose answer is wrong is asked no more.
        """
        if self._asking:
            raise InvTimeError("it evaluates an array; a hook may only look at the type")
        for implementation in reversed(self._manager.hook.invtime_backend_for.get_hookimpls()):
            self._asking = True
            try:
                answer: Any = implementation.function(*[step_type][: len(implementation.argnames)])
                self._asking = False
                if answer is not None:
                    load(answer)
                    return str(answer)
            except (Exception, SystemExit) as error:  # a plugin's code can raise anything
                self._manager.unregister(implementation.plugin)
                problem = f"failed on type {step_type.__name__} ({in_words(error)})"
                plugin = self._origins[implementation.plugin_name]
                warn(plugin.fault(f"{problem}; it is asked no more"))
            finally:
                self._asking = False
        return None


def warn(fault: str) -> None:
    """Warn of a plugin."""
    warnings.warn(fault, PluginWarning, stacklevel=2)


def in_words(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _check(info: Any) -> None:
    """Raise an InvTimeError for what the registry cannot use."""
    try:
        name, modules, target, install, oldest = info
        names = [name, *modules] if isinstance(modules, tuple | list) else [""]
        valid = all(text.isidentifier() and text != "builtins" for text in names)
        valid &= isinstance(info, BackendInfo) and ":" in target and isinstance(install, str)
        valid &= isinstance(oldest, str)
    except (AttributeError, TypeError, ValueError):
        valid = False
    if not valid:
        raise InvTimeError(
            f"{shown(info)} is not a BackendInfo of an identifier as name, the top-level modules "
            "of the framework's types, 'module:Class' as target, and the command that installs it"
        )


def _distribution(entry_point: metadata.EntryPoint) -> str:
    if entry_point.dist is None:
        return "an unknown distribution"
    about = entry_point.dist.metadata  # read once: it is parsed each time
    return f"{about['Name']} {about['Version']}"
