"""Schedules drawn with matplotlib, which is imported when the first one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invtime.errors import ConfigError
from invtime.form import Form

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = ("linear", "log")
POINTS = 600  # of a curve
MOST_PLATEAUS, MOST_MARKERS = 2000, 50

STEPS_LABEL = "step (updates made)"


def draw(
    form: Form,
    label: str,
    ax: Axes | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    xscale: str | None = None,
    yscale: str | None = None,
) -> Axes:
    """Draw a form under a label, on `ax` or on pyplot's current axes.

    A staircase of at most 2000 plateaus in the range is drawn as one, and each of at most 50
    bears a marker at its first step.
    """
    stop = default_stop(form) if stop is None else stop
    for name, scale in (("xscale", xscale), ("yscale", yscale)):
        if scale not in (None, *SCALES):
            raise ConfigError(f"{name} is {scale!r}; it must be 'linear' or 'log'")
    for name, step in (("start", start), ("stop", stop)):
        if type(step) is not int:
            raise ConfigError(f"{name} is {step!r}; it must be an int; pass a number of updates")
    ax = axes(ax)
    logarithmic = ax.get_xscale() == "log" if xscale is None else xscale == "log"
    first = max(start, 1) if logarithmic else start
    if not 0 <= start <= first < stop:
        raise ConfigError(
            f"start is {start} and stop is {stop}; they must be 0 <= start < stop, and stop above "
            "1 on a log axis"
        )
    if yscale == "log" and not form.A:
        raise ConfigError(
            "initial_learning_rate is 0, and so is every rate; a log axis has no 0; "
            "pass yscale='linear'"
        )
    starts = _plateaus(form, first, stop)
    style: dict[str, Any] = {}
    if starts is None:
        steps = _spread(first, stop, logarithmic)
    else:
        steps = sorted({first, *starts, stop})
        style = {"drawstyle": "steps-post"}
        if len(starts) <= MOST_MARKERS:
            marked = [i for i, step in enumerate(steps) if step in starts]
            style |= {"marker": "o", "markersize": 4, "markevery": marked}
    rates = [form.at(step) for step in steps]
    ax.plot(list(map(float, steps)), rates, label=plain(label), **style)
    if xscale is not None:
        ax.set_xscale(xscale)
    if yscale is not None:
        ax.set_yscale(yscale)
    ax.set_xlabel(STEPS_LABEL)
    ax.set_ylabel("learning rate")
    return ax


def default_stop(form: Form) -> int:
    """The last step that is drawn where nothing is said: ten times `decay_steps`."""
    return form.first_step(10)


def formula(config: Mapping[str, Any]) -> str:
    """The formula of a config in one line, with the name where it has one of its own.

    >>> import invtime
    >>> formula(invtime.InverseTimeDecay(0.1, 1000, 0.5, staircase=True).get_config())
    '0.1 / (1 + 0.5 * floor(n / 1000))'
    """
    turns = f"n / {config['decay_steps']}"
    turns = f"floor({turns})" if config["staircase"] else turns
    text = f"{config['initial_learning_rate']} / (1 + {config['decay_rate']} * {turns})"
    name = config["name"]
    return text if name == "InverseTimeDecay" else f"{text}, {name}"


def plain(text: str) -> str:
    """Text that matplotlib shows as it is, and does not read as mathematics."""
    return text.replace("$", r"\$")


def axes(ax: Axes | None) -> Axes:
    """`ax`, or pyplot's current axes."""
    if ax is not None:
        return ax
    need_matplotlib()
    from matplotlib import pyplot as plt

    current: Axes = plt.gca()
    return current


def figure(width: float = 8, height: float = 4.5) -> tuple[Figure, Axes]:
    """A figure of its own, which no window and no pyplot knows, and its axes."""
    need_matplotlib()
    from matplotlib.figure import Figure

    found = Figure((width, height), layout="constrained")
    return found, found.subplots()


def save(drawn: Figure, path: str | Path) -> None:
    """Write a figure of `figure`, with a legend below the axes, where it covers nothing.

    The same figure gives the same bytes.
    """
    from matplotlib import rc_context

    drawn.legend(loc="outside lower center", fontsize="small")
    with rc_context({"svg.hashsalt": "invtime"}):
        metadata = {"Date": None} if Path(path).suffix.lower() == ".svg" else None
        drawn.savefig(path, dpi=150, metadata=metadata)


def check_path(path: str | Path) -> None:
    """Raise, before any work is done, what `save` would raise for a path or without matplotlib.

    Raises:
        ImportError: matplotlib is not installed.
        ConfigError: the name does not end in .png or .svg.
    """
    need_matplotlib()
    if Path(path).suffix.lower() not in {".png", ".svg"}:
        raise ConfigError(f"{str(path)!r} is no name of a picture; it must end in .png or .svg")


def need_matplotlib() -> None:
    """Raise an ImportError that says how to install matplotlib, where it does not import."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"a picture needs matplotlib, which does not import ({error}); "
            'run: python -m pip install "invtime[plot]"'
        ) from error


def _plateaus(form: Form, start: int, stop: int) -> set[int] | None:
    """The first steps of the plateaus from `start` to `stop`; None where they are too many."""
    if not form.staircase:
        return None
    stages = range(form.stage(start), form.stage(stop) + 1)
    if len(stages) > MOST_PLATEAUS:
        return None
    return {step for step in map(form.first_step, stages) if start <= step <= stop}


def _spread(start: int, stop: int, logarithmic: bool) -> list[int]:
    """Steps from `start` to `stop`, as evenly as integers go on the axis."""
    if logarithmic:
        ratio = stop / start
        found = {round(start * ratio ** (i / POINTS)) for i in range(1, POINTS)}
    else:
        found = {start + (stop - start) * i // POINTS for i in range(1, POINTS)}
    return sorted({start, stop, *found})
