"""An optimizer step in PyTorch.

The eager rows measure a whole training step of a small model and `InverseTimeLR.step()`, in one
thread. The compiled rows measure the update of a capturable Adam. Its rate is a tensor, computed
from a tensor step inside the graph. The rows with a constant rate in both show the noise of the
measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.measure import Function, Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, kind, plain
from invtime.integrations.torch import InverseTimeLR

WIDTH, BATCH = 256, 64


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    what, constant = "MLP 256x256, batch 64, sgd", eager_step(None)
    yield _compare(f"eager, {what}, a constant rate", eager_step(None), constant)
    for schedule in (EXACT, STAIRCASE):
        ours = eager_step(lambda optimizer: InverseTimeLR.from_schedule(optimizer, schedule))  # noqa: B023
        lambda_lr = eager_step(lambda optimizer: LambdaLR(optimizer, plain(schedule)), 1.0)  # noqa: B023
        yield _compare(f"eager, {what}, {kind(schedule)}", ours, constant).ratio_at_most(1.02)
        yield _compare(f"eager, {what}, {kind(schedule)}", ours, lambda_lr, "`LambdaLR`")
    constant = compiled_step(None)
    yield _compare("compiled, capturable adam, a constant rate", compiled_step(None), constant)
    for schedule in (EXACT, STAIRCASE):
        step = compiled_step(schedule)
        yield _compare(f"compiled, capturable adam, {kind(schedule)}", step, constant)


def _compare(what: str, ours: Function, peer: Function, against: str = "a constant rate") -> Row:
    return compare(what, ours, peer, against=against, seconds=5.0)


def eager_step(scheduler: Callable[[Any], Any] | None, rate: float = 0.1) -> Function:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH)]
    model = torch.nn.Sequential(*layers)
    batch = torch.randn(BATCH, WIDTH)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate if scheduler else 0.001)
    after = scheduler(optimizer).step if scheduler else lambda: None

    def run() -> None:
        optimizer.zero_grad()
        ((model(batch) - batch) ** 2).mean().backward()
        optimizer.step()
        after()

    return run


def compiled_step(schedule: Callable[[Any], Any] | None) -> Function:
    weights = [torch.nn.Parameter(torch.ones(WIDTH, WIDTH)) for _ in range(4)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    rate, count = torch.tensor(0.1), torch.tensor(0)
    optimizer = torch.optim.Adam(weights, lr=rate, capturable=True)

    def update() -> None:
        if schedule is not None:
            rate.copy_(schedule(count))
        count.add_(1)
        optimizer.step()

    return torch.compile(update)
