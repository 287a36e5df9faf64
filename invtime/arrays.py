"""The arrays of any framework, as type checkers see them."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar


class Array(Protocol):
    """An array, a tensor or a variable: what has a dtype and a shape."""

    @property
    def dtype(self) -> Any:
        """The framework's dtype."""

    @property
    def shape(self) -> Any:
        """The framework's shape."""


class NoArray:
    """What has a `dtype` and is no array, although JAX takes everything with one for an array."""

    __slots__ = ()

    @property
    def weak_type(self) -> NoReturn:
        """What JAX asks of an argument of a compiled function: a TypeError, which it words.

        Without it the function is handed a tracer in place of the schedule. JAX's message names
        the argument, and says to mark it as static.
        """
        raise TypeError(
            f"a {type(self).__name__} is no array; name it in static_argnums or static_argnames, "
            "or let the function close over it"
        )

    def __dir__(self) -> list[str]:
        """Without `weak_type`, so that what reads every attribute works."""
        return [name for name in super().__dir__() if name != "weak_type"]


ArrayT = TypeVar("ArrayT", bound=Array)
ShapeT = TypeVar("ShapeT", bound=tuple[int, ...])

Scalar: TypeAlias = int | float | Array
"""A parameter: a number, a NumPy scalar, a 0-d array or a scalar tensor."""
