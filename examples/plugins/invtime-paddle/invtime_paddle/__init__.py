"""Announce the Paddle backend. invtime imports Paddle at the first Paddle tensor, not here."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """Return the description of the Paddle backend."""
    install = "python -m pip install paddlepaddle"
    target = "invtime_paddle.backend:PaddleBackend"
    return [invtime.BackendInfo("paddle", ("paddle",), target, install)]
