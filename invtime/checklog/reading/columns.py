"""Which column of a log has the steps, the learning rates, the run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from invtime.checklog.log import LogError
from invtime.errors import shown

# In the order of preference; letters and digits alone are compared, so that "Global Step" and
# "train/global_step" are among them. Beside a global step, a step counts from the start of its
# epoch, or as wandb's _step the calls of its log.
STEPS = (
    *("globalstep", "globalsteps", "trainerglobalstep", "trainglobalstep", "step", "steps"),
    *("trainstep", "trainsteps", "numupdates", "update", "updates", "iteration", "iterations"),
    *("iter", "iters", "it", "n"),
)
EPOCHS = ("epoch", "epochs")
# Where nothing above is: a batch counts from the start of its epoch. The last are of pandas.
LAST = ("batch", "batches", "index", "unnamed0", "")
RUNS = ("run", "runid", "runname")
RATES = ("learningrate", "lr")
# What others call it: lr-SGD, lr/group_0, train/lr, optimizer.learning_rate, lr-Adam/pg1.
RATE = re.compile(r"(^|[^a-z])(lr|learning[ _-]?rate)([^a-z]|$)", re.IGNORECASE)
VALUE = "value"  # in MLflow's files and in the CSV that TensorBoard's page saves
EXTREMES = ("__MIN", "__MAX")  # beside each metric of wandb's
LISTED = 20  # names, in an error


def named(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first of the columns that has the first of the names."""
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(_plain(column), column)
    return next((plain[name] for name in names if name in plain), None)


def is_epoch(column: str) -> bool:
    """Whether a column counts epochs, by its name."""
    return _plain(column) in EPOCHS


def rates(columns: Iterable[str]) -> list[str]:
    """The columns that may have the learning rates."""
    columns = [column for column in columns if column and not column.endswith(EXTREMES)]
    for name in RATES:
        if found := [column for column in columns if _plain(column) == name]:
            return found
    found = [column for column in columns if RATE.search(column)]
    return found or [column for column in columns if _plain(column) == VALUE]


def rate_among(columns: Collection[str], given: str | None, guessed: list[str]) -> str:
    """The column of the rates: the one that was given, or the one that was guessed."""
    if given is not None:
        return existing(given, columns)
    if len(guessed) != 1:
        found = (
            f"{len(guessed)} of the columns {listed(columns)} may be"
            if guessed
            else f"of {listed(columns)}, none is"
        )
        raise LogError(f"{found} the one with the rates; name it with --rate-column")
    return guessed[0]


def existing(given: str, columns: Collection[str]) -> str:
    """The column that was named, which must be there."""
    if given not in columns:
        raise LogError(
            f"there is no column {shown(given)}; there are {listed(columns)}; pass one of these"
        )
    return given


def listed(names: Collection[str]) -> str:
    """The names, for an error: no more than can be read."""
    more = [f"{len(names) - LISTED:,} more"] if len(names) > LISTED else []
    return ", ".join([*map(shown, list(names)[:LISTED]), *more]) or "none"


def _plain(column: str) -> str:
    return re.sub("[^a-z0-9]", "", column.lower())
