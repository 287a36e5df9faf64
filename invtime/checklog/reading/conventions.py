"""Frameworks that log something else than the rate of update n at step n."""

from __future__ import annotations

from collections.abc import Sequence

KERAS_EPOCH = "keras-epoch"
"""Epoch e (from 0) of m updates has the rate after its last update: that of step m * (e + 1)."""

TRAINER = "trainer"
"""The rate of the last counted update: step n has the rate of update n - 1."""

HUGGING_FACE = "train/learning_rate"  # the Trainer's name in TensorBoard, wandb and MLflow


def of_csv(columns: Sequence[str]) -> tuple[str, ...]:
    """The convention of a CSV log by epoch. Keras's CSVLogger sorts the columns after the epoch."""
    rest = [column for column in columns[1:] if not column.startswith("val_")]
    return (KERAS_EPOCH,) if columns[0] == "epoch" and rest == sorted(rest) else ()


def of_tag(tag: str) -> tuple[str, ...]:
    """The convention of a rate, by its name in TensorBoard files or wandb exports."""
    if is_of_epochs(tag):
        return (KERAS_EPOCH,)
    return (TRAINER,) if tag.endswith(HUGGING_FACE) else ()


def is_of_epochs(tag: str) -> bool:
    """Whether a tag is one of Keras's TensorBoard callback, whose steps count epochs."""
    return tag.startswith(("epoch_learning_rate", "epoch_lr"))


def first_steps(conventions: Sequence[str]) -> tuple[int, ...]:
    """The log's possible numbers for the schedule's step 0, for steps that count updates.

    The Trainer logs the rate of an update after it has counted that update. Before its pull
    request 36973 of 2025, it logged the rate of the next update there.
    """
    return (1, 0) if TRAINER in conventions else (0,)
