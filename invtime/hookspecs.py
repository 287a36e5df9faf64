"""The two plugin hooks, and `BackendInfo`. Hooks only announce backends; they compute nothing.

A distribution becomes a plugin with an entry point in the group `invtime`. The entry point names
a module or an object that has functions with these two names, decorated with `@invtime.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pluggy

hookspec = pluggy.HookspecMarker("invtime")
hookimpl = pluggy.HookimplMarker("invtime")


class BackendInfo(NamedTuple):
    """The description of one backend. It does not import the framework.

    >>> import invtime
    >>> info = invtime.BackendInfo(
    ...     name="mylib",
    ...     modules=("mylib",),
    ...     target="invtime_mylib.backend:MyBackend",
    ...     install="python -m pip install mylib",
    ...     oldest="2.6",
    ... )
    """

    name: str
    """The name for `.on(name)`, also shown by `invtime backends`."""
    modules: tuple[str, ...]
    """The top-level modules of the types that the backend evaluates, the framework's first.

    Empty for a backend without a framework, which evaluates only the types that
    `invtime_backend_for` assigns to it.
    """
    target: str
    """The backend class as "package.module:Class", imported on first use."""
    install: str
    """The command that installs the framework."""
    oldest: str = ""
    """The oldest supported version of the framework, such as "2.6"; empty for any version."""


@hookspec
def invtime_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """Return the backends of this plugin."""


@hookspec(firstresult=True)
def invtime_backend_for(step_type: type) -> str | None:
    """Return the name of the backend that evaluates steps of this type, or None.

    The hook is called once per type. If no plugin returns a name, the backend is the one that
    lists the top-level module of the type, or of its first base class in MRO order, in
    `BackendInfo.modules`.
    """
