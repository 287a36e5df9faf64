"""What the trainers of PyTorch share: the rate that each update really had, and two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def watch(optimizer):
    """The list that an optimizer (SGD, one weight) then adds the rate of each update to.

    Each update starts from a weight of zero and moves it by the rate times the gradient. The
    gradients of these tests are powers of two, so that the quotient is the rate to the bit.
    """
    (weight,) = optimizer.param_groups[0]["params"]
    rates = []

    def before(*_):
        weight.data.zero_()

    def after(*_):
        rates.append((weight.data / -weight.grad).item())

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
    return rates


@pytest.fixture
def rates_of_updates():
    return watch


def meet(folder):
    """Join the two processes that `in_two_processes` started with the folder."""
    from torch import distributed

    meeting = (Path(folder) / "meeting").as_uri()  # a file, so that no port is taken
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=int(os.environ["RANK"]), world_size=2
    )


@pytest.fixture(scope="module")
def in_two_processes(request, tmp_path_factory):
    """A function: what each of two processes printed as JSON, which ran this test's file.

    Their arguments are a folder to meet in, and those of the function.
    """

    def run(*arguments):
        folder = tmp_path_factory.mktemp("meeting")
        ranks = []
        for rank in range(2):
            own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
            own |= {"OMP_NUM_THREADS": 1, "ACCELERATE_USE_CPU": "true"}  # as launchers set them
            own["PYTHONPATH"] = os.pathsep.join(sys.path)  # where `trained` is
            ranks.append(
                subprocess.Popen(
                    [sys.executable, request.path, folder, *arguments],
                    stdout=subprocess.PIPE,
                    text=True,
                    env=os.environ | {key: str(value) for key, value in own.items()},
                )
            )
        try:
            printed = [rank.communicate(timeout=100)[0] for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()
        assert [rank.returncode for rank in ranks] == [0, 0]
        return [json.loads(text) for text in printed]

    return run
