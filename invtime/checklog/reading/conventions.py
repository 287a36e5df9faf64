"""What the frameworks are known to log, where it is not the rate of update n at step n."""

from __future__ import annotations

from collections.abc import Sequence

KERAS_EPOCH = "keras-epoch"
"""Epoch e, from 0, has the rate after its last update: step m * (e + 1) for m updates in each."""

TRAINER = "trainer"
"""The rate of the update that was counted last: step n has that of update n - 1."""

HUGGING_FACE = "train/learning_rate"  # as its Trainer names it for TensorBoard, wandb and MLflow


def of_csv(columns: Sequence[str]) -> tuple[str, ...]:
    """That of a log by epochs: Keras's CSVLogger sorts what it writes after the epoch."""
    rest = [column for column in columns[1:] if not column.startswith("val_")]
    return (KERAS_EPOCH,) if columns[0] == "epoch" and rest == sorted(rest) else ()


def of_tag(tag: str) -> tuple[str, ...]:
    """That of a rate by its name in TensorBoard's files, or in what wandb exports."""
    if is_of_epochs(tag):
        return (KERAS_EPOCH,)
    return (TRAINER,) if tag.endswith(HUGGING_FACE) else ()


def is_of_epochs(tag: str) -> bool:
    """Whether the steps of a tag count epochs, as Keras's callback names it."""
    return tag.startswith(("epoch_learning_rate", "epoch_lr"))


def first_steps(conventions: Sequence[str]) -> tuple[int, ...]:
    """What the steps may call the schedule's step 0, where they count updates.

    The Trainer logs an update's rate when it has counted the update; before its pull request
    36973 of 2025 it logged the next one's there.
    """
    return (1, 0) if TRAINER in conventions else (0,)
