"""Every backend over the whole grid, compared with the exact values piece by piece.

The work is done here, or by the workers of an executor; memory does not grow with the number
of steps. What comes back is counted against what was asked for.
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

PIECE = 64 * CHUNK  # steps that are handed out at a time: about a second's work
AHEAD = 128  # pieces in work on an executor, ahead of the one that is counted
TRIES = 3  # for each piece


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
    """Compare every backend with the exact value of `schedule`, bit by bit.

    The steps are those of `invtime.verification.grid`: the eager mode takes them in every
    integer and float dtype of NumPy, each other mode in int64, int32 and float64.

    Args:
        schedule: the schedule to evaluate.
        backends: names from `invtime.list_backends()`; None means all that are usable.
        modes: names such as "eager", "compile", "jit", "vmap"; None means all.
        devices: names that a backend lists, such as "cuda:0", or a kind ("cpu", "cuda") for
            all of that kind; None means all.
        dtypes: result dtypes; None means all four. NumPy skips bfloat16 without ml_dtypes.
        steps: the number of the consecutive integer steps, which are 0 to steps - 1; 1 or more.
        executor: whose workers do the work, a piece of the grid at a time, such as a
            `ProcessPoolExecutor` that spawns, or `dask.distributed.Client(...).get_executor()`.
            Each worker needs the same backends and devices; threads of one process take turns.
            A piece that comes back short or not at all is tried three times, then reported.
        timeout: how long to wait for one piece of an executor, in seconds; None has no end, also
            where every worker is gone and the executor waits for new ones.
        progress: called as progress(done, total), in chunks, from the calling thread.

    Returns:
        A `Report`. A framework that raises makes a run with an `error`, which is not ok.

    Raises:
        UnknownBackendError, BackendUnavailableError, BackendConflictError: for a name in
            `backends`; where None was passed, an unusable one is in `Report.missing`.
        PlacementError: no chosen backend has the mode or the device, or the two together, or the
            dtype is none of the four.
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
    """Raise ConfigError for what is no number of steps."""
    if type(steps) is not int or steps < 1:
        raise ConfigError(
            f"steps is {shown(steps)}; it must be an int of 1 or more; pass 100_000, say"
        )


def run_here(
    schedule: InverseTimeDecay,
    steps: int,
    places: Sequence[Place],
    progress: Callable[[int, int], object] | None,
) -> tuple[Run, ...]:
    """The run in each place, all in this process."""
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
    """The run in each place, by the workers of an executor."""
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
    """A piece of the grid did not come back, or not whole, however often it was tried."""


class _Books:
    """The accounts of all runs, and how far they are."""

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
        """The pieces that some run still has to compare."""
        for piece in self._grid.pieces(PIECE):
            if any(account.open for account in self._takers[piece.dtype]):
                yield piece

    def enter(self, piece: Piece, outcomes: list[Outcome]) -> None:
        """Enter the outcomes of a piece, one for each run that takes its dtype."""
        for account, outcome in zip(self._takers[piece.dtype], outcomes, strict=True):
            account.add(piece, outcome)

    def check(self, piece: Piece, outcomes: list[Outcome]) -> None:
        """Raise InvTimeError where a run that goes on lacks steps of the piece."""
        for account, outcome in zip(self._takers[piece.dtype], outcomes, strict=True):
            came = outcome.tally.points + outcome.refused
            if account.open and not outcome.ended and came != piece.size:
                raise InvTimeError(f"{came} of {piece.size} points came back")

    def results(self) -> tuple[Run, ...]:
        """The runs as far as they have come."""
        return tuple(account.result() for account in self.accounts)

    def tick(self, chunks: int = 1) -> None:
        """Count chunks that are done, in all runs together."""
        self._done += chunks
        if self._progress is not None:
            self._progress(self._done, self._total)


def _outcomes(
    executor: Executor, job: Job, books: _Books, timeout: float | None
) -> Generator[tuple[Piece, list[Outcome]], None, None]:
    """Each piece with its outcomes, in order, at most `AHEAD` pieces in work at a time."""
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
    """The outcomes of a piece, which is tried again where it was lost or is not whole."""
    attempt = 1
    while True:
        try:
            outcomes = future.result(timeout)
            books.check(piece, outcomes)
            return piece, outcomes
        except Exception as error:  # a worker died, raised anything, or is silent
            future.cancel()
            if attempt == TRIES:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise _LostError(f"{piece} were lost in {TRIES} tries: {reason}") from error
        future = _submit(executor, job, piece, attempt)
        attempt += 1


def _submit(executor: Executor, job: Job, piece: Piece, attempt: int) -> Future[list[Outcome]]:
    """The future of a piece; an executor that takes no more gives one that has failed."""
    try:
        return executor.submit(compare, job, piece, attempt)
    except Exception as error:  # a pool that broke, a client that was closed
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed
