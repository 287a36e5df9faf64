"""Faults that only placed schedules, or arrays of unusual shapes and dtypes, show."""

from __future__ import annotations

import numpy as np
from sound import Fault, Sound

from invtime import PlacementError
from invtime.backends.base import Backend
from invtime.table import Table


class OneStepDtype(Sound):
    """A compiled function that assumes the dtype of its first call, like tinygrad's `TinyJit`."""

    def key(self, x):
        return x.dtype

    def modes(self):
        def compiled(function):
            keys = []

            def run(x):
                keys.append(self.key(x))
                if keys[-1] != keys[0]:
                    raise RuntimeError(f"args mismatch\nexpected {keys[0]}\ngot {keys[-1]}")
                return function(x)

            return run

        return {"eager": lambda function: function, "compiled": compiled}


class OneShape(OneStepDtype):
    def key(self, x):
        return x.shape


class NoTuples(Sound):
    def modes(self):
        def compiled(function):
            return lambda x: np.asarray(function(x))

        return {"eager": lambda function: function, "compiled": compiled}


class TwoDevices(Sound):
    """The second device computes in float32."""

    def device(self, device):
        if device in (None, "cpu", "fast"):
            return device
        raise PlacementError("there are cpu and fast")

    def devices(self):
        return ["cpu", "fast"]

    def __call__(self, form, step, dtype=None, device=None):
        if device != "fast":
            return super().__call__(form, step, dtype, device)
        return super().__call__(form, step, "float32").astype(dtype)


class NoPhasesThere(TwoDevices):
    """The second device evaluates only the last piece of a table."""

    def __call__(self, form, step, dtype=None, device=None):
        there = device == "fast" and isinstance(form, Table)
        return Backend.__call__(self, form.rows[-1].piece if there else form, step, dtype, device)


class FewStepsThere(TwoDevices):
    """The second device fails for one dtype of steps."""

    __call__ = Backend.__call__

    def coerce(self, step, device):
        x = super().coerce(step, device)
        if device == "fast" and x.dtype == np.uint16:
            raise RuntimeError("no uint16 here")
        return x


class DevicesByNumber(Sound):
    def device(self, device):
        return device if device == 0 else super().device(device)

    def devices(self):
        return [0]


class SecondThoughts(Sound):
    """A dtype that `dtype` accepts and the evaluation rejects."""

    def dtype(self, dtype):
        return dtype

    def round_to(self, x, dtype):
        if dtype == "float16":
            raise PlacementError("no float16 here")
        return super().round_to(x, dtype)


class RefusedAsAPlace(Sound):
    """A step dtype that is rejected with the wrong exception."""

    def coerce(self, step, device):
        x = super().coerce(step, device)
        if x.dtype == np.uint16:
            raise PlacementError("no uint16 here")
        return x


class ShortArrays(Sound):
    """Elements that do not fill a block are not evaluated."""

    def evaluate(self, form, x, dtype):
        out = super().evaluate(form, x, dtype)
        if out.size > 600:
            out.reshape(-1)[600:] = 0
        return out


class NarrowPair(Sound):
    """uint8 steps, and results in float16: computed in float16."""

    def evaluate(self, form, x, dtype):
        if x.dtype != np.uint8 or dtype != "float16":
            return super().evaluate(form, x, dtype)
        return super().evaluate(form, x, "float32").astype(dtype) * np.float16(0.999)


class NarrowMode(Sound):
    """One mode computes int32 steps with results in float16 in float16."""

    fast = False

    def modes(self):
        def fast(function):
            def run(x):
                self.fast = True
                try:
                    return function(x)
                finally:
                    self.fast = False

            return run

        return {"eager": lambda function: function, "fast": fast}

    def __call__(self, form, step, dtype=None, device=None):
        out = super().__call__(form, step, dtype, device)
        narrow = self.fast and step.dtype == np.int32 and dtype == "float16"
        return out * np.float16(0.999) if narrow else out


class WrappedUnsigned(Sound):
    """Small uint64 steps have a separate formula, in which 0 - 1 wraps."""

    def evaluate(self, form, x, dtype):
        small = x.dtype == np.uint64 and x.size and x.max() < 2**31
        return super().evaluate(form, x - x.dtype.type(1) if small else x, dtype)


class NarrowNan(Sound):
    """NaN is 0 in float16 steps."""

    def evaluate(self, form, x, dtype):
        x = np.nan_to_num(x, posinf=np.inf) if x.dtype == np.float16 else x
        return super().evaluate(form, x, dtype)


class OddNames(Sound):
    """float32 is named "float", as in tinygrad, and `dtype_name` does not translate it."""

    def dtype_name(self, dtype):
        name = super().dtype_name(dtype)
        return "float" if name == "float32" else name


class WideNumbers(Sound):
    """A float16 constant is returned as float32."""

    def constant(self, value, dtype, like, device):
        dtype = "float32" if dtype == "float16" else dtype
        return super().constant(value, dtype, like, device)


PLACED_FAULTS = [
    Fault("a mode accepts one step dtype", OneStepDtype, "placed_modes", "compiled, on cpu"),
    Fault("a mode accepts one shape", OneShape, "placed_modes", "got (4, 6)"),
    Fault("a mode turns a tuple into an array", NoTuples, "modes", "mode      compiled"),
    Fault("a device that computes in float32", TwoDevices, "placed_modes", "eager, on fast"),
    Fault("a device without phases", NoPhasesThere, "placed_modes", "eager, on fast"),
    Fault("a device that fails for uint16 steps", FewStepsThere, "placed_modes", "of uint16"),
    Fault("a device that is not a string", DevicesByNumber, "device", "a device 0"),
    Fault("a dtype refused in evaluation", SecondThoughts, "dtype", "PlacementError from `dtype`"),
    Fault("a step dtype refused by PlacementError", RefusedAsAPlace, "step_dtypes", "of uint16"),
    Fault("a long array cut off", ShortArrays, "shape", "and shape (32769,)"),
    Fault("computed in the narrower of two dtypes", NarrowPair, "step_dtypes", "of uint8"),
    Fault("one mode computes in the narrower dtype", NarrowMode, "phase_modes", "of int32"),
    Fault("early uint64 steps wrapped", WrappedUnsigned, "step_dtypes", "of uint64"),
    Fault("NaN lost in float16 steps", NarrowNan, "step_dtypes", "step      nan,"),
    Fault("a number in another dtype", WideNumbers, "parameters", "the dtype 'float16'"),
    Fault("a dtype under another name", OddNames, "kept_values", "is 'float'"),
]
