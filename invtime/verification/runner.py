"""Every backend over the whole grid, compared with the exact values chunk by chunk.

A chunk of exact values is computed once and shared by all runs, and memory does not grow
with the number of steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future

from invtime.errors import ConfigError
from invtime.exact import ExactForm
from invtime.spec import InverseTimeDecay
from invtime.verification.bits import Floats
from invtime.verification.evaluation import Evaluation
from invtime.verification.expected import Expected, exact_values
from invtime.verification.grid import Grid, Steps
from invtime.verification.report import Report
from invtime.verification.selection import load, select

AHEAD = 32  # chunks in work on an executor, ahead of the one that is compared


def verify(
    schedule: InverseTimeDecay,
    *,
    backends: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    dtypes: Sequence[str] | None = None,
    steps: int = 100_000,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Compare every backend with the exact value of `schedule`, bit by bit.

    The steps are those of `invtime.verification.grid`: the eager mode takes them in every
    integer and float dtype of NumPy, each other mode in int64, int32 and float64.

    Args:
        schedule: the schedule to evaluate.
        backends: names from `invtime.backends()`; None means all that are usable.
        modes: names such as "eager", "compile", "jit", "vmap"; None means all.
        devices: names that a backend lists, such as "cuda:0", or a kind ("cpu", "cuda") for
            all of that kind; None means all.
        dtypes: result dtypes; None means all four. NumPy skips bfloat16 without ml_dtypes.
        steps: the last of the consecutive integer steps, 0 or more.
        executor: computes the exact values ahead of the comparison. Let it use processes:
            they are plain Python, which threads do not speed up.
        progress: called as progress(done, total), in chunks, from the calling thread.

    Returns:
        A `Report`. A framework that raises makes a run with an `error`, which is not ok.

    Raises:
        UnknownBackendError, BackendUnavailableError, BackendConflictError: for a name in
            `backends`; where None was passed, an unusable one is in `Report.missing`.
        PlacementError: no chosen backend has the mode or the device, or the dtype is none of
            the four.
        ConfigError: `steps` is not an integer of 0 or more.
    """
    if type(steps) is not int or steps < 0:
        raise ConfigError(f"steps is {steps!r}; it must be an int of 0 or more; pass 100_000, say")
    loaded, missing = load(backends)
    runs = [Evaluation(schedule, place) for place in select(loaded, modes, devices, dtypes)]
    grid = Grid(schedule.exact_form, steps)
    done, total = 0, len(grid) * len(runs)
    for chunk, values in _with_values(schedule.exact_form, grid, executor):
        expected = Expected(chunk, values)
        for run in runs:
            run.compare(expected)
            done += 1
            if progress is not None:
                progress(done, total)
    return Report(schedule, tuple(run.result() for run in runs), missing)


def _with_values(
    form: ExactForm, chunks: Iterable[Steps], executor: Executor | None
) -> Iterator[tuple[Steps, Floats]]:
    """Each chunk with its exact values, at most `AHEAD` chunks in work at a time."""
    if executor is None:
        for chunk in chunks:
            yield chunk, exact_values(form, chunk)
        return
    pending: deque[tuple[Steps, Future[Floats]]] = deque()
    for chunk in chunks:
        pending.append((chunk, executor.submit(exact_values, form, chunk)))
        if len(pending) > AHEAD:
            first, future = pending.popleft()
            yield first, future.result()
    for chunk, future in pending:
        yield chunk, future.result()
