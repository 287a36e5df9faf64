"""Tensors whose operators take a Python number for exactly what it is."""

import operator
from typing import Any

import paddle


class Operand:
    """A tensor in the formula.

    Paddle passes a Python int beside an int64 tensor through a double, which is wrong from
    2**53 on, and in a static graph a float beside a float64 tensor through a float32. So each
    number is made a tensor of the other side's dtype first.
    """

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def tensor_of(x: Any, like: Any = None) -> Any:
    """The tensor of an operand, or of a number in the dtype of `like`."""
    if isinstance(x, int | float):
        return paddle.full([], x, tensor_of(like).dtype)
    return x.tensor if isinstance(x, Operand) else x


def _operator(operation: Any, swap: bool) -> Any:
    def apply(self: Operand, other: Any) -> Operand:
        a, b = self.tensor, tensor_of(other, self)
        return Operand(operation(b, a) if swap else operation(a, b))

    return apply


for _name in ("add", "sub", "mul", "and", "lt", "le", "gt", "ge", "eq"):
    setattr(Operand, f"__{_name}__", _operator(getattr(operator, f"__{_name}__"), swap=False))
for _name in ("add", "sub", "mul"):
    setattr(Operand, f"__r{_name}__", _operator(getattr(operator, f"__{_name}__"), swap=True))
