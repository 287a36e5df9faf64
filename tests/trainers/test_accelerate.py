"""InverseTimeLR prepared by accelerate, in one process and in two, and resumed.

As a program, this file is one of the two processes.
"""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.state import AcceleratorState, GradientState
from trained import RECIPE, RESUMED, SCHEDULES, SHORT, STAIRCASE

from invtime import ConfigError, InverseTimeDecay
from invtime.integrations import current_rates
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values as true


class Model(torch.nn.Module):
    """One weight whose gradient is minus its input."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, inputs):
        return -(self.weight * inputs).mean()


class Run:
    """Return a new prepared model, and the rates that its updates used."""

    def __init__(
        self,
        watch,
        schedule,
        *,
        optimizer=torch.optim.SGD,
        keep_count=False,
        data=None,
        batch_size=1,
        scaler=None,
        **options,
    ):
        self.accelerator = Accelerator(cpu=True, **options)
        self.accelerator.scaler = scaler  # as with mixed precision on a GPU
        model = Model()
        optimizer = optimizer(model.parameters(), lr=0.1)
        self.rates = watch(optimizer)
        scheduler = InverseTimeLR(optimizer, schedule, keep_count=keep_count)
        data = torch.ones(20) if data is None else data
        loader = torch.utils.data.DataLoader(data, batch_size)
        self.prepared = self.accelerator.prepare(model, optimizer, scheduler, loader)

    def epoch(self):
        """The loop of docs/trainers.md."""
        accelerator = self.accelerator
        model, optimizer, scheduler, loader = self.prepared
        for batch in loader:
            with accelerator.accumulate(model):
                accelerator.backward(model(batch))
                optimizer.step()
                if accelerator.step_scheduler_with_optimizer or (
                    accelerator.sync_gradients and not accelerator.optimizer_step_was_skipped
                ):
                    scheduler.step()
                optimizer.zero_grad()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_update_k_has_the_rate_of_step_k_minus_1(rates_of_updates, schedule):
    run = Run(rates_of_updates, schedule, data=torch.ones(130))
    run.epoch()
    assert run.rates == true(schedule, range(130))


both_ways = pytest.mark.parametrize(
    "with_optimizer", [True, False], ids=["with the optimizer", "by itself"]
)


@both_ways
def test_accumulated_batches_are_one_update(rates_of_updates, with_optimizer):
    run = Run(
        rates_of_updates,
        SHORT,
        data=torch.ones(5),  # three updates an epoch, the last of one batch
        gradient_accumulation_steps=2,
        step_scheduler_with_optimizer=with_optimizer,
    )
    for _ in range(4):
        run.epoch()
    assert run.rates == true(SHORT, range(12))


@both_ways
def test_an_update_that_an_overflow_skips_is_not_counted(rates_of_updates, with_optimizer):
    data = torch.ones(12)
    data[4] = float("inf")
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    run = Run(
        rates_of_updates,
        SHORT,
        data=data,
        scaler=scaler,
        step_scheduler_with_optimizer=with_optimizer,
    )
    run.epoch()
    assert run.rates == true(SHORT, range(11))


def test_the_current_rate_of_what_was_prepared(rates_of_updates):
    run = Run(rates_of_updates, SHORT)
    run.epoch()
    _, optimizer, scheduler, _ = run.prepared
    assert current_rates(optimizer) == scheduler.get_last_lr() == true(SHORT, [20])


@pytest.mark.parametrize(("schedule", "interrupted"), RESUMED)
def test_a_resumed_run_is_the_uninterrupted_one(rates_of_updates, tmp_path, schedule, interrupted):
    def start(updates):
        data = torch.ones(2 * updates)
        return Run(rates_of_updates, schedule, data=data, gradient_accumulation_steps=2)

    before = start(interrupted)
    before.epoch()
    before.accelerator.save_state(tmp_path)
    after = start(100 - interrupted)
    after.accelerator.load_state(tmp_path)
    after.epoch()
    assert before.rates + after.rates == true(schedule, range(100))


def test_a_run_is_started_resumed_changed_and_resumed_again(rates_of_updates, tmp_path, live):
    done = 0

    def part(schedule, updates, resume, **options):
        nonlocal done
        run = Run(rates_of_updates, schedule, data=torch.ones(updates - done), **options)
        if resume:
            run.accelerator.load_state(tmp_path)
        run.epoch()
        run.accelerator.save_state(tmp_path)
        done = updates
        return run.rates

    live(part)


def test_the_checkpoint_of_another_schedule_is_refused(rates_of_updates, tmp_path):
    Run(rates_of_updates, SHORT).accelerator.save_state(tmp_path)
    with pytest.raises(ConfigError, match="start anew"):
        Run(rates_of_updates, STAIRCASE).accelerator.load_state(tmp_path)


TWICE = InverseTimeDecay(0.1, 82, 0.5, staircase=True)
TWICE_THE_RECIPE = RECIPE.replace(
    decay_steps=41, warmup_steps=20, stable_steps=40, cooldown_start=160, cooldown_steps=30
)
SPLIT = DataLoaderConfiguration(split_batches=True)
IN_TWO_PROCESSES = {
    "as it is": ({"schedule": STAIRCASE}, range(0, 200, 2)),
    "twice the decay_steps": ({"schedule": TWICE}, range(0, 200, 2)),
    "twice all steps": ({"schedule": TWICE_THE_RECIPE}, range(0, 200, 2)),
    "split batches": (
        {"schedule": STAIRCASE, "batch_size": 2, "dataloader_config": SPLIT},
        range(100),
    ),
    "by itself": (
        {"schedule": STAIRCASE, "step_scheduler_with_optimizer": False},
        range(100),
    ),
}


@pytest.fixture(scope="module")
def ranks(in_two_processes):
    return in_two_processes()


@pytest.mark.parametrize("case", IN_TWO_PROCESSES)
def test_the_steps_of_the_updates_in_two_processes(ranks, case):
    options, steps = IN_TWO_PROCESSES[case]
    expected = true(options["schedule"], steps)
    assert [rates[case] for rates in ranks] == [expected, expected]


def test_twice_the_decay_steps_in_two_processes_are_the_rates_of_one(ranks):
    for rates in ranks:
        assert rates["twice the decay_steps"] == true(STAIRCASE, range(100))
        assert rates["twice all steps"] == true(RECIPE, range(100))


def main(folder):
    from conftest import leave, meet, watch

    meet(folder)
    rates = {}
    for case, (options, _) in IN_TWO_PROCESSES.items():
        run = Run(watch, data=torch.ones(200), **options)
        run.epoch()
        rates[case] = run.rates
    print(json.dumps(rates))
    del run
    leave()


if __name__ == "__main__":
    main(sys.argv[1])
