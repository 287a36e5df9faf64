"""A correct backend, for faults to be seeded into, and the description of a fault."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from invtime.backends.base import Backend
from invtime.backends.numpy import NumpyBackend


class Sound(NumpyBackend):
    """NumPy with the shared formula and the primitives only; faults derive from it."""

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
    """A fault: its name, how to make it, the check that catches it, and text of the message."""

    words: str
    make: object
    check: str
    says: str
    """What the smallest example must show."""
    needs: str = "numpy"
