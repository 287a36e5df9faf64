"""Time two functions in turn, so changes in the machine's speed affect both."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from math import floor, log10
from typing import NamedTuple

Function = Callable[[], object]


class Row(NamedTuple):
    """A row of a table: invtime and a peer, in one unit."""

    what: str
    peer: str
    ours: float
    theirs: float
    ratio: float
    unit: str = "s"
    target: str = ""
    met: bool | None = None

    def markdown(self) -> str:
        figures = f"{_text(self.ours, self.unit)} | {_text(self.theirs, self.unit)}"
        verdict = {None: "", True: f"{self.target}: met", False: f"{self.target}: **missed**"}
        return f"| {self.what} | {self.peer} | {figures} | {self.figure} | {verdict[self.met]} |"

    @property
    def figure(self) -> str:
        """The ratio, with two significant digits."""
        digits = 1 - floor(log10(self.ratio))
        return f"{round(self.ratio, digits):.{max(digits, 0)}f}"

    @property
    def shortfall(self) -> str:
        """The measured value and the target that it misses."""
        by_ratio = self.target.startswith("ratio")
        measured = self.figure if by_ratio else _text(self.ours, self.unit)
        return f"{measured} (target: {self.target})"

    def ratio_at_most(self, limit: float) -> Row:
        return self._replace(target=f"ratio ≤ {limit:g}", met=float(self.figure) <= limit)

    def at_most(self, limit: float) -> Row:
        target = f"invtime ≤ {_text(limit, self.unit)}"
        return self._replace(target=target, met=self.ours <= limit)

    def at_most_more(self, limit: float) -> Row:
        met = self.ours - self.theirs <= limit
        return self._replace(target=f"at most {_text(limit, self.unit)} more", met=met)


HEADER = (
    "| measurement | compared with | invtime | other | ratio | target |\n|---|---|---|---|---|---|"
)


def compare(
    what: str,
    ours: Function,
    peer: Function,
    *,
    against: str,
    seconds: float = 1.5,
    calls: int = 1,
) -> Row:
    """Time both functions in rounds, and return the round with the median ratio.

    The times are divided by `calls`, the number of calls that each function makes.
    """
    loops = max(1, int(0.01 / max(_once(ours), _once(peer), 1e-8)))
    times: list[tuple[float, float]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 6:
        if len(times) % 2:  # they take turns in going first
            theirs, mine = _time(peer, loops), _time(ours, loops)
        else:
            mine, theirs = _time(ours, loops), _time(peer, loops)
        times.append((mine, theirs))
    return _row(what, against, times, "s", calls)


def compare_processes(
    what: str, ours: str, peer: str, *, against: str, unit: str = "s", rounds: int = 7
) -> Row:
    """Compare two programs by the number that each prints, or else by its total time."""
    pairs = [(_process(ours), _process(peer)) for _ in range(rounds)]
    return _row(what, against, pairs, unit)


def _row(
    what: str, against: str, pairs: list[tuple[float, float]], unit: str, calls: int = 1
) -> Row:
    ours, theirs = sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]
    return Row(what, against, ours / calls, theirs / calls, ours / theirs, unit)


def _process(code: str) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return float(done.stdout.split()[-1]) if done.stdout else time.perf_counter() - start


def _once(function: Function) -> float:
    for _ in range(3):  # compile, load, fill the caches
        function()
    return _time(function, 3)


def _time(function: Function, loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        function()
    return (time.perf_counter() - start) / loops


def _text(value: float, unit: str) -> str:
    space = "\u00a0"  # a no-break space, for narrow cells
    if unit != "s":
        return f"{value:,.0f}{space}{unit}" if value >= 100 else f"{value:.3g}{space}{unit}"
    for factor, name in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if value * factor < 999.5:
            return f"{value * factor:.3g}{space}{name}"
    return f"{value:.3g}{space}s"
