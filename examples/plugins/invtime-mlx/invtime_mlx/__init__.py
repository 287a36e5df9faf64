"""MLX arrays for invtime; announced here, imported when the first array arrives."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """The one backend of this distribution."""
    install = 'python -m pip install "mlx[cpu]"'
    return [invtime.BackendInfo("mlx", ("mlx",), "invtime_mlx.backend:MLXBackend", install)]
