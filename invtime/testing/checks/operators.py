"""The law of the operators that the shared formula applies to a backend's arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np

from invtime.backends.base import Backend
from invtime.reference import Steps
from invtime.testing.checks.agreement import float_dtype
from invtime.testing.checks.law import Broken, asking, law

Expression = Callable[[Any, Any], Any]

# No expression adds to a product, because a framework may fuse the two operations.
OF_FLOATS: dict[str, Expression] = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "(a + b) - a": lambda a, b: (a + b) - a,
    "a - (a - b)": lambda a, b: a - (a - b),
    "a * 0.0": lambda a, b: a * 0.0,
    "a + 0.1": lambda a, b: a + 0.1,
    "a - 0.1": lambda a, b: a - 0.1,
    "0.1 - a": lambda a, b: 0.1 - a,
    "0.1 * a": lambda a, b: 0.1 * a,
    "a < b": lambda a, b: a < b,
    "a <= b": lambda a, b: a <= b,
    "a > b": lambda a, b: a > b,
    "a >= b": lambda a, b: a >= b,
    "a == b": lambda a, b: a == b,
    "a <= 1.0": lambda a, b: a <= 1.0,
    "a >= 1.0": lambda a, b: a >= 1.0,
    "a == a": lambda a, b: a == a,
    "(a < b) & (b < 2.0)": lambda a, b: (a < b) & (b < 2.0),
}
A = [0.0, 1.0, 3.0, 0.1, 1e20, 1e20, 1.0, nan, 1.0, inf, inf, 1.5]
B = [0.0, 2.0, 0.1, 3.0, 1.0, 3.0, nan, 1.0, inf, inf, 1.0, 1.5]

LARGE = 2**62 + 1  # has more bits than a double


def _of_integers(backend: Backend) -> dict[str, Expression]:
    large = backend.integer(LARGE)
    return {
        "i + j": lambda i, j: i + j,
        "i - j": lambda i, j: i - j,
        "i * j": lambda i, j: i * j,
        f"i + {LARGE}": lambda i, j: i + large,
        f"{LARGE} - i": lambda i, j: large - i,
        f"i * {LARGE}": lambda i, j: i * large,
        "i < j": lambda i, j: i < j,
        f"i <= {LARGE}": lambda i, j: i <= large,
        f"i >= {LARGE}": lambda i, j: i >= large,
        "i == j": lambda i, j: i == j,
        "i < 0": lambda i, j: i < 0,
    }


I = [0, 1, -5, 2**53 + 1, LARGE, LARGE - 1, 2**63 - 1, -(2**63)]  # noqa: E741
J = [0, 2, 7, 2**53, LARGE - 1, LARGE - 1, 3, 2**40]


@law
def check_operators(backend: Backend) -> None:
    """Operators follow IEEE 754 and int64 exactly as written; a Python number keeps its value.

    Expressions are not simplified, NaN compares false, and integers wrap around.
    """
    word = float_dtype(backend)
    _hold(backend, OF_FLOATS, np.array(A, word), np.array(B, word))
    _hold(backend, _of_integers(backend), np.array(I), np.array(J))


def _hold(backend: Backend, table: dict[str, Expression], a: Steps, b: Steps) -> None:
    for words, expression in table.items():
        with np.errstate(all="ignore"):
            true = expression(a, b)
            with asking(primitive=words, given=f"arrays of {a.dtype.name}"):
                x, y = (backend.coerce(side, None) for side in (a, b))
                with backend.scope(x):
                    result = expression(backend.operand(x), backend.operand(y))
                    found = np.broadcast_to(np.asarray(backend.to_numpy(result)), a.shape)
        for at in np.flatnonzero((found != true) & ((found == found) | (true == true))):
            raise Broken(
                primitive=words,
                given=f"{a[at].item()!r} and {b[at].item()!r}, in arrays of {a.dtype.name}",
                returned=repr(found[at].item()),
                expected=repr(true[at].item()),
            )
