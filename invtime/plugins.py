"""Find the plugins of a process, and call their hooks through pluggy.

Each entry point is loaded separately, so a failing plugin only causes a warning and the others
still work.
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
    """A plugin's origin. `str()` of it is the plugin's name in pluggy and in messages."""

    name: str
    distribution: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution}"

    def fault(self, problem: str) -> str:
        """Return the message for a problem of this plugin, with what to do."""
        return f"{self} {problem}; fix or uninstall it, or set {SWITCH}={self.name}"


class Announced(NamedTuple):
    """A backend and the distribution that announced it."""

    info: BackendInfo
    distribution: str


class Plugins:
    """The plugins registered with pluggy, and the backends that they announce."""

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
        """Register the plugins of the installed distributions; return the warnings to emit."""
        try:
            found = metadata.entry_points(group=GROUP)
        except Exception as error:  # one damaged distribution, of any kind, is enough
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
        """Register a plugin's module or object with its backends; return the warnings to emit.

        Raises:
            InvTimeError, pluggy.PluginValidationError: the plugin has no hook or an unknown one,
                or announces objects that are not backends. It is then not registered.
        """
        try:
            self._manager.register(module, str(plugin))
            infos = self._infos(module)
        except BaseException:  # pluggy keeps the hooks it read before the one that it refuses
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
        """Return the backends of a registered plugin."""
        self._manager.check_pending()  # raises for an unknown hook
        if not self._manager.get_hookcallers(module):
            raise InvTimeError(
                "it has no hook; add invtime_backends() or invtime_backend_for(step_type), "
                "decorated with @invtime.hookimpl"
            )
        others = [other for other in self._manager.get_plugins() if other is not module]
        announce = self._manager.subset_hook_caller("invtime_backends", others)
        infos = [info for found in announce() for info in found]
        if not infos and announce.get_hookimpls():
            raise InvTimeError(
                "invtime_backends() returned no backend; return a list of BackendInfo"
            )
        for info in infos:
            _check(info)
            if info.name in self._builtin:
                raise InvTimeError(
                    f"invtime itself has a backend named {info.name!r}; use another name, "
                    "and to take over its types, implement invtime_backend_for"
                )
        return infos

    def _overlap(self, info: BackendInfo) -> str | None:
        """Return the warning if another backend already has the types of this one, else None."""
        for module in info.modules:
            owner = self.owner(module)
            if owner is not None and owner != info.name:
                return (
                    f"claims the types of {module!r}, which backend {owner!r} of "
                    f"{self.announced[owner].distribution} already evaluates; call "
                    f".on({info.name!r}) to use it, or implement invtime_backend_for to take over "
                    "the types"
                )
        return None

    def owner(self, module: str) -> str | None:
        """Return the first backend that was announced with this top-level module, or None."""
        owners = (name for name, (info, _) in self.announced.items() if module in info.modules)
        return next(owners, None)

    def find(self, name: Any) -> Announced:
        """Return the backend announced under this name, or raise an error that lists all names."""
        if not isinstance(name, str) or name not in self.announced:
            raise UnknownBackendError(
                f"no backend is named {shown(name)}; there are {sorted(self.announced)}; "
                "pass one of these, or install the plugin that provides it"
            )
        if name in self.conflicts:
            raise BackendConflictError(self.conflicts[name])
        return self.announced[name]

    def ask(self, step_type: type, load: Callable[[str], object]) -> str | None:
        """Call the plugins' `invtime_backend_for` in pluggy's order; return the first answer.

        `load` must accept the answer. The hooks are called one by one, because in pluggy's own
        call one failing hook would stop the others. A plugin that fails is not called again.
        """
        if self._asking:
            raise InvTimeError(
                "it evaluates a schedule at an array; a hook may only inspect the type"
            )
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
                warn(plugin.fault(f"{problem}; its hooks are not called again"))
            finally:
                self._asking = False
        return None


def warn(fault: str) -> None:
    """Emit a PluginWarning."""
    warnings.warn(fault, PluginWarning, stacklevel=2)


def in_words(error: BaseException) -> str:
    """Return the type and the message of an exception, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _check(info: Any) -> None:
    """Raise an InvTimeError if this is not a valid BackendInfo."""
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
            f"{shown(info)} is not a valid BackendInfo; pass an identifier as name, the top-level "
            "modules of the framework's types as modules, 'module:Class' as target, and the "
            "command that installs the framework as install"
        )


def _distribution(entry_point: metadata.EntryPoint) -> str:
    if entry_point.dist is None:
        return "an unknown distribution"
    about = entry_point.dist.metadata  # each access parses it, so keep it
    return f"{about['Name']} {about['Version']}"
