"""Inverse time decay of a learning rate, bit-identical in every framework.

`import invtime` imports no framework, no NumPy and no pluggy. Each is imported on first use.
"""

from typing import TYPE_CHECKING, Any

from invtime.config import config_schema
from invtime.errors import (
    BackendConflictError,
    BackendUnavailableError,
    ConfigError,
    InvTimeError,
    PlacementError,
    PluginWarning,
    StepTypeError,
    UnknownBackendError,
)
from invtime.spec import InverseTimeDecay

if TYPE_CHECKING:
    from invtime.backends.base import Backend
    from invtime.hookspecs import BackendInfo, hookimpl
    from invtime.registry import list_backends

__version__ = "0.2.0"

__all__ = [
    "Backend",
    "BackendConflictError",
    "BackendInfo",
    "BackendUnavailableError",
    "ConfigError",
    "InvTimeError",
    "InverseTimeDecay",
    "PlacementError",
    "PluginWarning",
    "StepTypeError",
    "UnknownBackendError",
    "config_schema",
    "hookimpl",
    "list_backends",
]

_LAZY = {
    "Backend": "invtime.backends.base",
    "BackendInfo": "invtime.hookspecs",
    "list_backends": "invtime.registry",
    "hookimpl": "invtime.hookspecs",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'invtime' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(_LAZY[name])
    value = getattr(module, name)
    globals()[name] = value
    return value
