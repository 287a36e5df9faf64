"""A backend asked at an array of steps, and held to the oracle by the contract's own terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain, zip_longest
from math import isinf, isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime import InverseTimeDecay
from invtime.backends.base import Backend, Kernel
from invtime.errors import PlacementError, StepTypeError
from invtime.testing.bulk import expected_bits, expected_doubles
from invtime.testing.checks.cases import SLOPE, Steps
from invtime.testing.checks.law import Broken, raised
from invtime.testing.midpoints import closeness
from invtime.testing.oracle import (
    CHAINS,
    FORMATS,
    Reference,
    bits_of_array,
    bits_of_fraction,
    float_of_bits,
    fraction_of_bits,
    ulp_distance,
)

Bits = npt.NDArray[np.uint64]

STEP_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOAT_DTYPES = ("float16", "float32", "float64")

NEAREST = 98  # the double-word form is promised where no tie is nearer than 2**-98


def holds(backend: Backend, dtype: npt.DTypeLike) -> bool:
    """Whether the backend has steps of this NumPy dtype."""
    try:
        backend.coerce(np.zeros(2, dtype), None)
    except (StepTypeError, PlacementError):
        return False
    return True


def float_dtype(backend: Backend) -> str:
    """The widest dtype of float steps, which the device must compute in as well."""
    if not holds(backend, "float64"):
        return "float32"
    x = backend.coerce(np.zeros(2, "float64"), None)
    return "float64" if backend.precision(x) == 53 else "float32"


def result_dtypes(backend: Backend) -> list[str]:
    """The result dtypes there are; float32 must be one."""
    found = []
    x = backend.coerce(np.ones(2, "int32"), None)
    for dtype in FORMATS:
        try:
            backend(SLOPE.form, x, backend.dtype(dtype))
        except PlacementError as error:
            if dtype == "float32":
                raise Broken(dtype=dtype, raised=raised(error), true="float32 always") from error
        except Exception as error:  # a framework can raise anything
            raise Broken(dtype=dtype, raised=raised(error), true="or a PlacementError") from error
        else:
            found.append(dtype)
    return found


def widest(backend: Backend) -> str:
    """The widest result dtype there is."""
    return result_dtypes(backend)[0]


def kernel(
    backend: Backend, schedule: InverseTimeDecay, dtypes: Sequence[str], mode: str | None = None
) -> Kernel:
    """A function from an array of steps to the results in each dtype, as the mode runs it."""
    form = schedule.form

    def function(step: Any) -> Any:
        return tuple([backend(form, step, dtype) for dtype in dtypes])

    if mode is None:
        return function
    # Dynamo keeps what it compiled by code object, eight at most: each needs its own.
    function.__code__ = function.__code__.replace()
    return backend.modes()[mode](function)


def agree_all(
    backend: Backend,
    schedules: Iterable[InverseTimeDecay],
    steps_of: Callable[[InverseTimeDecay], Sequence[Steps]],
    dtypes_of: Callable[[InverseTimeDecay], Sequence[str]],
) -> None:
    """`agree` for many schedules: the first array of each, then the second of each, and so on."""
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
    """Every value is the oracle's, as far as the contract binds it; else `Broken`, at the least."""
    run = kernel(backend, schedule, dtypes, mode)
    for steps in arrays:
        x = backend.coerce(steps, None)
        results = asked(partial(run, x), schedule, steps, dtypes, mode)
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
    """What the call returns; an exception breaks the law at these steps."""
    try:
        return call()
    except Exception as error:  # a framework can raise anything
        raise Broken(
            schedule=schedule,
            step=in_words(steps.reshape(-1)[0], steps) if steps.size else in_words(None, steps),
            dtype=", ".join(dtypes),
            **way(mode),
            raised=raised(error),
        ) from error


def bits_of_result(
    backend: Backend,
    schedule: InverseTimeDecay,
    steps: Steps,
    result: Any,
    dtype: str,
    mode: str | None = None,
) -> Bits:
    """The bits of a result, which must have the shape of the steps and the dtype asked for."""
    array = np.asarray(backend.to_numpy(result))
    try:
        bits = bits_of_array(array, dtype)
    except ValueError:
        bits = None
    if bits is None or array.shape != steps.shape:
        raise Broken(
            schedule=schedule,
            step=in_words(steps.reshape(-1)[0] if steps.size else None, steps),
            dtype=dtype,
            **way(mode),
            returned=f"{array.dtype.name} of shape {array.shape}",
            true=f"{dtype} of shape {steps.shape}",
        )
    return bits


def hold(
    schedule: InverseTimeDecay,
    steps: Steps,
    found: dict[str, Bits],
    precision: int,
    mode: str | None = None,
) -> None:
    """`Broken` at the least step, of all dtypes, at which the contract does not allow a value."""
    reference = Reference(schedule)
    numbers = plain(steps)
    mistakes = []
    for order, (dtype, bits) in enumerate(found.items()):
        true = true_bits(schedule, steps, dtype).reshape(-1)
        for at in np.flatnonzero(bits.reshape(-1) != true):
            step, got = numbers[at], int(bits.reshape(-1)[at])
            if not allowed(reference, step, got, int(true[at]), dtype, precision):
                mistakes.append((isnan(step), abs(step), step < 0, order, at, dtype, got))
    if not mistakes:
        return
    *_, at, dtype, got = min(mistakes)
    expected = int(true_bits(schedule, steps, dtype).reshape(-1)[at])
    wrong = sum(mistake[5] == dtype for mistake in mistakes)
    raise Broken(
        schedule=schedule,
        step=in_words(steps.reshape(-1)[at], steps),
        dtype=dtype,
        **way(mode),
        returned=number(got, dtype),
        true=number(expected, dtype),
        off=f"{_distance(got, expected, dtype)}; {wrong} of {steps.size} steps here are wrong",
    )


def true_bits(schedule: InverseTimeDecay, steps: Steps, dtype: str) -> Bits:
    """The oracle's bits at every step."""
    numbers = plain(steps)
    if steps.dtype.kind in "iu":
        doubles = expected_doubles(schedule, numbers)
    else:
        reference = Reference(schedule)
        doubles = np.array([reference.value(n) for n in numbers], np.float64)
    missing = np.isnan(doubles)
    bits = expected_bits(np.where(missing, 0.0, doubles), dtype)
    return np.where(missing, np.uint64(FORMATS[dtype].nan), bits).reshape(steps.shape)


def allowed(
    reference: Reference, step: Any, got: int, true: int, dtype: str, precision: int
) -> bool:
    """Whether the contract lets a tensor give the bits `got` where `true` is the oracle's.

    Zero may stand for a subnormal number; a float step that is not whole below 2**53 may be
    one ULP of binary64 off, and so may a value next to a tie; without binary64 every value
    may be one ULP of binary32 off. A stage from 2**63 on may be anything.
    """
    if got == true or isnan(step) or isinf(step):
        return got == true
    if got == 0 and _subnormal(reference, step, dtype):
        return True
    if reference.staircase and reference.stage(step) >= 2**63:
        return True
    if precision == 24:
        near = got in _neighbours(reference.bits(step, "float32"), "float32", dtype)
        return near or _of_the_next_stage(reference, step, got, dtype, "float32")
    near = got in _neighbours(reference.bits(step), "float64", dtype)
    if isinstance(step, float) and not (step.is_integer() and abs(step) < 2**53):
        return near or _of_the_next_stage(reference, step, got, dtype, "float64")
    value = reference.exact(step)
    return near and bool(value) and closeness(Fraction(value or 0)) > NEAREST


def _subnormal(reference: Reference, step: Any, dtype: str) -> bool:
    """Whether the value is a subnormal number somewhere on its way to the dtype."""
    chain = CHAINS[dtype]
    return any(reference.bits(step, link) < FORMATS[link].smallest_normal for link in chain)


def _neighbours(bits: int, link: str, dtype: str) -> set[int]:
    """The bits in `dtype` of a number of `link` and the two beside it, rounded on."""
    links = CHAINS[dtype]
    rest = links[links.index(link) :]
    return {_rounded(other, link, rest) for other in (bits - 1, bits, bits + 1)}


def _rounded(bits: int, kind: str, links: Sequence[str]) -> int:
    for link in links[1:]:
        if bits >= FORMATS[kind].infinity:
            return FORMATS[links[-1]].infinity
        bits, kind = bits_of_fraction(fraction_of_bits(max(bits, 0), kind), link), link
    return bits


def _of_the_next_stage(reference: Reference, step: Any, got: int, dtype: str, link: str) -> bool:
    """Whether a staircase of fractional period took a float step for one of the stage beside."""
    if not reference.staircase or reference.period.denominator == 1 or isinstance(step, int):
        return False
    turns = Fraction(step) / reference.period
    stage = round(turns)
    closer = 50 if link == "float64" else 30
    return abs(turns - stage) <= turns / 2**closer and any(
        got in _neighbours(reference.bits(start, link), link, dtype)
        for start in (stage * reference.period, (stage - 1) * reference.period)
    )


def plain(steps: Steps) -> list[Any]:
    """The steps as Python numbers."""
    flat = steps.reshape(-1)
    numbers: list[Any] = (flat if flat.dtype.kind in "iu" else flat.astype(np.float64)).tolist()
    return numbers


def in_words(step: Any, steps: Steps) -> str:
    """A step, with its dtype and the array that it stood in."""
    what = "none" if step is None else repr(step.item())
    return f"{what}, in an array of {steps.dtype.name} and shape {steps.shape}"


def number(bits: int, dtype: str) -> str:
    """Bits as a number and in hexadecimal."""
    kind = FORMATS[dtype]
    sign = bits >> (kind.width - 1)
    value = float_of_bits(bits % (1 << (kind.width - 1)), dtype)
    return f"{-value if sign else value!r} = {bits:#0{kind.width // 4 + 2}x}"


def way(mode: str | None) -> dict[str, str]:
    """The part of an example that says how a backend was run."""
    return {"mode": mode or "eager"}


def _distance(got: int, true: int, dtype: str) -> str:
    try:
        return f"{ulp_distance(got, true, dtype)} ULP of {dtype}"
    except ValueError:
        return "one of them is not a number"
