"""Compare every backend with the exact values over the whole grid, piece by piece.

The work is done in this process, or by the workers of an executor. Memory does not grow with the
number of steps. The steps that workers return are counted against those that were submitted.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing

from invtime.errors import ConfigError, InvTimeError, shown
from invtime.spec import InverseTimeDecay
from invtime.verification.grid import CHUNK, Piece
from invtime.verification.report import Report, Run
from invtime.verification.selection import Choice, Place, load, places, select
from invtime.verification.sweep import Job, Sweep, compare
from invtime.verification.tally import Account, Outcome

PIECE = 64 * CHUNK  # steps that a worker gets at a time: about a second of work
AHEAD = 128  # pieces that are submitted to an executor before the first of them is counted
TRIES = 3  # attempts for each piece


def verify(
    schedule: InverseTimeDecay,
    *,
    backends: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    dtypes: Sequence[str] | None = None,
    steps: int = 100_000,
    executor: Executor | None = None,
    timeout: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Compare every backend with the exact values of `schedule`, bit by bit.

    `invtime.verification.grid` defines the steps. The eager mode is compared at steps of every
    integer and float dtype of NumPy, the other modes at int64, int32 and float64 steps.

    Args:
        schedule: the schedule to evaluate.
        backends: names from `invtime.list_backends()`. None means all that are usable.
        modes: names such as "eager", "compile", "jit", "vmap". None means all.
        devices: names that a backend lists, such as "cuda:0", or a kind of device ("cpu",
            "cuda") for all devices of that kind. None means all.
        dtypes: result dtypes. None means all four. Without ml_dtypes, NumPy skips bfloat16.
        steps: the number of consecutive integer steps, 1 or more. They are 0 to steps - 1.
        executor: does the work in its workers, one piece of the grid at a time. Pass, for
            example, a `ProcessPoolExecutor` with the start method "spawn", or
            `dask.distributed.Client(...).get_executor()`. Each worker needs the same backends and
            devices. Threads of one process take turns. A piece that comes back incomplete or not
            at all is tried three times. After that its runs have an error.
        timeout: the longest wait for one piece of an executor, in seconds. With None the wait has
            no limit, even if all workers are gone and the executor waits for new ones.
        progress: called as progress(done, total) from the calling thread. It counts chunks.

    Returns:
        A `Report`. If a framework raises, its run has an `error` and is not ok.

    Raises:
        UnknownBackendError, BackendUnavailableError, BackendConflictError: a name in `backends`
            is unknown, unusable or ambiguous. If `backends` is None, the unusable backends are
            in `Report.missing` instead.
        PlacementError: none of the chosen backends has the mode, the device, or both together,
            or the dtype is not one of the four.
        ConfigError: `steps` is not an integer of 1 or more.
    """
    check_steps(steps)
    loaded, missing = load(backends)
    chosen = select(places(loaded), Choice(modes, devices, dtypes))
    if executor is None:
        runs = run_here(schedule, steps, chosen, progress)
    else:
        runs = _run_on(executor, schedule, steps, chosen, timeout, progress)
    return Report(schedule, steps, runs, missing)


def check_steps(steps: int) -> None:
    """Raise ConfigError if `steps` is not a positive int."""
    if type(steps) is not int or steps < 1:
        raise ConfigError(
            f"steps is {shown(steps)}; it must be an int of 1 or more; for example, pass 100_000"
        )


def run_here(
    schedule: InverseTimeDecay,
    steps: int,
    places: Sequence[Place],
    progress: Callable[[int, int], object] | None,
) -> tuple[Run, ...]:
    """Do the run of each place in this process."""
    sweep = Sweep(schedule, steps - 1, places)
    books = _Books(sweep, places, progress)
    for piece in books.pieces():
        books.enter(piece, sweep.compare(piece, books.tick))
    return books.results()


def _run_on(
    executor: Executor,
    schedule: InverseTimeDecay,
    steps: int,
    places: Sequence[Place],
    timeout: float | None,
    progress: Callable[[int, int], object] | None,
) -> tuple[Run, ...]:
    """Do the run of each place in the workers of an executor."""
    books = _Books(Sweep(schedule, steps - 1, places), places, progress)
    spots = tuple((p.backend.name, p.mode, p.device, p.dtype) for p in places)
    job = Job(schedule, steps - 1, spots, uuid.uuid4().hex)
    try:
        with closing(_outcomes(executor, job, books, timeout)) as outcomes:
            for piece, outcome in outcomes:
                books.tick(piece.chunks * len(outcome))
                books.enter(piece, outcome)
    except _LostError as lost:
        for account in books.accounts:
            account.fail(str(lost))
    return books.results()


class _LostError(Exception):
    """A piece of the grid did not come back, or was incomplete, at each attempt."""


class _Books:
    """The accounts of all runs, and their progress."""

    def __init__(
        self,
        sweep: Sweep,
        places: Iterable[Place],
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._grid = sweep.grid
        self._progress = progress
        self._done = self._total = 0
        self.accounts = [Account(place) for place in places]
        self._takers = {
            dtype: [account for account in self.accounts if dtype in account.place.step_dtypes]
            for dtype in {piece.dtype for piece in self._grid.pieces(PIECE)}
        }
        for piece in self._grid.pieces(PIECE):
            self._total += piece.chunks * len(self._takers[piece.dtype])
            for account in self._takers[piece.dtype]:
                account.asked += piece.size

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces that at least one run still has to compare."""
        for piece in self._grid.pieces(PIECE):
            if any(account.open for account in self._takers[piece.dtype]):
                yield piece

    def enter(self, piece: Piece, outcomes: list[Outcome]) -> None:
        """Record the outcomes of a piece, one for each run that accepts its dtype."""
        for account, outcome in zip(self._takers[piece.dtype], outcomes, strict=True):
            account.add(piece, outcome)

    def check(self, piece: Piece, outcomes: list[Outcome]) -> None:
        """Raise InvTimeError if a run that has not ended lacks steps of the piece."""
        for account, outcome in zip(self._takers[piece.dtype], outcomes, strict=True):
            came = outcome.tally.points + outcome.refused
            if account.open and not outcome.ended and came != piece.size:
                raise InvTimeError(f"{came} of {piece.size} points came back")

    def results(self) -> tuple[Run, ...]:
        """Return the runs with everything that was recorded so far."""
        return tuple(account.result() for account in self.accounts)

    def tick(self, chunks: int = 1) -> None:
        """Count finished chunks, over all runs, and report the progress."""
        self._done += chunks
        if self._progress is not None:
            self._progress(self._done, self._total)


def _outcomes(
    executor: Executor, job: Job, books: _Books, timeout: float | None
) -> Generator[tuple[Piece, list[Outcome]], None, None]:
    """Yield each piece with its outcomes, in order; submit at most `AHEAD` pieces ahead."""
    pending: deque[tuple[Piece, Future[list[Outcome]]]] = deque()
    try:
        for piece in books.pieces():
            pending.append((piece, _submit(executor, job, piece, 0)))
            if len(pending) > AHEAD:
                yield _whole(executor, job, books, timeout, *pending.popleft())
        while pending:
            yield _whole(executor, job, books, timeout, *pending.popleft())
    finally:
        for _, future in pending:
            future.cancel()


def _whole(
    executor: Executor,
    job: Job,
    books: _Books,
    timeout: float | None,
    piece: Piece,
    future: Future[list[Outcome]],
) -> tuple[Piece, list[Outcome]]:
    """Return the outcomes of a piece; submit it again if it was lost or is incomplete."""
    attempt = 1
    while True:
        try:
            outcomes = future.result(timeout)
            books.check(piece, outcomes)
            return piece, outcomes
        except Exception as error:  # a worker died, raised an error, or did not answer in time
            future.cancel()
            if attempt == TRIES:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise _LostError(f"{piece} were lost in {TRIES} tries: {reason}") from error
        future = _submit(executor, job, piece, attempt)
        attempt += 1


def _submit(executor: Executor, job: Job, piece: Piece, attempt: int) -> Future[list[Outcome]]:
    """Submit a piece and return its future, a failed one if the executor accepts no work."""
    try:
        return executor.submit(compare, job, piece, attempt)
    except Exception as error:  # for example a broken pool or a closed client
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed
