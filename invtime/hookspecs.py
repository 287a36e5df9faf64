"""The two hooks of a plugin, and what it announces. Discovery only: no hook evaluates.

A distribution joins by an entry point in the group `invtime` that names a module or an
object with `@invtime.hookimpl` functions of these two names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pluggy

hookspec = pluggy.HookspecMarker("invtime")
hookimpl = pluggy.HookimplMarker("invtime")


class BackendInfo(NamedTuple):
    """One backend, announced without importing its framework."""

    name: str
    """What `.on(name)` takes and `invtime backends` shows."""
    modules: tuple[str, ...]
    """Top-level modules of the types it evaluates; the first is the framework's own.

    Empty for a backend without a framework, which evaluates what a hook sends to it.
    """
    target: str
    """The backend class as "package.module:Class", imported when it is first needed."""
    install: str
    """The command that installs the framework."""
    oldest: str = ""
    """The oldest version of the framework that works, such as "2.6"; empty where any does."""


@hookspec
def invtime_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """The backends of this plugin."""


@hookspec(firstresult=True)
def invtime_backend_for(step_type: type) -> str | None:
    """The name of the backend that evaluates steps of this type, or None.

    Asked once for each type. Where no plugin answers, the type's classes are searched in
    MRO order for one whose top-level module a `BackendInfo` claims.
    """
