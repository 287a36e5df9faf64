"""Scaling with steps, plugins and threads.

If the other measurement is the same work at a tenth of the size, a ratio of 10 is linear scaling.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, compare, compare_processes
from benchmarks.subjects import EXACT, LONG, steps

PLUGIN = """import invtime
@invtime.hookimpl
def invtime_backends():
    return [invtime.BackendInfo("p{i}", ("p{i}",), "p{i}:Backend", "")]
"""
FIRST = """import sys; sys.path[:0] = {path!r}
import numpy, time; n = numpy.arange(3)
start = time.perf_counter()
import invtime; invtime.InverseTimeDecay(0.1, 1000, 0.5)(n)
print(time.perf_counter() - start)"""


def rows() -> Iterator[Row]:
    for schedule, what in ((EXACT, "exact form"), (LONG, "long decimals")):
        for exponent in (5, 6, 7, 8):
            many, fewer = steps(10**exponent, "int64"), steps(10 ** (exponent - 1), "int64")
            yield compare(
                f"NumPy, 1e{exponent} steps, {what}",
                lambda schedule=schedule, n=many: schedule(n),  # type: ignore[misc]
                lambda schedule=schedule, n=fewer: schedule(n),  # type: ignore[misc]
                against=f"1e{exponent - 1} steps",
            )
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, 10, 50):
            yield _with_plugins(count, Path(folder, str(count)))
    yield from _threads()


def _with_plugins(count: int, folder: Path) -> Row:
    """Measure a first array with `count` plugins installed, each with one backend."""
    for i in range(count):
        about = folder / f"p{i}-1.dist-info"
        about.mkdir(parents=True)
        (folder / f"p{i}.py").write_text(PLUGIN.format(i=i), encoding="utf-8")
        (about / "METADATA").write_text(f"Name: p{i}\nVersion: 1\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(f"[invtime]\np{i} = p{i}\n", encoding="utf-8")
    return compare_processes(
        f"in the process: first array, plugins installed: {count}",
        FIRST.format(path=[str(folder)]),
        FIRST.format(path=[]),
        against="no plugins",
    )


def _threads() -> Iterator[Row]:
    """Measure the same work in two threads and in one; NumPy releases the GIL."""
    halves = [steps(5_000_000, "int64")] * 2
    spans = [range(50_000)] * 2

    def arrays(n: Any) -> Any:
        return EXACT(n)

    def numbers(span: Any) -> None:
        for n in span:
            EXACT(n)

    with ThreadPoolExecutor(2) as pool:

        def both(work: Callable[[Any], Any], parts: list[Any]) -> Callable[[], object]:
            return lambda: list(pool.map(work, parts))

        for what, work, parts in (
            ("2 x 5e6 steps in NumPy", arrays, halves),
            ("2 x 50,000 ints", numbers, spans),
        ):
            yield compare(
                f"two threads, {what}",
                both(work, parts),
                lambda work=work, parts=parts: [work(part) for part in parts],  # type: ignore[misc]
                against="one thread",
            )
