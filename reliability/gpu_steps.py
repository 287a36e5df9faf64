"""Count the launches, copies, waits and compilations of an optimizer step with a schedule."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from invtime import InverseTimeDecay, registry
from invtime.reference import Reference
from reliability.gpu_agreement import on_device, schedules
from reliability.gpu_report import Note, Options, Table, fault

CHOSEN = ("exact form", "long decimals", "staircase", "all phases")
COUNTED, CHECKED = 10, 50  # steps to profile, and steps whose rates are compared
FAR = (999, 2**31 + 5, 2**53 + 1, 2**62)  # later counts, which must not compile again


class Count(NamedTuple):
    """The counts of one step."""

    framework: str
    what: str
    schedule: str
    launches: str
    kernels: str
    copies: str
    waits: str
    compiled: str
    """The number of programs compiled before the counted steps, and during them."""
    rates: int
    wrong: int
    first: str


class Loop(NamedTuple):
    """A training step to call repeatedly, and the tensors that it changes."""

    step: Callable[[], Any]
    rate: Any
    count: Any = None
    """The count on the device; None if the host counts."""


def run(options: Options, framework: str) -> Iterator[Count | Note]:
    """Count each kind of step with each of the schedules."""
    yield from {"torch": _torch, "jax": _jax}[framework](options)


def _torch(options: Options) -> Iterator[Count | Note]:
    device = on_device(registry.default.load("torch"), options.device)
    kinds = {
        "eager": _eager,
        "eager, one scalar": _scalar,
        "CUDA graph, `InverseTimeLR` between replays": _graph_and_scheduler,
        "CUDA graph with the schedule in it": _graph_with_schedule,
        "compiled with the schedule in it": _compiled,
    }
    if options.device == "cpu":
        kinds = {name: make for name, make in kinds.items() if "CUDA" not in name}
        yield Note("torch steps: a CUDA graph and the counts of kernels need CUDA", False)
    chosen = {"a constant rate": None, **_chosen()}
    for what, make in kinds.items():
        for name, schedule in chosen.items():
            if options.over():
                yield Note(f"torch steps, {what}, {name}: out of time", False)
                continue
            try:
                loop = make(device, schedule)
                if loop is not None:
                    yield _counted(loop, what, name, schedule, device)
                    options.say(f"torch step, {what}, {name}")
            except Exception as error:  # a framework can raise anything
                yield fault(f"torch step, {what}, {name}", error)


def _chosen() -> dict[str, InverseTimeDecay]:
    return {name: schedule for name, schedule in schedules().items() if name in CHOSEN}


def _optimizer(device: Any, rate: float = 0.1) -> Any:
    """Return an Adam optimizer whose rate is a tensor."""
    import torch

    torch.compiler.reset()
    weights = [torch.nn.Parameter(torch.ones(64, 64, device=device)) for _ in range(4)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    tensor = torch.tensor(rate, device=device)
    capturable = device.type != "cpu"
    return torch.optim.Adam(weights, lr=tensor, capturable=capturable)


def _with_scheduler(optimizer: Any, schedule: InverseTimeDecay | None) -> Callable[[], Any]:
    from invtime.integrations.torch import InverseTimeLR

    if schedule is None:
        return lambda: None
    step: Callable[[], Any] = InverseTimeLR.from_schedule(optimizer, schedule).step
    return step


def _rate(optimizer: Any) -> Any:
    return optimizer.param_groups[0]["lr"]


def _eager(device: Any, schedule: InverseTimeDecay | None) -> Loop:
    optimizer = _optimizer(device)
    after = _with_scheduler(optimizer, schedule)
    return Loop(lambda: (optimizer.step(), after()), _rate(optimizer))


def _scalar(device: Any, schedule: InverseTimeDecay | None) -> Loop | None:
    """Return a step that only writes the schedule at a device count into a rate tensor."""
    import torch

    if schedule is None:
        return None
    rate, count = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)

    def step() -> None:
        rate.copy_(schedule(count))
        count.add_(1)

    return Loop(step, rate, count)


def _update(device: Any, schedule: InverseTimeDecay | None) -> Loop:
    """Return an update that computes its rate from a count on the device."""
    import torch

    optimizer = _optimizer(device)
    rate, count = _rate(optimizer), torch.zeros((), dtype=torch.int64, device=device)

    def step() -> None:
        if schedule is not None:
            rate.copy_(schedule(count))
        count.add_(1)
        optimizer.step()

    return Loop(step, rate, count)


def _captured(step: Callable[[], Any]) -> Callable[[], Any]:
    """Capture a step as a CUDA graph, after running it three times."""
    import torch

    graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(graph):
        step()
    replay: Callable[[], Any] = graph.replay
    return replay


def _graph_and_scheduler(device: Any, schedule: InverseTimeDecay | None) -> Loop:
    optimizer = _optimizer(device)
    replay, after = _captured(optimizer.step), _with_scheduler(optimizer, schedule)
    return Loop(lambda: (replay(), after()), _rate(optimizer))


def _graph_with_schedule(device: Any, schedule: InverseTimeDecay | None) -> Loop:
    loop = _update(device, schedule)
    replay = _captured(loop.step)
    loop.count.zero_()
    return loop._replace(step=replay)


def _compiled(device: Any, schedule: InverseTimeDecay | None) -> Loop:
    import torch

    loop = _update(device, schedule)
    return loop._replace(step=torch.compile(loop.step))


def _counted(
    loop: Loop, what: str, name: str, schedule: InverseTimeDecay | None, device: Any
) -> Count:
    """Run the step to compile it, to profile it, and to compare its rates."""
    import torch
    from torch._dynamo.utils import counters

    counters.clear()
    for _ in range(2):  # the second run uses the state that the first one created
        loop.step()
    before = counters["stats"]["unique_graphs"]
    took = ("",) * 4
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(COUNTED):
                loop.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        took = _profiled(loop.step)
    found = list(_rates(loop, schedule, 2 if device.type == "cpu" else 2 + 2 * COUNTED))
    graphs = f"{before} + {counters['stats']['unique_graphs'] - before}"
    wrong = [(n, rate, true) for n, rate, true in found if rate != true]
    first = f"step {wrong[0][0]}: {wrong[0][1]!r} for {wrong[0][2]!r}" if wrong else ""
    return Count("torch", what, name, *took, graphs, len(found), len(wrong), first)


def _rates(
    loop: Loop, schedule: InverseTimeDecay | None, done: int
) -> Iterator[tuple[int, float, float]]:
    """Yield (step, its rate, the exact float32 rate) after each of the next steps."""
    if schedule is None:
        return
    reference = Reference(schedule)
    for n in range(done, done + CHECKED):
        loop.step()
        # `InverseTimeLR` sets the rate of the next step. A schedule in the graph sets this step's.
        at = n + 1 if loop.count is None else n
        yield at, loop.rate.item(), reference.value(at, "float32")
    if loop.count is not None:
        for n in FAR:
            loop.count.fill_(n)
            loop.step()
            yield n, loop.rate.item(), reference.value(n, "float32")


def _profiled(step: Callable[[], Any]) -> tuple[str, str, str, str]:
    """Return launches, kernels, copies and waits per step, less those of an empty profile."""
    empty, full = _events(step, 0), _events(step, COUNTED)
    kinds = ("launches", "kernels", "copies", "waits")
    counts = [f"{(full[kind] - empty[kind]) / COUNTED:g}" for kind in kinds]
    return counts[0], counts[1], counts[2], counts[3]


def _events(step: Callable[[], Any], times: int) -> Counter[str]:
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(times):
            step()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8"))["traceEvents"]
    found: Counter[str] = Counter()
    for event in events:
        category, name = event.get("cat"), event.get("name", "")
        found["kernels"] += category == "kernel"
        found["copies"] += category in ("gpu_memcpy", "gpu_memset")
        if category in ("cuda_runtime", "cuda_driver"):
            found["launches"] += "Launch" in name
            found["waits"] += "Synchronize" in name
    return found


def _jax(options: Options) -> Iterator[Count | Note]:
    on_device(registry.default.load("jax"), options.device)
    kinds = {"eager, one scalar": _jax_scalar, "jit, `rate * gradient`": _jax_plain}
    if find_spec("optax") is None:
        yield Note("optax: it is not installed", False)
    else:
        kinds["jit, `optax.sgd(schedule)`"] = _jax_optax
    for what, make in kinds.items():
        for name, schedule in _chosen().items():
            try:
                yield _guarded(make, what, name, schedule)
                options.say(f"jax step, {what}, {name}")
            except Exception as error:  # a framework can raise anything
                yield fault(f"jax step, {what}, {name}", error)


# A step of JAX: (state) -> (state, rate). The state holds the count.
Step = Callable[[Any], tuple[Any, Any]]


def _guarded(
    make: Callable[[InverseTimeDecay], tuple[Step, Any, Any]],
    what: str,
    name: str,
    schedule: InverseTimeDecay,
) -> Count:
    """Run the step in JAX: only explicit transfers are allowed, and one compilation."""
    import jax
    import numpy as np

    step, state, programs = make(schedule)
    rates = []
    state, rate = step(state)
    rates.append(rate)
    before = programs._cache_size()
    with jax.transfer_guard("disallow"):
        for _ in range(COUNTED + CHECKED):
            state, rate = step(state)
            rates.append(rate)
    compiled = f"{before} + {programs._cache_size() - before}"
    reference = Reference(schedule)
    found = [float(np.asarray(rate)) for rate in rates]
    true = [reference.value(n, "float32") for n in range(len(found))]
    wrong = [n for n, rate in enumerate(found) if rate != true[n]]
    first = f"step {wrong[0]}: {found[wrong[0]]!r} for {true[wrong[0]]!r}" if wrong else ""
    return Count("jax", what, name, *("",) * 4, compiled, len(found), len(wrong), first)


def _jax_scalar(schedule: InverseTimeDecay) -> tuple[Step, Any, Any]:
    import jax

    increment = jax.jit(lambda count: count + 1)
    backend: Any = registry.default.load("jax")
    backend._compiled.clear_cache()

    def step(count: Any) -> tuple[Any, Any]:
        return increment(count), schedule(count)

    return step, jax.numpy.int32(0), backend._compiled


def _jax_plain(schedule: InverseTimeDecay) -> tuple[Step, Any, Any]:
    import jax
    import jax.numpy as jnp

    def step(state: Any) -> tuple[Any, Any]:
        weights, count = state
        rate = schedule(count)
        return (weights - rate * jnp.ones_like(weights), count + 1), rate

    compiled = jax.jit(step)
    return compiled, (jnp.zeros(64), jnp.int32(0)), compiled


def _jax_optax(schedule: InverseTimeDecay) -> tuple[Step, Any, Any]:
    import jax
    import jax.numpy as jnp
    import optax

    optimizer = optax.sgd(schedule)

    def step(state: Any) -> tuple[Any, Any]:
        weight, inner = state
        updates, inner = optimizer.update(jnp.ones_like(weight), inner, weight)
        return (optax.apply_updates(weight, updates), inner), -updates

    compiled = jax.jit(step)
    weight = jnp.float32(0)
    return compiled, (weight, optimizer.init(weight)), compiled


def tables(found: Iterable[object]) -> list[Table]:
    """Return a table with a row for each kind of step and each schedule."""
    rows = [row for row in found if isinstance(row, Count)]
    return [
        Table(
            "An optimizer step",
            "This table shows what one optimizer step asks of the host and the GPU, with each "
            "schedule and with a constant rate. Waits are points where the host waits for the "
            "GPU; a schedule must add none. `1 + 0` programs compiled means one at the first "
            "steps and none later, as the step count grows. In PyTorch the optimizer is a "
            "capturable Adam whose rate is a tensor. The steps ran with "
            '`torch.cuda.set_sync_debug_mode("error")`, and the profiler counted. In JAX the '
            'steps ran under `jax.transfer_guard("disallow")`, and only compilations were counted.',
            (
                *("framework", "step", "schedule", "launches", "kernels", "copies", "waits"),
                *("programs compiled", "rates compared", "wrong rates", "first wrong rate"),
            ),
            [(*row[:8], str(row.rates), str(row.wrong), row.first) for row in rows],
        )
    ]
