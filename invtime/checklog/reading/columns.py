"""Find the columns of a log that have the steps, the learning rates and the run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from invtime.checklog.log import LogError
from invtime.errors import shown

# In order of preference. Only letters and digits are compared, so these include "Global Step" and
# "train/global_step". In a log that has a global step, another step counts from the start of its
# epoch or, as wandb's _step, the calls of `log`.
STEPS = (
    *("globalstep", "globalsteps", "trainerglobalstep", "trainglobalstep", "step", "steps"),
    *("trainstep", "trainsteps", "numupdates", "update", "updates", "iteration", "iterations"),
    *("iter", "iters", "it", "n"),
)
EPOCHS = ("epoch", "epochs")
# If there is none of the above. A batch counts from the start of its epoch. The names after
# "index" are those of pandas.
LAST = ("batch", "batches", "index", "unnamed0", "")
RUNS = ("run", "runid", "runname")
RATES = ("learningrate", "lr")
# Other names: lr-SGD, lr/group_0, train/lr, optimizer.learning_rate, lr-Adam/pg1.
RATE = re.compile(r"(^|[^a-z])(lr|learning[ _-]?rate)([^a-z]|$)", re.IGNORECASE)
VALUE = "value"  # in MLflow files and in CSV files downloaded from TensorBoard
EXTREMES = ("__MIN", "__MAX")  # next to each metric in wandb exports
LISTED = 20  # names in an error message


def named(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first column with one of the names, which are in order of preference."""
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(_plain(column), column)
    return next((plain[name] for name in names if name in plain), None)


def is_epoch(column: str) -> bool:
    """Whether a column counts epochs, judged by its name."""
    return _plain(column) in EPOCHS


def rates(columns: Iterable[str]) -> list[str]:
    """The columns that may have the learning rates, judged by their names."""
    columns = [column for column in columns if column and not column.endswith(EXTREMES)]
    for name in RATES:
        if found := [column for column in columns if _plain(column) == name]:
            return found
    found = [column for column in columns if RATE.search(column)]
    return found or [column for column in columns if _plain(column) == VALUE]


def rate_among(columns: Collection[str], given: str | None, guessed: list[str]) -> str:
    """The column of the rates: the given one, or the only guess."""
    if given is not None:
        return existing(given, columns)
    if len(guessed) != 1:
        found = f"{len(guessed)} columns look" if guessed else "no column looks"
        raise LogError(
            f"{found} like learning rates; the columns are {listed(columns)}; name the right one "
            "with --rate-column"
        )
    return guessed[0]


def existing(given: str, columns: Collection[str]) -> str:
    """The given column, which must exist."""
    if given not in columns:
        raise LogError(
            f"there is no column {shown(given)}; the columns are {listed(columns)}; pass one"
        )
    return given


def listed(names: Collection[str]) -> str:
    """The names for an error message, at most 20 of them."""
    more = [f"{len(names) - LISTED:,} more"] if len(names) > LISTED else []
    return ", ".join([*map(shown, list(names)[:LISTED]), *more]) or "none"


def _plain(column: str) -> str:
    return re.sub("[^a-z0-9]", "", column.lower())
