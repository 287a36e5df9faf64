"""Announce the tinygrad backend. invtime imports tinygrad at its first tensor, not here."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """Return the description of the tinygrad backend."""
    target = "invtime_tinygrad.backend:TinygradBackend"
    install = "python -m pip install tinygrad"
    return [invtime.BackendInfo("tinygrad", ("tinygrad",), target, install)]
