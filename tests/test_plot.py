"""Pictures: the drawing, the labels, and the files that the command writes."""

from __future__ import annotations

import os
import sys
import warnings
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from commands import finished, invoke, refused

import invtime
from invtime import plotting

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib import pyplot as plt  # noqa: E402

SCHEDULE = invtime.InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
NUMBERS = ["--initial-learning-rate", "0.1", "--decay-steps", "1000", "--decay-rate", "0.5"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn_by(schedule, **options):
    """Return the axes and the single line of a schedule."""
    _, ax = plotting.figure()
    assert schedule.plot(ax, **options) is ax
    (line,) = ax.get_lines()
    return ax, line


def corners_of(schedule, *steps):
    """Return the points of a staircase that drops at these steps, except the first and last."""
    first, *drops, last = steps
    points = [(first, schedule(first))]
    for step in drops:
        points += [(step, schedule(step - 1)), (step, schedule(step))]
    return [*points, (last, schedule(last))]


def points_of(line):
    return [(int(step), rate) for step, rate in line.get_xydata()]


def markers_of(line):
    """Return the steps that have a marker."""
    if line.get_marker() == "None":
        return []
    return [int(line.get_xdata()[i]) for i in line.get_markevery()]


# -- curves --------------------------------------------------------------------------------


def test_a_curve_is_the_schedule_at_whole_steps():
    ax, line = drawn_by(SCHEDULE)
    steps = line.get_xdata()
    assert (steps[0], steps[-1]) == (0, 10_000)
    assert all(step.is_integer() for step in steps)
    assert list(line.get_ydata()) == [SCHEDULE(int(step)) for step in steps]
    assert len(steps) > 500
    assert np.diff(steps).max() < 20
    assert markers_of(line) == []
    assert ax.get_xlabel() == "step (updates made)"
    assert ax.get_ylabel() == "learning rate"
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_a_range_of_steps():
    _, line = drawn_by(SCHEDULE, start=7, stop=12)
    assert list(line.get_xdata()) == [7, 8, 9, 10, 11]
    _, line = drawn_by(SCHEDULE, start=7, stop=8)
    assert list(line.get_xdata()) == [7]


def test_on_a_log_axis_the_steps_are_spread_evenly_from_1():
    ax, line = drawn_by(SCHEDULE, xscale="log", yscale="log", stop=10**9 + 1)
    steps = line.get_xdata()
    assert (steps[0], steps[-1]) == (1, 10**9)
    assert np.diff(np.log10(steps[steps > 1000])).max() < 0.02
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    SCHEDULE.plot(ax, stop=100)  # this does not change the axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_lines()[1].get_xdata()[0] == 1


def test_a_staircase_has_its_plateaus_and_a_marker_at_the_start_of_each():
    _, line = drawn_by(STAIRCASE, stop=131)
    assert points_of(line) == corners_of(STAIRCASE, 0, 41, 82, 123, 130)
    assert markers_of(line) == [0, 41, 82, 123]
    assert [points_of(line)[i] for i in line.get_markevery()] == [
        (n, STAIRCASE(n)) for n in (0, 41, 82, 123)
    ]
    _, line = drawn_by(STAIRCASE, start=50, stop=131)  # in the middle of a plateau
    assert points_of(line) == corners_of(STAIRCASE, 50, 82, 123, 130)
    assert markers_of(line) == [82, 123]


def test_a_staircase_of_fractional_plateaus_drops_at_whole_steps():
    third = invtime.InverseTimeDecay(0.1, 2.5, 0.5, staircase=True)
    _, line = drawn_by(third, stop=10)
    assert points_of(line) == corners_of(third, 0, 3, 5, 8, 9)
    several = invtime.InverseTimeDecay(0.1, 0.3, 0.5, staircase=True)  # stages in one step
    _, line = drawn_by(several, stop=5)
    assert points_of(line) == corners_of(several, 0, 1, 2, 3, 4, 4)[:-1]


@pytest.mark.parametrize(
    ("stop", "corners", "marked"),
    [(41 * 49 + 1, True, 50), (41 * 50 + 1, True, 0), (41 * 3000, False, 0)],
)
def test_many_plateaus_lose_their_markers_then_their_corners(stop, corners, marked):
    _, line = drawn_by(STAIRCASE, stop=stop)
    steps = [step for step, _ in points_of(line)]
    assert (len(steps) > len({*steps}), len(markers_of(line))) == (corners, marked)
    assert dict(points_of(line)) == {step: STAIRCASE(step) for step in steps}


@pytest.mark.parametrize(
    "schedule",
    [
        invtime.InverseTimeDecay(0, 10, 0.5),
        invtime.InverseTimeDecay(0.1, 10, 0),
        invtime.InverseTimeDecay(0.1, 1e-60, 0.5),
        invtime.InverseTimeDecay(0.1, 1e60, 0.5, staircase=True),
        invtime.InverseTimeDecay(1e60, 1e60, 1e60, staircase=True),
        invtime.InverseTimeDecay(0.1, 1e-60, 0.5, staircase=True, warmup_steps=2**53),
        invtime.InverseTimeDecay(1e60, 1e60, 1e-60, minimum_learning_rate=1e-60),
        invtime.InverseTimeDecay(1e60, 1e60, 1e-60, staircase=True, minimum_learning_rate=1e-60),
        invtime.InverseTimeDecay(0, 1, 1, warmup_steps=1),
    ],
)
def test_the_ends_of_the_range_can_be_drawn(schedule, tmp_path):
    for options in ({}, {"stop": 1000}, {"stop": 10**80, "xscale": "log"}):
        figure, ax = plotting.figure()
        schedule.plot(ax, **options)
        plotting.save(figure, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"xscale": "sqrt"}, "xscale is 'sqrt'; it must be 'linear' or 'log'"),
        ({"yscale": "symlog"}, "yscale is 'symlog'"),
        ({"stop": 10.0}, "stop is 10.0; it must be an int"),
        ({"start": True}, "start is True"),
        ({"start": -1}, "start is -1 and stop is 10001; they must satisfy"),
        ({"start": 5, "stop": 5}, "start is 5 and stop is 5"),
        ({"stop": 1, "xscale": "log"}, "above 1 on a log axis"),
        ({"stop": 10**400}, "they must satisfy 0 <= start < stop <= 1e300"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    _, ax = plotting.figure()
    with pytest.raises(invtime.ConfigError, match=message):
        SCHEDULE.plot(ax, **options)
    assert not ax.get_lines()


def test_zero_has_no_logarithm():
    with pytest.raises(invtime.ConfigError, match="a log axis cannot show 0; pass yscale='linear'"):
        invtime.InverseTimeDecay(0, 10, 0.5).plot(plotting.figure()[1], yscale="log")


# -- phases --------------------------------------------------------------------------------

RECIPE = SCHEDULE.replace(
    warmup_steps=500,
    warmup_learning_rate=0.01,
    stable_steps=2000,
    minimum_learning_rate=0.03,
    cooldown_start=9000,
    cooldown_steps=1000,
    final_learning_rate=0.001,
)
KNOTS = [0, 500, 2500, 7167, 9000, 10_000]
NAMES = ["warm-up", "stable", "decay", "floor", "cool-down", "end"]
NARROW = RECIPE.replace(decay_steps=10_000, stable_steps=200, cooldown_start=97_000)


def spans_of(ax):
    """Return the ends of each shaded span."""
    ends = [patch.get_extents().get_points()[:, 0] for patch in ax.patches]
    return [
        tuple(np.round(ax.transData.inverted().transform([(x, 0) for x in e])[:, 0], 6))
        for e in ends
    ]


def names_of(ax):
    """Return the names above the axes."""
    return [text.get_text() for top in ax.child_axes for text in top.get_xticklabels()]


@pytest.mark.parametrize("staircase", [False, True])
def test_a_recipe_is_drawn_with_its_knots(staircase):
    schedule = RECIPE.replace(staircase=staircase)
    _, line = drawn_by(schedule)
    points = points_of(line)
    steps = [step for step, _ in points]
    assert {phase.start for phase in schedule.phases} <= {*steps}
    assert steps[-1] == 11_000  # a tenth past the end of the cool-down
    drops = [2500, 3500, 4500, 5500, 6500, 7500] if staircase else []
    assert sorted(step for step in {*steps} if steps.count(step) > 1) == drops
    assert markers_of(line) == drops
    for step, rate in points:
        assert rate in {schedule(step), schedule(step - 1)} if step in drops else schedule(step)


def test_a_cool_down_from_a_drop_begins_below_it():
    """It is not a plateau, and has no marker."""
    schedule = STAIRCASE.replace(stable_steps=9, cooldown_start=50, cooldown_steps=10)
    _, line = drawn_by(schedule)
    assert [rate for step, rate in points_of(line) if step == 50] == [0.1, schedule(50)]
    assert schedule(50) < 0.07
    assert markers_of(line) == [9]
    _, line = drawn_by(schedule.replace(cooldown_start=60))
    assert markers_of(line) == [9, 50]


def test_phases_are_shaded_and_named():
    ax, _ = drawn_by(RECIPE)
    ax.figure.draw_without_rendering()
    assert spans_of(ax) == [*pairwise([*KNOTS, 11_000])]
    assert names_of(ax) == NAMES
    assert len({patch.get_facecolor() for patch in ax.patches}) == 5  # the rate is held in two
    ax, _ = drawn_by(RECIPE, start=600, stop=9001)
    assert spans_of(ax) == [(600, 2500), (2500, 7167), (7167, 9000)]
    assert names_of(ax) == ["stable", "decay", "floor"]


def test_a_bare_schedule_and_several_on_one_axis_are_not_shaded():
    ax, _ = drawn_by(SCHEDULE)
    assert (spans_of(ax), names_of(ax)) == ([], [])
    RECIPE.plot(ax)
    assert (spans_of(ax), names_of(ax)) == ([], [])
    ax, _ = drawn_by(RECIPE)
    theirs = ax.axvspan(0, 1)
    SCHEDULE.plot(ax)
    assert ([*ax.patches], names_of(ax)) == ([theirs], [])


@pytest.mark.parametrize("size", [(8, 4.5), (3, 2.5), (16, 4)])
@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("schedule", [RECIPE, NARROW], ids=["recipe", "narrow"])
def test_the_names_of_phases_cover_no_other(schedule, scale, size):
    figure, ax = plotting.figure(*size)
    schedule.plot(ax, xscale=scale)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for top in ax.child_axes for text in top.get_xticklabels()]
    assert len(boxes) > 2
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.y0 >= ax.bbox.y1 for box in boxes)


def test_a_name_stands_upright_where_it_would_run_into_another():
    def angles(schedule, width):
        _, ax = plotting.figure(width)
        schedule.plot(ax)
        (top,) = ax.child_axes
        return {text.get_text(): text.get_rotation() for text in top.get_xticklabels()}

    assert angles(RECIPE, 8) == dict.fromkeys(NAMES, 0)  # warm-up is longer than its phase
    narrow = {"warm-up": 90, "decay": 0, "floor": 0, "cool-down": 90, "end": 0}  # not shown: stable
    assert angles(NARROW, 8) == narrow
    assert angles(RECIPE, 4) == {**dict.fromkeys(NAMES, 0), "warm-up": 90, "cool-down": 90}


def test_shaded_axes_end_with_the_phases():
    ax, _ = drawn_by(RECIPE)
    assert ax.get_xlim() == (0, 11_000)
    SCHEDULE.plot(ax)
    assert ax.get_xlim()[0] < 0
    assert ax.get_xlim()[1] > 11_000


def test_a_title_stands_above_the_names():
    ax, _ = drawn_by(RECIPE)
    title = ax.set_title("A recipe")
    ax.figure.draw_without_rendering()
    tops = [text.get_window_extent().y1 for text in ax.child_axes[0].get_xticklabels()]
    assert title.get_window_extent().y0 >= max(tops)


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (SCHEDULE, 10_000),
        (RECIPE, 11_000),
        (SCHEDULE.replace(minimum_learning_rate=0.03), 4667 + 466),
        (SCHEDULE.replace(minimum_learning_rate=0.001), 198_000 + 19_800),
        (SCHEDULE.replace(stable_steps=5, minimum_learning_rate=0.00099), 10_005),
        (
            SCHEDULE.replace(minimum_learning_rate=0.001, cooldown_start=10**6, cooldown_steps=1),
            1_100_001,
        ),
        (SCHEDULE.replace(warmup_steps=500, stable_steps=1000), 11_500),
        (STAIRCASE.replace(stable_steps=7), 417),
        (SCHEDULE.replace(cooldown_start=0, cooldown_steps=1), 2),
    ],
)
def test_what_is_drawn_where_no_stop_is_said(schedule, last):
    _, line = drawn_by(schedule)
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0, last)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (
            RECIPE,
            (
                "0.1 / (1 + 0.5 * (n - 2500) / 1000), warm-up 500 from 0.01, stable 2000, "
                "floor 0.03, cool-down 9000 to 10000, end 0.001"
            ),
        ),
        (
            STAIRCASE.replace(warmup_steps=9, name="x"),
            "0.1 / (1 + 0.5 * floor((n - 9) / 41)), warm-up 9, x",
        ),
        (
            SCHEDULE.replace(cooldown_start=9, cooldown_steps=1),
            "0.1 / (1 + 0.5 * n / 1000), cool-down 9 to 10, end 0",
        ),
    ],
)
def test_a_formula_shows_the_phases(schedule, text):
    assert plotting.formula(schedule.get_config()) == text
    assert drawn_by(schedule)[1].get_label() == text


def test_a_long_formula_is_wrapped_in_the_legend(tmp_path):
    figure, ax = plotting.figure()
    RECIPE.replace(staircase=True, name="a long name of a schedule").plot(ax)
    plotting.save(figure, tmp_path / "a.png")
    (legend,) = figure.legends
    (text,) = legend.get_texts()
    formula, phases = text.get_text().split("\n")
    assert formula.endswith("/ 1000)),")
    assert phases.startswith("warm-up")
    assert figure.bbox.x0 < legend.get_window_extent().x0
    assert legend.get_window_extent().x1 < figure.bbox.x1


def test_rates_that_are_all_0_in_the_range_have_no_logarithm():
    cooled = SCHEDULE.replace(cooldown_start=9, cooldown_steps=1)
    for schedule in (cooled, SCHEDULE.replace(warmup_steps=9)):  # 0 at an end of the range
        drawn_by(schedule, yscale="log")
    with pytest.raises(invtime.ConfigError, match="every rate from step 10 to step 20 is 0"):
        cooled.plot(plotting.figure()[1], yscale="log", start=10, stop=21)


def test_without_axes_the_current_ones_are_taken():
    ax = SCHEDULE.plot()
    assert STAIRCASE.plot(stop=100) is ax is plt.gca()
    ax.legend()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["0.1 / (1 + 0.5 * n / 1000)", "0.1 / (1 + 0.5 * floor(n / 41))"]


def test_a_legend_below_covers_nothing_and_names_every_schedule(tmp_path):
    figure, ax = plotting.figure()
    names = ("_hidden", "$x_1$", "three\nlines")
    for name in names:
        invtime.InverseTimeDecay(0.1, 1000, 0.5, name=name).plot(ax)
    plotting.save(figure, tmp_path / "a.png")
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    shown = ("_hidden", r"\$x_1\$", "three\nlines")  # an unescaped $ would begin a formula
    assert texts == [f"0.1 / (1 + 0.5 * n / 1000), {name}" for name in shown]
    assert not legend.get_window_extent().overlaps(ax.get_tightbbox())
    assert figure.bbox.containsx(legend.get_window_extent().x0)
    assert legend.get_window_extent().y0 >= 0


def test_an_svg_is_the_same_each_time(tmp_path):
    for name in ("a.svg", "b.svg"):
        figure, ax = plotting.figure()
        STAIRCASE.plot(ax)
        plotting.save(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "learning rate" in (tmp_path / "a.svg").read_text("utf-8")


def test_without_matplotlib_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'python -m pip install "invtime\[plot\]"'):
        SCHEDULE.plot()


# -- the command ---------------------------------------------------------------------------


def test_plot_writes_png_and_svg(tmp_path):
    png, svg = tmp_path / "a.png", tmp_path / "A.SVG"
    for path in (png, svg):
        result = invoke("plot", *NUMBERS, "--output", path)
        assert (result.exit_code, result.output) == (0, "")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert plt.imread(png).std() > 0.01
    assert ET.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_plot_draws_several_configs_on_one_axis(tmp_path):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, schedule in zip(files, (SCHEDULE, STAIRCASE), strict=True):
        file.write_text(schedule.to_json())
    out = tmp_path / "a.svg"
    configs = ["--config", files[0], "--config", files[1], "--config", "-"]
    stdin = invtime.InverseTimeDecay(0.2, 3, 4).to_json()
    scales = ["--x-scale", "log", "--y-scale", "log", "--stop", 500]
    result = invoke("plot", *configs, *scales, "-o", out, input=stdin)
    assert result.exit_code == 0, result.output
    text = out.read_text("utf-8")
    for formula in ("0.1 / (1 + 0.5 * n / 1000)", "0.1 / (1 + 0.5 * floor(n / 41))"):
        assert f"<!-- {formula} -->" in text
    assert "<!-- 0.2 / (1 + 4 * n / 3) -->" in text


def test_plot_without_stop_goes_as_far_as_the_longest_schedule(tmp_path):
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    configs = []
    for name, schedule in {"c.json": STAIRCASE, "d.json": SCHEDULE}.items():
        (tmp_path / name).write_text(schedule.to_json())
        configs += ["--config", tmp_path / name]
    for picture, options in zip(pictures, ([], ["--stop", 10_001]), strict=True):
        result = invoke("plot", *configs, *options, "-o", picture)
        assert result.exit_code == 0, result.output
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_plot_names_the_phases_of_one_schedule(tmp_path):
    out, config = tmp_path / "a.svg", tmp_path / "a.json"
    phases = ["--warmup-steps", 500, "--minimum-learning-rate", 0.03]
    assert invoke("plot", *NUMBERS, *phases, "-o", out).exit_code == 0
    names = {f"<!-- {name} -->" for name in ("warm-up", "decay", "floor")}
    assert all(name in out.read_text("utf-8") for name in names)
    config.write_text(RECIPE.to_json())
    assert invoke("plot", "--config", config, "--config", config, "-o", out).exit_code == 0
    assert not any(name in out.read_text("utf-8") for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-o", "a.pdf", *NUMBERS],
            "'a.pdf' is not the name of an image file; pass one that ends in .png or",
        ),
        (["-o", "no/such/folder/a.png", *NUMBERS], "No such file or directory"),
        (["-o", "a.png"], "missing --initial-learning-rate"),
        (["-o", "a.png", "--config", "no-such.json"], "No such file"),
        (["-o", "a.png", *NUMBERS, "--start", 9, "--stop", 9], "--start is 9 and --stop is 9"),
        (["-o", "a.png", "--lr", 0, *NUMBERS[2:], "--y-scale", "log"], "pass --y-scale='linear'"),
    ],
)
def test_plot_refuses(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused("plot", *arguments)
    assert [*tmp_path.iterdir()] == []  # no empty file instead of the picture


def test_without_matplotlib_the_command_says_so_in_one_line(tmp_path):
    pytest.importorskip("typer")
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('not here')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    status, out, err = finished("plot", "-o", tmp_path / "a.png", *NUMBERS, env=environment)
    assert (status, out) == (2, "")
    assert err == (
        "invtime: plotting needs matplotlib, which failed to import (not here); "
        'run: python -m pip install "invtime[plot]"\n'
    )


def test_drawing_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"xscale": "log"}, {"yscale": "log"}):
            figure, ax = plotting.figure()
            STAIRCASE.plot(ax, **options)
            plotting.save(figure, tmp_path / "a.png")
