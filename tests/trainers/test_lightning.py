"""InverseTimeLR under Lightning's Trainer, from the first update to a resumed run."""

from __future__ import annotations

import csv

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision
from trained import RESUMED, SCHEDULES, SHORT, STAIRCASE

from invtime import ConfigError
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values as true

pytestmark = [
    # The batches are all alike, so a loader with workers or a place in it would gain nothing.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable"),
    # A resumed run goes on with the directory of the one before it.
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    # Lightning 2.6 calls what torch 2.13 deprecates.
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is:FutureWarning"),
]


class Model(pl.LightningModule):
    """One weight whose gradient is -1, under a scheduler that `place` puts in its dict."""

    def __init__(self, watch, batches, optimizer, scheduler):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.watch, self.batches = watch, batches
        self.optimizer, self.scheduler = optimizer, scheduler

    def training_step(self, batch, batch_idx):
        return -self.weight.sum()

    def configure_optimizers(self):
        optimizer = self.optimizer(self.parameters(), lr=0.1)
        self.rates = self.watch(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": self.scheduler(optimizer)}

    def train_dataloader(self):
        return torch.utils.data.DataLoader(range(self.batches))


def each(interval):
    return lambda scheduler: {"scheduler": scheduler, "interval": interval}


@pytest.fixture
def fit(tmp_path, rates_of_updates):
    """The rates that the updates of a new model really had."""

    def fit(
        schedule,
        place,
        *,
        model=Model,
        optimizer=torch.optim.SGD,
        keep_count=False,
        batches=20,
        resume=False,
        save=None,
        callbacks=(),
        **options,
    ):
        def scheduler(optimizer):
            return place(InverseTimeLR(optimizer, schedule, keep_count=keep_count))

        module = model(rates_of_updates, batches, optimizer, scheduler)
        if save:
            callbacks = [*callbacks, ModelCheckpoint(tmp_path / "saved", "last", **save)]
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            default_root_dir=tmp_path,
            log_every_n_steps=1,
            enable_checkpointing=bool(save),
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=list(callbacks),
            **{"logger": False, **options},
        )
        ckpt_path = tmp_path / "saved" / "last.ckpt" if resume else None
        trainer.fit(module, ckpt_path=ckpt_path, weights_only=True if resume else None)
        return module.rates

    return fit


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_update_k_has_the_rate_of_step_k_minus_1(fit, schedule):
    assert fit(schedule, each("step"), max_steps=130) == true(schedule, range(130))


@pytest.mark.parametrize(
    "place", [each("epoch"), lambda scheduler: scheduler], ids=["said", "left out"]
)
def test_epoch_k_has_the_rate_of_step_k_minus_1(fit, place):
    rates = fit(SHORT, place, max_epochs=8, batches=2)
    assert rates == true(SHORT, [epoch for epoch in range(8) for _ in range(2)])


def test_accumulated_batches_are_one_update(fit):
    # Five batches an epoch make three updates, the last of one batch.
    rates = fit(SHORT, each("step"), max_epochs=4, batches=5, accumulate_grad_batches=2)
    assert rates == true(SHORT, range(12))


@pytest.mark.parametrize(("schedule", "interrupted"), RESUMED)  # 40 is the end of an epoch
def test_a_resumed_run_is_the_uninterrupted_one(fit, schedule, interrupted):
    run = {"schedule": schedule, "place": each("step")}
    run["save"] = {"every_n_train_steps": interrupted}
    before = fit(**run, max_steps=interrupted)
    after = fit(**run, max_steps=100, resume=True)
    assert len(before) == interrupted
    assert before + after == true(schedule, range(100))


EPOCHS = [{"every_n_epochs": epochs} for epochs in (2, 3, 4)]
BATCHES = [{"every_n_train_steps": updates} for updates in range(4, 10)]


@pytest.mark.parametrize("save", EPOCHS + BATCHES, ids=str)
def test_a_resumed_run_that_counts_epochs_is_the_uninterrupted_one(fit, save):
    run = {"schedule": SHORT, "place": each("epoch"), "batches": 2, "save": save}
    updates = save.get("every_n_train_steps") or 2 * save["every_n_epochs"]
    before = fit(**run, max_steps=updates)
    after = fit(**run, max_epochs=8, resume=True)
    assert len(before) == updates
    assert before + after == true(SHORT, [epoch for epoch in range(8) for _ in range(2)])


def test_a_run_is_started_resumed_changed_and_resumed_again(fit, live):
    def part(schedule, updates, resume, **options):
        options["save"] = {"every_n_train_steps": 1, "enable_version_counter": False}
        return fit(schedule, each("step"), max_steps=updates, resume=resume, **options)

    live(part)


def test_the_checkpoint_of_another_schedule_is_refused(fit):
    run = {"place": each("step"), "save": {"every_n_train_steps": 3}}
    fit(SHORT, **run, max_steps=3)
    with pytest.raises(ConfigError, match="start anew"):
        fit(STAIRCASE, **run, max_steps=6, resume=True)


def test_the_monitor_logs_the_rate_of_each_update(fit, tmp_path):
    monitor = LearningRateMonitor(logging_interval="step")
    logger = CSVLogger(tmp_path, name=None, version="log")
    rates = fit(SHORT, each("step"), max_steps=12, logger=logger, callbacks=[monitor])
    with (tmp_path / "log" / "metrics.csv").open() as file:
        rows = [(int(row["step"]), float(row["lr-SGD"])) for row in csv.DictReader(file)]
    assert rows == list(enumerate(rates))
    assert rates == true(SHORT, range(12))


def test_an_update_that_an_overflow_skips_is_counted(fit):
    class Overflow(Model):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            return loss * float("inf") if batch_idx == 4 else loss

    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    rates = fit(
        SHORT,
        each("step"),
        model=Overflow,
        max_epochs=1,
        batches=12,
        plugins=MixedPrecision("16-mixed", "cpu", scaler),
    )
    assert rates == true(SHORT, [step for step in range(12) if step != 4])
