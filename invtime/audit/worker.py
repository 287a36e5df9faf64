"""One peer in a process of its own: a job on stdin, a line of JSON for each finding on stdout."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime.audit.compare import Comparison
from invtime.audit.peers import PEERS, Mode, Rates, UnsupportedError
from invtime.spec import InverseTimeDecay

CHUNK = 2**17  # steps at once: every chunk has this length, so that a mode compiles once

# Of the steps that are taken one by one: the first ones, the two sides of so many drops, and
# so many more at equal distances.
FIRST, DROPS, SPREAD = 500, 250, 250


def main() -> None:
    """Do the job on stdin. What the frameworks print goes to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    job = json.load(sys.stdin)
    for finding in findings(job["peer"], job["schedules"], job["start"], job["stop"]):
        print(json.dumps(finding, default=asdict), file=out, flush=True)


def findings(
    name: str, configs: list[dict[str, Any]], start: int, stop: int
) -> Iterator[dict[str, Any]]:
    """The findings on each schedule in each mode, as plain data; `schedule` is its index."""
    peer = PEERS[name]
    version = ", ".join(f"{m} {import_module(m).__version__}" for m in peer.modules)
    modes = peer.modes()
    for index, config in enumerate(configs):
        schedule = InverseTimeDecay.from_config(config)
        for mode in modes:
            found = {"schedule": index, "peer": name, "mode": mode.name, "version": version}
            try:
                found |= find(schedule, mode, start, stop)
            except UnsupportedError as error:
                found["skipped"] = str(error)
            except Exception as error:  # a framework can raise anything
                reason = (str(error).strip().splitlines() or [""])[0]
                found["error"] = f"{type(error).__name__}: {reason}"
            yield found


def find(schedule: InverseTimeDecay, mode: Mode, start: int, stop: int) -> dict[str, Any]:
    """What a mode makes of a schedule at the steps start <= n < stop."""
    rates = mode.prepare(schedule)
    compare = _one_by_one if mode.one_by_one else _at_once
    return compare(schedule, rates, start, stop).result()


def _at_once(schedule: InverseTimeDecay, rates: Rates, start: int, stop: int) -> Comparison:
    comparison = None
    for first in range(start, stop, CHUNK):
        steps = np.arange(first, min(first + CHUNK, stop))
        found = np.asarray(rates(np.pad(steps, (0, CHUNK - steps.size), mode="edge")))
        comparison = comparison or Comparison(schedule, found.dtype.name)
        comparison.add(steps, found[: steps.size])
    assert comparison is not None  # a run has a step
    return comparison


def _one_by_one(schedule: InverseTimeDecay, rates: Rates, start: int, stop: int) -> Comparison:
    def add(steps: npt.NDArray[np.int64]) -> None:
        comparison.add(steps, np.array([np.asarray(rates(n)) for n in steps]))

    comparison = Comparison(schedule, np.asarray(rates(np.int64(start))).dtype.name)
    add(_sample(comparison, start, stop))
    for stage, late, seen in comparison.extremes():
        # Where a shift ends is not among the steps taken so far: halve the plateau it is in.
        inside = seen
        outside = comparison.drop(stage + 1) if late else comparison.drop(stage - 1) - 1
        outside = min(outside, stop) if late else max(outside, start - 1)
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            add(np.array([middle]))
            if (stage, late, middle) in comparison.extremes():
                inside = middle
            else:
                outside = middle
    return comparison


def _sample(comparison: Comparison, start: int, stop: int) -> npt.NDArray[np.int64]:
    steps = {*range(start, start + FIRST), *range(start, stop, max(1, (stop - start) // SPREAD))}
    after = comparison.stage(start) + 1
    for drop in map(comparison.drop, range(after, after + DROPS)):
        steps |= {drop - 1, drop}
    return np.array(sorted(n for n in steps if start <= n < stop), np.int64)


if __name__ == "__main__":
    main()
