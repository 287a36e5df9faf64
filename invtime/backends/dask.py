"""Dask: lazy arrays, each chunk evaluated by the NumPy backend."""

from __future__ import annotations

from typing import Any, final

import dask
import dask.array as da
import numpy as np

from invtime.backends.numpy import NumpyBackend
from invtime.errors import StepTypeError
from invtime.form import Form
from invtime.table import Table


@final
class DaskBackend(NumpyBackend):
    """Dask arrays with NumPy chunks."""

    name = "dask"

    def coerce(self, step: Any, device: Any) -> Any:
        if not isinstance(step, da.Array):
            if dask.is_dask_collection(step):  # NumPy would compute it now
                raise StepTypeError.refusing(f"a {type(step).__name__} of Dask")
            return da.asarray(super().coerce(step, device))
        if not isinstance(step._meta, np.ndarray):
            raise StepTypeError.refusing(f"a Dask array of {type(step._meta).__name__} chunks")
        super().coerce(step._meta, device)  # checks the dtype
        return step

    def constant(self, value: float, dtype: str, like: Any, device: Any) -> Any:
        return da.asarray(super().constant(value, dtype, like, device))

    def host_step(self, x: Any) -> int | None:
        return None  # reading the step would compute it

    def evaluate(self, form: Form | Table, x: Any, dtype: str) -> Any:
        """Return a lazy array with the same chunks; each is evaluated when it is computed."""
        return x.map_blocks(_learning_rate, form, dtype)

    evaluate_phases = evaluate

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x.compute())


def _learning_rate(chunk: Any, form: Form | Table, dtype: str) -> Any:
    return NumpyBackend().evaluate(form, chunk, dtype)
