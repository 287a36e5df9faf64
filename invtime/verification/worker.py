"""The work of one process of a verification: one backend with some of the result dtypes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from invtime.spec import InverseTimeDecay
from invtime.verification.report import Run
from invtime.verification.runner import run_here
from invtime.verification.selection import Choice, load, places

EVERY = 0.2  # seconds between two progress messages


class Part(NamedTuple):
    """The input of a worker."""

    backend: str
    choice: Choice
    schedule: InverseTimeDecay | None
    """None means: do not run anything, only report what the backend offers."""
    steps: int


class Offer(NamedTuple):
    """The modes and devices of a backend, and the runs that the part will do."""

    modes: list[str]
    devices: list[str]
    chosen: list[Run]
    """The runs, before anything is compared."""


class Unusable(NamedTuple):
    """The backend or its framework cannot be imported."""

    error: str
    message: str

    @property
    def reason(self) -> str:
        """The name of the error, and its message."""
        return f"{self.error}: {self.message}"


class Progress(NamedTuple):
    """The fraction of the part that is done."""

    share: float


def work(part: Part, say: Callable[[Any], None]) -> None:
    """Send what the backend offers, then the progress, then the runs as a list."""
    # TensorFlow warns about retracing, which is intended here: one trace for each step dtype.
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
    """Send the progress, at most once every `EVERY` seconds."""

    def __init__(self, say: Callable[[Any], None]) -> None:
        self._say, self._last = say, monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._last >= EVERY:
            self._last = now
            self._say(Progress(done / total))
