"""The laws of the types of steps, and of the values that they count as."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from math import inf, nan
from typing import Any

import numpy as np

from invtime import InverseTimeDecay
from invtime.backends.base import Backend
from invtime.errors import StepTypeError
from invtime.reference import Steps
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import (
    FLOAT_DTYPES,
    STEP_DTYPES,
    agree,
    agree_all,
    asked,
    bits_of_result,
    float_dtype,
    hold,
    holds,
    result_dtypes,
    widest,
)
from invtime.testing.checks.law import Broken, asking, law, raised

REQUIRED = ("int32", "int64", "float32")
BEFORE = [-1, -5, -41, -(2**31), -(2**53) - 1, -(2**63)]


@law
def check_step_dtypes(backend: Backend) -> None:
    """A step of any integer or float dtype counts as its exact value, for every width.

    int32, int64 and float32 are required. The others are checked if the framework has them.
    """
    dtypes = result_dtypes(backend)
    dtype = dtypes[0]
    wide = InverseTimeDecay(0.1, 300, 0.5, staircase=True)  # 300 is 44 in 8 bits
    halves = InverseTimeDecay(0.1, 2.5, 0.5, staircase=True)  # and 2 * 127 is -2
    for kind in (*STEP_DTYPES, *FLOAT_DTYPES):
        if holds(backend, kind):
            early = cases.padded(range(100), kind)
            agree(backend, wide, [_steps_of(kind), early, *_special(kind)], dtypes)
        elif kind in REQUIRED:
            raise Broken(
                step=f"an array of {kind}", returned="a StepTypeError", expected="a result"
            )
    for kind in ("int8", "float16", "float32"):
        if holds(backend, kind):
            agree(backend, halves, [_steps_of(kind)], [dtype])
    if find_spec("ml_dtypes"):
        import ml_dtypes

        narrow = np.array([0, 1, 2.5, 41, 100, 248], ml_dtypes.bfloat16)
        if holds(backend, narrow.dtype):
            agree(backend, cases.STAIRS, [narrow], [dtype])


def _steps_of(kind: str) -> Steps:
    """Return steps from the whole range of a dtype, including its end."""
    if kind.startswith("float"):
        largest = 2 ** (np.finfo(kind).nmant + 1)
        numbers = [n for n in (0, 0.5, 1, 41, 82, 299, 300, 2047, 2**24 - 1) if n <= largest]
        return cases.padded(numbers, kind)
    top = int(np.iinfo(kind).max)
    last = min(top, 2**63 - 1)
    steps = [0, 1, 40, 41, 82, 127, 200, 255, 300, last // 3, last // 41 * 41, last - 1, last]
    return cases.padded(np.array([n for n in steps if n <= last], kind), kind)


def _special(kind: str) -> list[Steps]:
    """Return negative steps, and for floats also special values; none for unsigned dtypes."""
    if kind.startswith("float"):
        limits = np.finfo(kind)
        ends = [limits.smallest_subnormal, limits.tiny, limits.max]
        return [cases.padded([-0.0, -0.5, -1, nan, inf, -inf, 0.5, *ends], kind)]
    low = int(np.iinfo(kind).min)
    return [cases.padded([low, low + 1, -41, -1, 0, 1], kind)] if low else []


@law
def check_kept_values(backend: Backend) -> None:
    """`coerce` keeps the dtype and every value of a NumPy array, and `to_numpy` returns them.

    `dtype_name` returns the name of the dtype.
    """
    for kind in [kind for kind in (*STEP_DTYPES, *FLOAT_DTYPES) if holds(backend, kind)]:
        steps = _steps_of(kind)[:64]
        with asking(step=f"an array of {kind}"):
            x = backend.coerce(steps, None)
            own = getattr(x, "dtype", None)
            name = kind if own is None else backend.dtype_name(own)
            found = np.asarray(backend.to_numpy(x))
        if found.dtype != steps.dtype:
            raise Broken(
                step=f"an array of {kind}",
                returned=f"an array of {found.dtype.name}",
                expected="the same dtype, or a StepTypeError",
            )
        if found.shape != steps.shape or (found != steps).any():
            at = int(np.flatnonzero(np.broadcast_to(found != steps, steps.shape))[0])
            raise Broken(
                step=f"an array of {kind}",
                returned=repr(np.broadcast_to(found, steps.shape)[at].item()),
                expected=repr(steps[at].item()),
            )
        if name != kind:
            raise Broken(
                step=f"an array of {kind}",
                returned=f"dtype_name({own!r}) is {name!r}",
                expected=repr(kind),
            )


@law
def check_float_steps(backend: Backend) -> None:
    """A whole float step has the bits of the integer; any other is within 1 ULP of binary64."""
    kind, dtype = float_dtype(backend), widest(backend)
    agree_all(
        backend, cases.SCHEDULES, lambda one: cases.floats(one, kind), lambda schedule: [dtype]
    )
    agree(backend, cases.SLOPE, cases.floats(cases.SLOPE, kind), result_dtypes(backend))


@law
def check_before_the_start(backend: Backend) -> None:
    """A negative step counts as step 0: an integer, a float, or minus infinity."""
    kind, dtype = float_dtype(backend), widest(backend)
    for schedule in cases.SCHEDULES:
        integers = [cases.padded(BEFORE), cases.padded([*BEFORE, 0, 1, 2**40])]
        agree(backend, schedule, integers, [dtype])
        alone = [-0.0, -0.5, -1.0, -1e30, -inf]
        numbers = [cases.padded(alone, kind), cases.padded([*alone, 1.0, 2.5], kind)]
        agree(backend, schedule, numbers, [dtype])


@law
def check_nan_and_infinity(backend: Backend) -> None:
    """NaN returns NaN; infinity returns 0, or the initial rate if the decay rate is 0."""
    kind, dtypes = float_dtype(backend), result_dtypes(backend)
    for schedule in cases.SCHEDULES[:6]:
        for steps in ([nan], [inf], [0.0, 1.0, nan, 2.0], [0.0, inf, 1.0], [nan, inf, -inf, 0.5]):
            agree(backend, schedule, [cases.padded(steps, kind)], dtypes[:1])
    agree(backend, cases.SLOPE, [cases.padded([nan, inf, 0.5], kind)], dtypes)


@law
def check_numbers(backend: Backend) -> None:
    """A Python number or a NumPy scalar returns a 0-d array of its value."""
    dtype = "float32"
    numbers: list[Any] = [0, 41, -3, 2**24 + 1, 2**40, 2**53 + 1, 0.0, 2.5, 1e300, -1.0, nan, inf]
    scalars = [np.int64(2**53 + 1), np.int32(41), np.uint8(200), np.float32(2.5), np.array(41)]
    for schedule in (cases.SLOPE, cases.STAIRS, cases.LONG):
        for step in numbers + scalars:
            steps = np.asarray(step)
            if not holds(backend, steps.dtype.name):
                continue
            call = partial(backend, schedule.form, step, dtype)
            result = asked(call, schedule, steps, [dtype])
            bits = bits_of_result(backend, schedule, steps, result, dtype)
            hold(schedule, steps, {dtype: bits}, 53)


@law
def check_constants(backend: Backend) -> None:
    """`constant` returns a 0-d array of the dtype; 16-bit dtypes are rounded through float32."""
    like = backend.coerce(np.array([1], "int32"), None)
    for value in (0.1, 1 / 3, 1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-8 + 2.0**-40, 65520.0, 1e60, 0.0):
        schedule = InverseTimeDecay(value, 1, 0)
        steps = np.array(0)
        for dtype in result_dtypes(backend):
            for near in (None, like):
                call = partial(backend.constant, value, dtype, near, None)
                result = asked(call, schedule, steps, [dtype])
                bits = bits_of_result(backend, schedule, steps, result, dtype)
                hold(schedule, steps, {dtype: bits}, 53)


@law
def check_not_numbers(backend: Backend) -> None:
    """A step that is not a real number (a bool, complex, text, ...) raises StepTypeError."""
    wrong: list[tuple[str, Any]] = [
        ("True", True),
        ("an array of bool", np.array([True, False])),
        ("a complex number", 1j),
        ("an array of complex128", np.array([1j])),
        ("'text'", "text"),
        ("an array of text", np.array(["text"])),
        ("None", None),
        ("an object", object()),
    ]
    x = backend.coerce(np.arange(2, dtype="int32"), None)
    with backend.scope(x):
        wrong.append(("a bool array of the framework", x <= 0))
    for words, step in wrong:
        try:
            result = backend.coerce(step, None)
        except StepTypeError:
            continue
        except Exception as error:  # a framework can raise anything
            raise Broken(step=words, raised=raised(error), expected="a StepTypeError") from error
        raise Broken(step=words, returned=f"a {type(result).__name__}", expected="a StepTypeError")
