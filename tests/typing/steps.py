"""The types of calls of a schedule. mypy and pyright check this file; nothing runs it.

A line with an ignore comment must be an error: both checkers report an ignore comment
that is not needed.
"""

from dataclasses import dataclass
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

from invtime import InverseTimeDecay, list_backends
from invtime.placement import PlacedSchedule
from invtime.registry import BackendState


@dataclass
class Tensor:
    """An array of some framework."""

    dtype: str
    shape: tuple[int, ...]


def steps(
    schedule: InverseTimeDecay, tensor: Tensor, array: npt.NDArray[np.int64], unknown: Any
) -> None:
    """The rate has the type of the step; a number returns a float."""
    assert_type(schedule(5), float)
    assert_type(schedule(2.5), float)
    assert_type(schedule(np.float64(5)), float)
    assert_type(schedule(step=5), float)
    assert_type(schedule(tensor), Tensor)
    assert_type(schedule(array), npt.NDArray[np.floating[Any]])
    assert_type(schedule(np.int64(5)), np.floating[Any])
    assert_type(schedule(unknown), Any)
    schedule("5")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    schedule(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    schedule([5])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    schedule()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def placed(schedule: InverseTimeDecay, tensor: Tensor, array: npt.NDArray[np.int64]) -> None:
    """The same without a backend; with one, the type that the backend returns."""
    assert_type(schedule.on(), PlacedSchedule[None])
    assert_type(schedule.on("torch"), PlacedSchedule[str])
    assert_type(schedule.on(dtype="float32")(5), float)
    assert_type(schedule.on(dtype="float32")(tensor), Tensor)
    assert_type(schedule.on(dtype="float32")(array), npt.NDArray[np.floating[Any]])
    assert_type(schedule.on("torch")(5), Any)
    assert_type(schedule.on("torch")(array), Any)
    assert_type(schedule.on("torch").backend, str)
    assert_type(schedule.on().dtype, str | None)
    schedule.on("torch")("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    schedule.on(device="cuda:0")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    schedule.on().dtype = "float32"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def parameters(schedule: InverseTimeDecay, tensor: Tensor) -> None:
    """The parameters are read-only numbers; a scalar tensor is one too."""
    assert_type(schedule.initial_learning_rate, int | float)
    assert_type(schedule.staircase, bool)
    assert_type(schedule.name, str)
    assert_type(schedule.dtype, str | None)
    assert_type(schedule.replace(decay_steps=5), InverseTimeDecay)
    assert_type(schedule.step_for(0.01), int | None)
    assert_type(InverseTimeDecay.from_config(schedule.get_config()), InverseTimeDecay)
    assert_type(InverseTimeDecay(tensor, np.int64(5), np.float32(0.5)), InverseTimeDecay)
    assert_type(list_backends(), list[BackendState])
    schedule.decay_steps = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    schedule.decay_step = 5  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    InverseTimeDecay("0.1", 5, 0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    InverseTimeDecay(0.1, 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    InverseTimeDecay(0.1, 5, 0.5, False, None, "float32")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
