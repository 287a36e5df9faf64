"""What the formula asks of a framework: about a dozen elementwise operations.

The formula uses these and the operators `+ - * & < <= > >= ==` of the framework's arrays, and
nothing else. A backend (`backends/base.py`) implements them; `evaluate.py` knows no more of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

T = TypeVar("T")
PieceT = TypeVar("PieceT")


class Primitives(Protocol):
    """The operations on arrays `x` of one framework; a mask is an array of booleans."""

    differentiable: ClassVar[bool] = True
    """Whether the framework differentiates; False spares the derivative's formula."""

    @abstractmethod
    def integer_range(self, x: Any) -> tuple[int, int] | None:
        """The smallest and the largest value of an integer dtype; None for a float one."""

    def precision(self, x: Any) -> int:
        """53 where the device of `x` has binary64, 24 where binary32 is its widest."""
        return 53

    @abstractmethod
    def widest(self, x: Any) -> Any:
        """Integers, floats or a mask, converted to binary64 (binary32 at precision 24)."""

    def integer(self, value: int) -> Any:
        """An int64 number, as an operand beside an int64 array."""
        return value

    @abstractmethod
    def index(self, x: Any) -> Any:
        """Integers, a mask, or floats truncated toward zero, converted to int64."""

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

    @abstractmethod
    def head(self, x: Any) -> Any:
        """x with its last 27 significand bits cleared (12 at precision 24), by a bit mask."""

    def detach(self, x: Any) -> Any:
        """x, taken as a constant by differentiation."""
        return x

    @abstractmethod
    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        """exact() where x <= last, else otherwise(); x holds no NaN.

        Either for the array as a whole (exact() only if all of x is at most `last`) or element
        by element; never by reading an accelerator's memory from the host.
        """

    def none(self, mask: Any) -> bool:
        """True where the host can see, at no cost, that no element of the mask is true."""
        return False

    @abstractmethod
    def round_to(self, x: Any, dtype: str) -> Any:
        """Round widest -> float32 -> `dtype`, each to nearest even; float64 stays as it is."""

    def kept(self, make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
        """make(piece, precision), the constants of a piece; a backend may keep them."""
        return make(piece, precision)
