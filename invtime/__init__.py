"""Inverse time decay of a learning rate, with the same bits in every framework.

Importing this imports no framework, no NumPy and no pluggy; each comes when it is needed.
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
    from invtime.registry import backends

__version__ = "0.1.0"

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
    "backends",
    "config_schema",
    "hookimpl",
]

_LAZY = {
    "Backend": "invtime.backends.base",
    "BackendInfo": "invtime.hookspecs",
    "backends": "invtime.backends",
    "hookimpl": "invtime.hookspecs",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'invtime' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(_LAZY[name])
    value = module if name == "backends" else getattr(module, name)  # a callable package
    globals()[name] = value
    return value
