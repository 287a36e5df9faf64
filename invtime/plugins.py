"""What the plugins of a process announce and answer, gathered through pluggy.

Each entry point of the group is loaded by itself, so that a plugin that fails becomes a warning
and leaves the others working.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib import metadata
from typing import Any, NamedTuple

import pluggy

from invtime import hookspecs
from invtime.errors import BackendConflictError, InvTimeError, PluginWarning, UnknownBackendError
from invtime.hookspecs import BackendInfo

GROUP = "invtime"
SWITCH = "INVTIME_DISABLE_PLUGINS"
OF = " of "  # between a plugin's own name and its distribution, in its name for pluggy


class Announced(NamedTuple):
    """A backend and the distribution that announced it."""

    info: BackendInfo
    distribution: str


class Unusable(NamedTuple):
    """A plugin that could not be used."""

    name: str
    distribution: str
    problem: str


class Plugins:
    """The plugins, by way of a pluggy manager of their own."""

    def __init__(self, builtin: object, version: str) -> None:
        self.announced: dict[str, Announced] = {}
        self.unusable: list[Unusable] = []
        self._builtin: frozenset[str] = frozenset()
        self._conflicts: dict[str, str] = {}
        self._asking = False
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self.register(builtin, "builtin", f"invtime {version}")
        self._builtin = frozenset(self.announced)

    def load_entry_points(self) -> list[str]:
        """Register what the installed distributions bring; returns what to warn of."""
        try:
            found = metadata.entry_points(group=GROUP)
        except Exception as error:  # of any distribution at all, one that is damaged
            return [f"no plugin can be used: the entry points cannot be read ({in_words(error)})"]
        faults = []
        for entry_point in sorted(found, key=lambda point: (point.name, point.value)):
            name, distribution = entry_point.name, _distribution(entry_point)
            if _disabled(name):
                continue
            try:
                faults += self.register(entry_point.load(), name, distribution)
            except (Exception, SystemExit) as error:  # a plugin's code can raise anything
                self.unusable.append(Unusable(name, distribution, in_words(error)))
                faults.append(f"{_plugin(name, distribution)} cannot be used ({in_words(error)})")
                faults[-1] += f"; {_remedy(name)}"
        return faults

    def register(self, plugin: object, name: str, distribution: str) -> list[str]:
        """Take in a plugin and its backends; returns what to warn of.

        Raises:
            InvTimeError, pluggy.PluginValidationError: it has no hook, an unknown one, or
                announces something else than backends. It is not registered then.
        """
        key = f"{name}{OF}{distribution}"
        self._manager.register(plugin, key)
        try:
            infos = self._infos(plugin)
        except BaseException:
            self._manager.unregister(name=key)
            raise
        faults = []
        for info in infos:
            overlap = None if self._answers(plugin) else self._overlap(info)
            if overlap is not None:
                faults.append(f"{_plugin(name, distribution)} {overlap}; {_remedy(name)}")
            if info.name in self.announced:
                self._conflicts[info.name] = (
                    f"two plugins announce a backend named {info.name!r}: "
                    f"{self.announced[info.name].distribution} and {distribution}; "
                    f"uninstall one, or set {SWITCH}={name}"
                )
            else:
                self.announced[info.name] = Announced(info, distribution)
        return faults

    def _infos(self, plugin: object) -> list[BackendInfo]:
        self._manager.check_pending()  # an unknown hook is an error
        if not self._manager.get_hookcallers(plugin):
            raise InvTimeError(
                "it has no hook; write invtime_backends() or invtime_backend_for(step_type) with "
                "@invtime.hookimpl"
            )
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        announce = self._manager.subset_hook_caller("invtime_backends", others)
        infos = [_checked(info) for found in announce() for info in found]
        if not infos and announce.get_hookimpls():
            raise InvTimeError("invtime_backends() returned no backend; return a list of them")
        for info in infos:
            if info.name in self._builtin:
                raise InvTimeError(
                    f"invtime has a backend named {info.name!r} itself; announce another name, "
                    "and answer invtime_backend_for where its types are meant"
                )
        return infos

    def _answers(self, plugin: object) -> bool:
        hook = self._manager.hook.invtime_backend_for
        return any(implementation.plugin is plugin for implementation in hook.get_hookimpls())

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
        for name, announced in self.announced.items():
            if module in announced.info.modules:
                return name
        return None

    def find(self, name: Any) -> Announced:
        """What was announced under this name; an error that says what there is, otherwise."""
        if not isinstance(name, str) or name not in self.announced:
            raise UnknownBackendError(
                f"no backend is named {name!r}; there are {sorted(self.announced)}; "
                "pass one of these, or install the plugin that brings it"
            )
        if self.conflict(name):
            raise BackendConflictError(self.conflict(name))
        return self.announced[name]

    def conflict(self, name: str) -> str | None:
        """Why two plugins of this name exclude each other, if they do."""
        return self._conflicts.get(name)

    def answers(self, step_type: type) -> Iterator[tuple[Any, str]]:
        """The answers of the hooks for a type, and who gave each, in pluggy's order.

        One by one, since a hook that raises would end pluggy's own call: it is asked no more.
        """
        if self._asking:
            raise InvTimeError("it evaluates an array; a hook may only look at the type")
        hook = self._manager.hook.invtime_backend_for
        for implementation in reversed(hook.get_hookimpls()):
            key = implementation.plugin_name
            self._asking = True
            try:
                answer = implementation.function(*[step_type][: len(implementation.argnames)])
            except (Exception, SystemExit) as error:  # a plugin's code can raise anything
                self.silence(key, step_type, error)
            else:
                if answer is not None:
                    yield answer, key
            finally:
                self._asking = False

    def silence(self, key: str, step_type: type, error: BaseException) -> None:
        """Ask a plugin no more, and say why."""
        self._manager.unregister(name=key)
        name, _, distribution = key.partition(OF)
        warn(
            f"{_plugin(name, distribution)} failed on type {step_type.__name__} "
            f"({in_words(error)}); it is asked no more; {_remedy(name)}"
        )


def warn(message: str) -> None:
    """Warn of a plugin."""
    warnings.warn(message, PluginWarning, stacklevel=2)


def in_words(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _checked(info: Any) -> BackendInfo:
    texts = [info.name, info.target, info.install, *info.modules] if _is_info(info) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise InvTimeError(f"{info!r} is not a BackendInfo(name, modules, target, install)")
    if not info.name.isidentifier() or ":" not in info.target:
        raise InvTimeError(f"{info!r} needs an identifier as name and 'module:Class' as target")
    if "builtins" in info.modules or not all(module.isidentifier() for module in info.modules):
        raise InvTimeError(f"{info!r} needs as modules the top-level ones of a framework's types")
    return info._replace(modules=tuple(info.modules))  # type: ignore[no-any-return]


def _is_info(info: Any) -> bool:
    return isinstance(info, BackendInfo) and isinstance(info.modules, tuple | list)


def _plugin(name: str, distribution: str) -> str:
    return f"plugin {name!r} of {distribution}"


def _remedy(name: str) -> str:
    return f"fix or uninstall it, or set {SWITCH}={name}"


def _distribution(entry_point: metadata.EntryPoint) -> str:
    if entry_point.dist is None:
        return "an unknown distribution"
    about = entry_point.dist.metadata  # read once: it is parsed each time
    return f"{about['Name']} {about['Version']}"


def _disabled(name: str) -> bool:
    blocked = os.environ.get(SWITCH, "")
    return blocked == "1" or name in map(str.strip, blocked.split(","))
