"""The laws of the ways to run a function: compiled, mapped, traced."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import numpy as np

from invtime import InverseTimeDecay
from invtime.backends.base import Backend
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import agree, asked, float_dtype, result_dtypes, widest
from invtime.testing.checks.law import Broken, Unsuited, law

# Few, as a compiler may take seconds for each; both have the double-word form for huge steps.
COMPILED = ((cases.SLOPE, ("float64",)), (cases.STAIRS, ("float16", "bfloat16")))

# The same with phases: integers selected and divided once, and double words.
COMPILED_PHASES = (
    (cases.WHOLE, ("float64", "float32")),
    (cases.DECIMALS.replace(staircase=True), ("float16", "bfloat16")),
)
# At float steps, which Inductor takes minutes for with a cool-down as well.
FLOATS = InverseTimeDecay(0.1, 10, 0.5, warmup_steps=50, minimum_learning_rate=0.05)


def _others(backend: Backend) -> list[str]:
    """The modes after the first, which must be eager."""
    modes = list(backend.modes())
    if modes[:1] != ["eager"]:
        raise Broken(returned=f"modes {modes}", true="'eager' first")
    if len(modes) == 1:
        raise Unsuited("the backend has no mode but eager")
    return modes[1:]


@law
def check_modes(backend: Backend) -> None:
    """In every one of `modes()` the value has the bits that it has eagerly."""
    there, kind = result_dtypes(backend), float_dtype(backend)
    numbers = [-1.5, -0.0, 0.0, 0.5, 1.0, 40.999, 41.0, 82.0, 1e6, 1e30, np.inf, np.nan]
    for mode in _others(backend):
        for schedule, dtypes in COMPILED:
            found = [dtype for dtype in dtypes if dtype in there] or ["float32"]
            arrays = [*cases.boundaries(schedule), cases.huge(schedule)[0], cases.padded([-5, -1])]
            agree(backend, schedule, arrays, found, mode)
        agree(backend, cases.SLOPE, [cases.padded(numbers, kind)], ["float32"], mode)


@law
def check_phase_modes(backend: Backend) -> None:
    """In every one of `modes()` a schedule with phases has the bits that it has eagerly."""
    there, kind = result_dtypes(backend), float_dtype(backend)
    for mode in _others(backend):
        for schedule, dtypes in COMPILED_PHASES:
            found = [dtype for dtype in dtypes if dtype in there] or ["float32"]
            ends = cases.padded([-5, 2**53 + 1, 2**63 - 1])
            steps = [cases.dense(), *cases.at_knots(schedule), ends]
            for (
                dtype
            ) in found:  # each alone: Paddle takes minutes to simplify two such graphs in one
                agree(backend, schedule, steps, [dtype], mode)
        narrow = cases.padded(range(300), "int32")  # served by the exact form alone
        agree(backend, cases.WHOLE, [narrow], ["float32"], mode)
        agree(backend, FLOATS, cases.floats_at_knots(FLOATS, kind), there[:1], mode)


@law
def check_retracing(backend: Backend) -> None:
    """A compiled function is not traced again as the step changes, nor as it crosses a knot.

    Judged only where the framework runs the Python function while it traces and not after.
    """
    dtype = widest(backend)
    judged = []
    for mode, schedule in product(_others(backend), (cases.SLOPE, cases.WHOLE)):
        counts = _traces(backend, schedule, mode, dtype)
        if counts[1] > counts[0]:
            continue  # run each time: nothing is compiled
        judged.append(mode)
        if counts[-1] > counts[1]:
            raise Broken(
                schedule=schedule,
                mode=mode,
                returned=f"traced {counts[-1]} times in {len(counts)} calls",
                true=f"{counts[1]}, as for the first value",
            )
    if not judged:
        raise Unsuited("no mode shows when it traces")


def _traces(backend: Backend, schedule: InverseTimeDecay, mode: str, dtype: str) -> list[int]:
    """How often the Python function had run after each of some calls, the first two alike."""
    form = schedule.form
    calls = []

    def count() -> int:
        calls.append(1)
        return 0

    # Dynamo runs what is so marked while it traces, and never after; other tracers run anything.
    count._dynamo_marked_constant = True  # type: ignore[attr-defined]

    def function(step: Any) -> Any:
        count()
        return backend(form, step, dtype)

    run = backend.modes()[mode](function)
    counts = []
    for first in (0, 0, 1, 41, 48, 68, 168, 198, 247, 2**40):
        steps = cases.padded(np.arange(first, first + 4))
        x = backend.coerce(steps, None)
        asked(partial(run, x), schedule, steps, [dtype], mode)
        counts.append(len(calls))
    return counts
