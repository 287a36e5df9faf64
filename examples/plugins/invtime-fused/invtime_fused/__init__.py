"""Claims `torch.Tensor`, which invtime knows itself, for a kernel of its own."""

import sys

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """A second backend for the framework of "torch"."""
    install = 'python -m pip install "invtime[torch]"'
    return [invtime.BackendInfo("fused", ("torch",), "invtime_fused.backend:FusedBackend", install)]


@invtime.hookimpl(tryfirst=True)
def invtime_backend_for(step_type: type) -> str | None:
    """Every tensor, without importing torch: there is none if torch was not imported."""
    torch = sys.modules.get("torch")
    return "fused" if torch and issubclass(step_type, torch.Tensor) else None
