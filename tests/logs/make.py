"""Make the logs next to this file: each comes from a real training run of about 130 updates.

Only their own logs need wandb and MLflow. No test needs them.

python tests/logs/make.py                  all of them, with everything installed
python tests/logs/make.py FOLDER torch     one of them, into another folder
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from invtime import InverseTimeDecay

HERE = Path(__file__).parent
UPDATES = 130
SCHEDULE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
CONTINUOUS = SCHEDULE.replace(staircase=False)
PHASES = CONTINUOUS.replace(
    warmup_steps=20,
    warmup_learning_rate=0.01,
    minimum_learning_rate=0.05,
    cooldown_start=110,
    cooldown_steps=15,
    final_learning_rate=0.001,
)
EPOCHS = 10  # of 13 updates


def torch(folder):
    """JSON lines of a loop in PyTorch with InverseTimeLR."""
    rates = _rates(SCHEDULE)
    _json_lines(folder / "torch.jsonl", rates)


def torch_lambda(folder):
    """Return the schedule as a factor for LambdaLR, which multiplies it by the optimizer's rate."""
    from torch.optim.lr_scheduler import LambdaLR

    rates = _loop(lambda optimizer: LambdaLR(optimizer, SCHEDULE))
    _json_lines(folder / "torch-lambda.jsonl", rates)


def _rates(schedule):
    from invtime.integrations.torch import InverseTimeLR

    return _loop(lambda optimizer: InverseTimeLR.from_schedule(optimizer, schedule))


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

    rates = _rates(SCHEDULE)
    with tempfile.TemporaryDirectory() as place:
        with SummaryWriter(place) as writer:
            for step, (rate, loss) in enumerate(rates):
                writer.add_scalar("train/lr", rate, step)
                writer.add_scalar("train/loss", loss, step)
        (file,) = Path(place).iterdir()  # its default name contains the name of the machine
        shutil.copy(file, folder / "events.out.tfevents.torch")


def lightning(folder):
    """Lightning's metrics.csv, with the scheduler stepped after each update."""
    _lightning(folder / "lightning.csv", SCHEDULE, 1)


def lightning_by_epoch(folder):
    """The same with phases, and with a rate logged at the start of each epoch."""
    _lightning(folder / "lightning-by-epoch.csv", PHASES, EPOCHS, monitored="epoch")


def lightning_epochs(folder):
    """The same, stepped after each epoch: Lightning's default, and a common mistake."""
    _lightning(folder / "lightning-epochs.csv", SCHEDULE, 90, updates=270, stepped="epoch")


def _lightning(path, schedule, epochs, updates=UPDATES, stepped="step", monitored="step"):
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
            scheduler = InverseTimeLR.from_schedule(optimizer, schedule)
            return [optimizer], [{"scheduler": scheduler, "interval": stepped}]

        def train_dataloader(self):
            return torch.utils.data.DataLoader(range(updates // epochs))

    with tempfile.TemporaryDirectory() as place:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            log_every_n_steps=1,
            logger=CSVLogger(place, name=None, version="log"),
            callbacks=LearningRateMonitor(logging_interval=monitored),
            default_root_dir=place,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Model())
        shutil.copy(Path(place) / "log" / "metrics.csv", path)


def transformers(folder):
    """The trainer_state.json of Hugging Face's Trainer."""
    state = _trainer(SCHEDULE, logging_steps=1, disable_tqdm=True).state
    state.save_to_json(str(folder / "trainer_state.json"))


def transformers_output(folder):
    """The output of the Trainer: dictionaries between progress bars, without steps."""
    _printed(folder / "trainer.txt", "make._trainer(make.CONTINUOUS, logging_steps=5)")


def transformers_epochs_output(folder):
    """The same, logged at the end of each epoch, with more keys."""
    _printed(
        folder / "trainer-epochs.txt",
        "make._trainer(make.PHASES, logging_strategy='epoch', log_level='info')",
    )


def _printed(path, program):
    command = [sys.executable, "-c", f"import make; {program}"]
    with path.open("wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=True, cwd=HERE)


def _trainer(schedule, **options):
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
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=1,
            save_strategy="no",
            use_cpu=True,
            report_to="none",
            **options,
        )
        data = [{"inputs": torch.zeros(1)}] * (UPDATES // EPOCHS)
        pair = optimizer, InverseTimeLR.from_schedule(optimizer, schedule)
        trainer = Trainer(model, arguments, train_dataset=data, optimizers=pair)
        trainer.train()
    return trainer


def keras_jax(folder):
    """Keras's own schedule in `fit`, compiled by JAX; the rates are read from the weights."""
    if _on("jax", keras_jax, folder):
        _keras_weights(folder / "keras-jax.csv")


def keras_tensorflow(folder):
    """The same, compiled to a graph by TensorFlow."""
    if _on("tensorflow", keras_tensorflow, folder):
        _keras_weights(folder / "keras-tensorflow.csv")


def keras_batches(folder):
    """A CSV with the count and the rate that Keras's optimizer has after each batch."""
    if not _on("tensorflow", keras_batches, folder):
        return
    import keras

    with (folder / "keras-batches.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iterations", "learning_rate", "loss"])

        class Batches(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                optimizer = self.model.optimizer
                rate = float(optimizer.learning_rate)
                writer.writerow([int(optimizer.iterations), rate, logs["loss"]])

        _keras(SCHEDULE, Batches())


def keras_epochs(folder):
    """Keras's CSVLogger, with the rate that a callback adds to the logs of each epoch."""
    if not _on("tensorflow", keras_epochs, folder):
        return
    import keras

    class Rate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)

    _keras(CONTINUOUS, Rate(), keras.callbacks.CSVLogger(folder / "keras-epochs.csv"))


def keras_tensorboard(folder):
    """The directory of Keras's TensorBoard callback, which logs each epoch."""
    if not _on("tensorflow", keras_tensorboard, folder):
        return
    import keras

    with tempfile.TemporaryDirectory() as place:
        callback = keras.callbacks.TensorBoard(place, write_graph=False)
        _keras(PHASES, callback)
        (file,) = Path(place).glob("train/*")
        run = folder / "keras-tensorboard" / "train"
        run.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, run / "events.out.tfevents.keras")


def _on(backend, maker, folder):
    """Return whether Keras has the backend; if not, start a process that has it."""
    if os.environ.get("KERAS_BACKEND") == backend:
        return True
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, folder, maker.__name__]
    subprocess.run(command, env=environment, check=True)
    return False


def _keras(schedule, *callbacks):
    import keras
    import numpy as np

    from invtime.integrations.keras import InverseTimeDecay as Ours

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(Ours(**schedule.get_config())), loss="mse")
    ones = np.ones((UPDATES // EPOCHS, 1))
    model.fit(ones, ones, batch_size=1, epochs=EPOCHS, callbacks=callbacks, verbose=0)


def _keras_weights(path):
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


def wandb(folder):
    """Two runs in the layout of the CSV that wandb's page exports of a chart.

    The web page needs an account, so this writes the file from the history of offline runs.
    """
    schedules = {"staircase": SCHEDULE, "phases": PHASES}
    histories = {name: _wandb_history(_rates(own)) for name, own in schedules.items()}
    with (folder / "wandb.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        ends = ("", "__MIN", "__MAX")
        writer.writerow(["Step", *(f"{name} - lr{end}" for name in histories for end in ends)])
        for row in zip(*histories.values(), strict=True):
            writer.writerow([row[0]["_step"], *(each["lr"] for each in row for _ in ends)])


def _wandb_history(rates):
    """What an offline run has in its file: records in the blocks of LevelDB's log format."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    with tempfile.TemporaryDirectory() as place:
        with wandb.init(mode="offline", dir=place) as run:
            for rate, loss in rates:
                run.log({"lr": rate, "loss": loss})
        wandb.teardown()  # waits until everything is written
        (file,) = Path(place).rglob("*.wandb")
        content = file.read_bytes()
    record, at, block = b"", 7, 32768
    while at < len(content):
        if block - at % block < 7:  # no space for a header
            at += block - at % block
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        at += 7 + length
        record += content[at - length : at]
        if kind in (1, 4):  # a whole record, or the last part of one
            items = Record.FromString(record).history.item
            record = b""
            row = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in items}
            if row:
                yield row


def mlflow(folder):
    """The file of a metric in MLflow's folder of runs."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    rates = _rates(CONTINUOUS)
    with tempfile.TemporaryDirectory() as place:
        mlflow.set_tracking_uri((Path(place) / "runs").as_uri())
        with mlflow.start_run():
            for step, (rate, _) in enumerate(rates):
                mlflow.log_metric("lr", rate, step=step)
        (file,) = Path(place).rglob("metrics/lr")
        shutil.copy(file, folder / "mlflow-lr")


def plain(folder):
    """Lines of a step and a rate of six digits, as a loop prints them."""
    rates = _rates(PHASES)
    with (folder / "plain.txt").open("w") as file:
        for step, (rate, _) in enumerate(rates):
            print(step, f"{rate:.6f}", file=file)


MAKERS = {
    maker.__name__: maker
    for maker in (
        *(torch, torch_lambda, tensorboard, plain, wandb, mlflow),
        *(lightning, lightning_by_epoch, lightning_epochs),
        *(transformers, transformers_output, transformers_epochs_output),
        *(keras_jax, keras_tensorflow, keras_batches, keras_epochs, keras_tensorboard),
    )
}

if __name__ == "__main__":
    folder, *names = sys.argv[1:] or [HERE]
    for name in names or MAKERS:
        MAKERS[name](Path(folder))
