"""Fingerprints: short digests of a schedule's exact rates, or of the bits of its first values.

`docs/fingerprint.md` defines both byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from math import gcd
from typing import Any

from invtime import registry
from invtime.dtypes import dtype_name
from invtime.errors import ConfigError, shown
from invtime.form import Form
from invtime.table import Line, Row, Table

VERSION = "itd1"
DIGITS = 16  # hexadecimal
CHUNK = 65536  # values at a time


def fingerprint(
    form: Form | Table,
    values: int | None = None,
    dtype: Any = None,
    progress: Callable[[int, int], object] | None = None,
) -> str:
    """Implement `InverseTimeDecay.fingerprint`; `progress` is called as progress(done, values)."""
    if values is None:
        if dtype is not None:
            raise ConfigError(
                f"dtype is {shown(dtype)} and values is None; dtype needs values; "
                "pass the number of values too, or leave dtype out"
            )
        return f"{VERSION}-{_short(canonical(form).encode('ascii'))}"
    if type(values) is not int or values < 1:
        raise ConfigError(
            f"values is {shown(values)}; it must be an int of 1 or more; pass, for example, 1000"
        )
    name = dtype_name("float64" if dtype is None else dtype, registry.default.dtype_name)
    digest = sha256()
    for start in range(0, values, CHUNK):
        stop = min(start + CHUNK, values)
        digest.update(_bytes(_values(form, start, stop), name))
        if progress is not None:
            progress(stop, values)
    return f"{VERSION}-{name}-{values}-{digest.hexdigest()[:DIGITS]}"


def canonical(form: Form | Table) -> str:
    """Return a text that is the same for all schedules with the same rates.

    >>> from invtime import InverseTimeDecay
    >>> canonical(InverseTimeDecay(0.1, 1000, 0.5).form)
    '200/(2000+1*n)'
    >>> canonical(InverseTimeDecay(0.1, 0.3, 2, staircase=True).form)
    '1/(10+20*floor(n*10/3))'
    >>> canonical(InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500, stable_steps=2000).form)
    '0:(0+1*n)/5000;500:1/10;2500:200/(-500+1*n)'
    """
    if isinstance(form, Form):
        return _fraction(form, 0)
    followed = zip(form.rows, (*form.rows[1:], None), strict=True)
    pieces = [piece for row, after in followed for piece in _pieces(row, after)]
    found = [pieces[0]]
    for start, text in pieces[1:]:
        if text != found[-1][1]:  # the same text means that the same function continues
            found.append((start, text))
    if len(found) == 1:
        return found[0][1]
    return ";".join(f"{start}:{text}" for start, text in found)


def _pieces(row: Row, after: Row | None) -> Iterator[tuple[str, str]]:
    """Yield the start and the text of each piece of a row; `after` is the next row, or None.

    A staircase that another row ends is written as a staircase up to its last drop, and as a
    constant from there on. With at most one drop, each of its plateaus is written as a constant.
    """
    piece, origin = row.piece, row.origin
    text = _line(piece, origin) if isinstance(piece, Line) else _fraction(piece, origin)
    if after is None or isinstance(piece, Line) or not (piece.staircase and piece.A and piece.C):
        yield _number(*row.knot), text
        return
    # The stage at the end. A drop exactly at the end counts only if a plateau follows.
    n, d = (after.knot[0] - origin * after.knot[1]) * piece.Q, after.knot[1] * piece.P
    plateau = isinstance(after.piece, Form)
    drops = n // d if plateau else (n - 1) // d
    yield _number(*row.knot), text if drops > 1 else _plateau(piece, 0)
    if drops and drops * d < n:
        yield _number(origin * piece.Q + drops * piece.P, piece.Q), _plateau(piece, drops)


def _fraction(form: Form, origin: int) -> str:
    """Return the text of A / (B + C * t), with t counted from `origin`."""
    if not form.A or not form.C:
        return _plateau(form, 0)
    if form.staircase:
        n = f"(n-{origin})" if origin else "n"
        return f"{form.A}/({form.B}+{form.C}*floor({n}*{form.Q}/{form.P}))"
    return f"{form.A}/({form.B - form.C * origin}+{form.C}*n)"


def _plateau(form: Form, stage: int) -> str:
    """Return the text of the constant A / (B + C * stage)."""
    return "/".join(map(str, _lowest(form.A, form.B + form.C * stage)))


def _line(line: Line, origin: int) -> str:
    """Return the text of a line as a function of the step n: (p + s * n) / d."""
    s = line.b - line.a
    p, s, d = _lowest(line.a * line.K - s * origin, s, line.d)
    return f"({p}{s:+}*n)/{d}"


def _number(n: int, d: int) -> str:
    """Return the text of the step n / d: an integer, or a fraction in lowest terms."""
    n, d = _lowest(n, d)
    return str(n) if d == 1 else f"{n}/{d}"


def _lowest(*terms: int) -> tuple[int, ...]:
    """Divide the terms by their greatest common divisor."""
    common = gcd(*terms)
    return tuple(term // common for term in terms)


def _short(data: bytes) -> str:
    return sha256(data).hexdigest()[:DIGITS]


def _values(form: Form | Table, start: int, stop: int) -> Any:
    """Return the binary64 rates at start <= n < stop, on arrays if that is provably exact."""
    import numpy as np

    if _exact(form, stop - 1):
        steps = np.arange(start, stop, dtype=np.int64)
        return registry.default.evaluate(form, steps, "numpy", dtype="float64")
    return np.array([form.at(n) for n in range(start, stop)])


def _exact(form: Form | Table, last: int) -> bool:
    """Return whether binary64 holds every integer needed for an array of steps up to `last`."""
    if isinstance(form, Form):
        return last <= form.last_exact_step(53)
    ends = (*form.starts[1:], last + 1)
    return all(
        min(end - 1, last) - row.origin <= row.piece.last_exact_step(53)
        for row, end in zip(form.rows, ends, strict=True)
        if row.first <= last
    )


def _bytes(values: Any, dtype: str) -> Any:
    """Return the little-endian bits of the values, rounded to float32 first and then to `dtype`."""
    import numpy as np

    if dtype == "float64":
        return values.astype("<f8").tobytes()
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype("<f4")
        if dtype == "float16":
            return single.astype("<f2").tobytes()
    if dtype == "float32":
        return single.tobytes()
    word = single.view("<u4")  # NumPy lacks bfloat16: take the upper half, rounded to even
    return ((word + 0x7FFF + (word >> 16 & 1)) >> 16).astype("<u2").tobytes()
