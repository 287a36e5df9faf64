"""Compare the bits of every mode of a framework on a device with the exact rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from invtime import InverseTimeDecay, registry
from invtime.backends.base import Backend, Kernel
from invtime.dtypes import DTYPES
from invtime.reference import FORMATS, Reference, Steps, Truth, bits_of_array
from reliability.gpu_report import Note, Options, Table, fault

Mode = Callable[[Kernel], Kernel]

# The dtypes that training loops count in come first, in case the time is short. torch.compile
# takes ten seconds per pair and gets only these.
COMPILED = ("int64", "int32", "float32", "float64")
STEPS = (*COMPILED, "int16", "int8", "uint8", "uint16", "uint32", "uint64")
SPECIAL = (-0.0, -0.5, -1e30, -np.inf, 1e-44, 1e-30, 0.1, 1e30, np.inf, np.nan)
SCANNED = 400  # steps of a scan; each one launches its own kernels
FAILURES = 2  # after this many failures a mode is not tried again

PLAIN: dict[str, tuple[Any, ...]] = {
    "exact form": (0.1, 1000, 0.5),
    "long decimals": (1 / 3, 1000, 1 / 7),
    "staircase": (0.1, 41, 0.5, True),
    "staircase, fractional": (0.1, 0.3, 2, True),
    "staircase, long decimals": (1 / 3, 12.34567890123, 1 / 7, True),
    "exact form up to about 2**31": (0.0003, 7813, 96.25),
}
WARM = {"warmup_steps": 300, "warmup_learning_rate": 1e-4, "stable_steps": 7000}
COOL = {"cooldown_start": 50_000, "cooldown_steps": 9000, "final_learning_rate": 1e-5}
PHASED: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "warm-up": ((0.1, 1000, 0.5), {"warmup_steps": 1000}),
    "floor": ((0.1, 1000, 0.5), {"minimum_learning_rate": 0.001}),
    "cool-down from the stable phase": ((3e-4, 1000, 0.5), {"stable_steps": 10**6, **COOL}),
    "all phases": ((0.1, 1000, 0.5), {**WARM, "minimum_learning_rate": 0.004, **COOL}),
    "all phases, staircase": ((0.1, 41, 0.5, True), {**WARM, "minimum_learning_rate": 4e-4}),
    "all phases, long decimals": (
        (1 / 3, 12.34567890123, 1 / 7),
        {**WARM, **COOL, "final_learning_rate": 1 / 7000, "minimum_learning_rate": 1 / 1700},
    ),
}


class Run(NamedTuple):
    """One schedule at the steps of one dtype in one mode, in one result dtype."""

    framework: str
    mode: str
    dtype: str
    schedule: str
    steps: str
    points: int
    other: int
    """The number of values with other bits that the guarantees allow."""
    wrong: int
    first: str
    """The first wrong step, with its bits and the right ones."""


def schedules() -> dict[str, InverseTimeDecay]:
    """Return the schedules by name; those with phases if the constructor accepts them."""
    found = {name: InverseTimeDecay(*given) for name, given in PLAIN.items()}
    if "warmup_steps" in signature(InverseTimeDecay).parameters:
        found |= {name: InverseTimeDecay(*a, **more) for name, (a, more) in PHASED.items()}
    return found


def run(options: Options, framework: str, share: int, shares: int) -> Iterator[Run | Note]:
    """Compare every `shares`-th pair of a schedule and a dtype of steps, in every mode."""
    backend = registry.default.load(framework)
    device = on_device(backend, options.device)
    modes, all_schedules = modes_of(backend, options.device), schedules()
    if "graph" not in modes and framework == "torch":
        yield Note("torch, graph: needs CUDA", False)
    if len(all_schedules) == len(PLAIN):
        yield Note("schedules with phases: the constructor does not accept them yet", False)
    pairs = [(dtype, name) for dtype in STEPS for name in all_schedules][share::shares]
    failed = dict.fromkeys(modes, 0)
    for number, (dtype, name) in enumerate(pairs):
        if options.over():
            left = f"{len(pairs) - number} of {len(pairs)} pairs"
            yield Note(f"{framework}: {left}: out of time", False)
            return
        schedule, arrays = all_schedules[name], _truths(all_schedules[name], dtype, options.points)
        runs: list[Run] = []
        for mode, wrapper in modes.items():
            if failed[mode] == FAILURES or (mode == "compile" and dtype not in COMPILED):
                continue
            if options.over():
                yield Note(f"{framework}, {mode}, {name}, {dtype} steps: out of time", False)
                continue
            what = framework, mode, name, dtype
            try:
                runs += _compared(what, backend, device, schedule, wrapper, arrays)
            except Exception as error:  # a framework can raise anything
                failed[mode] += 1
                yield fault(", ".join((*what[:3], f"{dtype} steps")), error)
        yield from runs
        points, wrong = sum(r.points for r in runs), sum(r.wrong for r in runs)
        where = f"{framework} {share + 1}/{shares}, {dtype} steps, {name}"
        options.say(f"{where}: {points:,} points, {wrong} wrong")


def on_device(backend: Backend, kind: str) -> Any:
    """Return the first device of this kind, as the backend names it."""
    names = ("cpu",) if kind == "cpu" else ("cuda", "gpu")
    found = next((d for d in backend.devices() if d.partition(":")[0] in names), None)
    if found is None:
        raise RuntimeError(f"{backend.name} has no {kind} device; it has {backend.devices()}")
    return backend.device(found)


def modes_of(backend: Backend, kind: str) -> Mapping[str, Mode]:
    """Return the modes of the backend, with a CUDA graph for PyTorch and a scan for JAX.

    torch.compile comes last, since it takes most of the time.
    """
    more: dict[str, Mode] = {}
    if backend.name == "torch" and kind == "cuda":
        more = {"graph": captured}
    elif backend.name == "jax":
        more = {"scan": scanned}
    found = {**backend.modes(), **more}
    return dict(sorted(found.items(), key=lambda item: item[0] == "compile"))


def captured(function: Kernel) -> Kernel:
    """Return the function as a CUDA graph, captured once per dtype and shape, then replayed."""
    import torch

    graphs: dict[Any, Any] = {}

    def replayed(x: Any) -> Any:
        if (x.dtype, x.shape) not in graphs:
            held, graph, side = x.clone(), torch.cuda.CUDAGraph(), torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                function(held)  # initialise before the capture
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                result = function(held)
            graphs[x.dtype, x.shape] = held, graph, result
        held, graph, result = graphs[x.dtype, x.shape]
        held.copy_(x)
        graph.replay()
        return result

    return replayed


def scanned(function: Kernel) -> Kernel:
    """Return the function applied to one step after another in a compiled loop."""
    import jax

    return jax.jit(  # type: ignore[no-any-return]
        lambda x: jax.lax.scan(lambda carry, step: (carry, function(step)), None, x)[1]
    )


def _compared(
    what: tuple[str, str, str, str],
    backend: Backend,
    device: Any,
    schedule: InverseTimeDecay,
    wrapper: Mode,
    arrays: list[Truth],
) -> list[Run]:
    """Compute all result dtypes in one call, so a compiler compiles one function."""
    framework, mode, name, steps = what
    placed = [schedule.on(framework, dtype=dtype) for dtype in DTYPES]
    if mode == "compile":
        import torch

        torch.compiler.reset()
    kernel = wrapper(lambda step: tuple([place(step) for place in placed]))
    if mode == "scan":
        arrays = [_thinned(truth) for truth in arrays]
    tallies = dict.fromkeys(DTYPES, (0, 0, 0))
    firsts = dict.fromkeys(DTYPES, "")
    for truth in arrays:
        results = kernel(backend.coerce(truth.steps, device))
        for dtype, result in zip(DTYPES, results, strict=True):
            found = bits_of_array(backend.to_numpy(result), dtype)
            allowed, true = truth.allowed(found, dtype), truth.bits(dtype)
            wrong = np.flatnonzero(~allowed)
            points, other, off = tallies[dtype]
            other += int((allowed & (found != true)).sum())
            tallies[dtype] = points + found.size, other, off + wrong.size
            if wrong.size and not firsts[dtype]:
                at, show = wrong[0], FORMATS[dtype].hex
                bits = f"{show(int(found[at]))} for {show(int(true[at]))}"
                firsts[dtype] = f"{name}, {steps} step {truth.steps[at]}: {bits}"
    return [
        Run(framework, mode, dtype, name, steps, points, other, wrong, firsts[dtype])
        for dtype, (points, other, wrong) in tallies.items()
    ]


def _truths(schedule: InverseTimeDecay, dtype: str, points: int) -> list[Truth]:
    reference = Reference(schedule)
    return [reference.at(steps) for steps in arrays_of(reference, dtype, points)]


def _thinned(truth: Truth) -> Truth:
    chosen = np.linspace(0, truth.steps.size - 1, min(SCANNED, truth.steps.size)).astype(int)
    return truth.reference.at(truth.steps[chosen])


def arrays_of(reference: Reference, dtype: str, points: int) -> list[Steps]:
    """Return two arrays of one length: one within the exact form, and one beyond it.

    Both begin with the steps where the schedule or the form changes. For integers of one or two
    bytes, return one array of all values.
    """
    if dtype in ("int8", "uint8", "int16", "uint16"):
        limits = np.iinfo(dtype)
        return [np.arange(limits.min, limits.max + 1, dtype=dtype)]
    is_float = dtype.startswith("float")
    if is_float:
        points = max(points // 10, 500)  # the reference is 50 times slower for fractions
        lowest, highest = -(2**60), 2 ** (np.finfo(dtype).nmant + 1)
    else:  # uint64 steps are counted as at most 2**63 - 1
        lowest, highest = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), 2**63 - 1)
    last = min(highest, reference.last_exact_step())
    last = last if last > 0 else min(highest, 2**31 - 1)
    edges = [n for n in _edges(reference) if n >= lowest]
    near, far = _drawn(points, last), _drawn(points, highest)
    arrays = []
    for end, drawn in ((last, near), (highest, far)):
        whole = np.array([n for n in edges if n <= end], dtype)
        counted = np.arange(points // 4).astype(dtype)
        parts = [whole, counted[counted <= end], drawn.astype(dtype)]
        if is_float and end == highest and drawn is far:
            parts[1:1] = [_fractions(reference, points, dtype)]
        arrays.append(np.resize(np.concatenate(parts), points))
    return arrays


def _edges(reference: Reference) -> list[int]:
    anchors = {0, reference.last_exact_step(), *getattr(reference, "knots", ())}
    anchors |= {2**k for k in range(63)}
    stages = (*range(1, 200), *(2**k for k in range(8, 50)))
    anchors |= {reference.first_step(stage) for stage in stages}
    found = {n + j for n in anchors for j in (-2, -1, 0, 1, 2)}
    return sorted(n for n in found | {-n for n in found} if -(2**63) <= n < 2**63)


def _drawn(count: int, highest: int) -> Steps:
    """Return random integers of every bit length up to `highest`."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**63, count, np.int64)
    found = bits >> random.integers(63 - highest.bit_length(), 63, count)
    return np.asarray(np.minimum(found, highest))


def _fractions(reference: Reference, count: int, dtype: str) -> Steps:
    random = np.random.default_rng(1)
    starts = np.array([float(stage * reference.period) for stage in range(1, 100)])
    beside = [np.nextafter(starts, 0), np.nextafter(starts, np.inf)]
    wide = 2.0 ** random.uniform(-40, 70, count // 4)
    with np.errstate(over="ignore", under="ignore"):
        found = np.concatenate([SPECIAL, starts, *beside, wide, np.arange(500) / 4]).astype(dtype)
    return np.asarray(found[(found == 0) | (np.abs(found) >= 2.0**-126) | (found != found)])


def tables(found: Iterable[object]) -> list[Table]:
    """Return a table by framework, mode and result dtype, and one by schedule."""
    runs = [row for row in found if isinstance(row, Run)]
    columns = ("values", "allowed differences", "wrong values", "first wrong step")
    by_mode = Table(
        "Bits by mode and result dtype",
        "Each value is compared with the exact fraction, rounded to the result dtype. A pair is a "
        "schedule and a dtype of the steps. Allowed differences are a neighbouring float at a "
        "float step that is not a whole number, and zero for a subnormal result.",
        ("framework", "mode", "result dtype", "pairs", *columns),
        [
            (*key, str(len(own)), *_sums(own))
            for key, own in _groups(runs, lambda r: (r.framework, r.mode, r.dtype)).items()
        ],
    )
    by_schedule = Table(
        "Bits by schedule",
        "The same values, added over all frameworks, modes and result dtypes.",
        ("schedule", "parameters", "step dtypes", *columns),
        [
            (name, f"`{_parameters(name)}`", str(len({r.steps for r in own})), *_sums(own))
            for (name,), own in _groups(runs, lambda r: (r.schedule,)).items()
        ],
    )
    return [by_mode, by_schedule]


@cache
def _parameters(name: str) -> str:
    if name in PLAIN:
        return ", ".join(map(repr, PLAIN[name]))
    given, more = PHASED[name]
    return ", ".join([*map(repr, given), *(f"{key}={value!r}" for key, value in more.items())])


def _groups(
    runs: list[Run], key: Callable[[Run], tuple[str, ...]]
) -> dict[tuple[str, ...], list[Run]]:
    found: dict[tuple[str, ...], list[Run]] = {}
    for one in runs:
        found.setdefault(key(one), []).append(one)
    return found


def _sums(runs: list[Run]) -> tuple[str, ...]:
    points, other, wrong = (sum(column) for column in zip(*(r[5:8] for r in runs), strict=True))
    first = next((r.first for r in runs if r.first), "")
    return f"{points:,}", f"{other:,}", f"{wrong:,}", first
