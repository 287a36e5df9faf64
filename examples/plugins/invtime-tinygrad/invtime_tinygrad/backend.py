"""tinygrad: lazy, captured by `TinyJit`, differentiated."""

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
# Whether each operation is evaluated: a kernel of one is compiled once, for all schedules.
evaluated = ContextVar("evaluated", default=False)


@final
class TinygradBackend(OperandBackend):
    """Tensors of tinygrad, each operation a kernel of its own."""

    name = "tinygrad"
    arrays = Tensor

    def coerce(self, step: Any, device: Any) -> Any:
        if isinstance(step, Tensor) and step.device is None:  # a constant has no device
            step = step.cast(strong_dtype(step.dtype)).clone(Device.DEFAULT)
        return super().coerce(step, device)

    def from_numpy(self, x: Any) -> Any:
        # One of no axes would be a constant.
        return _evaluated(Tensor(x.reshape(-1)).reshape(x.shape))

    def place(self, x: Any, device: Any) -> Any:
        return x.to(device)

    def devices(self) -> list[str]:
        return list(Device.get_available_devices())

    def dtype_name(self, dtype: Any) -> str:
        return NAMES.get(strong_dtype(dtype), str(dtype))

    def dtype(self, dtype: str) -> str:
        if dtype == "bfloat16" and not _stores_bfloat16():
            raise invtime.PlacementError("clang has bfloat16 from 15 on; pass dtype='float32'")
        return dtype

    def default_dtype(self) -> str:
        return self.dtype_name(dtypes.default_float)

    def number(self, value: float, like: Any) -> Any:
        return Tensor(_number(str(value), value, like.dtype, like.device))

    def operate(self, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        if operation in STRICT:  # its a <= b is "not b < a", which NaN passes
            return STRICT[operation](a, b) | (a == b)
        return operation(a, b)

    def operand(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            x = x if x.is_floating_point() else x.detach()  # masks and integers cannot be followed
            x = x.contiguous()  # so that (a + b) - a is not simplified to b
            x = _evaluated(x) if evaluated.get() else x
        return super().operand(x)

    @contextmanager
    def scope(self, x: Any) -> Iterator[None]:
        # A float step may be differentiated, which needs the graph.
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
        if self.none(x > last):  # `otherwise` has ten times the operations
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
    """A buffer of one number, no constant to fold; the text tells -0.0 from 0.0.

    No Tensor, since each evaluation walks through all that are alive; so a capture, which would
    not know that the buffer is kept, must not write it.
    """
    with Context(CAPTURING=0):
        return _evaluated(Tensor([value], dtype=dtype, device=device).reshape(())).uop


def _evaluated(x: Any) -> Any:
    """x, computed by one thread at a time; the cache of kernels on disk is the main one's."""
    cached = {} if current_thread() is main_thread() else {"CACHELEVEL": 0}
    with _lock, Context(**cached):
        return x.realize()


@cache
def _stores_bfloat16() -> bool:
    try:
        _evaluated(Tensor([1.0]).cast(dtypes.bfloat16))
    except Exception:  # whatever its compiler ends with
        return False
    return True


def _jit(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`TinyJit`, which takes one shape and dtype, for each; its buffers are written again."""
    compiled: dict[Any, Any] = {}

    def run(x: Any) -> Any:
        key = x.shape, x.dtype, x.device
        found = compiled.setdefault(key, TinyJit(function))(x.contiguous())
        if isinstance(found, tuple):
            return tuple(_evaluated(y.clone()) for y in found)
        return _evaluated(found.clone())

    return run
