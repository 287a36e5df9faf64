"""Every usable backend in each of its modes, and the bits that it returns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from invtime import PlacementError, list_backends, registry
from invtime.reference import FORMATS, bits_of_array

Bits = dict[str, npt.NDArray[np.uint64]]


class Mode(NamedTuple):
    """One mode of one backend: eager, or a compiler of its framework."""

    backend: str
    name: str

    def __str__(self) -> str:
        return f"{self.backend}-{self.name}"

    def dtypes(self) -> list[str]:
        """The result dtypes that the backend can return here."""
        found = []
        for dtype in FORMATS:
            try:
                found.append(registry.default.load(self.backend).dtype(dtype))
            except PlacementError:
                pass  # NumPy has bfloat16 only where ml_dtypes is installed
        return found

    def kernel(
        self, schedule: Any, dtypes: Sequence[str] = (), device: Any = None
    ) -> Callable[[Any], Bits]:
        """A function from a NumPy array of steps to the bits of the results in each dtype.

        It is compiled once for each shape and dtype of the steps, where the mode compiles.
        """
        backend = registry.default.load(self.backend)
        names = list(dtypes) or self.dtypes()
        placed = [schedule.on(self.backend, device=device, dtype=name) for name in names]
        _forget_compilations()
        run = backend.modes()[self.name](lambda step: tuple(one(step) for one in placed))

        def bits(steps: Any) -> Bits:
            results = run(backend.coerce(np.asarray(steps), None))
            arrays = map(backend.to_numpy, results)
            return {n: bits_of_array(a, n) for n, a in zip(names, arrays, strict=True)}

        return bits


def _forget_compilations() -> None:
    """Reset Dynamo, which compiles one code object for at most eight schedules."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.compiler.reset()


def usable_modes() -> list[Mode]:
    """Return every mode of every backend whose framework is installed; import the frameworks."""
    usable = [state.name for state in list_backends() if state.problem is None]
    return [Mode(name, mode) for name in usable for mode in registry.default.load(name).modes()]
