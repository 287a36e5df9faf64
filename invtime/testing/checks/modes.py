"""The laws of the modes (compiled, mapped, traced), on each device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from invtime import InverseTimeDecay, registry
from invtime.backends.base import Backend, Kernel
from invtime.reference import Steps
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import (
    FLOAT_DTYPES,
    STEP_DTYPES,
    agree,
    asked,
    bits_of_result,
    example,
    float_dtype,
    hold,
    holds,
    result_dtypes,
    widest,
)
from invtime.testing.checks.law import Broken, Unsuited, asking, law

# Few, because a compiler can take seconds for each. Both use the double-word form at huge steps.
COMPILED = ((cases.SLOPE, ("float64",)), (cases.STAIRS, ("float16", "bfloat16")))

# The same with phases: one in integers, one in the double-word form.
COMPILED_PHASES = (
    (cases.WHOLE, ("float64", "float32")),
    (cases.DECIMALS.replace(staircase=True), ("float16", "bfloat16")),
)
# For float steps: with a cool-down too, some compilers take minutes.
FLOATS = InverseTimeDecay(0.1, 10, 0.5, warmup_steps=50, minimum_learning_rate=0.05)


# The step dtypes that `invtime verify` uses in a compiled mode, in this order.
STEPS = ("int64", "int32", "float64")


def _others(backend: Backend) -> list[str]:
    """Return the modes after the first one, which must be eager."""
    modes = list(backend.modes())
    if modes[:1] != ["eager"]:
        raise Broken(returned=f"modes {modes}", expected="'eager' as the first mode")
    if len(modes) == 1:
        raise Unsuited("the backend has only the eager mode")
    return modes[1:]


def _as_many(wanted: Sequence[str], there: Sequence[str]) -> list[str]:
    """Return the wanted dtypes, with substitutes for those that the backend does not support."""
    found = [dtype for dtype in wanted if dtype in there]
    return [*found, *(dtype for dtype in there if dtype not in found)][: len(wanted)]


@law
def check_modes(backend: Backend) -> None:
    """Every mode in `modes()` returns the same bits as the eager mode."""
    there, kind = result_dtypes(backend), float_dtype(backend)
    numbers = [-1.5, -0.0, 0.0, 0.5, 1.0, 40.999, 41.0, 82.0, 1e6, 1e30, np.inf, np.nan]
    for mode in _others(backend):
        for schedule, dtypes in COMPILED:
            found = _as_many(dtypes, there)
            arrays = [*cases.boundaries(schedule), cases.huge(schedule)[0], cases.padded([-5, -1])]
            agree(backend, schedule, arrays, found, mode)
        agree(backend, cases.SLOPE, [cases.padded(numbers, kind)], ["float32"], mode)


@law
def check_phase_modes(backend: Backend) -> None:
    """For schedules with phases too, every mode in `modes()` returns the bits of eager mode."""
    there, kind = result_dtypes(backend), float_dtype(backend)
    for mode in _others(backend):
        for schedule, dtypes in COMPILED_PHASES:
            ends = cases.padded([-5, 2**53 + 1, 2**63 - 1])
            steps = [cases.dense(), *cases.at_knots(schedule), ends]
            # One dtype at a time: Paddle takes minutes to simplify two such graphs in one.
            for dtype in _as_many(dtypes, there):
                agree(backend, schedule, steps, [dtype], mode)
        narrow = cases.padded(range(300), "int32")  # the exact form is sufficient
        agree(backend, cases.WHOLE, [narrow], there, mode)
        agree(backend, FLOATS, cases.floats_at_knots(FLOATS, kind), there[:1], mode)


@law
def check_placed_modes(backend: Backend) -> None:
    """On every device, in every mode, one function accepts steps of several dtypes and shapes.

    The schedule is placed by `schedule.on(name, device=device, dtype=dtype)`. Like `invtime
    verify`, the check calls the function with steps of one dtype after another, and in the eager
    mode with steps of every dtype.
    """
    first, *others = backend.modes()
    for device in backend.devices():
        place = backend.device(device)
        kinds = [kind for kind in (*STEP_DTYPES, *FLOAT_DTYPES) if holds(backend, kind, place)]
        every = {kind: cases.padded([0, 1, 40, 41, 82, 100, 127], kind) for kind in kinds}
        arrays = [every[kind] for kind in STEPS if kind in every]
        arrays.append(cases.huge(cases.SLOPE)[0])
        for dtype in result_dtypes(backend, place):
            _placed_agrees(backend, cases.SLOPE, arrays, device, dtype, first)
        phased = cases.STAIRS_UP_TO_A_FLOOR
        _placed_agrees(backend, phased, list(every.values()), device, "float32", first)
        arrays.append(np.arange(24).reshape(4, 6))
        for mode in others:
            _placed_agrees(backend, cases.SLOPE, arrays, device, "float32", mode)


def _placed_agrees(
    backend: Backend,
    schedule: InverseTimeDecay,
    arrays: Sequence[Steps],
    device: str,
    dtype: str,
    mode: str,
) -> None:
    where = f"{mode}, on {device}"
    run: Kernel | None = None
    for steps in arrays:
        with asking(**example(schedule, steps, [dtype], where)):
            x = backend.coerce(steps, backend.device(device))
            run = run or backend.modes()[mode](_placed(backend, schedule, device, dtype))
            result = run(x)
        bits = bits_of_result(backend, schedule, steps, result, dtype, where)
        hold(schedule, steps, {dtype: bits}, backend.precision(x), where)


def _placed(backend: Backend, schedule: InverseTimeDecay, device: str, dtype: str) -> Kernel:
    """Return the placed schedule; a backend that is not announced is called directly."""
    announced = backend.name in registry.default.plugins.announced
    if announced and registry.default.load(backend.name) is backend:
        placed: Any = schedule.on(backend.name, device=device, dtype=dtype)
    else:
        placed = partial(backend, schedule.form, dtype=dtype, device=backend.device(device))

    def function(step: Any) -> Any:
        return placed(step)

    function.__code__ = function.__code__.replace()  # see `kernel`
    return function


@law
def check_retracing(backend: Backend) -> None:
    """A compiled function is not traced again when the step changes or crosses a knot.

    The check applies only if the framework runs the Python function while it traces and not
    afterwards. The first three calls may trace.
    """
    dtype = widest(backend)
    judged = []
    for mode, schedule in product(_others(backend), (cases.SLOPE, cases.WHOLE)):
        counts = _traces(backend, schedule, mode, dtype)
        if counts[3] > counts[2]:
            continue  # it runs at each call: nothing is compiled
        judged.append(mode)
        if counts[-1] > counts[3]:
            raise Broken(
                schedule=schedule,
                mode=mode,
                returned=f"traced {counts[-1]} times in {len(counts)} calls",
                expected=f"{counts[3]} times, all for the first value",
            )
    if not judged:
        raise Unsuited("in no mode can the check observe tracing")


def _traces(backend: Backend, schedule: InverseTimeDecay, mode: str, dtype: str) -> list[int]:
    """Count the runs of the Python function after each call; the first four calls are the same."""
    form = schedule.form
    calls = []

    def count() -> int:
        calls.append(1)
        return 0

    # Dynamo runs a function with this mark only while it traces. Other tracers run any function.
    count._dynamo_marked_constant = True  # type: ignore[attr-defined]

    def function(step: Any) -> Any:
        count()
        return backend(form, step, dtype)

    run = backend.modes()[mode](function)
    counts = []
    for first in (0, 0, 0, 0, 1, 41, 48, 68, 168, 198, 247, 2**40):
        steps = cases.padded(np.arange(first, first + 4))
        x = backend.coerce(steps, None)
        result = asked(partial(run, x), schedule, steps, [dtype], mode)
        bits_of_result(backend, schedule, steps, result, dtype, mode)  # runs a lazy framework
        counts.append(len(calls))
    return counts
