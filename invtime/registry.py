"""Find the backend for the type of a step.

The plugins are asked once per type. After that, finding the backend is one dictionary look-up.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module, util
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from invtime import versions
from invtime.backends import autograph, builtin, dynamo
from invtime.dtypes import STEPS, bare_name
from invtime.errors import BackendUnavailableError, StepTypeError, typed
from invtime.form import Form
from invtime.plugins import Announced, Plugin, Plugins, in_words, warn
from invtime.table import Table

if TYPE_CHECKING:
    from invtime.backends.base import Backend

# What `backend_name_for` returns for values that need no backend, or are unwrapped first.
NUMBER, KERAS = "a Python number", "a keras.Variable"

# The backend for types that no other backend claims and that have `__array_namespace__`; and the
# text of `list_backends()` for a backend that claims no modules.
FALLBACK = "array_api"
NO_FRAMEWORK = "no framework of its own; it evaluates the arrays that are passed to it"

MANY_TYPES = 1024  # then the cache is cleared: a program can create types without limit


class BackendState(NamedTuple):
    """One row of `invtime.list_backends()`."""

    name: str
    distribution: str
    """The distribution that provides the backend, with its version."""
    version: str | None
    """The framework's version; None if it is not installed."""
    install: str
    """The command that installs the framework."""
    problem: str | None
    """Why the backend cannot be used; None if it can."""


class Registry:
    """The backends of a process: found through plugins, and loaded on first use.

    Schedules use `registry.default`. A new registry searches for its plugins again.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._plugins: Plugins | None = None
        self._names: dict[type, str | None] = {}
        self._backends = SimpleNamespace()  # Dynamo guards only the attribute that it reads

    @autograph.unconverted
    def evaluate(
        self,
        form: Form | Table,
        step: Any,
        backend: str | None = None,
        device: Any = None,
        dtype: str | None = None,
    ) -> Any:
        """Return the value of a form at any step: a number, an array, a tensor or a variable.

        Raises:
            StepTypeError: the step is not real, or no backend knows its type.
        """
        kind = self.backend_name_for(type(step))
        if kind == KERAS:
            return self.evaluate(form, step.value, backend, device, dtype)
        if kind is None:
            raise _wrong_step(step)
        if kind == NUMBER:
            value = dynamo.at_number(form, step)
            if backend is None:
                return value
            found = self.load(backend)
            return found.constant(value, dtype or found.default_dtype(), None, found.device(device))
        found = getattr(self._backends, kind) if backend is None else self.load(backend)
        return found(form, step, dtype, None if device is None else found.device(device))

    @dynamo.constant
    def backend_name_for(self, step_type: type) -> str | None:
        """Return the name of the backend for a type, and load that backend; None if there is none.

        This is a pure function of the type, so a compiler may run it once, while tracing.
        """
        try:
            return self._names[step_type]
        except KeyError:
            pass
        with self._lock:
            if step_type not in self._names:  # another thread may have been faster
                name = self._resolve(step_type)
                if name not in (None, NUMBER, KERAS):
                    self.load(name)
                if len(self._names) >= MANY_TYPES:
                    self._names.clear()
                self._names[step_type] = name
            return self._names[step_type]

    def _resolve(self, step_type: type) -> str | None:
        """Find the backend: a plugin's answer, else the owner of the first known class in the MRO.

        Else the fallback, if the type has `__array_namespace__`.
        """
        if step_type is bool or issubclass(step_type, str | bytes | complex):
            return None
        answer = self.plugins.ask(step_type, self.load)
        if answer is not None:
            return answer
        for cls in step_type.__mro__:
            top = cls.__module__.partition(".")[0]
            if top == "keras":
                return KERAS if hasattr(step_type, "value") else None
            owner = self.plugins.owner(top)
            if owner is not None:
                return owner
        if hasattr(step_type, "__array_namespace__"):
            return FALLBACK
        return NUMBER if issubclass(step_type, int | float) else None

    def dtype_name(self, dtype: Any) -> str:
        """Return the shared name of a dtype; if its own name is unknown, ask its backend.

        For example, a framework may name its float32 "float".
        """
        name = bare_name(dtype)
        if name in STEPS:
            return name
        owner = self.backend_name_for(type(dtype))
        if owner in (None, NUMBER, KERAS):
            return name
        return self.load(owner).dtype_name(dtype)

    def load(self, name: Any) -> Backend:
        """Return the backend with this name, and import its framework.

        Raises:
            UnknownBackendError: no backend has this name.
            BackendConflictError: two plugins announce this name.
            BackendUnavailableError: the backend or its framework fails to import, or the
                framework is too old.
        """
        found: Backend | None
        found = getattr(self._backends, name, None) if isinstance(name, str) else None
        return self._make(name) if found is None else found

    def _make(self, name: Any) -> Backend:
        with self._lock:
            announced = self.plugins.find(name)
            found: Backend | None = getattr(self._backends, name, None)
            if found is not None:  # another thread was faster
                return found
            problem = _too_old(announced)
            if problem is not None:
                raise BackendUnavailableError(f"{problem}; run: {announced.info.install}")
            module, _, attribute = announced.info.target.partition(":")
            try:
                backend: Backend = getattr(import_module(module), attribute)()
            except (Exception, SystemExit) as error:  # a plugin's code can raise anything
                raise _unavailable(announced, error) from error
            setattr(self._backends, name, backend)
            return backend

    @property
    def plugins(self) -> Plugins:
        """The plugins, found on first use."""
        with self._lock:
            if self._plugins is None:
                # A plugin may use the built-in backends while it is imported.
                self._plugins = Plugins(builtin, versions.installed("invtime"))
                try:
                    faults = self._plugins.load_entry_points()
                except BaseException:  # Ctrl-C: let the next call start again
                    self._plugins = None
                    raise
                self._names.clear()
                for fault in faults:  # last, because a warning may be an error
                    warn(fault)
            return self._plugins

    def register(self, module: object, name: str) -> None:
        """Register a module or an object as a plugin, as an entry point would.

        Raises:
            InvTimeError: it has no hook, or announces objects that are not backends.
        """
        with self._lock:
            faults = self.plugins.register(module, Plugin(name, "this program"))
            self._names.clear()
        for fault in faults:
            warn(fault)

    def list_backends(self) -> list[BackendState]:
        """List every announced backend, and whether it can be used. Imports no framework."""
        unusable = [
            BackendState(*plugin, None, "", problem)
            for plugin, problem in self.plugins.unusable.items()
        ]
        return [*map(self._state, self.plugins.announced.values()), *unusable]

    def _state(self, announced: Announced) -> BackendState:
        name, modules, _, install, _ = announced.info
        version, problem = None, self.plugins.conflicts.get(name)
        if not modules:
            problem = problem or NO_FRAMEWORK
        elif sys.modules.get(modules[0]) is None and util.find_spec(modules[0]) is None:
            problem = f"{modules[0]} is missing"
        else:
            version = versions.installed(modules[0])
            problem = problem or _too_old(announced)
        return BackendState(name, announced.distribution, version, install, problem)


default = Registry()
"""The registry of this process."""


def list_backends() -> list[BackendState]:
    """List every announced backend, and whether it can be used. Imports no framework.

    >>> import invtime
    >>> [state.name for state in invtime.list_backends()][:4]
    ['numpy', 'torch', 'jax', 'tensorflow']
    """
    return default.list_backends()


def _unavailable(announced: Announced, error: BaseException) -> BackendUnavailableError:
    """Return the error for a failed import, of the framework or of the plugin's own modules."""
    info = announced.info
    own = info.target.partition(":")[0].partition(".")[0]
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] != own:
        return BackendUnavailableError(
            f"backend {info.name!r} needs {(*info.modules, own)[0]!r}, which failed to import "
            f"({error}); run: {info.install}"
        )
    return BackendUnavailableError(
        f"backend {info.name!r} of {announced.distribution} cannot be loaded: {info.target} raised "
        f"{in_words(error)}; fix or uninstall that distribution"
    )


def _too_old(announced: Announced) -> str | None:
    """Return the message if the framework is older than the oldest supported version, or None."""
    name, modules, _, _, oldest = announced.info
    if not (oldest and modules):
        return None
    version = versions.installed(modules[0])
    if not versions.too_old(version, oldest):
        return None
    return f"backend {name!r} needs {modules[0]} {oldest} or later, and {version} is installed"


def _wrong_step(step: Any) -> StepTypeError:
    if step is None:
        return StepTypeError(
            "the schedule was called without a step, as Keras optimizers call a plain callable; "
            "pass the step, or pass Keras "
            "invtime.integrations.keras.InverseTimeDecay.from_schedule(schedule)"
        )
    return StepTypeError.refusing(typed(step))
