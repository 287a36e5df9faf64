"""What the frameworks are known to log, where it is not the rate of update n at step n."""

from __future__ import annotations

from collections.abc import Sequence

CONVENTIONS = {
    "keras-epoch": "epoch e, from 0, has the rate after its last update: step m * (e + 1)",
    "trainer": "the rate of the update that was counted last: step n has that of update n - 1",
}
"""In an epoch, or between two rows, are m updates."""

HUGGING_FACE = "train/learning_rate"  # as its Trainer names it for TensorBoard, wandb and MLflow


def of_csv(columns: Sequence[str]) -> tuple[str, ...]:
    """That of a log by epochs: Keras's CSVLogger sorts what it writes after the epoch."""
    rest = [column for column in columns[1:] if not column.startswith("val_")]
    return ("keras-epoch",) if columns[0] == "epoch" and rest == sorted(rest) else ()


def of_tag(tag: str) -> tuple[str, ...]:
    """That of a rate by its name in TensorBoard's files, or in what wandb exports."""
    if is_of_epochs(tag):
        return ("keras-epoch",)
    return ("trainer",) if tag.endswith(HUGGING_FACE) else ()


def is_of_epochs(tag: str) -> bool:
    """Whether the steps of a tag count epochs, as Keras's callback names it."""
    return tag.startswith(("epoch_learning_rate", "epoch_lr"))


def first_steps(conventions: Sequence[str]) -> tuple[int, ...]:
    """What the steps may call the schedule's step 0, where they count updates.

    The Trainer logs an update's rate when it has counted the update; before its pull request
    36973 of 2025 it logged the next one's there.
    """
    return (1, 0) if "trainer" in conventions else (0,)
