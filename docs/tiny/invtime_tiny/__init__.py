"""Announce the backend for tiny."""

import invtime


@invtime.hookimpl
def invtime_backends():
    return [
        invtime.BackendInfo(
            name="tiny",
            modules=("tiny",),
            target="invtime_tiny.backend:TinyBackend",
            install="python -m pip install tiny",
        )
    ]
