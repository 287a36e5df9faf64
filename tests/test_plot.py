"""Pictures: what is drawn, how it is labelled, and the files that the command writes."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from xml.etree import ElementTree as ET

import numpy as np
import pytest

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
    """The axes and the one line of a schedule."""
    _, ax = plotting.figure()
    assert schedule.plot(ax, **options) is ax
    (line,) = ax.get_lines()
    return ax, line


def markers_of(line):
    """The steps that bear a marker."""
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
    assert list(line.get_xdata()) == [7, 8, 9, 10, 11, 12]


def test_on_a_log_axis_the_steps_are_spread_evenly_from_1():
    ax, line = drawn_by(SCHEDULE, xscale="log", yscale="log", stop=10**9)
    steps = line.get_xdata()
    assert (steps[0], steps[-1]) == (1, 10**9)
    assert np.diff(np.log10(steps[steps > 1000])).max() < 0.02
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    SCHEDULE.plot(ax, stop=100)  # which leaves the axes as they are
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_lines()[1].get_xdata()[0] == 1


def test_a_staircase_has_its_plateaus_and_a_marker_at_the_start_of_each():
    _, line = drawn_by(STAIRCASE, stop=130)
    assert list(line.get_xdata()) == [0, 41, 82, 123, 130]
    assert list(line.get_ydata()) == [STAIRCASE(n) for n in (0, 41, 82, 123, 130)]
    assert line.get_drawstyle() == "steps-post"
    assert markers_of(line) == [0, 41, 82, 123]
    _, line = drawn_by(STAIRCASE, start=50, stop=130)  # in the middle of a plateau
    assert list(line.get_xdata()) == [50, 82, 123, 130]
    assert markers_of(line) == [82, 123]


def test_a_staircase_of_fractional_plateaus_drops_at_whole_steps():
    third = invtime.InverseTimeDecay(0.1, 2.5, 0.5, staircase=True)
    _, line = drawn_by(third, stop=8)
    assert list(line.get_xdata()) == [0, 3, 5, 8]
    several = invtime.InverseTimeDecay(0.1, 0.3, 0.5, staircase=True)  # stages in one step
    _, line = drawn_by(several, stop=4)
    assert list(line.get_xdata()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("stop", "style", "marked"),
    [(41 * 49, "steps-post", 50), (41 * 50, "steps-post", 0), (41 * 3000, "default", 0)],
)
def test_many_plateaus_lose_their_markers_then_their_corners(stop, style, marked):
    _, line = drawn_by(STAIRCASE, stop=stop)
    assert (line.get_drawstyle(), len(markers_of(line))) == (style, marked)
    rates = line.get_ydata()
    assert list(rates) == [STAIRCASE(int(step)) for step in line.get_xdata()]


@pytest.mark.parametrize(
    "schedule",
    [
        invtime.InverseTimeDecay(0, 10, 0.5),
        invtime.InverseTimeDecay(0.1, 10, 0),
        invtime.InverseTimeDecay(0.1, 1e-60, 0.5),
        invtime.InverseTimeDecay(0.1, 1e60, 0.5, staircase=True),
        invtime.InverseTimeDecay(1e60, 1e60, 1e60, staircase=True),
    ],
)
def test_the_ends_of_the_range_can_be_drawn(schedule, tmp_path):
    figure, ax = plotting.figure()
    schedule.plot(ax)
    plotting.save(figure, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"xscale": "sqrt"}, "xscale is 'sqrt'; it must be 'linear' or 'log'"),
        ({"yscale": "symlog"}, "yscale is 'symlog'"),
        ({"stop": 10.0}, "stop is 10.0; it must be an int"),
        ({"start": True}, "start is True"),
        ({"start": -1}, "start is -1 and stop is 10000; they must be"),
        ({"start": 5, "stop": 5}, "start is 5 and stop is 5"),
        ({"stop": 1, "xscale": "log"}, "above 1 on a log axis"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    _, ax = plotting.figure()
    with pytest.raises(invtime.ConfigError, match=message):
        SCHEDULE.plot(ax, **options)
    assert not ax.get_lines()


def test_zero_has_no_logarithm():
    with pytest.raises(invtime.ConfigError, match="a log axis has no 0; pass yscale='linear'"):
        invtime.InverseTimeDecay(0, 10, 0.5).plot(plotting.figure()[1], yscale="log")


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
    shown = ("_hidden", r"\$x_1\$", "three\nlines")  # a bare $ would begin a formula
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


def invoke(*arguments, **options):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from invtime.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def refused(result):
    """The one line that a refusal leaves on stderr."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.pdf", *NUMBERS], "'a.pdf' is no name of a picture; it must end in .png or"),
        (["-o", "no/such/folder/a.png", *NUMBERS], "No such file or directory"),
        (["-o", "a.png"], "no schedule without --initial-learning-rate"),
        (["-o", "a.png", "--config", "no-such.json"], "No such file"),
        (["-o", "a.png", *NUMBERS, "--start", 9, "--stop", 9], "start is 9 and stop is 9"),
    ],
)
def test_plot_refuses(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(invoke("plot", *arguments))


def test_without_matplotlib_the_command_says_so_in_one_line(tmp_path):
    pytest.importorskip("typer")
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('not here')")
    line = [sys.executable, "-m", "invtime.cli", "plot", "-o", str(tmp_path / "a.png"), *NUMBERS]
    done = subprocess.run(
        line,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "invtime: a picture needs matplotlib, which does not import (not here); "
        'run: python -m pip install "invtime[plot]"\n'
    )


def test_drawing_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"xscale": "log"}, {"yscale": "log"}):
            figure, ax = plotting.figure()
            STAIRCASE.plot(ax, **options)
            plotting.save(figure, tmp_path / "a.png")
