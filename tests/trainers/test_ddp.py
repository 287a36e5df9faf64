"""InverseTimeLR under DistributedDataParallel with two processes, and resumed.

As a program, this file is one of the two processes.
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


class Pair(torch.nn.Module):
    """A head and a body, each with one such weight."""

    def __init__(self):
        super().__init__()
        self.head, self.body = Model(), Model()

    def forward(self, inputs):
        return self.head(inputs) + self.body(inputs)


class Run:
    """Return a new model for each process, and the rates that its updates used."""

    def __init__(self, watch, schedule=STAIRCASE, **options):
        self.model = DistributedDataParallel(Model())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.rates = watch(self.optimizer)
        self.scheduler = InverseTimeLR(self.optimizer, schedule, **options)
        # The gradients of the two processes are -0.5 and -1.5; only their mean is -1.
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
    """Return for each process the rates of an uninterrupted run, and from each checkpoint on."""
    folder = str(tmp_path_factory.mktemp("saved"))
    first, resumed = in_two_processes(folder), in_two_processes(folder, "resume")
    return list(zip(first, resumed, strict=True))


@pytest.fixture
def true():
    return values(STAIRCASE, range(UPDATES))


def test_update_k_has_the_rate_of_step_k_minus_1_in_both_processes(ranks, true):
    assert [first["rates"] for first, _ in ranks] == [true, true]


@pytest.mark.parametrize("interrupted", INTERRUPTED)
def test_a_resumed_run_is_the_uninterrupted_one(ranks, true, interrupted):
    for first, resumed in ranks:
        assert first["rates"][:interrupted] + resumed[str(interrupted)] == true


def test_a_resumed_run_is_changed_and_resumed_again(ranks):
    for _, resumed in ranks:
        assert resumed["changed"] == values(RECIPE, range(42, UPDATES))


def test_a_body_that_is_unfrozen_has_the_rate_of_the_count(ranks):
    for first, _ in ranks:
        head, body, _ = first["frozen after"]
        assert [head, body] == [values(RECIPE, range(10)), values(RECIPE, range(6, 10))]


def test_a_body_that_was_frozen_before_it_was_wrapped_has_no_common_gradient(ranks):
    """Therefore docs/trainers.md freezes afterwards."""
    assert [first["frozen after"][2] for first, _ in ranks] == [-1.0, -1.0]
    assert [first["frozen before"][2] for first, _ in ranks] == [-0.5, -1.5]


def unfreeze(watch, before):
    """Return the rates of the head, those of the body from update 7 on, and its last gradient."""
    pair = Pair()
    pair.body.requires_grad_(not before)
    model = DistributedDataParallel(pair, find_unused_parameters=True)
    optimizer = torch.optim.SGD(pair.parameters(), lr=0.1)
    scheduler = InverseTimeLR(optimizer, RECIPE)
    rates = [watch(optimizer, part.weight) for part in (pair.head, pair.body)]
    inputs = torch.tensor([0.5 + distributed.get_rank()])
    for update in range(10):
        pair.body.requires_grad_(update >= 6)
        optimizer.zero_grad()
        model(inputs).backward()
        optimizer.step()
        scheduler.step()
    return *rates, pair.body.weight.grad.item()


def trained(watch, saved):
    """Print the rates of an uninterrupted run, and of a body that is frozen for some updates."""
    run = Run(watch)
    for updates in range(1, UPDATES + 1):
        run.update()
        if updates in INTERRUPTED:
            run.save(Path(saved) / f"{updates}.pt")
    return {
        "rates": run.rates,
        "frozen after": unfreeze(watch, before=False),
        "frozen before": unfreeze(watch, before=True),
    }


def resumed(watch, saved):
    """Print the rates from each checkpoint on, and those of another recipe."""
    result = {"changed": []}
    for interrupted in INTERRUPTED:
        run = Run(watch)
        run.load(Path(saved) / f"{interrupted}.pt")
        for _ in range(interrupted, UPDATES):
            run.update()
        result[interrupted] = run.rates
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
    return result


def main(folder, saved, resume=None):
    from conftest import leave, meet, watch

    meet(folder)
    result = trained(watch, saved) if resume is None else resumed(watch, saved)
    print(json.dumps(result))
    leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
