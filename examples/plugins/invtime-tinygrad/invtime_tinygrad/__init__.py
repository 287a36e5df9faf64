"""tinygrad's tensors for invtime; announced here, imported when the first one arrives."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """The one backend of this distribution."""
    target = "invtime_tinygrad.backend:TinygradBackend"
    install = "python -m pip install tinygrad"
    return [invtime.BackendInfo("tinygrad", ("tinygrad",), target, install)]
