"""A backend without a fault, for faults to be put into; and what a test says of a fault."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from invtime.backends.base import Backend
from invtime.backends.numpy import NumpyBackend


class Sound(NumpyBackend):
    """NumPy by the shared formula and primitives alone; each fault is one in this."""

    evaluate = Backend.evaluate
    evaluate_phases = Backend.evaluate_phases

    def scope(self, x):
        return np.errstate(all="ignore")

    def integer_range(self, x):
        if x.dtype.kind not in "iu":
            return None
        limits = np.iinfo(x.dtype)
        return int(limits.min), int(limits.max)

    def choose(self, x, last, exact, otherwise):
        return np.where(x <= last, exact(), otherwise())


class Fault(NamedTuple):
    """What is wrong, how it is made, and which check says what of it."""

    words: str
    make: object
    check: str
    says: str
    """What the smallest example must show."""
    needs: str = "numpy"
