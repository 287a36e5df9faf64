"""Short digests: of what a schedule means, and of the bits of its first values.

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
    """See `InverseTimeDecay.fingerprint`; `progress` is called as progress(done, values)."""
    if values is None:
        if dtype is not None:
            raise ConfigError(
                f"dtype is {shown(dtype)} and values is None; only values have a dtype; "
                "pass the number of values too, or leave dtype out"
            )
        return f"{VERSION}-{_short(canonical(form).encode('ascii'))}"
    if type(values) is not int or values < 1:
        raise ConfigError(
            f"values is {shown(values)}; it must be an int of 1 or more; pass 1000, say"
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
    """The one text of all schedules that mean the same.

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
        if text != found[-1][1]:  # else the same function goes on
            found.append((start, text))
    if len(found) == 1:
        return found[0][1]
    return ";".join(f"{start}:{text}" for start, text in found)


def _pieces(row: Row, after: Row | None) -> Iterator[tuple[str, str]]:
    """Where the pieces of a row begin, and their texts; `after` is the next row.

    A staircase that ends goes as far as its last drop from one plateau to another; after it, and
    all the way where there is one such drop or none, its plateaus are constants.
    """
    piece, origin = row.piece, row.origin
    text = _line(piece, origin) if isinstance(piece, Line) else _fraction(piece, origin)
    if after is None or isinstance(piece, Line) or not (piece.staircase and piece.A and piece.C):
        yield _number(*row.knot), text
        return
    # The stage at the end; a drop there counts where a plateau follows.
    n, d = (after.knot[0] - origin * after.knot[1]) * piece.Q, after.knot[1] * piece.P
    plateau = isinstance(after.piece, Form)
    drops = n // d if plateau else (n - 1) // d
    yield _number(*row.knot), text if drops > 1 else _plateau(piece, 0)
    if drops and drops * d < n:
        yield _number(origin * piece.Q + drops * piece.P, piece.Q), _plateau(piece, drops)


def _fraction(form: Form, origin: int) -> str:
    """A / (B + C * t), with t counted from `origin`."""
    if not form.A or not form.C:
        return _plateau(form, 0)
    if form.staircase:
        n = f"(n-{origin})" if origin else "n"
        return f"{form.A}/({form.B}+{form.C}*floor({n}*{form.Q}/{form.P}))"
    return f"{form.A}/({form.B - form.C * origin}+{form.C}*n)"


def _plateau(form: Form, stage: int) -> str:
    """The constant A / (B + C * stage)."""
    return "/".join(map(str, _lowest(form.A, form.B + form.C * stage)))


def _line(line: Line, origin: int) -> str:
    """(p + s * n) / d, the line written in the step itself."""
    s = line.b - line.a
    p, s, d = _lowest(line.a * line.K - s * origin, s, line.d)
    return f"({p}{s:+}*n)/{d}"


def _number(n: int, d: int) -> str:
    """A step, whole or a fraction in lowest terms."""
    n, d = _lowest(n, d)
    return str(n) if d == 1 else f"{n}/{d}"


def _lowest(*terms: int) -> tuple[int, ...]:
    """The terms divided by their greatest common divisor."""
    common = gcd(*terms)
    return tuple(term // common for term in terms)


def _short(data: bytes) -> str:
    return sha256(data).hexdigest()[:DIGITS]


def _values(form: Form | Table, start: int, stop: int) -> Any:
    """The rates at start <= n < stop in binary64, by arrays where that is exact by proof."""
    import numpy as np

    if _exact(form, stop - 1):
        steps = np.arange(start, stop, dtype=np.int64)
        return registry.default.evaluate(form, steps, "numpy", dtype="float64")
    return np.array([form.at(n) for n in range(start, stop)])


def _exact(form: Form | Table, last: int) -> bool:
    """Whether binary64 holds every integer that an array of steps up to `last` takes."""
    if isinstance(form, Form):
        return last <= form.last_exact_step(53)
    ends = (*form.starts[1:], last + 1)
    return all(
        min(end - 1, last) - row.origin <= row.piece.last_exact_step(53)
        for row, end in zip(form.rows, ends, strict=True)
        if row.first <= last
    )


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
