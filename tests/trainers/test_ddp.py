"""InverseTimeLR under DistributedDataParallel with two processes, and resumed.

Run as a program it is one of the two processes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from trained import RECIPE, STAIRCASE

from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values

pytestmark = pytest.mark.skipif(not distributed.is_gloo_available(), reason="needs gloo")

INTERRUPTED = [40, 41, 42]
UPDATES = 100


class Model(torch.nn.Module):
    """One weight whose gradient is minus its input."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, inputs):
        return -(self.weight * inputs).sum()


class Run:
    """A new model in each process, and the rates that its updates really had."""

    def __init__(self, watch, schedule=STAIRCASE, **options):
        self.model = DistributedDataParallel(Model())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.rates = watch(self.optimizer)
        self.scheduler = InverseTimeLR(self.optimizer, schedule, **options)
        # The gradients of the two are -0.5 and -1.5: their mean is -1, neither of them is.
        self.inputs = torch.tensor([0.5 + distributed.get_rank()])

    def update(self):
        self.optimizer.zero_grad()
        self.model(self.inputs).backward()
        self.optimizer.step()
        self.scheduler.step()

    def save(self, path):
        if distributed.get_rank() == 0:
            torch.save([self.optimizer.state_dict(), self.scheduler.state_dict()], path)

    def load(self, path):
        for part, state in zip(
            [self.optimizer, self.scheduler], torch.load(path, weights_only=True), strict=True
        ):
            part.load_state_dict(state)


@pytest.fixture(scope="module")
def ranks(in_two_processes, tmp_path_factory):
    """Of each process: the rates without an interruption, and from each checkpoint on."""
    folder = str(tmp_path_factory.mktemp("saved"))
    first, resumed = in_two_processes(folder), in_two_processes(folder, "resume")
    return list(zip(first, resumed, strict=True))


@pytest.fixture
def true():
    return values(STAIRCASE, range(UPDATES))


def test_update_k_has_the_rate_of_step_k_minus_1_in_both_processes(ranks, true):
    assert [first for first, _ in ranks] == [true, true]


@pytest.mark.parametrize("interrupted", INTERRUPTED)
def test_a_resumed_run_is_the_uninterrupted_one(ranks, true, interrupted):
    for first, resumed in ranks:
        assert first[:interrupted] + resumed[str(interrupted)] == true


def test_a_resumed_run_is_changed_and_resumed_again(ranks):
    for _, resumed in ranks:
        assert resumed["changed"] == values(RECIPE, range(42, UPDATES))


def main(folder, saved, resume=None):
    from conftest import meet, watch

    meet(folder)
    if resume is None:
        run = Run(watch)
        for updates in range(1, UPDATES + 1):
            run.update()
            if updates in INTERRUPTED:
                run.save(Path(saved) / f"{updates}.pt")
        result = run.rates
    else:
        result = {}
        for interrupted in INTERRUPTED:
            run = Run(watch)
            run.load(Path(saved) / f"{interrupted}.pt")
            for _ in range(interrupted, UPDATES):
                run.update()
            result[interrupted] = run.rates
        result["changed"] = []
        path = Path(saved) / "42.pt"
        for updates in (18, 40):
            run = Run(watch, RECIPE, keep_count=True)
            run.load(path)
            for _ in range(updates):
                run.update()
            path = Path(saved) / "changed.pt"
            run.save(path)
            distributed.barrier()
            result["changed"] += run.rates
    print(json.dumps(result))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
