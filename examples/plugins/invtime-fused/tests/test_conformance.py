"""The conformance checks, without a waiver, and which backend evaluates a tensor."""

import pytest
import torch
from invtime_fused.backend import FusedBackend

from invtime import InverseTimeDecay, registry
from invtime.testing import parametrize_with_checks

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)


@pytest.fixture(autouse=True)
def fresh_dynamo():
    torch.compiler.reset()


@parametrize_with_checks("fused")
def test_conformance(check):
    check()


@pytest.mark.parametrize("kind", [torch.Tensor, torch.nn.Parameter])
def test_tensors_come_here_and_not_to_torch(kind):
    assert registry.default.backend_name_for(kind) == "fused"
    assert type(registry.default.load("torch")) is not FusedBackend


def test_the_kernel_serves_int32_and_the_formula_int64():
    backend, form = registry.default.load("fused"), SCHEDULE.form
    assert backend._fits(form, torch.arange(3, dtype=torch.int32))
    assert not backend._fits(form, torch.arange(3))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_both_backends_give_the_same_bits(dtype):
    steps = torch.arange(-5, 200_000, dtype=torch.int32)
    mine, theirs = (SCHEDULE.on(name, dtype=dtype)(steps) for name in ("fused", "torch"))
    assert torch.equal(mine, theirs)
