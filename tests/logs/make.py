"""Makes the logs beside this file: each is that of a real training run of 130 updates or so.

python tests/logs/make.py                  all of them, with everything installed
python tests/logs/make.py FOLDER torch     one of them, into another folder
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from invtime import InverseTimeDecay

HERE = Path(__file__).parent
UPDATES = 130
SCHEDULE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)


def torch(folder):
    """JSON lines of a loop in PyTorch with InverseTimeLR."""
    from invtime.integrations.torch import InverseTimeLR

    rates = _loop(lambda optimizer: InverseTimeLR.from_schedule(optimizer, SCHEDULE))
    _json_lines(folder / "torch.jsonl", rates)


def torch_lambda(folder):
    """The schedule as LambdaLR's lambda, which multiplies the optimizer's rate in again."""
    from torch.optim.lr_scheduler import LambdaLR

    rates = _loop(lambda optimizer: LambdaLR(optimizer, SCHEDULE))
    _json_lines(folder / "torch-lambda.jsonl", rates)


def _loop(schedule):
    import torch

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = schedule(optimizer)
    for _ in range(UPDATES):
        (rate,) = scheduler.get_last_lr()
        optimizer.zero_grad()
        loss = (weight - 1).square().sum()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield rate, loss.item()


def _json_lines(path, rates):
    with path.open("w") as file:
        for step, (rate, loss) in enumerate(rates):
            print(json.dumps({"step": step, "loss": round(loss, 4), "lr": rate}), file=file)


def tensorboard(folder):
    """An event file of the same loop, written by torch.utils.tensorboard."""
    from torch.utils.tensorboard import SummaryWriter

    from invtime.integrations.torch import InverseTimeLR

    rates = _loop(lambda optimizer: InverseTimeLR.from_schedule(optimizer, SCHEDULE))
    with tempfile.TemporaryDirectory() as place:
        with SummaryWriter(place) as writer:
            for step, (rate, loss) in enumerate(rates):
                writer.add_scalar("train/lr", rate, step)
                writer.add_scalar("train/loss", loss, step)
        (file,) = Path(place).iterdir()  # its own name has the machine's in it
        shutil.copy(file, folder / "events.out.tfevents.torch")


def lightning(folder):
    """Lightning's metrics.csv, with the scheduler stepped after each update."""
    _lightning(folder / "lightning.csv", "step", batches=UPDATES, epochs=1)


def lightning_epochs(folder):
    """The same, stepped after each epoch: Lightning's default, and a common mistake."""
    _lightning(folder / "lightning-epochs.csv", "epoch", batches=3, epochs=90)


def _lightning(path, interval, batches, epochs):
    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    from invtime.integrations.torch import InverseTimeLR

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch, batch_idx):
            loss = (self.weight - 1).square().sum()
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            scheduler = InverseTimeLR.from_schedule(optimizer, SCHEDULE)
            return [optimizer], [{"scheduler": scheduler, "interval": interval}]

        def train_dataloader(self):
            return torch.utils.data.DataLoader(range(batches))

    with tempfile.TemporaryDirectory() as place:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            log_every_n_steps=1,
            logger=CSVLogger(place, name=None, version="log"),
            callbacks=LearningRateMonitor(logging_interval="step"),
            default_root_dir=place,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Model())
        shutil.copy(Path(place) / "log" / "metrics.csv", path)


def transformers(folder):
    """The trainer_state.json of Hugging Face's Trainer."""
    import torch
    from transformers import Trainer, TrainingArguments

    from invtime.integrations.torch import InverseTimeLR

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs):
            return {"loss": (self.weight - 1).square().sum()}

    with tempfile.TemporaryDirectory() as place:
        model = Model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        arguments = TrainingArguments(
            place,
            max_steps=UPDATES,
            logging_steps=1,
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
        )
        data = [{"inputs": torch.zeros(1)}] * UPDATES
        pair = optimizer, InverseTimeLR.from_schedule(optimizer, SCHEDULE)
        trainer = Trainer(model, arguments, train_dataset=data, optimizers=pair)
        trainer.train()
        trainer.state.save_to_json(str(folder / "trainer_state.json"))


def keras_jax(folder):
    """Keras's own schedule in `fit`, compiled by JAX: each update's rate, off its weights."""
    _keras(folder / "keras-jax.csv", "jax")


def keras_tensorflow(folder):
    """The same, compiled to a graph by TensorFlow."""
    _keras(folder / "keras-tensorflow.csv", "tensorflow")


def _keras(path, backend):
    if os.environ.get("KERAS_BACKEND") != backend:  # which is chosen once in a process
        command = [sys.executable, __file__, path.parent, path.stem.replace("-", "_")]
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, env=environment, check=True)
        return
    import keras
    import numpy as np

    # Update number k has the gradient 1 for weight k and 0 for the others, so that this weight
    # is then minus the rate that the compiled update had.
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((UPDATES,)), layer])
    config = SCHEDULE.get_config()
    theirs = keras.optimizers.schedules.InverseTimeDecay(**config)
    model.compile(keras.optimizers.SGD(theirs), loss="mae")
    batches, targets = np.eye(UPDATES, dtype="float32"), np.full((UPDATES, 1), -1, "float32")
    model.fit(batches, targets, batch_size=1, shuffle=False, verbose=0)
    rates = -np.asarray(layer.kernel).ravel()
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", "learning_rate"])
        writer.writerows((step, str(rate)) for step, rate in enumerate(rates))


MAKERS = {
    maker.__name__: maker
    for maker in (
        *(torch, torch_lambda, tensorboard, lightning, lightning_epochs, transformers),
        *(keras_jax, keras_tensorflow),
    )
}

if __name__ == "__main__":
    folder, *names = sys.argv[1:] or [HERE]
    for name in names or MAKERS:
        MAKERS[name](Path(folder))
