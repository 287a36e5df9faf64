"""The share of one process in a verification: one backend with some of the result dtypes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from invtime.spec import InverseTimeDecay
from invtime.verification.report import Run
from invtime.verification.runner import run_here
from invtime.verification.selection import Choice, load, places

EVERY = 0.2  # seconds from one word of progress to the next


class Part(NamedTuple):
    """What a worker has to do."""

    backend: str
    choice: Choice
    schedule: InverseTimeDecay | None
    """None asks for no run, only for what the backend offers."""
    steps: int


class Offer(NamedTuple):
    """What a backend has, and what of it the part is to run."""

    modes: list[str]
    devices: list[str]
    chosen: list[Run]
    """The runs, of which nothing has been compared."""


class Unusable(NamedTuple):
    """The backend or its framework does not import."""

    error: str
    message: str

    @property
    def reason(self) -> str:
        """The error with its message."""
        return f"{self.error}: {self.message}"


class Progress(NamedTuple):
    """How much of the part is done."""

    share: float


def work(part: Part, say: Callable[[Any], None]) -> None:
    """Say what the backend offers, how the work goes, and at last the runs as a list."""
    # TensorFlow warns of retracing: one function is traced for each dtype of the step here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        loaded, _ = load([part.backend])
        everything = places(loaded)
    except Exception as error:  # importing a broken framework can raise anything
        say(Unusable(type(error).__name__, str(error)))
        return
    chosen = [place for place in everything if part.choice.has(*place[2:])]
    say(
        Offer(
            modes=list(dict.fromkeys(place.mode for place in everything)),
            devices=list(dict.fromkeys(place.device for place in everything)),
            chosen=[Run(part.backend, *place[1:]) for place in chosen],
        )
    )
    if part.schedule is not None:
        say(list(run_here(part.schedule, part.steps, chosen, _Teller(say))))


class _Teller:
    """Says how far the work is, now and then."""

    def __init__(self, say: Callable[[Any], None]) -> None:
        self._say, self._last = say, monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._last >= EVERY:
            self._last = now
            self._say(Progress(done / total))
