"""Schedules drawn with matplotlib, which is imported when the first one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invtime.errors import ConfigError
from invtime.form import Form
from invtime.parameters import PHASES
from invtime.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = ("linear", "log")
POINTS = 600  # of a curve
MOST_PLATEAUS, MOST_MARKERS = 2000, 50

STEPS_LABEL = "step (updates made)"


def draw(
    form: Form | Table,
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
    bears a marker at its first step. The phases are shaded and named where a schedule that has
    some is the first one on the axes.
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
    if yscale == "log" and isinstance(form, Form) and not form.A:
        raise ConfigError(
            "initial_learning_rate is 0, and so is every rate; a log axis has no 0; "
            "pass yscale='linear'"
        )
    if isinstance(form, Table) and not ax.lines:
        _shade(form, ax, first, stop)
    steps, style = _sampled(form, first, stop, logarithmic)
    rates = [form.at(step) for step in steps]
    ax.plot(list(map(float, steps)), rates, label=plain(label), **style)
    if xscale is not None:
        ax.set_xscale(xscale)
    if yscale is not None:
        ax.set_yscale(yscale)
    ax.set_xlabel(STEPS_LABEL)
    ax.set_ylabel("learning rate")
    return ax


def _sampled(
    form: Form | Table, first: int, stop: int, logarithmic: bool
) -> tuple[list[int], dict[str, Any]]:
    """The steps that are drawn, and the style of a staircase."""
    spread = _spread(first, stop, logarithmic)
    if isinstance(form, Table):
        return sorted({*spread, *_corners(form, first, stop)}), {}
    starts = _plateaus(form, first, stop)
    if starts is None:
        return spread, {}
    steps = sorted({first, *starts, stop})
    style: dict[str, Any] = {"drawstyle": "steps-post"}
    if len(starts) <= MOST_MARKERS:
        marked = [i for i, step in enumerate(steps) if step in starts]
        style |= {"marker": "o", "markersize": 4, "markevery": marked}
    return steps, style


def default_stop(form: Form | Table) -> int:
    """The last step that is drawn where nothing is said.

    It is ten times `decay_steps`, counted from the start of the decay; or an eighth past the
    step from which the rate is constant, where that comes first.
    """
    if isinstance(form, Form):
        return form.first_step(10)
    last = form.rows[-1]
    if isinstance(last.piece, Form) and last.piece.C:
        return last.origin + last.piece.first_step(10)
    constant = last.first + last.first // 8 + 1
    decays = [row for row in form.rows if row.name == "decay"] if last.name == "floor" else []
    return min([constant, *(row.origin + _ten(row) for row in decays)])


def _ten(row: Row) -> int:
    return row.piece.first_step(10) if isinstance(row.piece, Form) else 0


def formula(config: Mapping[str, Any]) -> str:
    """The formula of a config in one line, with the name where it has one of its own.

    >>> import invtime
    >>> formula(invtime.InverseTimeDecay(0.1, 1000, 0.5, staircase=True).get_config())
    '0.1 / (1 + 0.5 * floor(n / 1000))'
    """
    turns = f"n / {config['decay_steps']}"
    turns = f"floor({turns})" if config["staircase"] else turns
    text = f"{config['initial_learning_rate']} / (1 + {config['decay_rate']} * {turns})"
    if not config.keys().isdisjoint(PHASES):
        text += ", with phases"
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


def _corners(table: Table, start: int, stop: int) -> set[int]:
    """The two sides of each knot, and of each drop where they are not too many."""
    found = {row.first for row in table.rows}
    for row, end in zip(table.rows, (*table.starts[1:], stop), strict=True):
        piece = row.piece
        if isinstance(piece, Form) and piece.staircase:
            inside = max(start, row.first) - row.origin, min(stop, end) - row.origin
            found |= {row.origin + n for n in _plateaus(piece, *inside) or ()}
    return {n + by for n in found for by in (-1, 0) if start <= n + by <= stop}


def _shade(table: Table, ax: Axes, start: int, stop: int) -> None:
    """Name each phase at the top of the axes, and shade every other one."""
    for i, (row, end) in enumerate(zip(table.rows, (*table.starts[1:], stop), strict=True)):
        left, right = float(max(row.first, start)), float(min(end, stop))
        if left >= right:
            continue
        if i % 2 == 0:
            ax.axvspan(left, right, color="0.94", zorder=0)
        middle = (left + right) / 2
        ax.annotate(
            row.name,
            (middle, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize="x-small",
            color="0.35",
            rotation=0 if (right - left) > (stop - start) / 9 else 30,
        )


def _spread(start: int, stop: int, logarithmic: bool) -> list[int]:
    """Steps from `start` to `stop`, as evenly as integers go on the axis."""
    if logarithmic:
        ratio = stop / start
        found = {round(start * ratio ** (i / POINTS)) for i in range(1, POINTS)}
    else:
        found = {start + (stop - start) * i // POINTS for i in range(1, POINTS)}
    return sorted({start, stop, *found})
