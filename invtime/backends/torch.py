"""PyTorch: eager, `torch.compile`, `torch.export`, `torch.func`, on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, final

import torch
from torch.autograd import forward_ad

from invtime.backends import blocks, dynamo
from invtime.backends.base import Backend, Kernel
from invtime.backends.numpy import NumpyBackend
from invtime.errors import PlacementError, StepTypeError, cut, shown, typed
from invtime.evaluate import evaluate, rounded
from invtime.form import Form
from invtime.primitives import PieceT, T
from invtime.table import Table

try:
    from torch._C import _get_tracing_state, _len_torch_dispatch_stack
    from torch._C._functorch import is_functorch_wrapped_tensor, maybe_current_level

    WATCHERS_ARE_SEEN = True
except ImportError:  # these are private, and there is no public equivalent
    WATCHERS_ARE_SEEN = False  # then no tensor is read on the host, and both forms are computed

# Devices whose tensors cannot be float64.
NARROW_DEVICES = {"mps"}
# The types of sizes and Python numbers in tracers other than Dynamo.
SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)
INTEGERS = {getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)}
# Two 4-bit floats in a byte; only some versions have this dtype.
PAIRS = getattr(torch, "float4_e2m1fn_x2", None)
# The types whose data can be read; Keras keeps its count in a Parameter.
PLAIN = (torch.Tensor, torch.nn.Parameter)
# The dtypes of steps that NumPy reads without a copy. Not uint64: on tensors, such steps are
# limited to 2**63 - 1.
SHARED = {
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8),
    *(torch.float16, torch.float32, torch.float64),
}
HOST = NumpyBackend()
# torch 2.6 lacks it.
EXPORTING = getattr(torch.compiler, "is_exporting", None)
# Before 2.13, `torch.func.vmap` cannot read the bits of a float; remove this with their support.
VMAPS_BITS = torch.__version__ >= (2, 13)


@final
class TorchBackend(Backend):
    """PyTorch tensors."""

    name = "torch"

    def coerce(self, step: Any, device: Any) -> Any:
        if isinstance(step, SYMBOLIC):  # `as_tensor` would fix the value of this trace
            raise StepTypeError(
                f"step {step} is symbolic, a {type(step).__name__}, which PyTorch would turn into "
                "a constant; pass torch.scalar_tensor(step, dtype=torch.int64)"
            )
        if isinstance(step, torch.Tensor):
            x = step if device is None else step.to(device)
        else:
            try:
                x = torch.as_tensor(step, device=device)
            except (AttributeError, TypeError, ValueError, RuntimeError):  # a traced array
                raise StepTypeError.refusing(typed(step)) from None
        if x.layout is not torch.strided or x.is_nested or x.is_quantized:
            raise _not_dense(x)
        if not (x.dtype.is_floating_point or x.dtype in INTEGERS) or x.dtype is PAIRS:
            raise StepTypeError.refusing(f"a tensor of dtype {x.dtype}")
        return x

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        device = like.device if device is None and like is not None else device
        if value > 65504:  # if a number overflows, torch raises instead of returning infinity
            return self.round_to(torch.scalar_tensor(value, dtype=torch.float64), dtype).to(device)
        return torch.scalar_tensor(value, dtype=getattr(torch, dtype), device=device)

    def default_dtype(self) -> str:
        return str(torch.get_default_dtype()).removeprefix("torch.")

    def device(self, device: Any) -> Any:
        if device is None:
            return None
        try:
            found = torch.device(device)
            torch.empty((), device=found)
        except Exception as error:  # each kind of device raises another error
            raise PlacementError(
                f"device {shown(device)} does not exist for backend 'torch' "
                f"({_first_line(error)}); "
                f"there are {self.devices()} and 'meta'; pass one of these"
            ) from error
        return found

    def integer_range(self, x: Any) -> tuple[int, int] | None:
        if x.dtype.is_floating_point:
            return None
        limits = torch.iinfo(x.dtype)
        return limits.min, limits.max

    def precision(self, x: Any) -> int:
        return 24 if x.device.type in NARROW_DEVICES else 53

    def cast(self, x: Any, dtype: str) -> Any:
        return x.to(getattr(torch, dtype))

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        return torch.where(mask, a, b)

    def divide(self, a: Any, b: Any) -> Any:
        # torch divides a Python number by a tensor as a reciprocal and a product.
        return torch.div(a if isinstance(a, torch.Tensor) else b.new_full((), a), b)

    def quotient(self, n: Any, divisor: int) -> Any:
        return torch.div(n, divisor, rounding_mode="trunc")

    def clamp(self, n: Any) -> Any:
        return torch.clamp_min(n, 0)

    def floor(self, x: Any) -> Any:
        return torch.floor(x)

    def head(self, x: Any) -> Any:
        if _get_tracing_state() is not None:
            raise StepTypeError(
                "torch.jit.trace cannot record the double-word arithmetic that these steps and "
                "parameters need; int32 steps rarely need it; pass step.to(torch.int32), or use "
                "torch.export or torch.compile"
            )
        if not VMAPS_BITS and _transformed():
            return super().head(x)  # uses only operators
        if self.precision(x) == 53:
            return (x.view(torch.int64) & -(2**27)).view(torch.float64)
        return (x.view(torch.int32) & -(2**12)).view(torch.float32)

    def detach(self, x: Any) -> Any:
        return x.detach()

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        near = x <= last
        if torch.compiler.is_dynamo_compiling():
            if x.device.type == "cpu" and not _transformed():
                return torch.cond(near.all(), exact, otherwise)
        elif _concrete(x):
            return exact() if bool(near.all()) else otherwise()
        return torch.where(near, exact(), otherwise())

    def none(self, mask: Any) -> bool:
        return not torch.compiler.is_compiling() and _concrete(mask) and not mask.any()

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64" and self.precision(x) == 24:
            raise PlacementError(
                f"device '{x.device}' has no binary64; pass dtype='float32', or a step "
                "on another device"
            )
        return super().round_to(x, dtype)

    def host_step(self, x: Any) -> int | float | None:
        if x.dim() or torch.compiler.is_compiling() or not _concrete(x):
            return None
        return None if _differentiated(x) else x.item()

    def kept(self, make: Callable[[PieceT, int], T], piece: PieceT, precision: int) -> T:
        """Compute the constants again while Dynamo traces, since it cannot read a cache."""
        if torch.compiler.is_compiling():
            return make(piece, precision)
        return super().kept(make, piece, precision)

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """Use NumPy's blocks if NumPy can read the steps, else the shared evaluator.

        While Dynamo traces, the integers of the form are constants.
        """
        if torch.compiler.is_compiling():
            held = dynamo.held(form)
            if not _is_opaque(x):
                return evaluate(held, self, x, dtype)
            phases = isinstance(held, Table)

            def opaque(step: Any, dtype: str) -> Any:
                return _eager(step, phases, held.key, dtype)

            return evaluate(held, self, x, dtype, opaque)
        if self.precision(x) == 53 and _in_numpy(x):
            wide = "float32" if dtype == "float32" else "float64"
            out = torch.empty_like(x, dtype=getattr(torch, wide))
            blocks.fill(out.numpy(), form, x.numpy(force=True), HOST)
            return out if wide == dtype else rounded(out, self, dtype)
        return evaluate(form, self, x, dtype)

    evaluate_phases = evaluate

    def devices(self) -> list[str]:
        found = ["cpu"]
        for kind in ("cuda", "xpu", "mps"):
            module = getattr(torch, kind, None)
            if module is not None and module.is_available():
                found += [f"{kind}:{i}" for i in range(module.device_count())]
        return found

    def modes(self) -> Mapping[str, Callable[[Kernel], Kernel]]:
        return {
            "eager": lambda function: function,
            "compile": lambda function: torch.compile(function, fullgraph=True),
            "vmap": torch.func.vmap,
        }

    def derivative(self, function: Kernel, x: Any) -> Any:
        return torch.func.grad(lambda steps: function(steps).sum())(x)

    def to_numpy(self, x: Any) -> Any:
        x = x.detach().cpu()
        return (x.to(torch.float32) if x.dtype == torch.bfloat16 else x).numpy()


def _is_opaque(x: Any) -> bool:
    """Return whether the double-word form may be one operation that is opaque to the compiler.

    Not in an exported program, which must run without invtime, and only on the CPU.
    """
    if EXPORTING is None or EXPORTING() or _transformed():
        return False
    return x.device.type == "cpu"  # type: ignore[no-any-return]


@torch.library.custom_op("invtime::eager", mutates_args=())  # type: ignore[untyped-decorator]
def _eager(x: torch.Tensor, phases: bool, key: str, dtype: str) -> torch.Tensor:
    """Return the values of the form with this key, computed eagerly.

    Inductor takes up to three minutes to compile the double-word form of a schedule with phases.
    """
    found: torch.Tensor = TorchBackend()(_of_key(phases, key), x, dtype)
    return found.contiguous()


@_eager.register_fake  # type: ignore[untyped-decorator]
def _(x: torch.Tensor, phases: bool, key: str, dtype: str) -> torch.Tensor:
    return x.new_empty(x.shape, dtype=getattr(torch, dtype))


@lru_cache
def _of_key(phases: bool, key: str) -> Form | Table:
    return Table.of_key(key) if phases else Form.of_key(key)


def _not_dense(x: Any) -> StepTypeError:
    if x.is_quantized:
        return StepTypeError.refusing("a quantized tensor", "pass step.dequantize()")
    if x.is_nested:
        remedy = "pass torch.nested.to_padded_tensor(step, 0)"
        return StepTypeError.refusing("a nested tensor", remedy)
    return StepTypeError.refusing(f"a tensor of layout {x.layout}", "pass step.to_dense()")


def _concrete(x: Any) -> bool:
    """Return whether x is plain data in host memory, outside of any transform or dispatch mode."""
    return (
        WATCHERS_ARE_SEEN
        and type(x) in PLAIN
        and x.is_cpu
        and not is_functorch_wrapped_tensor(x)
        and not _len_torch_dispatch_stack()
        and _get_tracing_state() is None
    )


def _in_numpy(x: Any) -> bool:
    """Return whether NumPy can read x and is faster, and no derivative is requested."""
    if not (_concrete(x) and x.dtype in SHARED):
        return False
    if x.numel() > blocks.ONE_CORE and torch.get_num_threads() >= blocks.MANY_CORES:
        return False
    return not _differentiated(x)


def _differentiated(x: Any) -> bool:
    """Return whether a derivative with respect to x is requested."""
    if not x.dtype.is_floating_point:
        return False
    return x.requires_grad or forward_ad.unpack_dual(x).tangent is not None


@dynamo.constant  # Dynamo cannot trace it, but its guards include the result
def _transformed() -> bool:
    """Return whether a transform such as `torch.func.grad` or `vmap` is active.

    `torch.cond` fails under grad.
    """
    return not WATCHERS_ARE_SEEN or maybe_current_level() is not None


def _first_line(error: BaseException) -> str:
    return cut((str(error).splitlines() or [type(error).__name__])[0])
