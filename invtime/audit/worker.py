"""Call the peers of one framework, with each schedule in each mode, in a separate process."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from invtime.audit.compare import Comparison
from invtime.audit.expressions import UnsupportedError
from invtime.audit.peers import PEERS, Mode
from invtime.audit.plateaus import Plateaus
from invtime.audit.report import Skipped
from invtime.spec import InverseTimeDecay

CHUNK = 2**17  # steps per call: every chunk has this length, so a mode compiles once

# The sample of steps for modes that get one step at a time: the first FIRST steps, both sides of
# the first DROPS drops, and SPREAD steps at equal distances. With phases also BESIDE steps on each
# side of a knot, and INSIDE steps in each phase except the last.
FIRST, DROPS, SPREAD = 500, 250, 250
BESIDE, INSIDE = 10, 50


class Job(NamedTuple):
    """The input of a worker."""

    peers: tuple[str, ...]
    schedules: list[dict[str, Any]]
    """The configs of the schedules."""
    start: int
    stop: int


class Begun(NamedTuple):
    """Announces the call of a peer in one of its modes; the result follows, as a dictionary."""

    peer: str
    schedule: int
    """The index of the schedule."""
    mode: str
    version: str


class Over(NamedTuple):
    """All results of this peer were sent."""

    peer: str


def work(job: Job, say: Callable[[Any], None]) -> None:
    """Send the results of each peer: `Begun` and a dictionary for each mode, then `Over`."""
    warnings.simplefilter("ignore")
    schedules = [InverseTimeDecay.from_config(config) for config in job.schedules]
    for name in job.peers:
        try:
            version = ", ".join(f"{m} {import_module(m).__version__}" for m in PEERS[name].modules)
            modes = PEERS[name].modes()
        except Exception as error:  # importing a broken framework can raise anything
            say(Skipped(name, f"{type(error).__name__}: {_first_line(error)}"))
        else:
            for index, schedule in enumerate(schedules):
                for mode in modes:
                    say(Begun(name, index, mode.name, version))
                    say(found(schedule, mode, job.start, job.stop))
        say(Over(name))


def found(schedule: InverseTimeDecay, mode: Mode, start: int, stop: int) -> dict[str, Any]:
    """Return the fields of a `Finding`; an exception of the peer becomes its error."""
    try:
        return find(schedule, mode, start, stop)
    except UnsupportedError as error:
        return {"skipped": str(error)}
    except Exception as error:  # a framework can raise anything
        return {"error": f"{type(error).__name__}: {_first_line(error)}"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def find(schedule: InverseTimeDecay, mode: Mode, start: int, stop: int) -> dict[str, Any]:
    """Compare a mode with a schedule at the steps start <= n < stop; return the fields."""
    compare = _one_by_one if mode.one_by_one else _at_once
    return compare(schedule, mode, start, stop).result()


def _at_once(schedule: InverseTimeDecay, mode: Mode, start: int, stop: int) -> Comparison:
    rates, comparison = mode.prepare(schedule), None
    for first in range(start, stop, CHUNK):
        steps = np.arange(first, min(first + CHUNK, stop))
        found = np.asarray(rates(np.pad(steps, (0, CHUNK - steps.size), mode="edge")))
        comparison = comparison or Comparison(schedule, found.dtype.name, mode.far)
        comparison.add(steps, found[: steps.size])
    assert comparison is not None  # a run has a step
    return comparison


def _one_by_one(schedule: InverseTimeDecay, mode: Mode, start: int, stop: int) -> Comparison:
    rates = mode.prepare(schedule)

    def add(steps: npt.NDArray[np.int64]) -> None:
        comparison.add(steps, np.array([np.asarray(rates(n)) for n in steps]))

    comparison = Comparison(schedule, np.asarray(rates(np.int64(start))).dtype.name, mode.far)
    add(sample(schedule, start, stop))
    for stage, late, seen in comparison.extremes():
        # The end of a shift lies between sampled steps: find it by bisection in its plateau.
        inside = seen
        plateaus = comparison.plateaus
        outside = plateaus.end(stage, stop) if late else plateaus.begin(stage - 1) - 1
        outside = max(outside, start - 1)
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            add(np.array([middle]))
            if (stage, late, middle) in comparison.extremes():
                inside = middle
            else:
                outside = middle
    return comparison


def sample(schedule: InverseTimeDecay, start: int, stop: int) -> npt.NDArray[np.int64]:
    """Return the steps for a mode that gets one step at a time."""
    steps = {*range(start, start + FIRST), *range(start, stop, max(1, (stop - start) // SPREAD))}
    for boundary in islice(Plateaus(schedule).boundaries(start), DROPS):
        steps |= {boundary - 1, boundary}
    for phase in schedule.phases[1:]:
        steps.update(range(phase.start - BESIDE, phase.start + BESIDE))
    for phase in schedule.phases[:-1]:
        end = min(phase.stop or stop, stop)
        steps.update(range(phase.start, end, max(1, (end - phase.start) // INSIDE)))
    return np.array(sorted(n for n in steps if start <= n < stop), np.int64)
