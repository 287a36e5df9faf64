"""The laws of the primitives that the shared formula calls, and of its overrides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from invtime import InverseTimeDecay
from invtime.backends.base import Backend
from invtime.evaluate import evaluate
from invtime.reference import FORMATS, Steps, bits_of_array, bits_of_fraction, chained
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import (
    asked,
    bits_of_result,
    float_dtype,
    hold,
    holds,
    in_words,
    number,
    result_dtypes,
    widest,
)
from invtime.testing.checks.law import Broken, Unsuited, asking, law

SIGNED = ("int64", "int32", "int16", "int8")
Floats = npt.NDArray[Any]


def _word(backend: Backend, x: Any) -> str:
    """Return the widest float dtype that the device of x computes in."""
    return "float64" if backend.precision(x) == 53 else "float32"


def _some_floats(word: str, low: int, high: int, count: int = 400) -> Floats:
    """Return positive floats of all magnitudes from 2**low to 2**high."""
    random = np.random.default_rng(0)
    sizes = random.integers(low, high, count).astype(word)
    return (random.uniform(1, 2, count) * 2.0**sizes).astype(word)


@contextmanager
def _inside(backend: Backend, values: Steps, primitive: str) -> Iterator[Any]:
    """Enter the scope of the primitives, and yield the operand of some steps.

    NumPy's overflow warnings are ignored: the formula allows overflow.
    """
    with asking(primitive=primitive, given=f"an array of {values.dtype.name}"):
        x = backend.coerce(values, None)
        with np.errstate(all="ignore"), backend.scope(x):
            yield backend.operand(x)


def _native_word(backend: Backend) -> str:
    return _word(backend, backend.coerce(np.ones(2, "float32"), None))


def _same(primitive: str, given: Sequence[Any], found: Any, true: Sequence[Any]) -> None:
    """Raise `Broken` at the first wrong element."""
    found = np.asarray(found)
    flat = found.reshape(-1).tolist()
    if len(flat) != len(true):
        raise Broken(
            primitive=primitive, returned=f"shape {found.shape}", expected=f"shape ({len(true)},)"
        )
    for what, got, wanted in zip(given, flat, true, strict=True):
        if got != wanted or isinstance(got, bool) != isinstance(wanted, bool):
            raise Broken(
                primitive=primitive, given=what, returned=_shown(got), expected=_shown(wanted)
            )


def _shown(value: Any) -> str:
    return f"{value!r} = {value.hex()}" if isinstance(value, float) else repr(value)


@law
def check_divide(backend: Backend) -> None:
    """`divide` is one correctly rounded IEEE division, not a product with a reciprocal."""
    word = _native_word(backend)
    divisors = np.concatenate([np.arange(1, 200).astype(word), _some_floats(word, -60, 60)])
    for numerator in (1.0, 3.0, 10.0, 1000.0, float(np.array(1 / 3, word))):
        with _inside(backend, divisors, "divide") as operand:
            x = backend.widest(operand)
            results = {
                "a Python number": backend.divide(numerator, x),
                "an array": backend.divide(x * 0.0 + numerator, x),
            }
            found = {kind: backend.to_numpy(result) for kind, result in results.items()}
        for kind, result in found.items():
            bits = bits_of_array(result, word)
            for divisor, got in zip(divisors.tolist(), bits.tolist(), strict=True):
                true = bits_of_fraction(Fraction(numerator) / Fraction(divisor), word)
                if got != true:
                    raise Broken(
                        primitive="divide",
                        given=f"{numerator!r} ({kind}) / {divisor!r}",
                        returned=number(got, word),
                        expected=number(true, word),
                    )


@law
def check_quotient(backend: Backend) -> None:
    """`quotient` is exact integer division for every n >= 0, without conversion to floats."""
    for kind in [kind for kind in SIGNED if holds(backend, kind)]:
        last = int(np.iinfo(kind).max)
        for divisor in (1, 3, 41, 100, 127, 2**12, 2**31 - 1, 2**32, 10**17 + 9, 2**62):
            if divisor > last:
                continue
            numbers = {0, 1, 40, 41, 82, 100, 126, 127, divisor - 1, divisor, last - 1, last}
            numbers |= {k * divisor - d for k in (2, 3, last // divisor) for d in (0, 1)}
            steps = np.array(sorted(n for n in numbers if 0 <= n <= last), kind)
            with _inside(backend, steps, f"quotient by {divisor}") as x:
                found = backend.to_numpy(backend.quotient(x, divisor))
            given = [f"{n} // {divisor} in {kind}" for n in steps.tolist()]
            _same("quotient", given, found, [n // divisor for n in steps.tolist()])


@law
def check_head(backend: Backend) -> None:
    """`head` returns at most 26 bits of a float and leaves at most 27 (12 and 12 in binary32)."""
    word = _native_word(backend)
    high, low = (26, 27) if word == "float64" else (12, 12)
    values = _some_floats(word, -500, 500) if word == "float64" else _some_floats(word, -60, 60)
    values = np.concatenate([np.array([0, 1, 1 / 3, 2**24 - 1], word), values])
    with _inside(backend, values, "head") as x:
        heads = np.asarray(backend.to_numpy(backend.head(backend.widest(x)))).tolist()
    for value, first in zip(values.tolist(), heads, strict=True):
        rest = Fraction(value) - Fraction(first)
        if _length(Fraction(first)) > high or _length(rest) > low:
            raise Broken(
                primitive="head",
                given=_shown(value),
                returned=f"{_shown(first)}, of {_length(Fraction(first))} bits, "
                f"and {_length(rest)} bits left",
                expected=f"at most {high} bits, and at most {low} left",
            )


def _length(value: Fraction) -> int:
    """Return the number of bits from the first 1 to the last."""
    numerator = abs(value.numerator)
    return (numerator // (numerator & -numerator)).bit_length() if numerator else 0


@law
def check_round_to(backend: Backend) -> None:
    """`round_to` rounds to float32, then to a narrower dtype, to nearest even; it keeps float64."""
    word = _native_word(backend)
    ties = [1 + 2.0**-p + s * 2.0**-40 for p in (8, 11, 24) for s in (-1, 0, 1)]
    ties += [1 + 3 * 2.0**-p for p in (8, 11, 24)] + [65519.99, 65520.0, 1e-7, 6e-8, 0.0]
    values = np.concatenate([np.array(ties, word), _some_floats(word, -140, 30, 800)])
    for dtype in result_dtypes(backend):
        with _inside(backend, values, f"round_to {dtype}") as x:
            rounded = backend.to_numpy(backend.round_to(backend.widest(x), dtype))
        bits = bits_of_array(rounded, dtype)
        for value, got in zip(values.tolist(), bits.tolist(), strict=True):
            true = chained(Fraction(value), dtype)
            subnormal = true < FORMATS[dtype].smallest_normal
            if got != true and not (subnormal and got == 0):
                raise Broken(
                    primitive=f"round_to {dtype}",
                    given=_shown(value),
                    returned=number(got, dtype),
                    expected=number(true, dtype),
                )


@law
def check_choose(backend: Backend) -> None:
    """`choose` uses exact() if all x <= last, and never for an x > last, compared exactly."""
    lasts = {"int64": (100, 2**24, 2**53, 2**62), "int32": (2**31 - 2,)}
    lasts |= {"float64": (100, 2**53 - 1), "float32": (2**24 - 1,)}
    for kind in [kind for kind in lasts if holds(backend, kind)]:
        for last in lasts[kind]:
            for steps in ([0, last], [last + 1, last + 1], [0, last + 1], [last + 1, last]):
                _choose(backend, np.array(steps, kind), last)


def _choose(backend: Backend, steps: Steps, last: int) -> None:
    with _inside(backend, steps, f"choose, last = {last}") as x:
        zero = backend.widest(x) * 0.0
        chosen = backend.choose(x, last, lambda: zero + 1.0, lambda: zero + 2.0)
        found = np.asarray(backend.to_numpy(chosen)).tolist()
    within = [step <= last for step in steps.tolist()]
    for step, near, got in zip(steps, within, found, strict=True):
        # If one x is above the bound, all may use otherwise(); none above it may use exact().
        if got not in ((1.0, 2.0) if near and not all(within) else (1.0,) if near else (2.0,)):
            raise Broken(
                primitive=f"choose, last = {last}",
                step=in_words(step, steps),
                returned="exact()" if got == 1.0 else "otherwise()",
                expected="exact()" if near else "otherwise()",
            )


@law
def check_conversions(backend: Backend) -> None:
    """`widest`, `index`, `clamp`, `where`, `floor` and `integer_range` behave as documented."""
    word = _native_word(backend)
    precision = 53 if word == "float64" else 24
    for kind in [kind for kind in SIGNED if holds(backend, kind)]:
        limits = np.iinfo(kind)
        top = [limits.max - 1, limits.max, 2**24 + 1, 2**53 + 1]
        numbers = [0, 1, -1, 41, -41, limits.min, *(n for n in top if n <= limits.max)]
        steps = np.array(numbers, kind)
        with _inside(backend, steps, "integer_range, clamp, index or widest") as x:
            ends = backend.integer_range(x)
            if ends is None or ends[0] > min(numbers) or ends[1] < max(numbers):
                raise Broken(
                    primitive="integer_range",
                    given=f"an array of {kind}",
                    returned=ends,
                    expected=f"a range that includes {min(numbers)} and {max(numbers)}",
                )
            clamped = backend.to_numpy(backend.clamp(x))
            index = backend.to_numpy(backend.index(x))
            wide = backend.to_numpy(backend.widest(x))
        _same(f"clamp of {kind}", numbers, clamped, [max(n, 0) for n in numbers])
        _same(f"index of {kind}", numbers, index, numbers)
        whole = np.abs(steps.astype(np.float64)) <= 2**precision
        exact_ones = steps[whole].tolist()
        _same(f"widest of {kind}", exact_ones, wide[whole], list(map(float, exact_ones)))
    values = [0.0, 0.5, 0.999, 1.0, 1.5, 41.0, 2.0**23 - 0.5, 2.0 ** (precision - 1)]
    values = np.array(values, word).tolist()
    tenth, low = float(np.array(0.1, word)), [v < 1 for v in values]
    with _inside(backend, np.array(values, word), "floor, index, widest or where") as operand:
        if backend.integer_range(operand) is not None:
            raise Broken(primitive="integer_range", given=f"an array of {word}", expected="None")
        x = backend.widest(operand)
        mask = x < 1.0
        results: dict[str, tuple[Any, list[Any]]] = {
            "floor": (backend.floor(x), [float(int(v)) for v in values]),
            "index of floats": (backend.index(x), [int(v) for v in values]),
            "index of negative floats": (backend.index(x * -1.0), [-int(v) for v in values]),
            "index of a mask": (backend.index(mask), list(map(int, low))),
            "widest of a mask": (backend.widest(mask), list(map(float, low))),
            "where of a number first": (backend.where(mask, 0.1, x), _picked(low, tenth, values)),
            "where of a number second": (backend.where(mask, x, 0.1), _picked(low, values, tenth)),
        }
        found = {name: np.asarray(backend.to_numpy(pair[0])) for name, pair in results.items()}
    for name, (_, true) in results.items():
        _same(name, values, found[name], true)


def _picked(mask: list[bool], first: Any, second: Any) -> list[float]:
    """Return the result of `where`; each argument is a number or a list of elements."""
    sides = [first if near else second for near in mask]
    return [side[i] if isinstance(side, list) else side for i, side in enumerate(sides)]


# The schedules for each method that can be overridden: bare decays, or tables of phases.
OVERRIDES = {
    "evaluate": (cases.STAIRS, cases.LONG, cases.LONG_STAIRS),
    "evaluate_phases": (cases.WHOLE, cases.STAIRS_UP_TO_A_FLOOR, cases.DECIMALS),
}


@law
def check_override(backend: Backend) -> None:
    """`evaluate` and `evaluate_phases`, if overridden, return the bits of the shared formula."""
    own = [name for name in OVERRIDES if getattr(type(backend), name) is not getattr(Backend, name)]
    if not own:
        raise Unsuited("the backend does not override `evaluate`")
    kind = float_dtype(backend)
    for name in own:
        for schedule in OVERRIDES[name]:
            arrays = [cases.dense(), cases.huge(schedule)[0], *cases.floats(schedule, kind)[:1]]
            for steps in (*arrays, *cases.at_knots(schedule)):
                _as_shared(backend, name, schedule, steps)


def _as_shared(backend: Backend, name: str, schedule: InverseTimeDecay, steps: Steps) -> None:
    form, dtype = schedule.form, widest(backend)
    x = backend.coerce(steps, None)
    with _inside(backend, steps, "the shared formula") as operand:
        call = partial(evaluate, form, backend, operand, dtype)
        shared = asked(call, schedule, steps, [dtype], "the shared formula")
    own = asked(partial(getattr(backend, name), form, x, dtype), schedule, steps, [dtype], name)
    bits = [bits_of_result(backend, schedule, steps, result, dtype) for result in (own, shared)]
    wrong = np.flatnonzero(bits[0] != bits[1])
    if wrong.size:
        at = min(wrong, key=lambda i: abs(steps[i].item()))
        hold(schedule, steps, {dtype: bits[1]}, backend.precision(x), "the shared formula")
        raise Broken(
            schedule=schedule,
            step=in_words(steps[at], steps),
            dtype=dtype,
            returned=f"{number(int(bits[0][at]), dtype)} from `{name}`",
            expected=f"{number(int(bits[1][at]), dtype)} from the shared formula",
        )
