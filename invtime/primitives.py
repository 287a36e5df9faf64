"""What the formula asks of a framework: about a dozen elementwise operations.

The formula uses these and the operators `+ - * & < <= > >= ==` of the framework's arrays, and
nothing else. A backend (`backends/base.py`) implements them; `evaluate.py` knows no more of it.
Five are abstract. The others are written over those five, and a backend overrides one where its
framework has a faster way.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

from invtime.dtypes import INTEGERS, bare_name

T = TypeVar("T")
PieceT = TypeVar("PieceT")


class Primitives(Protocol):
    """The operations on arrays `x` of one framework; a mask is an array of booleans."""

    differentiable: ClassVar[bool] = True
    """Whether the framework differentiates; False spares the derivative's formula."""

    def dtype_name(self, dtype: Any) -> str:
        """The name of one of the framework's dtypes: "float32", "int64", "bool".

        By default the last word of its own name; to be given where the framework has others.
        """
        return bare_name(dtype)

    @abstractmethod
    def cast(self, x: Any, dtype: str) -> Any:
        """Integers, floats or a mask, converted to the dtype of that name; to nearest even.

        Floats become integers by truncation toward zero.
        """

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        """The smallest and the largest value of an integer dtype; None for a float one."""
        return INTEGERS.get(self.dtype_name(x.dtype))

    def precision(self, x: Any) -> int:
        """53 where the device of `x` has binary64, 24 where binary32 is its widest."""
        return 53

    def widest(self, x: Any) -> Any:
        """Integers, floats or a mask, converted to binary64 (binary32 at precision 24)."""
        return self.cast(x, "float64" if self.precision(x) == 53 else "float32")

    def integer(self, value: int) -> Any:
        """An int64 number, as an operand beside an int64 array."""
        return value

    def index(self, x: Any) -> Any:
        """Integers, a mask, or floats truncated toward zero, converted to int64."""
        return self.cast(x, "int64")

    @abstractmethod
    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Elementwise choice; one of `a` and `b` may be a Python number."""

    @abstractmethod
    def divide(self, a: float, b: Any) -> Any:
        """One IEEE division of a number or an array by an array; never by a reciprocal."""

    @abstractmethod
    def quotient(self, n: Any, divisor: int) -> Any:
        """n // divisor for integers n >= 0 of any width that holds `divisor`."""

    def clamp(self, n: Any) -> Any:
        """Integers with the negative ones replaced by 0."""
        return self.where(n < 0, 0, n)

    @abstractmethod
    def floor(self, x: Any) -> Any:
        """The largest whole float at or below x."""

    def head(self, x: Any) -> Any:
        """The leading bits of x: at most 26, and at most 27 in x - head (12 and 12 of binary32).

        By default x is rounded to 26 bits, without a bit mask. Let p = 53 and c = 27 (24 and 12),
        and y = x * 2**-(c + 1), so that nothing overflows. y * (2**c + 1) is rounded to p bits,
        which moves it by at most 2**(c - 1) units in the last place of y, and y * 2**c is taken
        off: both are multiples of 2**c units, or of what p bits leave, so the difference is exact
        and has p - c bits, and x - head is exact and has c - 1. `limit`, the last number of p - c
        bits, leaves c bits of an x that would round past it. Below 2**-994 (2**-113) y may be
        rounded to a subnormal number, which moves x - head by as much again, to c bits. Each
        product is by a power of two and exact, so that fusing it with a sum changes nothing.
        """
        cut, bits, top = (27, 26, 1024) if self.precision(x) == 53 else (12, 12, 128)
        limit = (2.0**bits - 1) * 2.0 ** (top - bits)
        small = x * 2.0 ** -(cut + 1)
        large = small * 2.0**cut
        head = ((small + large) - large) * 2.0 ** (cut + 1)
        return self.where(head > limit, limit, head)

    def detach(self, x: Any) -> Any:
        """x, taken as a constant by differentiation."""
        return x

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        """exact() where x <= last, else otherwise(); x holds no NaN.

        Either for the array as a whole (exact() only if all of x is at most `last`) or element
        by element, as by default; never by reading an accelerator's memory from the host.
        """
        return self.where(x <= last, exact(), otherwise())

    def none(self, mask: Any) -> bool:
        """True where the host can see, at no cost, that no element of the mask is true."""
        return False

    def round_to(self, x: Any, dtype: str) -> Any:
        """Round widest -> float32 -> `dtype`, each to nearest even; float64 stays as it is."""
        return x if dtype == "float64" else self.cast(self.cast(x, "float32"), dtype)

    def kept(self, make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
        """make(piece, precision), the constants of a piece; a backend may keep them."""
        return make(piece, precision)
