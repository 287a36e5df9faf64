"""Operands: arrays whose operators are defined by the backend.

For frameworks whose own operators break the rules of the formula: they change a Python number,
return true for `nan <= 1`, or simplify (a + b) - a to b.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any

from invtime.backends.base import Backend

# The primitives that such a backend writes for arrays: those that return an array, and the others.
ARRAYS = ("cast", "where", "divide", "quotient", "clamp", "floor", "head", "detach")
OTHERS = ("integer_range", "precision", "none", "to_numpy")


class Operand:
    """An array in the formula. Its operators call `operate` of its backend."""

    __slots__ = ("array", "backend")

    def __init__(self, array: Any, backend: OperandBackend) -> None:
        self.array = array
        self.backend = backend

    @property
    def dtype(self) -> Any:
        """The dtype of the array."""
        return self.array.dtype


class OperandBackend(Backend):
    """A backend that passes the formula an `Operand` instead of each array.

    Write its primitives for arrays. Operands are passed to them as their arrays, and a Python
    number next to an array is passed as the array that `number` returns. Their results become
    operands.
    """

    @abstractmethod
    def number(self, value: int | float, like: Any) -> Any:
        """Return a Python number as a 0-d array with the dtype and the device of `like`."""

    def operate(self, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        """Return operation(a, b) for two arrays; `operation` is from the module `operator`.

        `operand` is applied to the result, as to that of each primitive.
        """
        return operation(a, b)

    def operand(self, x: Any) -> Any:
        """Return the operand of an array. It is called for the step and each intermediate result.

        A lazy framework may evaluate the array here.
        """
        return x if isinstance(x, Operand) else Operand(x, self)

    def plain(self, x: Any) -> Any:
        """Return the array of an operand."""
        return x.array if isinstance(x, Operand) else x

    def _arrays(self, values: tuple[Any, ...]) -> list[Any]:
        """Return the arrays of the operands, with numbers converted to arrays."""
        plain = [self.plain(value) for value in values]
        like = next(x for x in reversed(plain) if type(x) not in (int, float, str))
        return [self.number(x, like) if type(x) in (int, float) else x for x in plain]

    def __init_subclass__(cls) -> None:
        """Wrap the primitives that a class defines, so that they take and return operands."""
        super().__init_subclass__()
        for name in (*ARRAYS, *OTHERS):
            if name in cls.__dict__:
                setattr(cls, name, _over_arrays(cls.__dict__[name], name in ARRAYS))


def _over_arrays(method: Any, returns_array: bool) -> Any:
    @wraps(method)
    def primitive(self: OperandBackend, *values: Any) -> Any:
        found = method(self, *self._arrays(values))
        return self.operand(found) if returns_array else found

    return primitive


def _operator(operation: Callable[[Any, Any], Any], swapped: bool = False) -> Any:
    def apply(self: Operand, other: Any) -> Any:
        backend = self.backend
        a, b = backend._arrays((self, other))
        return backend.operand(backend.operate(operation, *((b, a) if swapped else (a, b))))

    return apply


for _name in ("add", "sub", "mul", "and", "lt", "le", "gt", "ge", "eq"):
    _operation = getattr(operator, f"__{_name}__")
    setattr(Operand, f"__{_name}__", _operator(_operation))
    if _name in ("add", "sub", "mul"):
        setattr(Operand, f"__r{_name}__", _operator(_operation, swapped=True))
