"""Time vectors of steps, alternating with the plain expression in the same framework."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from itertools import product
from typing import Any, NamedTuple

from benchmarks.subjects import EXACT, LONG, STAIRCASE, plain, steps
from invtime import InverseTimeDecay, registry
from reliability.gpu_agreement import PHASED, on_device, schedules
from reliability.gpu_report import Note, Options, Table, duration, fault

Function = Callable[[Any], Any]
Clock = Callable[[Callable[[], Any], int], float]

SUBJECTS = {"exact form": EXACT, "staircase": STAIRCASE, "long decimals": LONG}
SIZES = (100_000, 10_000_000)
ROUNDS, ROUND = 7, 0.01  # number of rounds, and seconds of each


class Time(NamedTuple):
    """The times of invtime and of the plain expression, in seconds per call."""

    framework: str
    mode: str
    schedule: str
    steps: str
    dtype: str
    size: int
    ours: float
    theirs: float
    ratio: float


class Timed(NamedTuple):
    """The functions of a framework that the rows need."""

    compilers: Mapping[str, Callable[[Function], Function]]
    cast: Callable[[Any, str], Any]
    floor: Function
    clock: Clock


def run(options: Options, framework: str) -> Iterator[Time | Note]:
    """Time every mode, schedule and dtype, at both sizes."""
    backend = registry.default.load(framework)
    device = on_device(backend, options.device)
    timed = {"torch": _torch, "jax": _jax, "cupy": _cupy}[framework](options.device)
    phased = {name: s for name, s in schedules().items() if name in PHASED and name == "all phases"}
    cases = product(("float32", "float64"), ("int64", "int32"), {**SUBJECTS, **phased}.items())
    for dtype, counted, (name, schedule) in cases:
        arrays = [backend.coerce(steps(size, counted), device) for size in SIZES]
        for mode, compiler in timed.compilers.items():
            what = framework, mode, name, counted, dtype
            if options.over():
                yield Note(f"{', '.join(what)}: out of time", False)
                continue
            try:
                ours, peer = _pair(compiler, schedule, framework, dtype, timed)
                yield from (_compared(what, ours, peer, x, timed.clock) for x in arrays)
                options.say(f"timed {', '.join(what)}")
            except Exception as error:  # a framework can raise anything
                yield fault(f"timing {', '.join(what)}", error)


def _pair(
    compiler: Callable[[Function], Function],
    schedule: InverseTimeDecay,
    framework: str,
    dtype: str,
    timed: Timed,
) -> tuple[Function, Function]:
    """Return the schedule and the plain expression, in the same mode and dtype."""
    placed = schedule.on(framework, dtype=dtype)
    formula = plain(schedule, timed.floor)
    return compiler(placed), compiler(lambda n: formula(timed.cast(n, dtype)))


def _compared(
    what: tuple[str, str, str, str, str], ours: Function, peer: Function, x: Any, clock: Clock
) -> Time:
    """Return the best times, and the median ratio of the rounds."""
    both: tuple[Callable[[], Any], ...] = (lambda: ours(x), lambda: peer(x))
    for call in both:
        clock(call, 2)  # compile, load, fill the caches
    loops = max(1, min(500, int(ROUND / max(clock(call, 3) for call in both))))
    pairs = []
    for number in range(ROUNDS):  # they take turns in going first
        turn = both if number % 2 else both[::-1]
        found = {call: clock(call, loops) for call in turn}
        pairs.append((found[both[0]], found[both[1]]))
    best = [min(column) for column in zip(*pairs, strict=True)]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    return Time(*what, int(x.shape[0]), best[0], best[1], ratio)


def _torch(device: str) -> Timed:
    import torch

    def compiled(function: Function) -> Function:
        torch.compiler.reset()
        return torch.compile(function, fullgraph=True, dynamic=True)  # type: ignore[no-any-return]

    compilers = {"eager": _same, "compile": compiled}
    clock = _by_events(torch.cuda.Event, torch.cuda.synchronize)
    return Timed(
        compilers,
        lambda n, dtype: n.to(getattr(torch, dtype)),
        torch.floor,
        clock if device == "cuda" else _by_host(lambda last: None),
    )


def _jax(device: str) -> Timed:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # the plain expression needs it for float64
    return Timed(
        {"eager": _same, "jit": jax.jit},
        lambda n, dtype: n.astype(dtype),
        jnp.floor,
        _by_host(jax.block_until_ready),
    )


def _cupy(device: str) -> Timed:
    cupy = import_module("cupy")
    stream = cupy.cuda.get_current_stream()
    return Timed(
        {"eager": _same},
        lambda n, dtype: n.astype(dtype),
        cupy.floor,
        _by_host(lambda last: stream.synchronize()),
    )


def _same(function: Function) -> Function:
    return function


def _by_events(event: Any, wait: Callable[[], Any]) -> Clock:
    """Time calls with CUDA events around all of them."""

    def clock(call: Callable[[], Any], loops: int) -> float:
        begin, end = event(enable_timing=True), event(enable_timing=True)
        wait()
        begin.record()
        for _ in range(loops):
            call()
        end.record()
        wait()
        return float(begin.elapsed_time(end)) / 1000 / loops

    return clock


def _by_host(wait: Callable[[Any], Any]) -> Clock:
    """Time calls with the host's clock, until the last result is ready."""

    def clock(call: Callable[[], Any], loops: int) -> float:
        wait(call())
        start = time.perf_counter()
        for _ in range(loops):
            result = call()
        wait(result)
        return (time.perf_counter() - start) / loops

    return clock


def tables(found: Iterable[object]) -> list[Table]:
    """Return a table with a row for each size."""
    rows = [row for row in found if isinstance(row, Time)]
    return [
        Table(
            "Time for vectors of steps",
            "invtime is compared with the plain expression `L / (1 + R * n / S)` (for a staircase, "
            "with `floor`) in the same framework, mode and result dtype. For `all phases`, the "
            "plain expression computes only the decay. The ratio is the time of invtime divided "
            "by that of the plain expression: smaller is better, and below 1 invtime is faster. "
            "The plain expression computes in the result dtype. invtime "
            "computes in float64, so a ratio for float32 results includes the cost of the right "
            "bits. The times are the best of several rounds. In each round both are timed, and "
            "the ratio is the median over the rounds. Small or eager computations mostly measure "
            "how fast the host launches kernels.",
            (
                *("framework", "mode", "schedule", "step dtype", "result dtype", "steps"),
                *("invtime", "plain expression", "ratio"),
            ),
            [
                (
                    *row[:5],
                    f"{row.size:,}",
                    duration(row.ours),
                    duration(row.theirs),
                    f"{row.ratio:.2f}",
                )
                for row in rows
            ],
        )
    ]
