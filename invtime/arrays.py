"""Types for type checkers: the arrays of any framework, and scalar parameters."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar


class Array(Protocol):
    """An array, a tensor or a variable: any object with a dtype and a shape."""

    @property
    def dtype(self) -> Any:
        """The framework's dtype."""

    @property
    def shape(self) -> Any:
        """The framework's shape."""


class NoArray:
    """Base class of objects that have a `dtype` but are not arrays.

    JAX treats every object with a `dtype` as an array.
    """

    __slots__ = ()

    @property
    def weak_type(self) -> NoReturn:
        """Raise the TypeError that makes JAX refuse the object as a traced argument.

        JAX reads this attribute of each argument of a compiled function. Without the error, the
        function would get a tracer instead of the schedule. JAX's own message then names the
        argument and says to mark it as static.
        """
        raise TypeError(
            f"{type(self).__name__} is not an array; name it in static_argnums or "
            "static_argnames, or let the function close over it"
        )

    def __dir__(self) -> list[str]:
        """List the attributes without `weak_type`, so that tools can read every one of them."""
        return [name for name in super().__dir__() if name != "weak_type"]


ArrayT = TypeVar("ArrayT", bound=Array)
ShapeT = TypeVar("ShapeT", bound=tuple[int, ...])

Scalar: TypeAlias = int | float | Array
"""A parameter: a number, a NumPy scalar, a 0-d array or a scalar tensor."""
