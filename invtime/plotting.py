"""Plot schedules with matplotlib, which is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invtime.errors import ConfigError, shown
from invtime.form import Form
from invtime.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = ("linear", "log")
POINTS = 600  # of a curve
MOST_PLATEAUS, MOST_MARKERS = 2000, 50
MOST_STEPS = int(1e300)  # a float holds up to 1e308, and matplotlib adds a margin
LONGEST = 115  # characters in a line of the legend

COLORS = {
    "warm-up": "tab:orange",
    "stable": "tab:green",
    "decay": "tab:blue",
    "floor": "tab:gray",
    "cool-down": "tab:purple",
    "end": "tab:gray",
}
PHASE = "invtime-phase"  # the gid of the artists that mark the phases
LETTER, HEIGHT = 0.08, 0.15  # the width of a letter and the height of a phase's name, in inches

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
    """Draw the rates of a form with a label, on `ax` or on pyplot's current axes.

    A staircase is drawn with its drops if the range has at most 2000 plateaus. With at most 50
    plateaus, a marker shows the first step of each. Phases are shaded and named if this is the
    only curve on the axes.
    """
    stop = last_step(form) + 1 if stop is None else stop
    for name, scale in (("xscale", xscale), ("yscale", yscale)):
        if not _is_scale(scale):
            raise ConfigError(
                f"{name} is {shown(scale)}; it must be 'linear' or 'log'; pass one of these"
            )
    for name, step in (("start", start), ("stop", stop)):
        if type(step) is not int:
            raise ConfigError(
                f"{name} is {shown(step)}; it must be an int; pass a number of updates"
            )
    ax = axes(ax)
    logarithmic = ax.get_xscale() == "log" if xscale is None else xscale == "log"
    first = max(start, 1) if logarithmic else start
    if not 0 <= start <= first < stop <= MOST_STEPS:
        raise ConfigError(
            f"start is {shown(start)} and stop is {shown(stop)}; they must satisfy "
            "0 <= start < stop <= 1e300, with stop above 1 on a log axis, which begins at step 1; "
            "pass such a range"
        )
    last = stop - 1
    points, style = _curve(form, first, last, logarithmic)
    steps, rates = zip(*points, strict=True)
    if yscale == "log" and not any(rates):
        raise ConfigError(
            f"every rate from step {first} to step {last} is 0; a log axis cannot show 0; "
            "pass yscale='linear'"
        )
    alone = not ax.lines
    ax.plot(list(map(float, steps)), rates, label=plain(label), **style)
    if xscale is not None:
        ax.set_xscale(xscale)
    if yscale is not None:
        ax.set_yscale(yscale)
    ax.set_xlabel(STEPS_LABEL)
    ax.set_ylabel("learning rate")
    if not alone:
        _clear_phases(ax)
    elif isinstance(form, Table):
        _mark_phases(ax, form, first, last)
    return ax


def _is_scale(scale: Any) -> bool:
    return scale is None or (isinstance(scale, str) and scale in SCALES)


def last_step(form: Form | Table) -> int:
    """Return the last step that is drawn by default.

    It is a tenth past the step from which the rate is constant, at the floor or after the
    cool-down. If there is no such step, or the floor is below a hundredth of the peak, it is ten
    `decay_steps` after the start of the decay.
    """
    if isinstance(form, Form):
        return form.first_step(10)
    last = form.rows[-1]
    for row in form.rows:
        if row.name == "decay" and isinstance(row.piece, Form):
            low = last.name == "floor" and 100 * form.at(last.first) < form.at(row.first)
            if row is last or low:
                return row.origin + row.piece.first_step(10)
    return last.first + max(last.first // 10, 1)


def formula(config: Mapping[str, Any]) -> str:
    """Return the formula of a config in one line, with the phases, and the name if one is set.

    >>> import invtime
    >>> from invtime.plotting import formula
    >>> formula(invtime.InverseTimeDecay(0.1, 1000, 0.5, staircase=True).get_config())
    '0.1 / (1 + 0.5 * floor(n / 1000))'
    >>> recipe = invtime.InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500, stable_steps=2000)
    >>> formula(recipe.get_config())
    '0.1 / (1 + 0.5 * (n - 2500) / 1000), warm-up 500, stable 2000'
    """
    get = config.get
    lead = get("warmup_steps", 0) + get("stable_steps", 0)
    turns = f"{f'(n - {lead})' if lead else 'n'} / {config['decay_steps']}"
    turns = f"floor({turns})" if config["staircase"] else turns
    parts = [f"{config['initial_learning_rate']} / (1 + {config['decay_rate']} * {turns})"]
    if get("warmup_steps"):
        begin = get("warmup_learning_rate")
        parts.append(f"warm-up {config['warmup_steps']}{f' from {begin}' if begin else ''}")
    if get("stable_steps"):
        parts.append(f"stable {config['stable_steps']}")
    if get("minimum_learning_rate"):
        parts.append(f"floor {config['minimum_learning_rate']}")
    if get("cooldown_steps"):
        begin, final = config["cooldown_start"], get("final_learning_rate", 0)
        parts.append(f"cool-down {begin} to {begin + config['cooldown_steps']}, end {final}")
    if config["name"] != "InverseTimeDecay":
        parts.append(config["name"])
    return ", ".join(parts)


def plain(text: str) -> str:
    """Escape text so that matplotlib does not read it as mathematics."""
    return text.replace("$", r"\$")


def axes(ax: Axes | None) -> Axes:
    """Return `ax`, or pyplot's current axes if it is None."""
    if ax is not None:
        return ax
    need_matplotlib()
    from matplotlib import pyplot as plt

    current: Axes = plt.gca()
    return current


def figure(width: float = 8, height: float = 4.5) -> tuple[Figure, Axes]:
    """Return a new figure and its axes, without a window and not registered with pyplot."""
    need_matplotlib()
    from matplotlib.figure import Figure

    found = Figure((width, height), layout="constrained")
    return found, found.subplots()


def save(drawn: Figure, path: str | Path) -> None:
    """Write a figure from `figure` to a file, with a legend below the axes.

    The same figure gives the same bytes.
    """
    from matplotlib import rc_context

    legend = drawn.legend(loc="outside lower center", fontsize="small")
    for text in legend.get_texts():
        text.set_text("\n".join(map(_wrapped, text.get_text().split("\n"))))
    with rc_context({"svg.hashsalt": "invtime"}):
        metadata = {"Date": None} if Path(path).suffix.lower() == ".svg" else None
        drawn.savefig(path, dpi=150, metadata=metadata)


def _wrapped(line: str) -> str:
    """Split a line after the formula if the legend would be too wide."""
    return line if len(line) <= LONGEST else line.replace(", ", ",\n", 1)


def check_path(path: str | Path) -> None:
    """Check a path and matplotlib before any work is done, and raise what `save` would raise.

    Raises:
        ImportError: matplotlib is not installed.
        ConfigError: the name does not end in .png or .svg.
    """
    need_matplotlib()
    if Path(path).suffix.lower() not in {".png", ".svg"}:
        raise ConfigError(
            f"{shown(str(path))} is not the name of an image file; pass one that ends in .png or "
            ".svg"
        )


def need_matplotlib() -> None:
    """Raise an ImportError that says how to install matplotlib if its import fails."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"plotting needs matplotlib, which failed to import ({error}); "
            'run: python -m pip install "invtime[plot]"'
        ) from error


def _curve(
    form: Form | Table, first: int, last: int, logarithmic: bool
) -> tuple[list[tuple[int, float]], dict[str, Any]]:
    """Return the points of a curve, two at each drop of a staircase, and its line style."""
    knots = form.starts if isinstance(form, Table) else ()
    plateaus, end = _plateaus(form, first, last)
    steps = {first, last, *knots, *plateaus}
    if isinstance(form, Table) or not plateaus:
        steps |= _spread(first, last, logarithmic)
    drops = {*plateaus, end} if plateaus else set()
    points, marked = [], []
    for step in sorted(step for step in steps if first <= step <= last):
        if step in drops and step > first:
            points.append((step, form.at(step - 1)))
        if step in plateaus:
            marked.append(len(points))
        points.append((step, form.at(step)))
    few = 0 < len(marked) <= MOST_MARKERS
    return points, {"marker": "o", "markersize": 4, "markevery": marked} if few else {}


def _plateaus(form: Form | Table, first: int, last: int) -> tuple[set[int], int | None]:
    """Return the first steps of the plateaus from `first` to `last`, and the step after the last.

    The set is empty without a staircase, or if there are too many plateaus.
    """
    rows = form.rows if isinstance(form, Table) else (Row("decay", (0, 1), 0, form),)
    for row, after in zip(rows, (*rows[1:], None), strict=True):
        piece, end = row.piece, None if after is None else after.first
        if isinstance(piece, Form) and piece.staircase:
            low, high = max(row.first, first), last if end is None else min(last, end)
            one, other = piece.stage(low - row.origin), piece.stage(high - row.origin)
            if low > high or other - one >= MOST_PLATEAUS:
                break
            found = {row.origin + piece.first_step(stage) for stage in range(one, other + 1)}
            if after is not None and after.name != "floor":  # the floor is the last plateau
                found.discard(after.first)
            return {step for step in found if low <= step <= high}, end
    return set(), None


def _mark_phases(ax: Axes, table: Table, first: int, last: int) -> None:
    """Shade the phases from `first` to `last`, and name them above the axes."""
    spans = []
    for row, end in zip(table.rows, (*table.starts[1:], last), strict=True):
        low, high = float(max(row.first, first)), float(min(end, last))
        if low < high:
            span = ax.axvspan(low, high, color=COLORS[row.name], alpha=0.12, linewidth=0, gid=PHASE)
            span.sticky_edges.x.extend((low, high))
            spans.append((row.name, low, high))
    ax.get_xlim()  # updates the limits to the curve
    inches = ax.transData + ax.figure.dpi_scale_trans.inverted()
    named = _angles([(name, *inches.transform([(a, 1), (b, 1)])[:, 0]) for name, a, b in spans])
    top = ax.secondary_xaxis("top")
    top.set_gid(PHASE)
    top.set_xticks(
        [inches.inverted().transform((middle, 1))[0] for _, middle, _ in named],
        [name for name, _, _ in named],
        fontsize="small",
    )
    top.tick_params(which="both", length=0)
    for label, (_, _, angle) in zip(top.get_xticklabels(), named, strict=True):
        label.set_rotation(angle)


def _angles(spans: list[tuple[str, float, float]]) -> list[tuple[str, float, int]]:
    """Return the names of the phases that fit, with the middle and the angle of each.

    A name is upright if it is longer than its phase is wide and would overlap another name.
    """
    level = [((left + right) / 2, LETTER * len(name)) for name, left, right in spans]
    found = []
    free = -inf
    for (name, left, right), (middle, length) in zip(spans, level, strict=True):
        near = [other for other, its in level if abs(middle - other) < (length + its) / 2]
        upright = length > right - left and near != [middle]
        half = (HEIGHT if upright else length) / 2
        if middle - half >= free:
            found.append((name, middle, 90 if upright else 0))
            free = middle + half
    return found


def _clear_phases(ax: Axes) -> None:
    """Remove the marks that `_mark_phases` has drawn."""
    for artist in [*ax.patches, *ax.child_axes]:
        if artist.get_gid() == PHASE:
            artist.remove()


def _spread(first: int, last: int, logarithmic: bool) -> set[int]:
    """Return steps from `first` to `last`, spaced evenly on the axis as far as integers allow."""
    if logarithmic:
        ratio = last / first
        return {round(first * ratio ** (i / POINTS)) for i in range(1, POINTS)}
    return {first + (last - first) * i // POINTS for i in range(1, POINTS)}
