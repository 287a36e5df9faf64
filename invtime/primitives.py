"""The primitives: about a dozen elementwise operations that the formula needs from a framework.

The formula uses only these and the operators `+ - * & < <= > >= ==` of the framework's arrays. A
backend (`backends/base.py`) implements them, and `evaluate.py` uses no other method of it. Five
are abstract. The others are written in terms of these five; a backend overrides those for which
its framework has a faster operation.
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
    """Whether the framework differentiates; False omits the formula of the derivative."""

    def dtype_name(self, dtype: Any) -> str:
        """Return the name of one of the framework's dtypes: "float32", "int64", "bool".

        The default is the last part of the dtype's own name. Override it if the framework uses
        other names.
        """
        return bare_name(dtype)

    @abstractmethod
    def cast(self, x: Any, dtype: str) -> Any:
        """Convert integers, floats or a mask to a dtype, rounding to nearest, ties to even.

        Floats are truncated toward zero when they become integers.
        """

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        """Return the smallest and the largest value of an integer dtype, or None for a float."""
        return INTEGERS.get(self.dtype_name(x.dtype))

    def precision(self, x: Any) -> int:
        """Return 53 if the device of `x` has binary64, or 24 if binary32 is its widest float."""
        return 53

    def widest(self, x: Any) -> Any:
        """Convert integers, floats or a mask to binary64 (binary32 at precision 24)."""
        return self.cast(x, "float64" if self.precision(x) == 53 else "float32")

    def integer(self, value: int) -> Any:
        """Return an int64 number as an operand for an int64 array."""
        return value

    def index(self, x: Any) -> Any:
        """Convert integers, a mask or floats to int64; floats are truncated toward zero."""
        return self.cast(x, "int64")

    @abstractmethod
    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Choose between `a` and `b` elementwise; one of them may be a Python number."""

    @abstractmethod
    def divide(self, a: float, b: Any) -> Any:
        """Divide a number or an array by an array: one IEEE division, never a reciprocal."""

    @abstractmethod
    def quotient(self, n: Any, divisor: int) -> Any:
        """Return n // divisor for integers n >= 0 of any width that holds `divisor`."""

    def clamp(self, n: Any) -> Any:
        """Replace negative integers by 0."""
        return self.where(n < 0, 0, n)

    @abstractmethod
    def floor(self, x: Any) -> Any:
        """Return the largest integer-valued float that is at most x."""

    def head(self, x: Any) -> Any:
        """Return the leading bits of x: head has at most 26 bits, x - head at most 27.

        For binary32, both have at most 12.

        The default rounds x to 26 bits without a bit mask. Let p = 53 and c = 27 (24 and 12 for
        binary32), and y = x * 2**-(c + 1), so that nothing overflows. y * (2**c + 1) is rounded to
        p bits, which changes it by at most 2**(c - 1) units in the last place of y. Then y * 2**c
        is subtracted. Both are multiples of 2**c units, or of what p bits leave, so the difference
        is exact and has p - c bits; x - head is exact and has c - 1. An x that would round past
        `limit`, the last number of p - c bits, leaves c bits. Below 2**-994 (2**-113) y may be
        rounded to a subnormal number, which changes x - head by as much again, to c bits. Each
        product is by a power of two and exact, so fusing it with a sum changes nothing.
        """
        cut, bits, top = (27, 26, 1024) if self.precision(x) == 53 else (12, 12, 128)
        limit = (2.0**bits - 1) * 2.0 ** (top - bits)
        small = x * 2.0 ** -(cut + 1)
        large = small * 2.0**cut
        head = ((small + large) - large) * 2.0 ** (cut + 1)
        return self.where(head > limit, limit, head)

    def detach(self, x: Any) -> Any:
        """Return x, treated as a constant by differentiation."""
        return x

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        """Return exact() where x <= last, else otherwise(); x has no NaN.

        The choice is elementwise by default. It may also be made for the whole array, with exact()
        only if every element of x is at most `last`. It must never read an accelerator's memory
        from the host.
        """
        return self.where(x <= last, exact(), otherwise())

    def none(self, mask: Any) -> bool:
        """Return True if the host can see, at no cost, that no element of the mask is true."""
        return False

    def round_to(self, x: Any, dtype: str) -> Any:
        """Round from the widest float to float32, then to `dtype`, each to nearest even.

        For float64, return x unchanged.
        """
        return x if dtype == "float64" else self.cast(self.cast(x, "float32"), dtype)

    def kept(self, make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
        """Return make(piece, precision), the constants of a piece; a backend may cache them."""
        return make(piece, precision)
