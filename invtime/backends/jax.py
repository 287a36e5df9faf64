"""JAX: eager, jit, vmap, grad, scan, sharded. Computes in binary64 even without x64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from invtime.backends.base import Backend, Kernel
from invtime.dtypes import is_short
from invtime.errors import PlacementError, StepTypeError, shown, typed
from invtime.evaluate import evaluate
from invtime.form import Form
from invtime.table import Table

try:
    from jax import enable_x64
except ImportError:  # JAX before 0.8; remove this with its support
    from jax.experimental import enable_x64

# A TPU accepts float64 but computes with less precision.
NARROW_PLATFORMS = {"tpu"}


@final
class JaxBackend(Backend):
    """JAX arrays and tracers."""

    name = "jax"

    def __init__(self, precision: int = 53) -> None:
        self._precision = precision
        # A cached inner jit avoids a chain of eager operations and implicit transfers, and
        # compiles once per form, dtype and shape.
        self._compiled = jax.jit(
            lambda form, x, dtype: evaluate(form, self, x, dtype), static_argnums=(0, 2)
        )

    def coerce(self, step: Any, device: Any) -> Any:
        if isinstance(step, jax.core.Tracer) and step.dtype.itemsize < 8:
            # It may hold a Python or NumPy number, which the scope below would widen.
            step = jnp.copy(step)
        with enable_x64(True):  # without it, asarray(2**40) is silently 0
            if isinstance(step, jax.Array):
                x = step
            else:
                try:
                    host = np.asarray(step)
                    if is_short(host.dtype):  # JAX cannot hold some of these
                        raise TypeError
                    x = jnp.asarray(host)
                except (TypeError, ValueError, OverflowError):
                    raise StepTypeError.refusing(typed(step)) from None
            integer = jnp.issubdtype(x.dtype, jnp.integer)
            real = integer or jnp.issubdtype(x.dtype, jnp.floating)
            if not real or is_short(x.dtype):
                raise StepTypeError.refusing(f"an array of dtype {x.dtype}")
            return x if device is None else jax.device_put(x, device)

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        with enable_x64(True):
            host = np.float64(value)
            if dtype != "float64":
                with np.errstate(over="ignore"):
                    host = host.astype(np.float32).astype(jnp.dtype(dtype))
            return jax.device_put(host, device)

    def default_dtype(self) -> str:
        return "float64" if jax.config.jax_enable_x64 else "float32"

    def device(self, device: Any) -> Any:
        if device is None or isinstance(device, jax.Device | jax.sharding.Sharding):
            return device
        try:
            kind, _, index = str(device).partition(":")
            return jax.devices(kind)[int(index or 0)]
        except Exception as error:  # each platform raises another error, and str() may raise
            raise PlacementError(
                f"device {shown(device)} does not exist for backend 'jax'; there are "
                f"{self.devices()}; pass one of these, a jax.Device or a Sharding"
            ) from error

    def precision(self, x: Any) -> int:
        return self._precision

    def cast(self, x: Any, dtype: str) -> Any:
        return lax.convert_element_type(x, jnp.dtype(dtype))

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        return jnp.where(mask, a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def quotient(self, n: Any, divisor: int) -> Any:
        return lax.div(n, lax.full_like(n, divisor))

    def floor(self, x: Any) -> Any:
        return lax.floor(x)

    def head(self, x: Any) -> Any:
        integer, mask = (jnp.int64, -(2**27)) if self._precision == 53 else (jnp.int32, -(2**12))
        return lax.bitcast_convert_type(lax.bitcast_convert_type(x, integer) & mask, x.dtype)

    def detach(self, x: Any) -> Any:
        return lax.stop_gradient(x)

    def choose(
        self, x: Any, last: int, exact: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> Any:
        return lax.cond(jnp.max(x, initial=0) <= last, exact, otherwise)

    def round_to(self, x: Any, dtype: str) -> Any:
        if dtype == "float64":
            if self._precision == 24:
                raise PlacementError("a TPU has no binary64; pass dtype='float32'")
            return x
        if x.dtype == jnp.float64:
            # Decided when the program is lowered: a tracer does not know its device.
            x = lax.platform_dependent(x, cpu=lambda wide: wide, default=_to_float32)
        return super().round_to(x, dtype)

    def scope(self, x: Any) -> AbstractContextManager[object]:
        return enable_x64(True)  # type: ignore[no-any-return]

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """Evaluate the shared formula in its own jit."""
        backend = self._narrow() if _platform(x) in NARROW_PLATFORMS else self
        with self.scope(x):
            return backend._compiled(form, x, dtype)

    evaluate_phases = evaluate

    @cache  # noqa: B019  # there is one backend per process
    def _narrow(self) -> JaxBackend:
        """Return this backend with binary32 as its widest float."""
        return JaxBackend(precision=24)

    def devices(self) -> list[str]:
        kinds = dict.fromkeys(("cpu", jax.default_backend()))
        return [f"{kind}:{device.id}" for kind in kinds for device in jax.devices(kind)]

    def modes(self) -> Mapping[str, Callable[[Kernel], Kernel]]:
        return {"eager": lambda function: function, "jit": jax.jit, "vmap": jax.vmap}

    def derivative(self, function: Kernel, x: Any) -> Any:
        return jax.grad(lambda steps: jnp.sum(function(steps)))(x)

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)


@jax.custom_jvp  # type: ignore[untyped-decorator]
def _to_float32(x: Any) -> Any:
    """Round binary64 to values that binary32 can hold, so that later conversions are exact.

    Without this, code compiled for CUDA rounds float64 -> float32 -> float16 only once, and
    replaces the division of short numbers, converted to float32, by a less exact division. The
    compilers do not look through `reduce_precision`. (An `optimization_barrier` would split the
    kernel in two.) `reduce_precision` flushes subnormal numbers, so these are rounded to multiples
    of 2**-149.

    The derivative of a `jax.checkpoint` traces this again after the evaluation's scope has ended,
    so it needs its own.
    """
    with enable_x64(True):
        multiple = lax.round(x * 2.0**149, lax.RoundingMethod.TO_NEAREST_EVEN)
        normal = lax.reduce_precision(x, 8, 23)
        return jnp.where(lax.abs(x) < 2.0**-126, multiple * 2.0**-149, normal)


_to_float32.defjvps(lambda tangent, _, x: tangent)  # like the derivative of a conversion


def _platform(x: Any) -> str:
    """Return the platform of x; for a tracer, the most likely one."""
    if isinstance(x, jax.core.Tracer):
        return str(jax.default_backend())
    return str(next(iter(x.devices())).platform)
