"""Faults that show where a schedule is placed, and in arrays other than the kit's usual ones."""

from __future__ import annotations

import numpy as np
from sound import Fault, Sound

from invtime import PlacementError


class OneStepDtype(Sound):
    """A compiled function that takes the dtype it was compiled for, as tinygrad's `TinyJit`."""

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


class DevicesByNumber(Sound):
    def device(self, device):
        return device if device == 0 else super().device(device)

    def devices(self):
        return [0]


class SecondThoughts(Sound):
    """A dtype that `dtype` takes, and evaluating refuses."""

    def dtype(self, dtype):
        return dtype

    def round_to(self, x, dtype):
        if dtype == "float16":
            raise PlacementError("no float16 here")
        return super().round_to(x, dtype)


class RefusedAsAPlace(Sound):
    """A step dtype that is refused by the wrong exception."""

    def coerce(self, step, device):
        x = super().coerce(step, device)
        if x.dtype == np.uint16:
            raise PlacementError("no uint16 here")
        return x


class ShortArrays(Sound):
    """What does not fit in a block is left out."""

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


class NarrowNan(Sound):
    """NaN is 0 in float16 steps."""

    def evaluate(self, form, x, dtype):
        x = np.nan_to_num(x, posinf=np.inf) if x.dtype == np.float16 else x
        return super().evaluate(form, x, dtype)


class OddNames(Sound):
    """float32 is named "float", as in tinygrad, and nobody is told."""

    def dtype_name(self, dtype):
        name = super().dtype_name(dtype)
        return "float" if name == "float32" else name


class WideNumbers(Sound):
    """A number in float16 comes as a float32."""

    def constant(self, value, dtype, like, device):
        dtype = "float32" if dtype == "float16" else dtype
        return super().constant(value, dtype, like, device)


PLACED_FAULTS = [
    Fault("a mode takes one step dtype", OneStepDtype, "placed_modes", "compiled, on cpu"),
    Fault("a mode takes one shape", OneShape, "placed_modes", "got (4, 6)"),
    Fault("a mode makes an array of a tuple", NoTuples, "modes", "mode      compiled"),
    Fault("a device that computes in float32", TwoDevices, "placed_modes", "eager, on fast"),
    Fault("a device that is no text", DevicesByNumber, "device", "a device 0"),
    Fault("a dtype refused by evaluating", SecondThoughts, "dtype", "of `dtype` alone"),
    Fault("a step dtype refused as a place", RefusedAsAPlace, "step_dtypes", "of uint16"),
    Fault("a long array cut off", ShortArrays, "shape", "and shape (32769,)"),
    Fault("a pair of dtypes computed in the narrower", NarrowPair, "step_dtypes", "of uint8"),
    Fault("NaN swallowed in float16 steps", NarrowNan, "step_dtypes", "step      nan,"),
    Fault("a number in another dtype", WideNumbers, "parameters", "the dtype 'float16'"),
    Fault("a dtype under another name", OddNames, "kept_values", "is 'float'"),
]
