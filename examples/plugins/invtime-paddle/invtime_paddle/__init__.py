"""PaddlePaddle tensors for invtime; announced here, imported when the first one arrives."""

import invtime


@invtime.hookimpl
def invtime_backends() -> list[invtime.BackendInfo]:
    """The one backend of this distribution."""
    install = "python -m pip install paddlepaddle"
    target = "invtime_paddle.backend:PaddleBackend"
    return [invtime.BackendInfo("paddle", ("paddle",), target, install)]
