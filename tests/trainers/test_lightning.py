"""InverseTimeLR under Lightning's Trainer, from the first update to a resumed run."""

from __future__ import annotations

import csv
import json
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    BaseFinetuning,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision
from trained import RECIPE, RESUMED, SCHEDULES, SHORT, STAIRCASE

from invtime import ConfigError, InverseTimeDecay
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values as true

pytestmark = [
    # All batches are equal, so worker processes or a stateful loader are not needed.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable"),
    # A resumed run continues in the directory of the previous run.
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    # Lightning 2.6 calls functions that torch 2.13 deprecates.
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
    """Return the rates that the updates of a new model used."""

    def fit(
        schedule,
        place,
        *,
        model=Model,
        optimizer=torch.optim.SGD,
        scheduler=InverseTimeLR,
        keep_count=False,
        batches=20,
        resume=False,
        save=None,
        callbacks=(),
        **options,
    ):
        def placed(optimizer):
            return place(scheduler(optimizer, schedule, keep_count=keep_count))

        module = model(rates_of_updates, batches, optimizer, placed)
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


EACH_UPDATE = {"every_n_train_steps": 1, "enable_version_counter": False}


def test_a_run_is_started_resumed_changed_and_resumed_again(fit, live):
    def part(schedule, updates, resume, **options):
        options["save"] = EACH_UPDATE
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


class Transfer(Model):
    """A head and a backbone of one weight each, whose gradients are -1, in two groups."""

    def __init__(self, *args):
        super().__init__(*args)
        del self.weight
        self.head = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
        self.backbone = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)

    def training_step(self, batch, batch_idx):
        return -(self.head.weight + self.backbone.weight).sum()

    def groups(self):
        return [
            {"params": self.head.parameters()},
            {"params": self.backbone.parameters(), "lr": 0.05},
        ]

    def configure_optimizers(self):
        optimizer = self.optimizer(self.groups(), lr=0.1)
        parts = (self.head, self.backbone)
        self.rates = [self.watch(optimizer, part.weight) for part in parts]
        return {"optimizer": optimizer, "lr_scheduler": self.scheduler(optimizer)}


class Unfreeze(pl.Callback):
    """Update 7 is the first of the backbone, as docs/trainers.md has it."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl_module.backbone.requires_grad_(trainer.global_step >= 6)


class HeadFirst(Transfer):
    """The same, if a callback of Lightning adds the second group."""

    def groups(self):
        return super().groups()[:1]


class Join(BaseFinetuning):
    """Update 7, in epoch 2, is the first of the backbone."""

    def __init__(self, lr=0.05):
        super().__init__()
        self.lr = lr

    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.backbone)

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 2:
            self.unfreeze_and_add_param_group(pl_module.backbone, optimizer, lr=self.lr)


class Rejoin(Join):
    """As docs/trainers.md has it."""

    def on_fit_start(self, trainer, pl_module):
        super().on_fit_start(trainer, pl_module)
        if len(trainer.optimizers[0].param_groups) > 1:
            self.make_trainable(pl_module.backbone)


def by_parameters(optimizer, schedule, keep_count):
    steps, rate = schedule.decay_steps, schedule.decay_rate
    return InverseTimeLR(optimizer, steps, rate, keep_count=keep_count)


EACH = InverseTimeDecay(0.1, 7, 0.5)  # another rate at each update
TRANSFER = {"schedule": EACH, "place": each("step"), "batches": 3, "max_epochs": 5}
EPOCH_ENDS = [{"every_n_epochs": n} for n in (1, 2, 3, 4)]
UPDATES = [{"every_n_train_steps": n} for n in (4, 5, 6, 7, 8, 9, 10)]


@pytest.mark.parametrize("scheduler", [by_parameters, InverseTimeLR])
@pytest.mark.parametrize(
    ("model", "callback", "save"),
    [(Transfer, Unfreeze, save) for save in EPOCH_ENDS + UPDATES]
    + [(HeadFirst, Rejoin, save) for save in EPOCH_ENDS + UPDATES if save != UPDATES[2]],
)
def test_a_run_with_an_unfrozen_backbone_is_resumed(fit, scheduler, model, callback, save):
    run = {**TRANSFER, "model": model, "scheduler": scheduler, "save": save}
    made = save.get("every_n_train_steps") or 3 * save["every_n_epochs"]
    before = fit(**{**run, "max_steps": made}, callbacks=[callback()])
    after = fit(**run, callbacks=[callback()], resume=True)
    assert len(before[0]) == made
    both = [first + then for first, then in zip(before, after, strict=True)]
    own = EACH.replace(initial_learning_rate=0.05) if scheduler is by_parameters else EACH
    assert both == [true(EACH, range(15)), true(own, range(6, 15))]


def test_without_a_rate_a_backbone_joins_with_a_tenth_of_the_rate_of_that_moment_as_its_peak(fit):
    run = {**TRANSFER, "model": HeadFirst, "scheduler": by_parameters}
    (now,) = true(EACH, [6])
    own = EACH.replace(initial_learning_rate=now / 10)
    assert fit(**run, callbacks=[Join(None)]) == [true(EACH, range(15)), true(own, range(6, 15))]


@pytest.mark.parametrize("save", [UPDATES[2], UPDATES[4], EPOCH_ENDS[2]], ids=str)
def test_lightning_leaves_a_backbone_frozen_that_joined_before_the_run_was_resumed(fit, save):
    """Or it had to join at once, if the checkpoint was saved at the last batch of an epoch."""
    run = {**TRANSFER, "model": HeadFirst, "save": save}
    made = save.get("every_n_train_steps") or 3 * save["every_n_epochs"]
    fit(**{**run, "max_steps": made}, callbacks=[Join()])
    rates = fit(**run, callbacks=[Join()], resume=True)
    assert rates == [true(EACH, range(made, 15)), []]


@pytest.mark.parametrize("scheduler", [by_parameters, InverseTimeLR])
def test_backbone_finetuning_sets_a_rate_that_lasts_for_one_update_of_each_later_epoch(
    fit, scheduler
):
    run = {**TRANSFER, "model": HeadFirst, "scheduler": scheduler}
    with pytest.warns(UserWarning, match="the rate of parameter group 1 is") as warned:
        head, backbone = fit(**run, callbacks=[BackboneFinetuning(2)])
    assert len([each for each in warned if "InverseTimeLR" in str(each.message)]) == 1
    (now,) = true(EACH, [6])
    first = now * 0.1
    own = EACH.replace(initial_learning_rate=first) if scheduler is by_parameters else EACH
    expected = true(own, range(6, 15))
    expected[3], expected[6] = 2 * first, 4 * first
    assert head == true(EACH, range(15))
    assert backbone == expected


def test_a_backbone_that_joins_a_list_of_schedules_needs_its_own(fit):
    def listed(optimizer, schedule, keep_count):
        return InverseTimeLR(optimizer, [schedule], keep_count=keep_count)

    class Add(Join):
        def finetune_function(self, pl_module, epoch, optimizer):
            super().finetune_function(pl_module, epoch, optimizer)
            if epoch == 2:
                pl_module.lr_schedulers().add_schedule(SHORT)

    run = {**TRANSFER, "model": HeadFirst, "scheduler": listed}
    assert fit(**run, callbacks=[Add()]) == [true(EACH, range(15)), true(SHORT, range(6, 15))]
    with pytest.raises(ConfigError, match=r"call scheduler\.add_schedule"):
        fit(**run, callbacks=[Join()])


class Steps(LightningCLI):
    """As docs/trainers.md has it."""

    @staticmethod
    def configure_optimizers(lightning_module, optimizer, lr_scheduler=None):
        if lr_scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": lr_scheduler, "interval": "step"},
        }


@pytest.fixture
def command(tmp_path, monkeypatch, rates_of_updates):
    """Return the rates of a run with LightningCLI, and a file with a recipe."""
    pytest.importorskip("jsonargparse")
    # Lightning 2.6 calls functions that jsonargparse 4.53 deprecates.
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def training_step(self, batch, batch_idx):
            return -self.weight.sum()

        def train_dataloader(self):
            return torch.utils.data.DataLoader(range(20))

        def on_fit_start(self):
            self.rates = rates_of_updates(self.trainer.optimizers[0])

    def command(cli, schedule, updates, *arguments, **options):
        recipe = {**schedule.get_config(), **options}
        del recipe["name"], recipe["initial_learning_rate"]
        config = {
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
            "lr_scheduler": {
                "class_path": "invtime.integrations.torch.InverseTimeLR",
                "init_args": recipe,
            },
        }
        file = tmp_path / "train.yaml"
        file.write_text(json.dumps(config))  # JSON is also YAML
        saving = ModelCheckpoint(tmp_path, "last", **EACH_UPDATE)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        line = ["train.py", "fit", f"--config={file}", f"--trainer.max_steps={updates}"]
        monkeypatch.setattr(sys, "argv", line + list(arguments))
        defaults = {"accelerator": "cpu", "callbacks": [saving], **quiet}
        leave = {"seed_everything_default": False, "save_config_callback": None}
        return cli(Module, trainer_defaults=defaults, **leave).model.rates

    return command


def test_lightning_cli_counts_epochs_where_nothing_is_said(command):
    rates = command(LightningCLI, SHORT, 60)
    assert rates == true(SHORT, [epoch for epoch in range(3) for _ in range(20)])


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_lightning_cli_counts_updates_where_it_is_said(command, schedule):
    assert command(Steps, schedule, 130) == true(schedule, range(130))


def test_lightning_cli_resumes_and_changes_a_run(command, tmp_path):
    last = f"--ckpt_path={tmp_path / 'last.ckpt'}"
    before = command(Steps, STAIRCASE, 41)
    assert before + command(Steps, STAIRCASE, 60, last) == true(STAIRCASE, range(60))
    with pytest.raises(ConfigError, match="keep_count=True"):
        command(Steps, RECIPE, 81, last)
    assert command(Steps, RECIPE, 81, last, keep_count=True) == true(RECIPE, range(60, 81))
