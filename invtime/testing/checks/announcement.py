"""The laws of the announcement, the dispatch by array type, and the lazy import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np

from invtime import InverseTimeDecay, registry
from invtime.backends.base import Backend
from invtime.hookspecs import BackendInfo
from invtime.testing.checks import cases
from invtime.testing.checks.agreement import asked, bits_of_result, hold, result_dtypes
from invtime.testing.checks.law import Broken, asking, law

# Runs in a new interpreter with the same paths, and ignores what its startup files import.
FRESH = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
before = set(sys.modules)
import invtime
invtime.list_backends()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def _announced(backend: Backend) -> BackendInfo:
    """Return the announcement under the backend's name."""
    announced = registry.default.plugins.announced
    if backend.name not in announced:
        raise Broken(
            name=repr(backend.name),
            returned="no plugin announces this name",
            expected=f"one of the announced names {sorted(announced)}",
        )
    return announced[backend.name].info


@law
def check_announcement(backend: Backend) -> None:
    """The backend has the announced name, and its own arrays are dispatched to it."""
    info = _announced(backend)
    loaded = registry.default.load(backend.name)
    if not isinstance(backend, type(loaded)):
        raise Broken(
            name=repr(backend.name),
            returned=f"{info.target} is a {type(loaded).__name__}",
            expected=f"a {type(backend).__name__}",
        )
    steps = np.array([0, 1, 41], "int32")
    x = backend.coerce(steps, None)
    found = registry.default.backend_name_for(type(x))
    if found != backend.name:
        raise Broken(
            step=f"a {type(x).__module__}.{type(x).__qualname__}",
            returned=f"backend {found!r}; the announced modules are {info.modules}",
            expected=f"backend {backend.name!r}",
        )
    for schedule in (cases.SLOPE, cases.STAIRS):
        ways: dict[str, Any] = {
            "schedule(step)": lambda s=schedule: s.on(dtype="float32")(x),
            f".on({backend.name!r})(step)": lambda s=schedule: s.on(backend.name, dtype="float32")(
                x
            ),
        }
        for call, evaluated in ways.items():
            result = asked(evaluated, schedule, steps, ["float32"], call)
            bits = bits_of_result(backend, schedule, steps, result, "float32", call)
            hold(schedule, steps, {"float32": bits}, backend.precision(x), call)


@law
def check_parameters(backend: Backend) -> None:
    """A 0-d array as a parameter means the number as written, and fixes the dtype like `dtype=`."""
    like = backend.coerce(np.array([1], "int32"), None)
    for dtype in result_dtypes(backend):
        with asking(parameter=f"0.1 in a 0-d array of {dtype}"):
            x = backend.constant(0.1, dtype, like, None)
            schedule = InverseTimeDecay(x, 1000, 0.5)
            own = getattr(x, "dtype", dtype)
            named = InverseTimeDecay(0.1, 1000, 0.5, dtype=own).dtype
        if (schedule.initial_learning_rate, schedule.dtype, named) != (0.1, dtype, dtype):
            raise Broken(
                parameter=f"0.1 in a 0-d array of {dtype}",
                returned=f"{schedule!r}; with dtype={own!r}, {named!r}",
                expected=f"0.1 and the dtype {dtype!r}",
            )


@law
def check_lazy_import(backend: Backend) -> None:
    """`import invtime` and `list_backends()` import neither the backend nor its framework."""
    info = _announced(backend)
    command = [sys.executable, "-c", FRESH, json.dumps(sys.path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Broken(raised=(done.stderr.strip().splitlines() or ["no message"])[-1])
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    early = sorted(loaded & {*info.modules, info.target.partition(":")[0]})
    if early:
        raise Broken(
            after="import invtime; invtime.list_backends()",
            returned=f"{', '.join(early)} imported",
            expected="not imported before the first use of the backend",
        )
