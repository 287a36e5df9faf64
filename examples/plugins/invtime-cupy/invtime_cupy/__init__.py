"""CuPy arrays for invtime; announced here, imported when the first array arrives."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """The one backend of this distribution."""
    install = "python -m pip install cupy-cuda13x"
    return [invtime.BackendInfo("cupy", ("cupy",), "invtime_cupy.backend:CupyBackend", install)]
