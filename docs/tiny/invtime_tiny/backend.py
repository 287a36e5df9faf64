"""tiny: eager, on the CPU."""

import numpy as np
from tiny import Tensor, divide

from invtime import Backend, PlacementError, StepTypeError


class TinyBackend(Backend):
    name = "tiny"
    differentiable = False

    # reading and placing

    def coerce(self, step, device):
        data = step.data if isinstance(step, Tensor) else np.asarray(step)
        if data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
            raise StepTypeError.refusing(f"{step!r} of dtype {data.dtype}")
        return Tensor(data)

    def constant(self, value, dtype, like, device):
        with self.scope(like):
            return self.round_to(Tensor(np.float64(value)), dtype)

    def default_dtype(self):
        return "float32"

    def dtype(self, dtype):
        if dtype == "bfloat16":
            raise PlacementError("tiny has no bfloat16; pass dtype='float32'")
        return dtype

    # the primitives

    def integer_range(self, x):
        if x.dtype.kind == "f":
            return None
        return int(np.iinfo(x.dtype).min), int(np.iinfo(x.dtype).max)

    def widest(self, x):
        return Tensor(x.data.astype(np.float64))

    def index(self, x):
        return Tensor(x.data.astype(np.int64))

    def where(self, mask, a, b):
        return Tensor(np.where(mask.data, getattr(a, "data", a), getattr(b, "data", b)))

    def divide(self, a, b):
        return divide(a if isinstance(a, Tensor) else Tensor(a), b)

    def quotient(self, n, divisor):
        return Tensor(n.data // divisor)

    def floor(self, x):
        return Tensor(np.floor(x.data))

    def head(self, x):
        return Tensor((x.data.view(np.int64) & -(2**27)).view(np.float64))

    def choose(self, x, last, exact, otherwise):
        return exact() if (x <= last).data.all() else otherwise()

    def round_to(self, x, dtype):
        return x if dtype == "float64" else Tensor(x.data.astype(np.float32).astype(dtype))

    def scope(self, x):
        return np.errstate(all="ignore")  # NumPy warns of an overflow that is meant

    # for verification

    def devices(self):
        return ["cpu"]

    def to_numpy(self, x):
        return x.data
