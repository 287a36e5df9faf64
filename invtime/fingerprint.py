"""Short digests: of what a schedule means, and of the bits of its first values.

`docs/fingerprint.md` defines both byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from invtime import registry
from invtime.dtypes import dtype_name
from invtime.errors import ConfigError
from invtime.form import Form

VERSION = "itd1"
DIGITS = 16  # hexadecimal
CHUNK = 65536  # values at a time


def fingerprint(
    form: Form,
    values: int | None = None,
    dtype: Any = None,
    progress: Callable[[int, int], object] | None = None,
) -> str:
    """See `InverseTimeDecay.fingerprint`; `progress` is called as progress(done, values)."""
    if values is None:
        if dtype is not None:
            raise ConfigError(
                f"dtype is {dtype!r} and values is None; only values have a dtype; "
                "pass the number of values too, or leave dtype out"
            )
        return f"{VERSION}-{_short(canonical(form).encode('ascii'))}"
    if type(values) is not int or values < 1:
        raise ConfigError(f"values is {values!r}; it must be an int of 1 or more; pass 1000, say")
    name = dtype_name(dtype or "float64")
    digest = sha256()
    for start in range(0, values, CHUNK):
        stop = min(start + CHUNK, values)
        digest.update(_bytes(_values(form, start, stop), name))
        if progress is not None:
            progress(stop, values)
    return f"{VERSION}-{name}-{values}-{digest.hexdigest()[:DIGITS]}"


def canonical(form: Form) -> str:
    """The one text of all schedules that mean the same.

    >>> from invtime import InverseTimeDecay
    >>> canonical(InverseTimeDecay(0.1, 1000, 0.5).form)
    '200/(2000+1*n)'
    >>> canonical(InverseTimeDecay(0.1, 0.3, 2, staircase=True).form)
    '1/(10+20*floor(n*10/3))'
    """
    if not form.A:
        return "0/1"
    if not form.C:
        return f"{form.A}/{form.B}"
    t = f"floor(n*{form.Q}/{form.P})" if form.staircase else "n"
    return f"{form.A}/({form.B}+{form.C}*{t})"


def _short(data: bytes) -> str:
    return sha256(data).hexdigest()[:DIGITS]


def _values(form: Form, start: int, stop: int) -> Any:
    """The rates at start <= n < stop in binary64, by arrays where that is exact by proof."""
    import numpy as np

    if stop - 1 <= form.last_exact_step(53):
        steps = np.arange(start, stop, dtype=np.int64)
        return registry.default.evaluate(form, steps, "numpy", dtype="float64")
    return np.array([form.at(n) for n in range(start, stop)])


def _bytes(values: Any, dtype: str) -> Any:
    """The bits of `dtype`, rounded along the chain, little-endian."""
    import numpy as np

    if dtype == "float64":
        return values.astype("<f8").tobytes()
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype("<f4")
        if dtype == "float16":
            return single.astype("<f2").tobytes()
    if dtype == "float32":
        return single.tobytes()
    word = single.view("<u4")  # NumPy has no bfloat16: the upper half, rounded to even
    return ((word + 0x7FFF + (word >> 16 & 1)) >> 16).astype("<u2").tobytes()
