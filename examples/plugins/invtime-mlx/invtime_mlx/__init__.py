"""Announce the MLX backend. invtime imports MLX at the first MLX array, not here."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """Return the description of the MLX backend."""
    install = 'python -m pip install "mlx[cpu]"'
    return [invtime.BackendInfo("mlx", ("mlx",), "invtime_mlx.backend:MLXBackend", install)]
