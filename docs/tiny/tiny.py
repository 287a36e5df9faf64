"""tiny, a framework for this example: its tensors wrap NumPy arrays."""

import operator

import numpy as np


class Tensor:
    def __init__(self, data):
        self.data = np.asarray(data)
        self.dtype, self.shape = self.data.dtype, self.data.shape

    def __float__(self):
        return float(self.data)

    def __truediv__(self, other):  # a product with a reciprocal: fast, inexact
        return self * Tensor(1 / other.data)


def _operator(name):
    def apply(self, other):
        function = getattr(operator, name)
        return Tensor(function(self.data, getattr(other, "data", other)))

    return apply


for _name in ("add", "sub", "mul", "and", "lt", "le", "gt", "ge", "eq"):
    setattr(Tensor, f"__{_name}__", _operator(f"__{_name}__"))
for _name in ("add", "mul"):
    setattr(Tensor, f"__r{_name}__", _operator(f"__{_name}__"))
Tensor.__rsub__ = lambda self, other: self * -1 + other


def divide(a, b):
    return Tensor(np.divide(a.data, b.data))
