"""The tinygrad backend: lazy tensors, `TinyJit`, derivatives."""

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from threading import RLock, current_thread, main_thread
from typing import Any, final

from tinygrad import Context, Device, Tensor, TinyJit, dtypes
from tinygrad.dtype import strong_dtype
from tinygrad.engine.realize import capturing

import invtime
from invtime.backends.operand import OperandBackend

_NAMES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64"
NAMES = {getattr(dtypes, name): name for name in _NAMES.split()}
STRICT = {operator.le: operator.lt, operator.ge: operator.gt}

_lock = RLock()
# Whether to evaluate each operation. A kernel of one operation is compiled once for all schedules.
evaluated = ContextVar("evaluated", default=False)


@final
class TinygradBackend(OperandBackend):
    """tinygrad tensors. Each operation is a separate kernel."""

    name = "tinygrad"
    arrays = Tensor

    def coerce(self, step: Any, device: Any) -> Any:
        if isinstance(step, Tensor) and step.device is None:  # made from a Python number
            step = step.cast(strong_dtype(step.dtype)).clone(Device.DEFAULT)
        return super().coerce(step, device)

    def from_numpy(self, x: Any) -> Any:
        # tinygrad would make a constant, not a buffer, of a 0-d array.
        return _evaluated(Tensor(x.reshape(-1)).reshape(x.shape))

    def place(self, x: Any, device: Any) -> Any:
        return x.to(device)

    def devices(self) -> list[str]:
        return list(Device.get_available_devices())

    def dtype_name(self, dtype: Any) -> str:
        return NAMES.get(strong_dtype(dtype), str(dtype))

    def dtype(self, dtype: str) -> str:
        if dtype == "bfloat16" and not _stores_bfloat16():
            raise invtime.PlacementError("bfloat16 needs clang 15 or later; pass dtype='float32'")
        return dtype

    def default_dtype(self) -> str:
        return self.dtype_name(dtypes.default_float)

    def number(self, value: float, like: Any) -> Any:
        return Tensor(_number(str(value), value, like.dtype, like.device))

    def operate(self, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        if operation in STRICT:  # tinygrad's a <= b is "not b < a": true for NaN
            return STRICT[operation](a, b) | (a == b)
        return operation(a, b)

    def operand(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            x = x if x.is_floating_point() else x.detach()  # only floats have derivatives
            x = x.contiguous()  # prevents simplifying (a + b) - a to b
            x = _evaluated(x) if evaluated.get() else x
        return super().operand(x)

    @contextmanager
    def scope(self, x: Any) -> Iterator[None]:
        # Derivatives need the graph, so at float steps it is kept.
        token = evaluated.set(dtypes.is_int(x.dtype))
        try:
            yield
        finally:
            evaluated.reset(token)

    def cast(self, x: Any, dtype: str) -> Any:
        return x.cast(dtype)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        return mask.where(a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: Any) -> Any:
        return n // divisor

    def floor(self, x: Any) -> Any:
        return x.floor()

    def detach(self, x: Any) -> Any:
        return x.detach()

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        if self.none(x > last):  # `otherwise` has ten times as many operations
            return exact()
        return super().choose(x, last, exact, otherwise)

    def none(self, mask: Any) -> bool:
        free = evaluated.get() and not capturing and mask.device == "CPU"
        return free and not self.to_numpy(mask).any()

    def modes(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"eager": lambda function: function, "jit": _jit}

    def derivative(self, function: Callable[[Any], Any], x: Any) -> Any:
        return function(x).sum().gradient(x)[0]

    def to_numpy(self, x: Any) -> Any:
        return _evaluated(x).numpy()


@lru_cache(10_000)
def _number(text: str, value: float, dtype: Any, device: Any) -> Any:
    """Return a number as a cached buffer, which tinygrad cannot fold as a constant.

    `text` distinguishes -0.0 from 0.0 in the cache. The result is not a Tensor, because each
    evaluation goes through all live tensors. A capture does not know that the buffer is kept, so
    the buffer is written outside of it.
    """
    with _lock, Context(CAPTURING=0):  # all threads share the Context
        return _evaluated(Tensor([value], dtype=dtype, device=device).reshape(())).uop


def _evaluated(x: Any) -> Any:
    """Evaluate x, in one thread at a time. Only the main thread uses the disk cache of kernels."""
    cached = {} if current_thread() is main_thread() else {"CACHELEVEL": 0}
    with _lock, Context(**cached):
        return x.realize()


@cache
def _stores_bfloat16() -> bool:
    """Return whether the compiler supports bfloat16."""
    try:
        _evaluated(Tensor([1.0]).cast(dtypes.bfloat16))
    except Exception:  # the exception depends on the compiler
        return False
    return True


def _jit(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Compile a function with one `TinyJit` per shape, dtype and device.

    The results are copied, because a `TinyJit` overwrites its buffers.
    """
    compiled: dict[Any, Any] = {}

    def run(x: Any) -> Any:
        key = x.shape, x.dtype, x.device
        found = compiled.setdefault(key, TinyJit(function))(x.contiguous())
        if isinstance(found, tuple):
            return tuple(_evaluated(y.clone()) for y in found)
        return _evaluated(found.clone())

    return run
