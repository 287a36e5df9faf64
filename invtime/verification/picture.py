"""A report as a picture: how far each run lies from the exact value, by step."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from invtime import plotting
from invtime.verification.report import Distance, Report, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "ov^s<D>p"  # each of the first wrong runs has one; the others share a plus


def plot(report: Report, ax: Axes | None = None) -> Axes:
    """Draw the distances in ULP by step, on `ax` or on pyplot's current axes.

    The runs with a mismatch have a colour each; what the contract allows is grey. The axis
    goes as far as the consecutive steps and the mismatches do.

    Raises ImportError where matplotlib is not installed.
    """
    ax = plotting.axes(ax)
    compared = [run for run in report.runs if run.points]
    wrong = [run for run in compared if run.mismatches]
    steps = [distance.step for run in wrong for distance in _of(run, allowed=False)]
    low, high = min([0, *steps]), max([1, report.steps, *steps])
    agreeing = f"0 ULP: {len(compared) - len(wrong)} of {len(compared)} runs have no mismatch"
    ax.plot([float(low), float(high)], [0, 0], color="black", linewidth=1, label=agreeing)
    permitted = chain.from_iterable(_of(run, allowed=True) for run in compared)
    inside = [distance for distance in permitted if low <= distance.step <= high]
    if inside:
        label = "allowed: a neighbour at a float step, or a subnormal flushed to 0"
        _points(ax, inside, label, marker="x", color="grey")
    for run, marker in zip(wrong, MARKERS, strict=False):
        name = f"{run.backend} {run.mode} {run.device} {run.dtype}: {run.mismatches} mismatches"
        _points(ax, _of(run, allowed=False), name, marker=marker, fillstyle="none")
    others = wrong[len(MARKERS) :]
    if others:
        rest = chain.from_iterable(_of(run, allowed=False) for run in others)
        _points(ax, rest, f"{len(others)} more runs with mismatches", marker="+", color="black")
    ax.set_xscale("symlog", linthresh=1)
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(-0.2, max(10, *ax.get_ylim()))
    ax.set_xlabel(plotting.STEPS_LABEL)
    ax.set_ylabel("distance from the exact value (ULP)")
    ax.set_title(plotting.plain(plotting.formula(report.schedule.get_config())), fontsize="medium")
    return ax


def _of(run: Run, allowed: bool) -> list[Distance]:
    return [distance for distance in run.profile if distance.allowed is allowed]


def _points(ax: Axes, distances: Iterable[Distance], label: str, **style: Any) -> None:
    found = [(float(distance.step), float(distance.ulp)) for distance in distances]
    ax.plot(*zip(*found, strict=True), linestyle="none", markersize=5, label=label, **style)
