"""InverseTimeLR inside wrappers of PyTorch schedulers: pytorch_warmup and ignite's handlers."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from trained import SCHEDULES, SHORT

from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values as true


@pytest.fixture
def start(rates_of_updates):
    """Return an optimizer, its scheduler, an update function, and the rates of the updates."""

    def start(schedule):
        weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        weight.grad = -torch.ones_like(weight)
        optimizer = torch.optim.SGD([weight], lr=0.1)
        rates = rates_of_updates(optimizer)
        return optimizer, InverseTimeLR(optimizer, schedule), rates

    return start


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_pytorch_warmup_multiplies_the_rate_of_each_update(start, schedule):
    pytorch_warmup = pytest.importorskip("pytorch_warmup")
    optimizer, scheduler, rates = start(schedule)
    warmup = pytorch_warmup.LinearWarmup(optimizer, warmup_period=8)
    for _ in range(130):
        optimizer.step()
        with warmup.dampening():
            scheduler.step()
    factors = [min(1.0, (n + 1) / 8) for n in range(130)]
    exact = true(schedule, range(130))
    assert rates == [rate * factor for rate, factor in zip(exact, factors, strict=True)]


@pytest.fixture
def ignite():
    pytest.importorskip("ignite")
    import ignite.engine
    import ignite.handlers

    return ignite


def engine_of(ignite, optimizer):
    return ignite.engine.Engine(lambda engine, batch: optimizer.step())


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_ignites_wrapper_at_the_start_of_an_iteration(start, ignite, schedule):
    optimizer, scheduler, rates = start(schedule)
    engine = engine_of(ignite, optimizer)
    wrapped = ignite.handlers.LRScheduler(scheduler)
    engine.add_event_handler(ignite.engine.Events.ITERATION_STARTED, wrapped)
    engine.run(range(13), max_epochs=10)
    assert rates == true(schedule, range(130))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_handler_of_ones_own_at_the_end_of_an_iteration(start, ignite, schedule):
    optimizer, scheduler, rates = start(schedule)
    engine = engine_of(ignite, optimizer)

    @engine.on(ignite.engine.Events.ITERATION_COMPLETED)
    def step():  # scheduler.step itself would be passed the engine as the epoch
        scheduler.step()

    engine.run(range(13), max_epochs=10)
    assert rates == true(schedule, range(130))


@pytest.mark.filterwarnings("ignore:Please make sure to attach scheduler to:UserWarning")
@pytest.mark.parametrize(("options", "first"), [({}, 2), ({"use_legacy": True}, 1)], ids=str)
def test_ignites_wrapper_at_the_end_of_an_iteration(start, ignite, options, first):
    """The first two updates have the same rate, except with the old wrapper."""
    optimizer, scheduler, rates = start(SHORT)
    engine = engine_of(ignite, optimizer)
    wrapped = ignite.handlers.LRScheduler(scheduler, **options)
    engine.add_event_handler(ignite.engine.Events.ITERATION_COMPLETED, wrapped)
    engine.run(range(12), max_epochs=1)
    assert rates == [*true(SHORT, [0] * first), *true(SHORT, range(1, 13 - first))]
