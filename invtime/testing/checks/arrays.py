"""The laws of arrays: shape, dtype, device, and the independence of the elements."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np

from invtime.backends.base import Backend
from invtime.errors import PlacementError
from invtime.reference import Reference
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
    in_words,
    number,
    result_dtypes,
    widest,
)
from invtime.testing.checks.law import Broken, asking, law, raised

THREADS = 8
LONG = 2**15 + 1  # longer than any block; `invtime verify` uses arrays of half this length


@law
def check_shape(backend: Backend) -> None:
    """The result has the shape of the step: 0-d, empty, long, multidimensional, any layout."""
    dtype = widest(backend)
    for schedule, kind in ((cases.SLOPE, "int64"), (cases.LONG, float_dtype(backend))):
        base = np.arange(24).astype(kind)
        long = np.arange(LONG).astype(kind)
        shaped = [base[:1], base[:0], base[7:8].reshape(()), base.reshape(2, 3, 4)]
        shaped += [base[:0].reshape(3, 0, 2), base.reshape(4, 6).T, base[::2], base[1::3]]
        agree(backend, schedule, [*shaped, long], [dtype])


@law
def check_elementwise(backend: Backend) -> None:
    """Each element is evaluated by itself: other steps in the array do not change its result."""
    dtype = widest(backend)
    steps = np.array([0, 1, 41, -5, 1000, 2**53 + 1, 2**62 + 1, 2**63 - 1])
    for schedule in (cases.SLOPE, cases.STAIRS, cases.LONG_STAIRS):
        form = schedule.form
        whole = steps[abs(steps) < 2**53].astype(float_dtype(backend))
        for together in (steps, steps[::-1].copy(), whole):
            bits = []
            for part in (together, *np.split(together, together.size)):
                x = backend.coerce(part, None)
                result = asked(partial(backend, form, x, dtype), schedule, part, [dtype])
                bits.append(bits_of_result(backend, schedule, part, result, dtype))
            alone = np.concatenate(bits[1:])
            for at in sorted(np.flatnonzero(alone != bits[0]), key=lambda i: abs(int(together[i]))):
                raise Broken(
                    schedule=schedule,
                    step=in_words(together[at], together),
                    dtype=dtype,
                    returned=f"{number(int(bits[0][at]), dtype)}, in the array",
                    alone=number(int(alone[at]), dtype),
                    expected=number(Reference(schedule).bits(together[at].item(), dtype), dtype),
                )


@law
def check_pure(backend: Backend) -> None:
    """Evaluation does not change the step, and the same step returns the same bits again."""
    dtype = widest(backend)
    for kind in ("int64", float_dtype(backend)):
        steps = np.array([-3, 0, 1, 41, 2**40]).astype(kind)
        before = steps.copy()
        for schedule in (cases.SLOPE, cases.STAIRS, cases.LONG):
            x = backend.coerce(steps, None)
            bits = []
            for _ in range(2):
                call = partial(backend, schedule.form, x, dtype)
                result = asked(call, schedule, steps, [dtype])
                bits.append(bits_of_result(backend, schedule, steps, result, dtype))
            kept = np.asarray(backend.to_numpy(x))
            for name, found in (("the step", kept), ("the NumPy array", steps)):
                if (found != before).any():
                    at = int(np.flatnonzero(found != before)[0])
                    raise Broken(
                        schedule=schedule,
                        step=in_words(before[at], before),
                        returned=f"{name} changed to {found[at].item()!r}",
                        expected="the step unchanged",
                    )
            if (bits[0] != bits[1]).any():
                at = int(np.flatnonzero(bits[0] != bits[1])[0])
                raise Broken(
                    schedule=schedule,
                    step=in_words(before[at], before),
                    dtype=dtype,
                    returned=f"{number(int(bits[1][at]), dtype)} at the second call",
                    expected=number(int(bits[0][at]), dtype),
                )


@law
def check_threads(backend: Backend) -> None:
    """Threads that evaluate at the same time get the same bits as a single thread."""
    dtype = widest(backend)
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(number_of_thread: int) -> None:
        start.wait()
        try:
            for schedule in (cases.SLOPE, cases.STAIRS, cases.LONG_STAIRS):
                steps = cases.dense() + number_of_thread
                agree(backend, schedule, [steps], [dtype])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@law
def check_dtype(backend: Backend) -> None:
    """The result has the requested dtype, or the default one, for steps of every dtype.

    A dtype that the device does not support raises PlacementError.
    """
    schedule = cases.SLOPE
    default = backend.default_dtype()
    there = result_dtypes(backend)
    for kind in [kind for kind in (*STEP_DTYPES, *FLOAT_DTYPES) if holds(backend, kind)]:
        for shape in ((2,), ()):
            steps = np.ones(shape, kind)
            x = backend.coerce(steps, None)
            for dtype in (None, *there) if kind in ("int32", "float32") else (None,):
                wanted = default if dtype is None else dtype
                with asking(**example(schedule, steps, [wanted])):
                    found = _dtype_of(backend, backend(schedule.form, x, dtype))
                if found != wanted:
                    raise Broken(
                        schedule=schedule,
                        step=in_words(steps.reshape(-1)[0], steps),
                        dtype=f"{wanted} (the default)" if dtype is None else dtype,
                        returned=f"an array of {found}",
                        expected=f"an array of {wanted}",
                    )


def _dtype_of(backend: Backend, result: Any) -> str:
    """Return the name of a result's dtype, from the result or from its NumPy array."""
    own = getattr(result, "dtype", None)
    return backend.dtype_name(np.asarray(backend.to_numpy(result)).dtype if own is None else own)


@law
def check_device(backend: Backend) -> None:
    """The result is on the device of the step, or on the one that `device=` names."""
    devices = backend.devices()
    if not devices:
        raise Broken(returned="no devices", expected="at least one device")
    steps = np.array([0, 1, 41])
    start = backend.coerce(steps, None)
    places: dict[str, Any] = {}
    for name in devices:
        if not isinstance(name, str):
            raise Broken(returned=f"a device {name!r}", expected="the name of the device, a str")
        device = backend.device(name)
        x = backend.coerce(steps, device)
        places[name] = _place(x)
        for schedule in (cases.STAIRS, cases.LONG):
            form = schedule.form
            with asking(**example(schedule, steps, ["float32"], f"on {name}")):
                results = {
                    "from the step": backend(form, x, "float32"),
                    "from a 0-d step": backend(form, backend.coerce(steps[1], device), "float32"),
                    "from device=": backend(form, start, "float32", device),
                    "of a constant": backend.constant(0.1, "float32", None, device),
                }
            for how, result in results.items():
                if _place(result) != places[name]:
                    raise Broken(
                        schedule=schedule,
                        device=f"{name}, {how}",
                        returned=f"on {_place(result)}",
                        expected=f"on {places[name]}",
                    )
            bits = bits_of_result(backend, schedule, steps, results["from device="], "float32")
            hold(schedule, steps, {"float32": bits}, backend.precision(x))
    known = [place for place in places.values() if place is not None]
    for i, (name, place) in enumerate(places.items()):
        if place is not None and place in known[:i]:
            raise Broken(
                device=name, returned=f"on {place}, like another device", expected=f"on {name}"
            )


def _place(x: Any) -> Any:
    """Return the device that an array reports; None if it has no such attribute."""
    for name in ("device", "place"):
        place = getattr(x, name, None)
        if place is not None and not callable(place):
            return str(place)
    return None


@law
def check_absent_device(backend: Backend) -> None:
    """A device that does not exist raises a PlacementError that lists the existing ones."""
    try:
        found = backend.device("no such device")
    except PlacementError as error:
        message = str(error)
    except Exception as error:  # a framework can raise anything
        raise Broken(
            device="'no such device'", raised=raised(error), expected="a PlacementError"
        ) from error
    else:
        raise Broken(device="'no such device'", returned=repr(found), expected="a PlacementError")
    missing = [name for name in backend.devices() if name not in message]
    if missing:
        raise Broken(
            device="'no such device'", returned=message, expected=f"a message that lists {missing}"
        )
    if backend.device(None) is not None:
        raise Broken(device="None", returned=repr(backend.device(None)), expected="None")
