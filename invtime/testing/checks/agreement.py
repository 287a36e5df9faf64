"""Evaluate a backend at arrays of steps, and compare the results with what the contract allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, zip_longest
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime import InverseTimeDecay
from invtime.backends.base import Backend, Kernel
from invtime.errors import PlacementError, StepTypeError
from invtime.reference import (
    FORMATS,
    Bits,
    Reference,
    Steps,
    bits_of_array,
    float_of_bits,
    ulp_distance,
)
from invtime.testing.checks.cases import SLOPE
from invtime.testing.checks.law import Broken, asking, raised

STEP_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOAT_DTYPES = ("float16", "float32", "float64")


def holds(backend: Backend, dtype: npt.DTypeLike, device: Any = None) -> bool:
    """Return whether `backend.coerce` accepts this dtype; it raises StepTypeError if not."""
    with asking(
        step=f"an array of {np.dtype(dtype).name}", expected="an array, or a StepTypeError"
    ):
        try:
            backend.coerce(np.zeros(2, dtype), device)
        except StepTypeError:
            return False
    return True


def float_dtype(backend: Backend) -> str:
    """Return the widest dtype of float steps that the device can also compute in."""
    if not holds(backend, "float64"):
        return "float32"
    x = backend.coerce(np.zeros(2, "float64"), None)
    return "float64" if backend.precision(x) == 53 else "float32"


def result_dtypes(backend: Backend, device: Any = None) -> list[str]:
    """Return the supported result dtypes: float32, and those that `backend.dtype` accepts.

    No other method may reject a dtype, except float64 on a device without binary64.
    """
    found = []
    steps = np.ones(2, "int32")
    x = backend.coerce(steps, device)
    for dtype in FORMATS:
        try:
            backend.dtype(dtype)
        except PlacementError as error:
            if dtype == "float32":
                raise Broken(
                    dtype=dtype, raised=raised(error), expected="no error: float32 is required"
                ) from error
            continue
        if dtype == "float64" and backend.precision(x) < 53:
            continue
        with asking(
            **example(SLOPE, steps, [dtype]), expected="no error, or a PlacementError from `dtype`"
        ):
            backend.to_numpy(backend(SLOPE.form, x, dtype))
        found.append(dtype)
    return found


def widest(backend: Backend) -> str:
    """Return the widest supported result dtype."""
    return result_dtypes(backend)[0]


def kernel(
    backend: Backend, schedule: InverseTimeDecay, dtypes: Sequence[str], mode: str | None = None
) -> Kernel:
    """Return a function, run in the mode, from an array of steps to the results in each dtype."""
    form = schedule.form

    def function(step: Any) -> Any:
        return tuple([backend(form, step, dtype) for dtype in dtypes])

    if mode is None:
        return function
    # Dynamo keeps at most eight compiled versions of a code object: each function needs a new one.
    function.__code__ = function.__code__.replace()
    return backend.modes()[mode](function)


def agree_all(
    backend: Backend,
    schedules: Iterable[InverseTimeDecay],
    steps_of: Callable[[InverseTimeDecay], Sequence[Steps]],
    dtypes_of: Callable[[InverseTimeDecay], Sequence[str]],
) -> None:
    """Call `agree` for many schedules: first with the first array of each, then the second, ..."""
    rounds = zip_longest(*([(one, steps) for steps in steps_of(one)] for one in schedules))
    for pair in chain.from_iterable(rounds):
        if pair is not None:
            schedule, steps = pair
            agree(backend, schedule, [steps], dtypes_of(schedule))


def agree(
    backend: Backend,
    schedule: InverseTimeDecay,
    arrays: Iterable[Steps],
    dtypes: Sequence[str],
    mode: str | None = None,
) -> None:
    """Raise `Broken`, at the smallest step, if the contract does not allow a value."""
    run: Kernel | None = None
    for steps in arrays:
        with asking(**example(schedule, steps, dtypes, mode)):
            x = backend.coerce(steps, None)
            run = run or kernel(backend, schedule, dtypes, mode)
            results = run(x)
            precision = backend.precision(x)
        found = {
            dtype: bits_of_result(backend, schedule, steps, result, dtype, mode)
            for dtype, result in zip(dtypes, results, strict=True)
        }
        hold(schedule, steps, found, precision, mode)


def asked(
    call: Callable[[], Any],
    schedule: InverseTimeDecay,
    steps: Steps,
    dtypes: Sequence[str],
    mode: str | None = None,
) -> Any:
    """Return what the call returns; an exception breaks the law at these steps."""
    with asking(**example(schedule, steps, dtypes, mode)):
        return call()


def example(
    schedule: InverseTimeDecay, steps: Steps, dtypes: Sequence[str], mode: str | None = None
) -> dict[str, object]:
    """Describe the evaluation for a failure message."""
    return {
        "schedule": schedule,
        "step": in_words(next(iter(steps.flat), None), steps),
        "dtype": ", ".join(dtypes),
        **way(mode),
    }


def bits_of_result(
    backend: Backend,
    schedule: InverseTimeDecay,
    steps: Steps,
    result: Any,
    dtype: str,
    mode: str | None = None,
) -> Bits:
    """Return the bits of a result; it must have the shape of the steps and the requested dtype."""
    asked_for = example(schedule, steps, [dtype], mode)
    with asking(**asked_for):
        array = np.asarray(backend.to_numpy(result))
    try:
        bits = bits_of_array(array, dtype)
    except ValueError:
        bits = None
    if bits is None or array.shape != steps.shape:
        raise Broken(
            **asked_for,
            returned=f"{array.dtype.name} of shape {array.shape}",
            expected=f"{dtype} of shape {steps.shape}",
        )
    return bits


def hold(
    schedule: InverseTimeDecay,
    steps: Steps,
    found: dict[str, Bits],
    precision: int,
    mode: str | None = None,
) -> None:
    """Raise `Broken` at the smallest step, over all dtypes, whose value is not allowed."""
    truth = Reference(schedule).at(steps)
    mistakes = []
    for order, (dtype, bits) in enumerate(found.items()):
        for at in np.flatnonzero(~truth.allowed(bits.reshape(-1), dtype, precision)):
            step = truth.steps[at].item()
            mistakes.append((isnan(step), abs(step), step < 0, order, at, dtype))
    if not mistakes:
        return
    *_, at, dtype = min(mistakes)
    got, true = int(found[dtype].reshape(-1)[at]), int(truth.bits(dtype)[at])
    wrong = sum(mistake[-1] == dtype for mistake in mistakes)
    raise Broken(
        schedule=schedule,
        step=in_words(truth.steps[at], steps),
        dtype=dtype,
        **way(mode),
        returned=number(got, dtype),
        expected=number(true, dtype),
        error=f"{_distance(got, true, dtype)}; {wrong} of {steps.size} steps here are wrong",
        hint="if a check of operators or primitives (such as divide) fails too, fix that first",
    )


def in_words(step: Any, steps: Steps) -> str:
    """Describe a step, and the dtype and shape of its array."""
    what = "none" if step is None else repr(step.item())
    return f"{what}, in an array of {steps.dtype.name} and shape {steps.shape}"


def number(bits: int, dtype: str) -> str:
    """Show bits as a number and in hexadecimal."""
    return f"{float_of_bits(bits, dtype)!r} = {FORMATS[dtype].hex(bits)}"


def way(mode: str | None) -> dict[str, str]:
    """Return the part of an example that says how the backend was run."""
    return {"mode": mode or "eager"}


def _distance(got: int, true: int, dtype: str) -> str:
    try:
        return f"{ulp_distance(got, true, dtype)} ULP of {dtype}"
    except ValueError:
        return "one of the two is NaN"
