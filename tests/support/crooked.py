"""A framework with wrong operators, a backend that corrects them, and faulty variants."""

from __future__ import annotations

import operator

import numpy as np
from sound import Fault

from invtime import registry
from invtime.backends.operand import OperandBackend


class Crooked:
    """NumPy arrays where a <= b is "not b < a", sums are simplified, and numbers are float32."""

    def __init__(self, data, added=None):
        self.data = np.asarray(data)
        self.dtype, self.shape = self.data.dtype, self.data.shape
        self.added = added

    def settled(self):
        """Return the same array in a form that cannot be simplified."""
        return Crooked(self.data)

    def __add__(self, other):
        return Crooked(self.data + numbered(other), (self, other))

    __radd__ = __add__

    def __sub__(self, other):
        if self.added and self.added[0] is other:  # (other + y) - other
            return Crooked(np.broadcast_to(numbered(self.added[1]), self.shape))
        return Crooked(self.data - numbered(other))

    def __le__(self, other):
        return Crooked(~(numbered(other) < self.data))

    def __ge__(self, other):
        return Crooked(~(self.data < numbered(other)))

    def __float__(self):
        return float(self.data)


def numbered(x):
    return x.data if isinstance(x, Crooked) else np.float32(x)


def plain(operation):
    return lambda self, other: Crooked(operation(self.data, numbered(other)))


for _name in ("mul", "and", "lt", "gt", "eq"):
    setattr(Crooked, f"__{_name}__", plain(getattr(operator, f"__{_name}__")))


class CrookedBackend(OperandBackend):
    name = "crooked"
    arrays = Crooked
    differentiable = False

    def from_numpy(self, x):
        return Crooked(x)

    def to_numpy(self, x):
        return x.data

    def default_dtype(self):
        return "float32"

    def dtype(self, dtype):
        return registry.default.load("numpy").dtype(dtype)

    def number(self, value, like):
        return Crooked(np.array(value, like.dtype))

    def operate(self, operation, a, b):
        if operation in (operator.le, operator.ge):
            strict = a < b if operation is operator.le else a > b
            return Crooked(strict.data | (a == b).data)
        return operation(a, b).settled()

    def cast(self, x, dtype):
        return Crooked(x.data.astype(dtype))

    def where(self, mask, a, b):
        return Crooked(np.where(mask.data, a.data, b.data))

    def divide(self, a, b):
        return Crooked(np.divide(a.data, b.data))

    def quotient(self, n, divisor):
        return Crooked(n.data // divisor.data)

    def floor(self, x):
        return Crooked(np.floor(x.data))

    def scope(self, x):
        return np.errstate(all="ignore")


class Trusting(CrookedBackend):
    """The operators without corrections."""

    def operate(self, operation, a, b):
        return operation(a, b)


class NanCompares(CrookedBackend):
    def operate(self, operation, a, b):
        return operation(a, b).settled()


class NothingTimesNan(CrookedBackend):
    """x * 0.0 is simplified to 0, as in tinygrad."""

    def operate(self, operation, a, b):
        result = super().operate(operation, a, b)
        if operation is operator.mul and not b.data.any():
            return Crooked(np.zeros_like(result.data))
        return result


class NumbersInFloat32(CrookedBackend):
    def number(self, value, like):
        return Crooked(np.array(np.float32(value), like.dtype))


OPERATOR_FAULTS = [
    Fault("a sum that is simplified", Trusting, "operators", "(a + b) - a"),
    Fault("a comparison true for NaN", NanCompares, "operators", "a <= b"),
    Fault("NaN times 0 is 0", NothingTimesNan, "operators", "a * 0.0"),
    Fault("a number operand rounded to float32", NumbersInFloat32, "operators", "a + 0.1"),
]
