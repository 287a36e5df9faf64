"""The backend for tiny: eager, on the CPU."""

import numpy as np
from tiny import Tensor, divide

from invtime import Backend, PlacementError


class TinyBackend(Backend):
    name = "tiny"
    arrays = Tensor
    differentiable = False

    # Conversions and dtypes

    def from_numpy(self, x):
        return Tensor(x)

    def to_numpy(self, x):
        return x.data

    def default_dtype(self):
        return "float32"

    def dtype(self, dtype):
        if dtype == "bfloat16":
            raise PlacementError("tiny has no bfloat16; pass dtype='float32'")
        return dtype

    # Primitives

    def cast(self, x, dtype):
        return Tensor(x.data.astype(dtype))

    def where(self, mask, a, b):
        a, b = (getattr(side, "data", side) for side in (a, b))
        return Tensor(np.where(mask.data, a, b))

    def divide(self, a, b):
        return divide(a if isinstance(a, Tensor) else Tensor(a), b)

    def quotient(self, n, divisor):
        return Tensor(n.data // divisor)

    def floor(self, x):
        return Tensor(np.floor(x.data))

    def scope(self, x):
        return np.errstate(all="ignore")  # the formula may overflow
