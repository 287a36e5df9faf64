"""One `step()` of a PyTorch scheduler.

`InverseTimeLR` is compared with `LambdaLR` and a lambda with the plain expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.measure import Row, compare
from benchmarks.subjects import EXACT, STAIRCASE, kind, plain
from invtime.integrations.torch import InverseTimeLR


def rows() -> Iterator[Row]:
    """Measure schedulers with one and four parameter groups, and with a tensor as the rate."""
    for schedule in (EXACT, STAIRCASE):
        for what, groups, number in (
            ("one group", 1, float),
            ("four groups", 4, float),
            ("a tensor rate", 1, torch.tensor),
        ):
            ours = InverseTimeLR.from_schedule(_sgd(groups, number(0.1)), schedule)
            theirs = LambdaLR(_sgd(groups, number(1.0)), plain(schedule))
            row = compare(f"{what}, {kind(schedule)}", ours.step, theirs.step, against="`LambdaLR`")
            yield row.ratio_at_most(1)


def _sgd(groups: int, rate: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(3))], "lr": rate} for _ in range(groups)]
    )
    optimizer.step()
    return optimizer
