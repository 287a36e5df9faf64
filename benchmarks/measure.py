"""Two functions timed in turn, so that a drift of the machine's speed meets both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

Function = Callable[[], object]


class Row(NamedTuple):
    """One line of the table: ours against the peer, and the ratio that was promised."""

    what: str
    peer: str
    ours_us: float
    peer_us: float
    ratio: float
    promised: str

    def markdown(self) -> str:
        return (
            f"| {self.what} | {self.peer} | {self.ours_us:.4g} | {self.peer_us:.4g} | "
            f"{self.ratio:.2f} | {self.promised} |"
        )


HEADER = "| what | peer | ours, us | peer, us | ratio | promised |\n|---|---|---|---|---|---|"


def compare(
    what: str, ours: Function, peer: Function, promised: str, *, against: str, seconds: float = 2.0
) -> Row:
    """The median over rounds of (time of ours / time of the peer), each round a pair."""
    loops = max(1, int(0.01 / max(_once(ours), _once(peer), 1e-8)))
    times: list[tuple[float, float]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 7:
        times.append((_time(ours, loops), _time(peer, loops)))
    ratio = statistics.median(mine / theirs for mine, theirs in times)
    best = [min(column) * 1e6 for column in zip(*times, strict=True)]
    return Row(what, against, best[0], best[1], ratio, promised)


def _once(function: Function) -> float:
    for _ in range(3):  # compile, load, fill the caches
        function()
    return _time(function, 3)


def _time(function: Function, loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        function()
    return (time.perf_counter() - start) / loops
