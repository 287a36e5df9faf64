"""InverseTimeLR under Hugging Face's Trainer, from the first update to a resumed run."""

from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch
from trained import RECIPE, RESUMED, SCHEDULES, SHORT, STAIRCASE
from transformers import Trainer, TrainingArguments

from invtime import ConfigError
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values as true


class Model(torch.nn.Module):
    """One weight whose gradient is -1."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, inputs):
        return {"loss": -self.weight.sum()}


class Own(Trainer):
    """A trainer that creates its optimizer, and the scheduler for it."""

    scheduler = watch = rates = None

    def create_scheduler(self, num_training_steps, optimizer=None):
        self.rates = self.watch(self.optimizer.optimizer)
        self.lr_scheduler = self.scheduler(self.optimizer)
        return self.lr_scheduler


@pytest.fixture(params=["optimizers=", "create_scheduler"])
def train(request, tmp_path, rates_of_updates):
    """Return the rates that the updates of a new model used, and those of the log."""

    def train(
        schedule,
        *,
        optimizer=torch.optim.SGD,
        keep_count=False,
        batches=20,
        resume=False,
        save=None,
        **options,
    ):
        arguments = TrainingArguments(
            tmp_path,
            optim="sgd" if optimizer is torch.optim.SGD else "adamw_torch",
            adam_beta1=0.0,  # as in `adam`
            adam_beta2=0.0,
            adam_epsilon=0.0,
            per_device_train_batch_size=1,
            logging_steps=1,
            save_strategy="steps" if save else "no",
            save_steps=save or 1,
            max_grad_norm=0,  # clipping would make a gradient of 1 slightly smaller
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            **options,
        )
        scheduler = partial(InverseTimeLR, decay_steps=schedule, keep_count=keep_count)
        model, data = Model(), [{"inputs": torch.zeros(1)}] * batches
        if request.param == "create_scheduler":
            trainer = Own(model, arguments, train_dataset=data)
            trainer.scheduler, trainer.watch = scheduler, rates_of_updates
        else:
            optimizer = optimizer(model.parameters(), lr=0.1)
            pair = optimizer, scheduler(optimizer)
            trainer = Trainer(model, arguments, train_dataset=data, optimizers=pair)
            trainer.rates = rates_of_updates(optimizer)
        trainer.train(resume_from_checkpoint=resume)
        log = trainer.state.log_history
        return trainer.rates, [entry["learning_rate"] for entry in log if "loss" in entry]

    return train


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_update_k_has_and_logs_the_rate_of_step_k_minus_1(train, schedule):
    rates, logged = train(schedule, max_steps=130)
    assert rates == true(schedule, range(130))
    assert logged == rates


def test_accumulated_batches_are_one_update(train):
    # Five batches an epoch make three updates, the last of one batch.
    rates, logged = train(SHORT, num_train_epochs=4, batches=5, gradient_accumulation_steps=2)
    assert rates == true(SHORT, range(12))
    assert logged == rates


@pytest.mark.parametrize("schedule", [SHORT, RECIPE], ids=["staircase", "phases"])
def test_the_arguments_of_other_schedules_play_no_part(train, schedule):
    rates, _ = train(
        schedule, max_steps=12, learning_rate=1.0, lr_scheduler_type="cosine", warmup_steps=5
    )
    assert rates == true(schedule, range(12))


@pytest.mark.parametrize(("schedule", "interrupted"), RESUMED)  # 40 is the end of an epoch
def test_a_resumed_run_is_the_uninterrupted_one(train, schedule, interrupted):
    before, _ = train(schedule, max_steps=interrupted, save=interrupted)
    after, logged = train(schedule, max_steps=100, save=interrupted, resume=True)
    assert len(before) == interrupted
    assert before + after == true(schedule, range(100))
    assert logged == before + after


def test_a_run_is_started_resumed_changed_and_resumed_again(train, live):
    def part(schedule, updates, resume, **options):
        options |= {"max_steps": updates, "save": updates}
        rates, logged = train(schedule, resume=resume, **options)
        assert logged[-len(rates) :] == rates
        return rates

    live(part)


def test_the_checkpoint_of_another_schedule_is_refused(train):
    train(SHORT, max_steps=3, save=3)
    with pytest.raises(ConfigError, match="start anew"):
        train(STAIRCASE, max_steps=6, resume=True)
