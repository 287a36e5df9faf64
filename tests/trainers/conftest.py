"""Fixtures for the PyTorch trainers: the rate that each update used, and two processes."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from trained import RECIPE, STAIRCASE

from invtime.reference import values


def watch(optimizer, weight=None):
    """Return a list to which an optimizer (SGD, one weight) adds the rate of each update.

    If it has several weights, pass one of them; while it is frozen, nothing is added.

    Each update starts from a weight of zero and moves it by the rate times the gradient. The
    gradients of these tests are powers of two, so the quotient has the bits of the rate.
    """
    if weight is None:
        (weight,) = optimizer.param_groups[0]["params"]
    rates = []

    def before(*_):
        if weight.requires_grad:
            weight.data.zero_()

    def after(*_):
        if weight.requires_grad:
            rates.append((weight.data / -weight.grad).item())

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
    return rates


@pytest.fixture
def watched():
    """The optimizers that the test watches, in the order of its runs."""
    return []


@pytest.fixture
def rates_of_updates(watched):
    def watching(optimizer, weight=None):
        watched.append(optimizer)
        return watch(optimizer, weight)

    return watching


def adam(parameters, lr):
    """Return an optimizer that counts its updates and moves a weight by the rate, like SGD."""
    import torch

    return torch.optim.Adam(parameters, lr, betas=(0.0, 0.0), eps=0.0)


# The parts of a run: the schedule, the total updates at its end, the scheduler's options.
PARTS = [
    (STAIRCASE, 41, {}),
    (STAIRCASE, 60, {}),
    (RECIPE, 81, {"keep_count": True}),
    (RECIPE, 100, {"keep_count": True}),
]


@pytest.fixture
def live(watched):
    """Return a function that makes a trainer run each part, resuming where the previous one ended.

    `part` takes the schedule, the updates made at its end, whether to resume, and the options
    of the run. It returns the rates of the updates of a new model.
    """

    def live(part):
        done = 0
        for schedule, updates, options in PARTS:
            rates = part(schedule, updates, bool(done), optimizer=adam, **options)
            assert rates == values(schedule, range(done, updates))
            (state,) = watched[-1].state.values()
            assert state["step"] == updates
            done = updates

    return live


def meet(folder):
    """Join the two processes that `in_two_processes` started with the folder."""
    from torch import distributed

    meeting = (Path(folder) / "meeting").as_uri()  # a file, so that no port is used
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=int(os.environ["RANK"]), world_size=2
    )


def leave():
    """Leave the other process, once all models are gone.

    A model holds the group's threads. One that frees a tensor while the interpreter ends asks for
    its lock, is ended by it, and the process aborts: github.com/pytorch/pytorch/pull/179291.
    """
    from torch import distributed

    gc.collect()
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def in_two_processes(request, tmp_path_factory):
    """Return a function that runs this test's file in two processes, and returns their JSON output.

    Their arguments are a folder for the rendezvous, and those of the function.
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
