"""The arrays of any framework, as type checkers see them."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar


class Array(Protocol):
    """An array, a tensor or a variable: what has a dtype and a shape."""

    @property
    def dtype(self) -> Any:
        """The framework's dtype."""

    @property
    def shape(self) -> Any:
        """The framework's shape."""


ArrayT = TypeVar("ArrayT", bound=Array)
ShapeT = TypeVar("ShapeT", bound=tuple[int, ...])

Scalar: TypeAlias = int | float | Array
"""A parameter: a number, a NumPy scalar, a 0-d array or a scalar tensor."""
