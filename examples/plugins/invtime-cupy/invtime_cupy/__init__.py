"""Announce the CuPy backend. invtime imports CuPy at the first CuPy array, not here."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """Return the description of the CuPy backend."""
    install = "python -m pip install cupy-cuda13x"
    return [invtime.BackendInfo("cupy", ("cupy",), "invtime_cupy.backend:CupyBackend", install)]
