"""Operands: arrays whose operators a backend spells out.

For a framework whose own operators do not give what the formula needs: they take a Python number
for another one, answer `nan <= 1` with true, or make b of (a + b) - a.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any

from invtime.backends.base import Backend

# The primitives that such a backend writes over arrays: those that return one, and the others.
ARRAYS = ("cast", "where", "divide", "quotient", "clamp", "floor", "head", "detach")
OTHERS = ("integer_range", "precision", "none", "to_numpy")


class Operand:
    """An array in the formula; its operators are the `operate` of its backend."""

    __slots__ = ("array", "backend")

    def __init__(self, array: Any, backend: OperandBackend) -> None:
        self.array = array
        self.backend = backend

    @property
    def dtype(self) -> Any:
        """The dtype of the array."""
        return self.array.dtype


class OperandBackend(Backend):
    """A backend that hands the formula an `Operand` in place of each array.

    Its primitives are written over arrays: an operand comes as its array, and a Python number
    beside an array as the array that `number` makes of it. What they return becomes an operand.
    """

    @abstractmethod
    def number(self, value: int | float, like: Any) -> Any:
        """A Python number as a 0-d array of the dtype of `like`, and on its device."""

    def operate(self, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        """operation(a, b) for two arrays; `operation` is one of those of the module `operator`.

        The result goes through `operand`, as that of each primitive.
        """
        return operation(a, b)

    def operand(self, x: Any) -> Any:
        """The operand of an array: the step's, and that of each result on the way.

        A lazy framework may evaluate here.
        """
        return x if isinstance(x, Operand) else Operand(x, self)

    def plain(self, x: Any) -> Any:
        """The array of an operand."""
        return x.array if isinstance(x, Operand) else x

    def _arrays(self, values: tuple[Any, ...]) -> list[Any]:
        """The arrays of operands, and of the numbers beside them."""
        plain = [self.plain(value) for value in values]
        like = next(x for x in reversed(plain) if type(x) not in (int, float, str))
        return [self.number(x, like) if type(x) in (int, float) else x for x in plain]

    def __init_subclass__(cls) -> None:
        """Let the primitives that a class defines take and return operands."""
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
