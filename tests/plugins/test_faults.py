"""Tests of the conformance kit: each fault in an otherwise correct backend fails a named check."""

import os
import re
import subprocess
import textwrap
import time
from copy import copy
from pathlib import Path

# Four host devices, unless JAX has already started in this process.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

import numpy as np
import pytest
from crooked import OPERATOR_FAULTS, CrookedBackend
from phase_faults import PHASE_FAULTS
from placed_faults import PLACED_FAULTS, NoTuples, OneShape
from sound import Fault, Sound

import invtime
from invtime import InverseTimeDecay, registry
from invtime.backends.base import Backend
from invtime.doubleword import Words
from invtime.testing import CHECKS, parametrize_with_checks
from invtime.testing.checks import cases, law_of
from invtime.testing.checks.law import LINES
from invtime.verification import verify


@parametrize_with_checks(Sound())
def test_without_a_fault_it_passes(check):
    check()


# -- values ----------------------------------------------------------------------------


class TruncatingCast(Sound):
    def round_to(self, x, dtype):
        rounded = super().round_to(x, dtype)
        if dtype != "float32":
            return rounded
        return np.where(rounded > x, np.nextafter(rounded, np.float32(0)), rounded)


class Float32Compute(Sound):
    def evaluate(self, form, x, dtype):
        return super().evaluate(form, x, "float32").astype(dtype)


class FoldedConstant(Sound):
    def kept(self, make, form, precision):
        made = copy(super().kept(make, form, precision))
        if make is Words:
            made.initial = float(np.float32(made.initial[0])), 0.0
        return made


class StraightToFloat16(Sound):
    def round_to(self, x, dtype):
        return x.astype(np.float16) if dtype == "float16" else super().round_to(x, dtype)


class FloatFloor(Sound):
    """A product with the reciprocal, to which compilers change a division by a constant."""

    def evaluate(self, form, x, dtype):
        if not form.staircase or form.Q != 1 or x.dtype.kind not in "iu":
            return super().evaluate(form, x, dtype)
        stage = np.floor(np.maximum(x, 0) * (1 / form.P))
        return self.round_to(form.A / (form.B + form.C * stage), dtype)


class OneStageLate(Sound):
    def evaluate(self, form, x, dtype):
        late = x - (x > 0).astype(x.dtype) if form.staircase else x
        return super().evaluate(form, late, dtype)


class StepsThroughFloat32(Sound):
    def evaluate(self, form, x, dtype):
        return super().evaluate(form, x.astype(np.float32), dtype)


class StepsThroughBinary64(Sound):
    def evaluate(self, form, x, dtype):
        return super().evaluate(form, x.astype(np.float64), dtype)


class NoConstantStairs(Sound):
    """0 / 0 in a staircase whose decay rate is 0."""

    def evaluate(self, form, x, dtype):
        result = super().evaluate(form, x, dtype)
        return result if form.C or not form.staircase else result * np.array(np.nan, dtype)


# -- steps -----------------------------------------------------------------------------


class NotHeldAtTheStart(Sound):
    def clamp(self, n):
        return n


class SwallowedNan(Sound):
    def evaluate(self, form, x, dtype):
        x = np.nan_to_num(x, posinf=np.inf) if x.dtype.kind == "f" else x
        return super().evaluate(form, x, dtype)


class InfinityOverInfinity(Sound):
    def evaluate(self, form, x, dtype):
        result = super().evaluate(form, x, dtype)
        return np.where(x == np.inf, result + (x - x), result).astype(result.dtype)


class TruncatedFloats(Sound):
    def evaluate(self, form, x, dtype):
        x = np.where(np.abs(x) < 2**31, np.trunc(x), x) if x.dtype.kind == "f" else x
        return super().evaluate(form, x, dtype)


class NanAtABoundary(Sound):
    """NaN at a float that is the nearest one to the start of a stage, and below it."""

    def evaluate(self, form, x, dtype):
        out = super().evaluate(form, x, dtype)
        return np.where(x == form.P / form.Q, np.nan, out) if form.Q != 1 else out


class FlushedRemainder(Sound):
    """An error that subnormal remainders of a division can cause: here always 2 ULP."""

    def evaluate(self, form, x, dtype):
        out = super().evaluate(form, x, dtype)
        lost = (out > 0) & (out < 2.0**-980)
        return np.where(lost, np.nextafter(np.nextafter(out, out.dtype.type(0)), 0), out)


class WrappedPeriod(Sound):
    """`uint8(200) // 300` with the 300 in 8 bits."""

    def evaluate(self, form, x, dtype):
        if not form.staircase or form.Q != 1 or x.dtype.kind not in "iu" or form.P > 2**31:
            return super().evaluate(form, x, dtype)
        divisor = np.array(form.P).astype(x.dtype)
        stage = (np.maximum(x, 0) // divisor).astype(np.float64)
        return self.round_to(form.A / (form.B + form.C * stage), dtype)


class WidenedTooLate(Sound):
    def evaluate(self, form, x, dtype):
        if not form.staircase or form.Q != 2 or x.dtype.kind not in "iu":
            return super().evaluate(form, x, dtype)
        stage = (np.maximum(x, 0) * x.dtype.type(form.Q)) // form.P
        return self.round_to(form.A / (form.B + form.C * stage.astype(np.float64)), dtype)


class NarrowedFloats(Sound):
    def coerce(self, step, device):
        x = super().coerce(step, device)
        return x.astype(np.float32) if x.dtype == np.float64 else x


class NumbersInInt32(Sound):
    def coerce(self, step, device):
        return super().coerce(np.array(step).astype("int32") if type(step) is int else step, device)


class NarrowToNumpy(Sound):
    def to_numpy(self, x):
        x = super().to_numpy(x)
        return x.astype(np.float32) if x.dtype == np.float64 else x


class BoolsCount(Sound):
    def coerce(self, step, device):
        x = np.asarray(step)
        return x.astype(np.int64) if x.dtype == bool else super().coerce(step, device)


class RealParts(Sound):
    def coerce(self, step, device):
        return super().coerce(np.real(step) if np.iscomplexobj(step) else step, device)


class OtherError(Sound):
    def coerce(self, step, device):
        if step is None:
            raise ValueError("no step")
        return super().coerce(step, device)


class ConstantsStraight(Sound):
    def constant(self, value, dtype, like, device):
        if dtype == "float16":
            return np.array(value).astype(np.float16)
        return super().constant(value, dtype, like, device)


# -- arrays ----------------------------------------------------------------------------


class VectorOfOne(Sound):
    def host_step(self, x):
        return None

    def evaluate(self, form, x, dtype):
        return np.atleast_1d(super().evaluate(form, x, dtype))


class NoEmptyArrays(Sound):
    def choose(self, x, last, exact, otherwise):
        return exact() if x.max() <= last else otherwise()


class Promotion(Sound):
    def __call__(self, form, step, dtype=None, device=None):
        kind = self.coerce(step, device).dtype.name
        default = kind if kind in ("float16", "float32") else None
        return super().__call__(form, step, dtype or default, device)


class BatchDecides(Sound):
    """Uses float32 for all steps if it is sufficient for the largest one."""

    def evaluate(self, form, x, dtype):
        if x.max(initial=0) < 2**16:
            return super().evaluate(form, x, "float32").astype(dtype)
        return super().evaluate(form, x, dtype)


class InPlace(Sound):
    def evaluate(self, form, x, dtype):
        if x.flags.writeable and x.ndim:
            np.maximum(x, 0, out=x)
        return super().evaluate(form, x, dtype)


class Counting(Sound):
    calls = 0

    def evaluate(self, form, x, dtype):
        self.calls += 1
        result = super().evaluate(form, x, dtype)
        return result * np.asarray(1 + 1e-10 * (self.calls % 2), result.dtype)


class SharedScratch(Sound):
    def evaluate(self, form, x, dtype):
        self.scratch = x
        time.sleep(0.002)
        return super().evaluate(form, self.scratch, dtype)


class AnyDevice(Sound):
    def device(self, device):
        return device


class SilentAboutDevices(Sound):
    def device(self, device):
        from invtime import PlacementError

        if device in (None, "cpu"):
            return device
        raise PlacementError("no such device")


# -- modes -----------------------------------------------------------------------------


class OneModeInFloat32(Sound):
    def modes(self):
        def fast(function):
            return lambda x: function(x.astype(np.float32))

        return {"eager": lambda function: function, "fast": fast}


class EagerLast(Sound):
    def modes(self):
        return {"other": lambda function: function, "eager": lambda function: function}


class TracedByValue(Sound):
    """A compiler that treats the step as a constant."""

    def modes(self):
        def compiled(function):
            programs = {}

            def run(x):
                key = x.tobytes()
                if key not in programs:
                    programs[key] = function(x)
                return programs[key]

            return run

        return {"eager": lambda function: function, "compiled": compiled}


# -- primitives ------------------------------------------------------------------------


class Reciprocal(Sound):
    def divide(self, a, b):
        return a * (1 / b)


class FloatQuotient(Sound):
    def quotient(self, n, divisor):
        return np.floor(n / divisor).astype(n.dtype)


class LongHead(Sound):
    def head(self, x):
        return (x.view(np.int64) & -(2**20)).view(np.float64)


class CutBfloat16(Sound):
    def dtype(self, dtype):
        return dtype

    def round_to(self, x, dtype):
        if dtype != "bfloat16":
            return super().round_to(x, dtype)
        single = np.asarray(x.astype(np.float32))
        return (single.view(np.int32) & -(2**16)).view(np.float32)


class PastTheBound(Sound):
    def choose(self, x, last, exact, otherwise):
        return np.where(x <= last + 1, exact(), otherwise())


class BoundInFloats(Sound):
    def choose(self, x, last, exact, otherwise):
        return np.where(x.astype(np.float64) <= last, exact(), otherwise())


class NumbersInFloat32(Sound):
    """A bare 0.3 becomes a float32, as in TensorFlow."""

    def where(self, mask, a, b):
        a, b = (np.float32(v) if isinstance(v, float) else v for v in (a, b))
        return np.where(mask, a, b).astype(np.result_type(a, b))


class Textbook(Sound):
    """L / (1 + R * n / S) in binary64, as an override."""

    def evaluate(self, form, x, dtype):
        if x.dtype.kind == "f":
            return super().evaluate(form, x, dtype)
        t = np.maximum(x, 0)
        t = t.astype(np.float64) * form.Q / form.P if form.staircase else t
        t = np.floor(t) if form.staircase else t
        return self.round_to(form.A / form.B / (1 + form.C / form.B * t), dtype)


class Misnamed(Sound):
    name = "numpie"


# -- frameworks ------------------------------------------------------------------------


def torch_reciprocal():
    """`scalar / tensor`, which is `reciprocal() * scalar` in torch."""
    from invtime.backends.torch import TorchBackend

    class Fault(TorchBackend):
        def divide(self, a, b):
            return a / b

    return Fault()


def torch_relu():
    """The derivative of relu is 0 at 0."""
    import torch

    from invtime.backends.torch import TorchBackend

    class Fault(TorchBackend):
        def evaluate(self, form, x, dtype):
            return super().evaluate(form, torch.relu(x) if x.is_floating_point() else x, dtype)

    return Fault()


def torch_first_order():
    """A hand-written derivative that is not differentiable itself."""
    import torch

    from invtime.backends.torch import TorchBackend

    class Rate(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, value, slope):
            return value.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[2])

        @staticmethod
        def backward(ctx, gradient):
            return gradient * ctx.saved_tensors[0], None, None

    class Fault(TorchBackend):
        def evaluate(self, form, x, dtype):
            if not x.is_floating_point() or form.staircase:
                return super().evaluate(form, x, dtype)
            fixed = x.detach()
            plain = form.B + form.C * fixed
            slope = torch.where(fixed < 0, 0.0, -form.A * form.C / plain / plain)
            return Rate.apply(x, super().evaluate(form, fixed, dtype), slope)

    return Fault()


def torch_no_derivative():
    from invtime.backends.torch import TorchBackend

    class Fault(TorchBackend):
        derivative = Backend.derivative

    return Fault()


def jax_x64_leak():
    """Evaluated in JAX without x64, so without binary64."""
    from contextlib import nullcontext

    from invtime.backends.jax import JaxBackend

    class Fault(JaxBackend):
        def scope(self, x):
            return nullcontext()

    return Fault()


def jax_device_drop():
    import jax

    from invtime.backends.jax import JaxBackend

    if len(jax.devices()) < 2:
        pytest.skip("JAX was started with one device")

    class Fault(JaxBackend):
        def evaluate(self, form, x, dtype):
            with self.scope(x):
                return super().evaluate(form, jax.device_put(x, jax.devices()[0]), dtype)

    return Fault()


def jax_compiled_floor():
    """`floor(n / period)`, which XLA compiles to a product with the reciprocal."""
    import jax
    import jax.numpy as jnp

    from invtime.backends.jax import JaxBackend

    class Fault(JaxBackend):
        def evaluate(self, form, x, dtype):
            if not isinstance(x, jax.core.Tracer) or not form.staircase:
                return super().evaluate(form, x, dtype)
            with self.scope(x):
                stage = jnp.floor(jnp.maximum(x, 0).astype("float32") / form.P)
                return self.round_to(form.A / (form.B + form.C * stage.astype("float64")), dtype)

    return Fault()


# -- the table -------------------------------------------------------------------------


FAULTS = [
    Fault("a cast to float32 that truncates", TruncatingCast, "value_bits", "float32"),
    Fault("everything computed in float32", Float32Compute, "value_bits", "step      2,"),
    Fault("a constant folded in float32", FoldedConstant, "value_bits", "0.3333333333333333"),
    Fault("float64 rounded directly to float16", StraightToFloat16, "rounding_chain", "float16"),
    Fault("the floor of a float product as the stage", FloatFloor, "staircase_boundaries", "=49"),
    Fault("each stage one step late", OneStageLate, "staircase_boundaries", "step      1,"),
    Fault("steps converted to float32", StepsThroughFloat32, "huge_steps", "step      16777217,"),
    Fault("int64 steps converted to float64", StepsThroughBinary64, "huge_steps", "int64"),
    Fault("a constant staircase is NaN", NoConstantStairs, "any_schedule", "decay_rate=0, stair"),
    Fault("negative steps do not count as step 0", NotHeldAtTheStart, "before_the_start", "-1,"),
    Fault("float steps truncated", TruncatedFloats, "float_steps", "step      0.1,"),
    Fault("NaN just before a stage", NanAtABoundary, "float_steps", "step      0.3,"),
    Fault("2 ULP wrong if the rate is tiny", FlushedRemainder, "float_steps", "2 ULP"),
    Fault("NaN lost", SwallowedNan, "nan_and_infinity", "step      nan,"),
    Fault("infinity / infinity", InfinityOverInfinity, "nan_and_infinity", "step      inf,"),
    Fault("the period wraps in the step's dtype", WrappedPeriod, "step_dtypes", "of int8"),
    Fault("widened after the product", WidenedTooLate, "step_dtypes", "step      82, in"),
    Fault("float64 steps read as float32", NarrowedFloats, "kept_values", "an array of float32"),
    Fault("`to_numpy` through float32", NarrowToNumpy, "kept_values", "an array of float32"),
    Fault("Python ints read as int32", NumbersInInt32, "numbers", "step      1099511627776,"),
    Fault("constants rounded directly to float16", ConstantsStraight, "constants", "float16"),
    Fault("bool accepted", BoolsCount, "not_numbers", "step      True"),
    Fault("complex accepted, as its real part", RealParts, "not_numbers", "a complex number"),
    Fault("an error other than StepTypeError", OtherError, "not_numbers", "ValueError: no step"),
    Fault("a 0-d step gives a vector", VectorOfOne, "shape", "of shape (1,)"),
    Fault("an empty array fails", NoEmptyArrays, "shape", "step      none, in"),
    Fault("the step's dtype promotes the result", Promotion, "dtype", "an array of float16"),
    Fault("the largest step decides for all", BatchDecides, "elementwise", "alone"),
    Fault("the step is changed in place", InPlace, "pure", "the step changed to 0"),
    Fault("a second call differs", Counting, "pure", "at the second call"),
    Fault("threads share a buffer", SharedScratch, "threads", "returned"),
    Fault("any device is accepted", AnyDevice, "absent_device", "'no such device'"),
    Fault("the error does not list the devices", SilentAboutDevices, "absent_device", "['cpu']"),
    Fault("one mode computes in float32", OneModeInFloat32, "modes", "mode      fast"),
    Fault("eager is not the first mode", EagerLast, "modes", "['other', 'eager']"),
    Fault("traced again for each value", TracedByValue, "retracing", "traced 9 times"),
    Fault("a product with the reciprocal", Reciprocal, "divide", "3.0 (a Python number) / 5.0"),
    Fault("integers divided as floats", FloatQuotient, "quotient", "//"),
    Fault("a head of 33 bits", LongHead, "head", "of 33 bits"),
    Fault("bfloat16 by truncation", CutBfloat16, "round_to", "round_to bfloat16"),
    Fault("the exact form past its bound", PastTheBound, "choose", "step       101,"),
    Fault("the bound compared in floats", BoundInFloats, "choose", "step       9007199254740993,"),
    Fault("a number rounded to float32", NumbersInFloat32, "conversions", "where of a number"),
    Fault("an override in plain float64", Textbook, "override", "from the shared formula"),
    Fault("a name other than the announced one", Misnamed, "announcement", "'numpie'"),
    Fault("`scalar / tensor` in torch", torch_reciprocal, "divide", "(a Python number) /", "torch"),
    Fault("the step clamped by relu", torch_relu, "gradient", "step      0.0,", "torch"),
    Fault("no derivative, but differentiable", torch_no_derivative, "gradient", "False", "torch"),
    Fault("no second derivative", torch_first_order, "second_gradient", "order", "torch"),
    Fault("float64 lost without x64", jax_x64_leak, "value_bits", "raised", "jax"),
    Fault("the device ignored", jax_device_drop, "device", "on cpu:0", "jax"),
    Fault("a compiled floor of floats", jax_compiled_floor, "modes", "mode      jit", "jax"),
    *PHASE_FAULTS,
    *PLACED_FAULTS,
    *OPERATOR_FAULTS,
]


TRACER = """
    def modes(self):
        class Tracer:
            def __init__(self, x):
                self.data = x.data

        def traced(function):
            return lambda x: function(Tracer(x))

        return {"eager": lambda function: function, "traced": traced}

"""

# Faults of a plugin in a new process: the fault, and the change of a line that causes it.
PLUGIN_FAULTS = [
    Fault(
        "the framework imported with the plugin",
        ("invtime_loop", "import invtime\n", "import invtime\n\nimport loopback\n"),
        "lazy_import",
        "loopback imported",
    ),
    Fault(
        "the backend imported with the plugin",
        ("invtime_loop", "import invtime\n", "import invtime\n\nimport invtime_loop_backend\n"),
        "lazy_import",
        "invtime_loop_backend, loopback imported",
    ),
    Fault(
        "arrays from a module that is not announced",
        ("invtime_loop", '("loopback",)', '("loop",)'),
        "announcement",
        "returned  backend None; the announced modules are ('loop',)",
    ),
    Fault(
        "a mode traces with an unannounced type",
        ("invtime_loop_backend", "    def to_numpy", TRACER + "    def to_numpy"),
        "placed_modes",
        "StepTypeError",
    ),
]

# The backend of the plugin in conftest.py, with the shared formula over its own arrays.
BACKEND = """
from loopback import Array
from invtime.backends.numpy import NumpyBackend

class Loop(NumpyBackend):
    name = "loop"

    def coerce(self, step, device):
        return Array(super().coerce(getattr(step, "data", step), device))

    def precision(self, x):
        return 53

    def host_step(self, x):
        return None

    def evaluate(self, form, x, dtype):
        return Array(super().evaluate(form, x.data, dtype))

    def evaluate_phases(self, form, x, dtype):
        return Array(super().evaluate_phases(form, x.data, dtype))

    def to_numpy(self, x):
        return x.data
"""
RUN = "-m", "pytest", "-p", "invtime.testing.pytest_plugin", "--invtime-backend=loop", "-k"


@pytest.fixture
def plugin(loopback_modules):
    return loopback_modules | {"invtime_loop_backend": BACKEND}


def test_a_plugin_without_a_fault(site, plugin):
    site.install("invtime-loop", plugin, loop="invtime_loop")
    checks = "lazy_import or announcement or placed_modes"
    assert "3 passed" in site.run(*RUN, checks).stdout


@pytest.mark.parametrize("fault", PLUGIN_FAULTS, ids=lambda fault: fault.words)
def test_the_kit_catches_in_a_plugin(fault, site, plugin):
    module, right, wrong = fault.make
    assert right in plugin[module]
    broken = plugin | {module: textwrap.dedent(plugin[module]).replace(right, wrong)}
    site.install("invtime-loop", broken, loop="invtime_loop")
    out = site.run(*RUN, fault.check, status=1).stdout
    assert f"backend 'loop' breaks the law {fault.check!r}:" in out
    assert law_of(CHECKS[fault.check]) in out
    assert fault.says in out


def failure(check, backend):
    """Return the message of a check that the backend fails."""
    with pytest.raises(AssertionError) as caught:
        CHECKS[check](backend)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning")  # the x64 leak
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns if a fault overflows
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.words)
def test_the_kit_catches(fault):
    pytest.importorskip(fault.needs, exc_type=ImportError)
    message = failure(fault.check, fault.make())
    first, law, heading, *example = message.splitlines()
    assert first.endswith(f"breaks the law {fault.check!r}:")
    assert law.strip() == law_of(CHECKS[fault.check])
    assert heading == "smallest example:"
    assert fault.says in "\n".join(example), message


class Uncompiled(Sound):
    """A lazy framework that compiles when values are read, and fails to compile."""

    def modes(self):
        return {"eager": lambda function: function, "jit": lambda function: function}

    def to_numpy(self, x):
        if x.dtype != np.float64 or x.size < 3:
            return super().to_numpy(x)
        raise subprocess.CalledProcessError(1, ["cc", "-"], stderr=b"line 3: no such operand\n")


@pytest.mark.parametrize(
    ("check", "shown"),
    [
        (
            "huge_steps",
            ["schedule  InverseTimeDecay(", "of int64 and shape (512,)", "mode      eager"],
        ),
        ("divide", ["primitive  divide", "given      an array of float64"]),
        ("shape", ["dtype     float64", "of int64 and shape (2, 3, 4)"]),
    ],
)
def test_what_a_framework_raises_is_shown_with_what_it_was_asked(check, shown):
    with pytest.raises(AssertionError) as caught:
        CHECKS[check](Uncompiled())
    message = str(caught.value)
    for words in (*shown, "raised", "CalledProcessError: Command"):
        assert words in message
    first, *said = message.partition("full error message:\n")[2].splitlines()
    assert first.endswith("returned non-zero exit status 1.")
    assert said == ["  line 3: no such operand"]
    assert isinstance(caught.value.__cause__, subprocess.CalledProcessError)


def test_a_method_that_is_not_written_says_what_to_do():
    class Unwritten(CrookedBackend):
        differentiable = True
        from_numpy = Backend.from_numpy

    for words in ("value_bits", "gradient"):
        assert "implement it, or coerce and constant" in failure(words, Unwritten())
    Unwritten.from_numpy = CrookedBackend.from_numpy
    assert "implement it, or set differentiable = False" in failure("gradient", Unwritten())


def test_a_framework_may_lack_a_part_of_its_derivative():
    class Partial(Sound):
        differentiable = True

        def derivative(self, function, x):
            raise NotImplementedError("floor has no derivative here")

    assert "NotImplementedError: floor has no derivative here" in failure("gradient", Partial())


def test_a_long_message_is_cut():
    class Talkative(Sound):
        def divide(self, a, b):
            raise RuntimeError("\n".join(map(str, range(100))))

    message = failure("divide", Talkative())
    assert "raised     RuntimeError: 0\n" in message
    assert message.endswith(f"  {LINES - 1}\n  ...")


# `verify` does not test Python numbers, empty arrays, other types of steps, derivatives, unknown
# devices, second calls, threads, parameters or single primitives. In a mode it does not test other
# shapes, or more than one result.
NOT_ASKED = {
    *("numbers", "constants", "not_numbers", "kept_values", "pure", "threads", "parameters"),
    *("absent_device", "announcement", "lazy_import", "retracing"),
    *("gradient", "second_gradient", "phase_gradient", "choose", "head", "conversions"),
    "operators",
}
UNSEEN = {EagerLast, OneShape, NoTuples, VectorOfOne, NoEmptyArrays, Promotion, jax_device_drop}
VALUE_FAULTS = [
    fault for fault in FAULTS if fault.check not in NOT_ASKED and fault.make not in UNSEEN
]
ASKED = (
    InverseTimeDecay(1, 1, 1),
    cases.STAIRS,
    cases.LONG,
    cases.FRACTIONAL,
    InverseTimeDecay(0.1, 2.5, 0.5, staircase=True),
    InverseTimeDecay(0.3, 41, 0, staircase=True),
    *cases.RECIPES[1:5],
    cases.WHOLE,
    cases.STAIRS_UP_TO_A_FLOOR,
    cases.DECIMALS,
    cases.SLOPE.replace(minimum_learning_rate=1e-60),
)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning")  # the x64 leak
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns if a fault overflows
@pytest.mark.parametrize("fault", VALUE_FAULTS, ids=lambda fault: fault.words)
def test_verify_sees_it_too(fault, monkeypatch):
    """`verify` also finds the faults that the kit finds by a value, with one of a few schedules."""
    pytest.importorskip(fault.needs, exc_type=ImportError)
    backend = fault.make()
    backend.name = "faulty"
    info = invtime.BackendInfo("faulty", ("numpy",), "no:where", "-")
    announced = registry.Announced(info, "tests")
    monkeypatch.setitem(registry.default.plugins.announced, "faulty", announced)
    monkeypatch.setattr(registry.default._backends, "faulty", backend, raising=False)
    # Compilers take seconds for a schedule: for frameworks, test only the mode with the fault.
    options = {"torch": {"modes": ["eager"]}, "jax": {"modes": ["jit"]}}.get(fault.needs, {})
    if options:
        options["dtypes"] = ["float64"]
    for schedule in ASKED:
        try:
            if not verify(schedule, backends=["faulty"], steps=300, **options).ok:
                return
        except Exception:  # a device that is not a str raises an error
            return
    pytest.fail("verify finds nothing wrong")


def test_every_check_catches_something():
    assert {fault.check for fault in FAULTS + PLUGIN_FAULTS} == set(CHECKS)
    assert len({fault.words for fault in FAULTS + PLUGIN_FAULTS}) >= 25


PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text("utf-8")


def rows(heading):
    """Return the cells of the table under a heading of the page."""
    part = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[1:]]


def test_the_page_lists_every_check_with_its_law():
    assert rows("The checks") == [(f"`{name}`", law_of(check)) for name, check in CHECKS.items()]


def test_the_page_lists_every_fault_with_the_check_that_catches_it():
    assert rows("Faults that the checks must find") == [
        (fault.words, f"`{fault.check}`") for fault in FAULTS + PLUGIN_FAULTS
    ]
