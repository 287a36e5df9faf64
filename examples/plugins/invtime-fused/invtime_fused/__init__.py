"""Announce a second PyTorch backend, and assign all tensor types to it."""

import sys

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """Return the description of the backend "fused"."""
    install = 'python -m pip install "invtime[torch]"'
    return [invtime.BackendInfo("fused", ("torch",), "invtime_fused.backend:FusedBackend", install)]


@invtime.hookimpl(tryfirst=True)
def invtime_backend_for(step_type: type) -> str | None:
    """Return "fused" for a tensor type.

    The hook does not import torch. If torch is not imported, no type is a tensor type.
    """
    torch = sys.modules.get("torch")
    return "fused" if torch and issubclass(step_type, torch.Tensor) else None
