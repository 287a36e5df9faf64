"""A framework whose compiler randomly does what real compilers have been observed to do.

The arrays are NumPy's, but arithmetic on them is changed as XLA, Inductor,
Triton and GPU drivers may change it: a product and a sum contracted into one rounding in
one use and rounded apart in the next, constant factors folded, sloppy division, subnormals
flushed to zero. Code that is correct here does not depend on the choices of a compiler. With
`words="float32"` it represents a device without binary64.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from invtime.backends.base import Backend
from invtime.errors import StepTypeError
from invtime.reference import bits_of_fraction, float_of_bits


class Mood(NamedTuple):
    """The changes that the compiler may make."""

    contract: bool = True
    """Round a * b + c, a * b - c and c - a * b once, for each element and use at random."""
    fold: bool = True
    """Turn (x * 2.0) * 3.0 into x * 6.0, as XLA does."""
    flush: bool = True
    """Replace subnormal operands and results by zero."""
    division: str = "correct"
    """"correct"; "reciprocal", a * (1 / b); or "sloppy", off by up to 2 ULP at random."""


LAWFUL = {
    "tame": Mood(contract=False, fold=False, flush=False),
    "contract": Mood(fold=False, flush=False),
    "fold": Mood(contract=False, flush=False),
    "flush": Mood(contract=False, fold=False),
    "all": Mood(),
}
MOODS = LAWFUL | {
    "reciprocal": Mood(division="reciprocal"),
    "sloppy": Mood(division="sloppy"),
}


class Arithmetic:
    """Float operations with these changes, on NumPy arrays of one word size."""

    def __init__(self, mood: Mood, words: str, seed: int) -> None:
        self.mood = mood
        self.words = words
        self.float = np.dtype(words)
        self.tiny = np.finfo(self.float).tiny
        self.random = np.random.default_rng(seed)

    def flush(self, x: Any) -> Any:
        """Return x, with subnormals flushed to zero if the mood says so."""
        if not self.mood.flush or x.dtype != self.float:
            return x
        return np.where(np.abs(x) < self.tiny, np.copysign(self.float.type(0), x), x)

    def contracted(self, a: Any, b: Any, c: Any, sign: int) -> Any:
        """Return sign * (a * b) + c, randomly with one rounding or two."""
        product = self.flush(a * b)
        apart = (product if sign > 0 else -product) + c
        if not self.mood.contract:
            return self.flush(apart)
        a, b, c = np.broadcast_arrays(a, b, c)
        result = np.array(np.broadcast_to(apart, a.shape))
        for i in np.ndindex(a.shape):
            terms = float(a[i]), float(b[i]), float(c[i])
            if self.random.integers(2) and all(map(isfinite, terms)):
                x, y, z = map(Fraction, terms)
                result[i] = rounded(sign * x * y + z, self.words)
        return self.flush(result)

    def divided(self, a: Any, b: Any) -> Any:
        """Return a / b, with the accuracy of the mood."""
        if self.mood.division == "reciprocal":
            return self.flush(self.flush(self.float.type(1) / b) * a)
        quotient = np.asarray(a / b)
        if self.mood.division == "sloppy":
            off = self.random.integers(-2, 3, quotient.shape)
            for _ in range(2):
                towards = np.where(off > 0, inf, -inf).astype(self.float)
                moved = np.nextafter(quotient, towards)
                keep = (off == 0) | (quotient == 0) | ~np.isfinite(moved)  # 0 / b is 0 anywhere
                quotient = np.where(keep, quotient, moved)
                off = off - np.sign(off)
        return self.flush(quotient)


def rounded(value: Fraction, dtype: str) -> float:
    """Round a fraction of either sign once to `dtype`."""
    size = float_of_bits(bits_of_fraction(abs(value), dtype), dtype)
    return -size if value < 0 else size


class HostileArray:
    """An array that remembers if it is a product, so that the compiler may contract it."""

    def __init__(
        self, data: Any, rules: Arithmetic, factors: tuple[Any, Any] | None = None
    ) -> None:
        self.data = np.asarray(data)
        self.rules = rules
        self.factors = factors
        self.dtype = self.data.dtype
        self.shape = self.data.shape

    def _other(self, other: Any) -> Any:
        """Return the operand as a NumPy array; a Python number gets this array's dtype."""
        if isinstance(other, HostileArray):
            return other.data
        return np.asarray(other, self.dtype)

    def _wrap(self, data: Any, factors: tuple[Any, Any] | None = None) -> HostileArray:
        return HostileArray(data, self.rules, factors)

    def __float__(self) -> float:
        return float(self.data)

    @property
    def _is_float(self) -> bool:
        return bool(self.dtype == self.rules.float)

    def __mul__(self, other: Any) -> HostileArray:
        a, b = self.data, self._other(other)
        if not self._is_float:
            return self._wrap(a * b)
        constant = not isinstance(other, HostileArray)
        if constant and self.factors and self.rules.mood.fold and not self.factors[1].shape:
            a, b = self.factors[0], np.asarray(self.factors[1] * b)
        return self._wrap(self.rules.flush(a * b), (a, b))

    __rmul__ = __mul__

    def _added(self, other: Any, sign: int, other_sign: int) -> HostileArray:
        """Return sign * self + other_sign * other; a product in it may be contracted."""
        # Not multiplied by the sign: NumPy 1 widens a 0-d float32 times an integer.
        a = self.data if sign > 0 else -self.data
        b = self._other(other) if other_sign > 0 else -self._other(other)
        if not self._is_float:
            return self._wrap(a + b)
        products = [(self.factors, sign, b)] if self.factors else []
        if isinstance(other, HostileArray) and other.factors:
            products.append((other.factors, other_sign, a))
        if not products:
            return self._wrap(self.rules.flush(a + b))
        factors, its_sign, rest = products[self.rules.random.integers(len(products))]
        assert factors is not None
        return self._wrap(self.rules.contracted(*factors, rest, its_sign))

    def __add__(self, other: Any) -> HostileArray:
        return self._added(other, 1, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> HostileArray:
        return self._added(other, 1, -1)

    def __rsub__(self, other: Any) -> HostileArray:
        return self._added(other, -1, 1)

    def __truediv__(self, other: Any) -> HostileArray:
        if isinstance(other, HostileArray):
            return self._wrap(self.rules.divided(self.data, other.data))
        return self * float(self.rules.float.type(1) / self.rules.float.type(other))

    def __rtruediv__(self, other: Any) -> HostileArray:
        return self._wrap(self.rules.divided(self._other(1.0), self.data)).__mul__(other)

    def __and__(self, other: Any) -> HostileArray:
        return self._wrap(self.data & self._other(other))

    def __lt__(self, other: Any) -> HostileArray:
        return self._wrap(self.data < self._other(other))

    def __le__(self, other: Any) -> HostileArray:
        return self._wrap(self.data <= self._other(other))

    def __gt__(self, other: Any) -> HostileArray:
        return self._wrap(self.data > self._other(other))

    def __ge__(self, other: Any) -> HostileArray:
        return self._wrap(self.data >= self._other(other))

    def __eq__(self, other: object) -> HostileArray:  # type: ignore[override]
        return self._wrap(self.data == self._other(other))

    __hash__ = None  # type: ignore[assignment]


class HostileBackend(Backend):
    """The backend of `HostileArray`.

    Args:
        mood: the liberties that its compiler takes.
        words: "float64", or "float32" for a device that has nothing wider.
        always_compensated: never take the exact form where there is a choice.
        seed: of the random decisions.
    """

    name = "hostile"
    differentiable = False

    def __init__(
        self,
        mood: Mood | None = None,
        words: str = "float64",
        always_compensated: bool = False,
        seed: int = 0,
    ) -> None:
        self.rules = Arithmetic(Mood() if mood is None else mood, words, seed)
        self.always_compensated = always_compensated

    def _array(self, data: Any) -> HostileArray:
        return HostileArray(data, self.rules)

    def coerce(self, step: Any, device: Any) -> HostileArray:
        data = step.data if isinstance(step, HostileArray) else np.asarray(step)
        if data.dtype.kind not in "iuf":
            raise StepTypeError.refusing(f"an array of dtype {data.dtype}")
        return self._array(data)

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> HostileArray:
        return self.round_to(self._array(np.float64(value)), dtype)

    def default_dtype(self) -> str:
        return self.rules.words

    def precision(self, x: HostileArray) -> int:
        return 53 if self.rules.words == "float64" else 24

    def cast(self, x: HostileArray, dtype: str) -> HostileArray:
        return self._array(x.data.astype(dtype))

    def widest(self, x: HostileArray) -> HostileArray:
        return self._array(self.rules.flush(x.data.astype(self.rules.float)))

    def where(self, mask: HostileArray, a: Any, b: Any) -> HostileArray:
        array = a if isinstance(a, HostileArray) else b
        return self._array(np.where(mask.data, array._other(a), array._other(b)))

    def divide(self, a: Any, b: HostileArray) -> HostileArray:
        return self._array(self.rules.divided(b._other(a), b.data))

    def quotient(self, n: HostileArray, divisor: int) -> HostileArray:
        assert (n.data >= 0).all(), "a quotient of a negative integer"
        return self._array(n.data // divisor)

    def floor(self, x: HostileArray) -> HostileArray:
        return self._array(np.floor(x.data))

    def head(self, x: HostileArray) -> HostileArray:
        word, cleared = ("int64", 27) if self.precision(x) == 53 else ("int32", 12)
        kept = x.data.view(word) & np.array(-(2**cleared), word)
        return self._array(kept.view(self.rules.float))

    def choose(
        self, x: HostileArray, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        near = x.data.max() <= last and not self.always_compensated
        return exact() if near else otherwise()

    def round_to(self, x: HostileArray, dtype: str) -> HostileArray:
        return self.cast(self.cast(x, "float32") if dtype != "float64" else x, dtype)

    def scope(self, x: HostileArray) -> AbstractContextManager[object]:
        """Ignore overflow and division by zero, as compilers do."""
        return np.errstate(all="ignore")

    def devices(self) -> list[str]:
        return ["nowhere"]

    def to_numpy(self, x: HostileArray) -> Any:
        return x.data
