"""InverseTimeLR in training loops of PyTorch, from the first update to a resumed run."""

from __future__ import annotations

import copy
import inspect
import io
import pickle

import pytest

pytest.importorskip("torch")

import torch
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from invtime import ConfigError, InverseTimeDecay
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import Reference
from invtime.reference import values as true

STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
PHASES = {
    "warmup_steps": 10,
    "warmup_learning_rate": 0.001,
    "stable_steps": 20,
    "minimum_learning_rate": 0.04,
    "cooldown_start": 110,
    "cooldown_steps": 15,
    "final_learning_rate": 1 / 3000,
}
RECIPE = InverseTimeDecay(0.1, 20.5, 0.5, **PHASES)  # every phase, in 130 updates
KNOTS = [10, 30, 92, 110, 125]
CHANGED = "the rate of parameter group 0 is .*, and InverseTimeLR had set it to"
AROUND = [knot + near for knot in KNOTS for near in (-1, 0, 1)]
SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "staircase": STAIRCASE,
    "double word": InverseTimeDecay(1 / 3, 12.345678901, 1 / 7, staircase=True),
    "phases": RECIPE,
}


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


def parameter(device="cpu", dtype=torch.float64):
    return torch.nn.Parameter(torch.zeros(1, dtype=dtype, device=device))


def sgd(*rates):
    return torch.optim.SGD([{"params": [parameter()], "lr": rate} for rate in rates])


def rate_of_update(optimizer, update=None, gradient=-1):
    """Return the rate of an update: SGD adds it to a weight whose gradient is -1."""
    (weight,) = optimizer.param_groups[0]["params"]
    with torch.no_grad():
        weight.zero_()
    weight.grad = torch.full_like(weight, gradient)
    (update or optimizer.step)()
    return weight.item()


def train(optimizer, scheduler, updates, update=None):
    """Return the rates that the updates of the first group used."""
    rates = []
    for _ in range(updates):
        rates.append(rate_of_update(optimizer, update))
        scheduler.step()
    return rates


def build(schedule):
    """As usual in PyTorch, the rate comes from the optimizer."""
    optimizer = sgd(schedule.initial_learning_rate)
    config = schedule.get_config()
    del config["initial_learning_rate"], config["name"]
    return optimizer, InverseTimeLR(optimizer, **config)


# -- the rate of each update -----------------------------------------------------------------


def test_the_recipe_has_every_phase():
    assert [phase.name for phase in RECIPE.phases] == [
        *("warm-up", "stable", "decay", "floor", "cool-down", "end")
    ]
    assert [phase.start for phase in RECIPE.phases] == [0, *KNOTS] == [0, *Reference(RECIPE).knots]


def test_update_k_has_the_rate_of_step_k_minus_1(schedule):
    optimizer, scheduler = build(schedule)
    assert train(optimizer, scheduler, 130) == true(schedule, range(130))
    assert scheduler.get_last_lr() == true(schedule, [130])


def test_a_schedule_object_replaces_the_rate_of_the_optimizer(schedule):
    optimizer = sgd(1e-3)
    scheduler = InverseTimeLR.from_schedule(optimizer, schedule)
    assert train(optimizer, scheduler, 130) == true(schedule, range(130))
    assert scheduler.base_lrs == [schedule.initial_learning_rate]


def test_each_group_has_its_own_rate():
    optimizer = sgd(0.1, 0.3)
    scheduler = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
    train(optimizer, scheduler, 41)
    own = [InverseTimeDecay(rate, 41, 0.5, staircase=True) for rate in (0.1, 0.3)]
    assert scheduler.get_last_lr() == [Reference(each).value(41) for each in own]


def test_the_rate_of_each_group_is_its_peak_and_the_rates_of_the_phases_are_those_of_all():
    optimizer = sgd(0.1, 0.3, 0.04)  # the last one has a floor equal to its peak
    scheduler = InverseTimeLR(optimizer, 20.5, 0.5, **PHASES)
    expected = [Reference(InverseTimeDecay(rate, 20.5, 0.5, **PHASES)) for rate in (0.1, 0.3, 0.04)]
    for step in range(130):
        assert scheduler.get_last_lr() == [group.value(step) for group in expected], step
        optimizer.step()
        scheduler.step()


def test_a_warm_up_begins_when_the_scheduler_is_built():
    """PyTorch sets the rate to that of step 0, and keeps the peak as `initial_lr`."""
    for optimizer, scheduler in (build(RECIPE), from_schedule(RECIPE)):
        (group,) = optimizer.param_groups
        assert (group["lr"], group["initial_lr"]) == (0.001, 0.1)
        assert scheduler.get_last_lr() == [0.001]
        assert scheduler.base_lrs == [0.1]


def from_schedule(schedule):
    optimizer = sgd(1)
    return optimizer, InverseTimeLR.from_schedule(optimizer, schedule)


def test_a_scheduler_that_is_built_in_a_warm_up_has_the_same_peak():
    optimizer, scheduler = build(RECIPE)
    train(optimizer, scheduler, 5)
    again = InverseTimeLR(optimizer, 20.5, 0.5, **PHASES)
    assert again.schedules == (RECIPE,)
    assert train(optimizer, again, 130) == true(RECIPE, range(130))


def test_each_group_has_its_own_schedule():
    own = list(SCHEDULES.values())
    optimizer = sgd(*[1] * len(own))
    scheduler = InverseTimeLR.from_schedule(optimizer, own)
    train(optimizer, scheduler, 82)
    assert scheduler.get_last_lr() == [Reference(each).value(82) for each in own]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_a_tensor_rate_is_the_number_that_was_written_and_is_filled_in_place(schedule, dtype):
    rate = torch.tensor(0.1, dtype=getattr(torch, dtype))
    optimizer = torch.optim.SGD([parameter(dtype=rate.dtype)], lr=rate)
    phases = PHASES if schedule is RECIPE else {}
    arguments = schedule.decay_steps, schedule.decay_rate, schedule.staircase
    scheduler = InverseTimeLR(optimizer, *arguments, **phases)
    assert train(optimizer, scheduler, 130) == true(schedule, range(130), dtype)
    assert optimizer.param_groups[0]["lr"] is rate
    assert optimizer.param_groups[0]["initial_lr"] == torch.tensor(0.1, dtype=rate.dtype)
    if torch.__version__ >= (2, 10):  # earlier versions return the tensor itself
        assert scheduler.get_last_lr()[0] is not rate


def test_a_tensor_rate_is_never_read_from_its_device(schedule):
    # A meta tensor has no value: reading it would raise an error.
    optimizer = torch.optim.SGD([parameter("meta")], lr=0.1)
    rate = optimizer.param_groups[0]["lr"] = torch.tensor(0.1, device="meta")
    scheduler = InverseTimeLR.from_schedule(optimizer, schedule)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate


def test_a_compiled_update_is_compiled_once():
    from torch._dynamo.testing import CompileCounter

    phases = {"warmup_steps": 2, "stable_steps": 2, "minimum_learning_rate": 0.06}
    phases |= {"cooldown_start": 9, "cooldown_steps": 2}
    optimizer = torch.optim.SGD([parameter(dtype=torch.float32)], lr=torch.tensor(0.1))
    scheduler = InverseTimeLR(optimizer, 3, 0.5, staircase=True, **phases)
    compiler = CompileCounter()
    rates = train(optimizer, scheduler, 12, torch.compile(optimizer.step, backend=compiler))
    short = InverseTimeDecay(0.1, 3, 0.5, staircase=True, **phases)
    assert rates == true(short, range(12), "float32")
    assert compiler.frame_count == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_cuda_graph_follows_the_schedule():
    weight = parameter("cuda", torch.float32)
    weight.grad = torch.full_like(weight, -1)
    rate = torch.tensor(0.1, device="cuda")
    optimizer = torch.optim.Adam([weight], lr=rate, capturable=True)
    scheduler = InverseTimeLR(optimizer, 3, 0.5, staircase=True)
    optimizer.step()  # Adam makes its state before the capture
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
        seen = rate.clone()
    rates = []
    for _ in range(12):
        graph.replay()
        rates.append(seen.item())
        scheduler.step()
    assert rates == true(InverseTimeDecay(0.1, 3, 0.5, staircase=True), range(12), "float32")


# -- with the other schedulers and tools -----------------------------------------------------


def test_after_a_warm_up_the_count_starts_at_0():
    optimizer = sgd(0.1)
    warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=4)
    decay = InverseTimeLR(optimizer, 3, 0.5, staircase=True)
    rates = train(optimizer, SequentialLR(optimizer, [warm_up, decay], [4]), 20)
    short = InverseTimeDecay(0.1, 3, 0.5, staircase=True)
    assert rates[4:] == true(short, range(16))
    assert rates[0] == 0.05


def test_a_warm_up_goes_up_to_the_rate_of_a_schedule_object():
    optimizer = sgd(1.0)
    warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=4)
    decay = InverseTimeLR.from_schedule(optimizer, STAIRCASE)
    rates = train(optimizer, SequentialLR(optimizer, [warm_up, decay], [4]), 10)
    assert rates[0] == 0.05
    assert rates[4:] == true(STAIRCASE, range(6))


def test_after_another_scheduler_the_phases_start_at_their_own_step_0():
    optimizer = sgd(0.1)
    before = LinearLR(optimizer, start_factor=0.5, total_iters=4)
    recipe = InverseTimeLR(optimizer, 20.5, 0.5, **PHASES)
    rates = train(optimizer, SequentialLR(optimizer, [before, recipe], [4]), 134)
    assert rates[0] == 0.05
    assert rates[4:] == true(RECIPE, range(130))


def test_before_another_scheduler_a_warm_up_starts_at_its_own_rate():
    optimizer = sgd(0.1)
    recipe = InverseTimeLR(optimizer, 20.5, 0.5, **PHASES)
    halves = LambdaLR(optimizer, lambda step: 0.5)
    rates = train(optimizer, SequentialLR(optimizer, [recipe, halves], [100]), 105)
    assert rates == [*true(RECIPE, range(100)), *[0.05] * 5]


@pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])
def test_in_a_chain_the_later_ones_multiply(schedule):
    optimizer, decay = build(schedule)
    halve = MultiplicativeLR(optimizer, lambda step: 0.5)
    with pytest.warns(UserWarning, match=CHANGED):  # the product of two steps is lost
        rates = train(optimizer, ChainedScheduler([decay, halve], optimizer), 130)
    first, *others = true(schedule, range(130))
    # MultiplicativeLR does nothing at its start.
    assert rates == [first, *(rate / 2 for rate in others)]


def test_a_skipped_update_is_not_counted_by_a_loop_that_looks_at_the_scale():
    optimizer = torch.optim.SGD([parameter(dtype=torch.float32)], lr=0.1)
    scheduler = InverseTimeLR(optimizer, 1, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.zeros(()))  # this call creates the scale

    def update():
        scaler.step(optimizer)
        scaler.update()

    rates = []
    for number in range(6):
        scale = scaler.get_scale()
        gradient = float("inf") if number == 2 else -scale
        rates.append(rate_of_update(optimizer, update, gradient))
        if scaler.get_scale() >= scale:
            scheduler.step()
    counts = [0, 1, None, 2, 3, 4]
    decay = Reference(InverseTimeDecay(0.1, 1, 1))
    assert rates == [0.0 if n is None else decay.value(n, "float32") for n in counts]


def test_step_with_an_epoch_goes_there(schedule):
    _, scheduler = build(schedule)
    scheduler.optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(82)
    assert scheduler.last_epoch == 82
    assert scheduler.get_last_lr() == true(schedule, [82])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_goes_its_own_way(duplicate, schedule):
    optimizer, scheduler = build(schedule)
    train(optimizer, scheduler, 29)
    twin = duplicate(scheduler)
    assert train(twin.optimizer, twin, 15) == true(schedule, range(29, 44))
    assert scheduler.get_last_lr() == true(schedule, [29])


# -- saved and resumed -----------------------------------------------------------------------


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def train_with_a_break(start, interrupted, updates):
    """Return the rates of the updates; the state is saved and loaded after some of them."""
    optimizer, scheduler = start()
    before = train(optimizer, scheduler, interrupted)
    saved = through_a_file([optimizer.state_dict(), scheduler.state_dict()])
    optimizer, scheduler = start()
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert scheduler.state_dict() == saved[1]
    return before + train(optimizer, scheduler, updates - interrupted)


@pytest.mark.parametrize("interrupted", [40, 41, 42, *AROUND])
@pytest.mark.parametrize("tensor", [False, True], ids=["float rate", "tensor rate"])
def test_a_resumed_run_is_the_uninterrupted_one(interrupted, tensor):
    schedule, phases = (RECIPE, PHASES) if interrupted in AROUND else (STAIRCASE, {})

    def start():
        rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
        optimizer = torch.optim.SGD([parameter()], lr=rate)
        arguments = schedule.decay_steps, schedule.decay_rate, schedule.staircase
        return optimizer, InverseTimeLR(optimizer, *arguments, **phases)

    assert train_with_a_break(start, interrupted, 130) == true(schedule, range(130))


@pytest.mark.parametrize("interrupted", [3, 4, 5, 44, 45, 46])
def test_a_resumed_warm_up_is_the_uninterrupted_one(interrupted):
    def start():
        optimizer = sgd(0.1)
        warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=4)
        decay = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
        return optimizer, SequentialLR(optimizer, [warm_up, decay], [4])

    assert train_with_a_break(start, interrupted, 60) == train(*start(), 60)


def test_last_epoch_resumes_from_the_optimizer_alone():
    optimizer, scheduler = build(STAIRCASE)
    train(optimizer, scheduler, 41)
    resumed = sgd(0.1)
    resumed.load_state_dict(through_a_file(optimizer.state_dict()))
    scheduler = InverseTimeLR(resumed, 41, 0.5, staircase=True, last_epoch=40)
    assert train(resumed, scheduler, 50) == true(STAIRCASE, range(41, 91))


@pytest.mark.parametrize("step", AROUND)
def test_last_epoch_resumes_in_every_phase(step):
    optimizer, scheduler = build(RECIPE)
    train(optimizer, scheduler, step)
    resumed = sgd(0.1)
    resumed.load_state_dict(through_a_file(optimizer.state_dict()))
    scheduler = InverseTimeLR(resumed, 20.5, 0.5, last_epoch=step - 1, **PHASES)
    assert train(resumed, scheduler, 4) == true(RECIPE, range(step, step + 4))


def test_a_schedule_object_starts_at_any_count():
    optimizer = sgd(1.0)
    scheduler = InverseTimeLR.from_schedule(optimizer, STAIRCASE, last_epoch=40)
    assert train(optimizer, scheduler, 50) == true(STAIRCASE, range(41, 91))


def test_a_scheduler_that_is_rebuilt_at_the_count_of_the_old_one_goes_on():
    """At `last_epoch=old.last_epoch` it would be one step ahead: that is PyTorch's argument."""
    for again in ("parameters", "schedule"):
        optimizer, scheduler = build(RECIPE)
        rates = train(optimizer, scheduler, 29)
        if again == "schedule":
            scheduler = InverseTimeLR(optimizer, RECIPE, step=scheduler.last_epoch)
        else:
            scheduler = InverseTimeLR(optimizer, 20.5, 0.5, step=scheduler.last_epoch, **PHASES)
        assert scheduler.last_epoch == 29
        assert rates + train(optimizer, scheduler, 101) == true(RECIPE, range(130))


@pytest.mark.parametrize("step", [0, 1, *AROUND])
@pytest.mark.parametrize("tensor", [False, True], ids=["float rate", "tensor rate"])
def test_a_fresh_optimizer_starts_at_any_step(step, tensor):
    """Without `initial_lr`, the current rate is L."""
    rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    scheduler = InverseTimeLR(optimizer, 20.5, 0.5, step=step, **PHASES)
    assert optimizer.param_groups[0]["initial_lr"] == 0.1
    assert train(optimizer, scheduler, 4) == true(RECIPE, range(step, step + 4))


def test_a_stepped_optimizer_starts_at_any_step_of_its_initial_rate():
    optimizer, scheduler = build(STAIRCASE)
    train(optimizer, scheduler, 50)
    scheduler = InverseTimeLR(optimizer, 41, 0.5, staircase=True, step=82)
    assert train(optimizer, scheduler, 50) == true(STAIRCASE, range(82, 132))


@pytest.mark.parametrize("make", [InverseTimeLR, InverseTimeLR.from_schedule])
@pytest.mark.parametrize("step", [0, 41])
def test_an_optimizer_that_loads_its_state_later_has_the_rate_of_the_step(make, step):
    """The loaded state has the rate of another step, and another L."""
    old, scheduler = build(RECIPE)
    train(old, scheduler, 60)
    optimizer = sgd(0.1)
    scheduler = make(optimizer, STAIRCASE, step=step)
    optimizer.load_state_dict(through_a_file(old.state_dict()))
    assert train(optimizer, scheduler, 50) == true(STAIRCASE, range(step, step + 50))


def test_after_its_first_step_a_scheduler_leaves_loaded_rates_alone():
    optimizer, _ = build(STAIRCASE)
    state = copy.deepcopy(optimizer.state_dict())
    scheduler = InverseTimeLR(optimizer, STAIRCASE, step=41)
    train(optimizer, scheduler, 2)
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_the_state_of_a_scheduler_overrides_the_step_of_another():
    old, scheduler = build(RECIPE)
    train(old, scheduler, 60)
    for optimizer_first in (True, False):
        optimizer = sgd(0.1)
        resumed = InverseTimeLR(optimizer, RECIPE, step=41)
        parts = [(optimizer, old), (resumed, scheduler)]
        for part, saved in parts if optimizer_first else reversed(parts):
            part.load_state_dict(through_a_file(saved.state_dict()))
        assert train(optimizer, resumed, 9) == true(RECIPE, range(60, 69))


def test_the_state_holds_plain_values():
    optimizer = torch.optim.SGD([parameter()], lr=torch.tensor(0.1, dtype=torch.float64))
    scheduler = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
    state = scheduler.state_dict()
    assert type(state["_last_lr"][0]) is float
    assert state == {
        "last_epoch": 0,
        "_step_count": 1,
        "_last_lr": [0.1],
        "schedules": [STAIRCASE.to_json()],
    }
    _, scheduler = build(RECIPE)
    state = scheduler.state_dict()
    assert state == through_a_file(state)
    assert state["schedules"] == [RECIPE.to_json()]


# -- another recipe --------------------------------------------------------------------------

OTHER = InverseTimeDecay(0.3, 60, 0.25, warmup_steps=70, cooldown_start=100, cooldown_steps=20)


def loaded(parts, order):
    for name in order:
        part, saved = parts[name]
        part.load_state_dict(through_a_file(saved.state_dict()))


ORDERS = [("optimizer", "scheduler"), ("scheduler", "optimizer")]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("tensor", [False, True], ids=["float rate", "tensor rate"])
@pytest.mark.parametrize("again", ["schedule", "parameters"])
def test_another_recipe_goes_on_from_the_count_with_the_state_of_the_optimizer(
    order, tensor, again
):
    old, scheduler = build(RECIPE)
    train(old, scheduler, 60)
    rate = torch.tensor(0.3, dtype=torch.float64) if tensor else 0.3
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    if again == "schedule":
        changed = InverseTimeLR(optimizer, OTHER, keep_count=True)
    else:
        phases = {"warmup_steps": 70, "cooldown_start": 100, "cooldown_steps": 20}
        changed = InverseTimeLR(optimizer, 60, 0.25, keep_count=True, **phases)
    loaded({"optimizer": (optimizer, old), "scheduler": (changed, scheduler)}, order)
    assert changed.last_epoch == 60
    assert changed.get_last_lr() == true(OTHER, [60])
    assert optimizer.param_groups[0]["initial_lr"] == 0.3
    assert train(optimizer, changed, 70) == true(OTHER, range(60, 130))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_scheduler_keeps_the_count_too(duplicate):
    old, scheduler = build(RECIPE)
    train(old, scheduler, 60)
    changed = duplicate(InverseTimeLR(sgd(0.3), OTHER, keep_count=True))
    changed.load_state_dict(scheduler.state_dict())
    changed = duplicate(changed)
    changed.optimizer.load_state_dict(old.state_dict())
    assert train(changed.optimizer, changed, 9) == true(OTHER, range(60, 69))


def test_a_changed_run_is_resumed_like_any_other():
    def start():
        optimizer = sgd(0.3)
        return optimizer, InverseTimeLR(optimizer, OTHER, keep_count=True)

    assert train_with_a_break(start, 75, 130) == true(OTHER, range(130))


# The parts of a run, with recipe and updates; all except the first load stored state.
PARTS = [(STAIRCASE, 13), (STAIRCASE, 30), (RECIPE, 57), (RECIPE, 19), (STAIRCASE, 20)]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("tensor", [False, True], ids=["float rate", "tensor rate"])
def test_a_run_is_started_interrupted_resumed_changed_and_resumed_again(order, tensor):
    before, rates = None, []
    for schedule, updates in PARTS:
        optimizer = sgd(torch.tensor(0.7, dtype=torch.float64) if tensor else 0.7)
        scheduler = InverseTimeLR(optimizer, schedule, keep_count=True)
        if before:
            new = {"optimizer": optimizer, "scheduler": scheduler}
            loaded({name: (new[name], before[name]) for name in new}, order)
        count = len(rates)
        rates += train(optimizer, scheduler, updates)
        assert rates[count:] == true(schedule, range(count, count + updates))
        before = {"optimizer": optimizer, "scheduler": scheduler}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_state_of_another_class_has_a_count_too(order):
    old = sgd(0.1)
    first = StepLR(old, 10)
    train(old, first, 60)
    optimizer = sgd(0.3)
    changed = InverseTimeLR(optimizer, OTHER, keep_count=True)
    loaded({"optimizer": (optimizer, old), "scheduler": (changed, first)}, order)
    assert train(optimizer, changed, 40) == true(OTHER, range(60, 100))


def test_a_recipe_is_changed_before_its_turn_has_come():
    def start(schedule):
        optimizer = sgd(0.1)
        warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=4)
        decay = InverseTimeLR(optimizer, schedule, keep_count=True)
        return optimizer, SequentialLR(optimizer, [warm_up, decay], [4])

    old, scheduler = start(STAIRCASE)
    before = train(old, scheduler, 2)
    other = STAIRCASE.replace(decay_steps=3)
    optimizer, changed = start(other)
    loaded({"optimizer": (optimizer, old), "scheduler": (changed, scheduler)}, ORDERS[0])
    rates = before + train(optimizer, changed, 18)
    assert rates[:4] == train(*start(STAIRCASE), 4)
    assert rates[4:] == true(other, range(16))


def test_a_state_without_a_count_has_none_to_keep():
    optimizer = sgd(0.1)
    chain = ChainedScheduler([StepLR(optimizer, 10)], optimizer)
    changed = InverseTimeLR(sgd(0.1), STAIRCASE, keep_count=True)
    with pytest.raises(ConfigError, match=r"if the state has a last_epoch, .* keep_count=True"):
        changed.load_state_dict(chain.state_dict())


# -- groups that join ------------------------------------------------------------------------


def join(optimizer, **options):
    optimizer.add_param_group({"params": [parameter()], **options})
    return optimizer.param_groups[-1]


@pytest.mark.parametrize("rate", [0.3, torch.tensor(0.3, dtype=torch.float64)], ids=type)
def test_a_group_that_joins_has_a_schedule_of_its_own_rate_from_its_next_update_on(rate):
    optimizer, scheduler = build(RECIPE)
    train(optimizer, scheduler, 60)
    group = join(optimizer, lr=rate)
    own = RECIPE.replace(initial_learning_rate=0.3)
    assert scheduler.schedules == (RECIPE, own)
    for step in range(60, 130):
        assert group["lr"] == own(step)
        assert scheduler.get_last_lr() == [RECIPE(step), own(step)]
        optimizer.step()
        scheduler.step()
    assert group["initial_lr"] == scheduler.base_lrs[1] == 0.3


def test_a_group_that_joins_without_a_rate_has_that_of_the_optimizer():
    optimizer, scheduler = build(STAIRCASE)
    optimizer.defaults["lr"] = 0.1  # as SGD(..., lr=0.1) has it
    train(optimizer, scheduler, 60)
    assert join(optimizer)["lr"] == STAIRCASE(60)
    assert scheduler.schedules == (STAIRCASE, STAIRCASE)


def test_a_group_that_joins_with_the_tensor_of_the_others_has_their_schedule():
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    scheduler = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
    train(optimizer, scheduler, 60)
    group = join(optimizer)
    assert group["lr"] is rate
    assert scheduler.schedules == (STAIRCASE, STAIRCASE)
    assert train(optimizer, scheduler, 50) == true(STAIRCASE, range(60, 110))


def test_a_group_that_joins_under_one_schedule_has_that():
    optimizer, scheduler = from_schedule(STAIRCASE)
    train(optimizer, scheduler, 60)
    group = join(optimizer, lr=5.0)
    assert (group["lr"], group["initial_lr"]) == (STAIRCASE(60), 0.1)
    train(optimizer, scheduler, 40)
    assert scheduler.get_last_lr() == [STAIRCASE(100)] * 2


def test_a_group_that_joins_under_a_list_is_given_its_schedule():
    optimizer = sgd(1.0)
    scheduler = InverseTimeLR(optimizer, [STAIRCASE])
    train(optimizer, scheduler, 60)
    group = join(optimizer, lr=5.0)
    optimizer.step()
    with pytest.raises(ConfigError, match=r"1 schedules and 2 .*scheduler\.add_schedule\("):
        scheduler.step()
    scheduler.add_schedule(RECIPE)
    assert (group["lr"], group["initial_lr"]) == (RECIPE(60), 0.1)
    scheduler.step()
    train(optimizer, scheduler, 39)
    assert scheduler.get_last_lr() == [STAIRCASE(100), RECIPE(100)]


def test_a_schedule_is_added_to_a_group():
    for scheduler in (build(STAIRCASE)[1], InverseTimeLR(sgd(1.0), [STAIRCASE])):
        with pytest.raises(
            ConfigError, match="each of the 1 parameter groups already has a schedule"
        ):
            scheduler.add_schedule(RECIPE)
    join(scheduler.optimizer)
    with pytest.raises(ConfigError, match=r"0\.1 of type float is not a schedule"):
        scheduler.add_schedule(0.1)


def test_groups_that_were_put_there_by_hand_join_at_the_next_step():
    """As Lightning's BackboneFinetuning does where it resumes."""
    optimizer, scheduler = build(STAIRCASE)
    train(optimizer, scheduler, 40)
    optimizer.param_groups = [*optimizer.param_groups, *sgd(0.3).param_groups]
    train(optimizer, scheduler, 1)
    own = STAIRCASE.replace(initial_learning_rate=0.3)
    assert scheduler.get_last_lr() == [STAIRCASE(41), own(41)]


def test_a_group_whose_rate_is_out_of_range_is_named_as_it_joins():
    optimizer, _ = build(RECIPE)
    with pytest.raises(ConfigError, match=r"parameter group 1 has the rate 0\.03: minimum"):
        join(optimizer, lr=0.03)


def test_while_another_scheduler_is_at_work_the_rate_of_a_new_group_is_its_affair():
    optimizer = sgd(0.1)
    warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=4)
    decay = InverseTimeLR(optimizer, 3, 0.5, staircase=True)
    scheduler = SequentialLR(optimizer, [warm_up, decay], [4])
    train(optimizer, scheduler, 2)
    group = join(optimizer, lr=0.3)
    assert group["lr"] == 0.3
    train(optimizer, scheduler, 2)
    assert [each["lr"] for each in optimizer.param_groups] == [0.1, 0.3]
    train(optimizer, scheduler, 3)
    assert group["lr"] == InverseTimeDecay(0.3, 3, 0.5)(3)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("kind", ["parameters", "schedule", "list"])
@pytest.mark.parametrize("joined", ["before", "by hand"])
def test_a_run_that_a_group_has_joined_is_resumed(order, kind, joined):
    def start():
        optimizer = sgd(0.1)
        if kind == "parameters":
            return optimizer, InverseTimeLR(optimizer, 41, 0.5, staircase=True)
        return optimizer, InverseTimeLR(optimizer, STAIRCASE if kind == "schedule" else [STAIRCASE])

    old, scheduler = start()
    train(old, scheduler, 20)
    join(old, lr=0.3)
    if kind == "list":
        scheduler.add_schedule(RECIPE)
    train(old, scheduler, 20)
    optimizer, resumed = start()
    if joined == "before":
        join(optimizer, lr=0.3)
    else:
        optimizer.param_groups = [*optimizer.param_groups, *sgd(0.3).param_groups]
    if kind == "list":
        resumed.add_schedule(RECIPE)
    loaded({"optimizer": (optimizer, old), "scheduler": (resumed, scheduler)}, order)
    train(optimizer, resumed, 40)
    second = {"parameters": STAIRCASE.replace(initial_learning_rate=0.3), "list": RECIPE}
    assert resumed.get_last_lr() == [STAIRCASE(80), second.get(kind, STAIRCASE)(80)]


# -- beside others ---------------------------------------------------------------------------

LOST = [
    lambda optimizer: LinearLR(optimizer, start_factor=0.1, total_iters=3),
    lambda optimizer: LambdaLR(optimizer, lambda step: 0.9),
    lambda optimizer: MultiplicativeLR(optimizer, lambda step: 0.5),
    lambda optimizer: StepLR(optimizer, 2),
]


@pytest.mark.parametrize("order", [1, -1], ids=["after it", "before it"])
@pytest.mark.parametrize("other", LOST)
def test_what_is_lost_in_a_chain_is_warned_of_once(other, order):
    optimizer, decay = build(STAIRCASE)
    chain = ChainedScheduler([decay, other(optimizer)][::order], optimizer)
    with pytest.warns(UserWarning, match=CHANGED) as warned:
        train(optimizer, chain, 9)
    assert len(warned) == 1
    assert warned[0].filename == inspect.getfile(ChainedScheduler)


def test_what_is_reduced_on_a_plateau_is_warned_of():
    optimizer, scheduler = build(STAIRCASE)
    plateau = ReduceLROnPlateau(optimizer, patience=0)
    train(optimizer, scheduler, 9)
    for loss in (1, 2):
        plateau.step(loss)
    with pytest.warns(UserWarning, match="such as ReduceLROnPlateau.*Let only") as warned:
        scheduler.step()
    assert warned[0].filename == __file__
    assert scheduler.get_last_lr() == [0.1]
    plateau.step(3)
    scheduler.step()


def test_a_resumed_scheduler_without_the_state_of_its_optimizer_is_warned_of():
    optimizer, scheduler = build(STAIRCASE)
    train(optimizer, scheduler, 60)
    optimizer, resumed = build(STAIRCASE)
    resumed.load_state_dict(scheduler.state_dict())
    optimizer.step()
    with pytest.warns(UserWarning, match="only one of optimizer and scheduler has loaded"):
        resumed.step()


# -- bad use ---------------------------------------------------------------------------------


def test_the_state_of_another_schedule_is_refused():
    _, scheduler = build(STAIRCASE)
    _, other = build(InverseTimeDecay(0.1, 42, 0.5, staircase=True))
    with pytest.raises(ConfigError, match=r"41.*42.*keep_count=True.*start anew"):
        other.load_state_dict(scheduler.state_dict())
    assert other.last_epoch == 0


@pytest.mark.parametrize("other", [{"warmup_steps": 9}, {"minimum_learning_rate": 0.05}])
def test_the_state_of_other_phases_is_refused(other):
    _, scheduler = build(RECIPE)
    bare = InverseTimeDecay(0.1, 20.5, 0.5)
    for schedule in (RECIPE.replace(**other), bare):
        _, loading = build(schedule)
        with pytest.raises(ConfigError, match=r"the state is from the schedules .*start anew"):
            loading.load_state_dict(scheduler.state_dict())
    with pytest.raises(ConfigError, match=r"the state is from the schedules .*start anew"):
        scheduler.load_state_dict(loading.state_dict())


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # PyTorch's own
@pytest.mark.parametrize("saved", [RECIPE, InverseTimeDecay(0.1, 20.5, 0.5)], ids=["with", "bare"])
def test_phases_are_seen_in_a_distributed_checkpoint(saved, tmp_path):
    """It loads only the keys that it has, not all keys of the checkpoint."""
    checkpoint = pytest.importorskip("torch.distributed.checkpoint")
    if not torch.distributed.is_available():
        pytest.skip("PyTorch was built without it")
    optimizer, scheduler = build(saved)
    train(optimizer, scheduler, 60)
    checkpoint.save({"scheduler": scheduler}, checkpoint_id=tmp_path)
    for schedule in (RECIPE, InverseTimeDecay(0.1, 20.5, 0.5)):
        optimizer = sgd(0.1)
        resumed = InverseTimeLR(optimizer, schedule)
        if schedule != saved:
            with pytest.raises(ConfigError, match="the state is from the schedules"):
                checkpoint.load({"scheduler": resumed}, checkpoint_id=tmp_path)
            resumed = InverseTimeLR(optimizer, schedule, keep_count=True)
        checkpoint.load({"scheduler": resumed}, checkpoint_id=tmp_path)
        assert resumed.last_epoch == 60
    assert resumed.get_last_lr() == true(schedule, [60])


def test_the_state_of_another_number_of_groups_is_refused():
    one, two = (InverseTimeLR(sgd(*rates), 41, 0.5) for rates in ([0.1], [0.1, 0.1]))
    with pytest.raises(ConfigError, match="the state is from the schedules"):
        two.load_state_dict(one.state_dict())


def test_the_state_of_another_class_is_refused():
    _, scheduler = build(STAIRCASE)
    state = StepLR(sgd(0.1), 10).state_dict()
    with pytest.raises(ConfigError, match=r"'gamma'.*not InverseTimeLR's; load a state"):
        scheduler.load_state_dict(state)


def test_a_name_and_a_pinned_dtype_are_no_other_schedule():
    _, scheduler = build(InverseTimeDecay(0.1, 41, 0.5))
    pinned = InverseTimeDecay(torch.tensor(0.1), 41, 0.5, name="mine")
    named = InverseTimeLR.from_schedule(sgd(1), pinned)
    named.load_state_dict(scheduler.state_dict())
    scheduler.load_state_dict(named.state_dict())


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_schedules_as_groups_are_needed(count):
    message = f"{count} schedules and 2 parameter groups; pass one schedule for all"
    with pytest.raises(ConfigError, match=message):
        InverseTimeLR.from_schedule(sgd(0.1, 0.1), [STAIRCASE] * count)


@pytest.mark.parametrize("wrong", [lambda step: 0.1, STAIRCASE.on("torch"), 0.1])
def test_what_is_no_schedule_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"is not a schedule; pass an invtime\.InverseTimeDecay"):
        InverseTimeLR.from_schedule(sgd(0.1), [wrong])


@pytest.mark.parametrize("make", [InverseTimeLR, InverseTimeLR.from_schedule])
def test_what_is_no_optimizer_is_refused(make):
    arguments = [41, 0.5] if make is InverseTimeLR else [STAIRCASE]
    with pytest.raises(TypeError, match=r"of type Linear is not a torch\.optim\.Optimizer"):
        make(torch.nn.Linear(1, 1), *arguments)


def test_a_rate_out_of_range_is_named_with_its_group():
    with pytest.raises(ConfigError, match="the rate of parameter group 1 is 1e-61; it must be"):
        InverseTimeLR(sgd(0.1, 1e-61), 41, 0.5)


def test_a_floor_above_the_rate_of_a_group_is_named_with_it():
    message = (
        "parameter group 1 has the rate 0.03: minimum_learning_rate is 0.04, above the "
        "initial_learning_rate 0.03; it must be at most that; pass a lower floor"
    )
    with pytest.raises(ConfigError, match=message):
        InverseTimeLR(sgd(0.1, 0.03), 20.5, 0.5, **PHASES)


def test_the_phases_are_those_of_the_schedule_by_keyword_alone():
    parameters = inspect.signature(InverseTimeLR).parameters.values()
    own = inspect.signature(InverseTimeDecay).parameters.values()
    found, expected = (
        {each.name: each.default for each in given if each.kind is each.KEYWORD_ONLY}
        for given in (parameters, own)
    )
    assert {**found, "dtype": None} == {**expected, "step": None, "keep_count": False}
    with pytest.raises(ConfigError, match=r"warmup_steps is 2\.5"):
        InverseTimeLR(sgd(0.1), 41, 0.5, warmup_steps=2.5)


def test_a_schedule_in_the_place_of_its_parameters():
    """The usual first call."""
    optimizer = sgd(1e-3, 1e-3)
    train(optimizer, InverseTimeLR(optimizer, STAIRCASE), 50)
    assert [group["lr"] for group in optimizer.param_groups] == [STAIRCASE(50)] * 2
    optimizer = sgd(1e-3, 1e-3)
    train(optimizer, InverseTimeLR(optimizer, iter([STAIRCASE, RECIPE])), 50)
    assert [group["lr"] for group in optimizer.param_groups] == [STAIRCASE(50), RECIPE(50)]


@pytest.mark.parametrize("make", [InverseTimeLR, InverseTimeLR.from_schedule])
def test_one_number_is_no_schedule(make):
    message = (
        r"10 of type int is not a schedule; .*InverseTimeDecay.* both decay_steps and decay_rate"
    )
    with pytest.raises(ConfigError, match=message):
        make(sgd(0.1), 10)


@pytest.mark.parametrize(
    "beside",
    [{"decay_rate": 0.5}, {"staircase": True}, {"warmup_steps": 9}, {"cooldown_start": 0}],
    ids=str,
)
def test_a_schedule_has_its_own_parameters(beside):
    (name,) = beside
    with pytest.raises(ConfigError, match=rf"{name} is .* pass schedule\.replace\({name}="):
        InverseTimeLR(sgd(0.1), STAIRCASE, **beside)


@pytest.mark.parametrize("step", [-1, 0.5, True, "1", 2**54])
def test_a_count_is_a_whole_number(step):
    with pytest.raises(ConfigError, match="step is"):
        InverseTimeLR(sgd(0.1), STAIRCASE, step=step)


def test_a_count_is_given_once():
    with pytest.raises(ConfigError, match=r"step is 41 and last_epoch is 40; pass one of them"):
        InverseTimeLR(sgd(0.1), STAIRCASE, last_epoch=40, step=41)


def test_resuming_without_an_initial_rate_is_pytorchs_own_error():
    with pytest.raises(KeyError, match="initial_lr"):
        InverseTimeLR(sgd(0.1), 41, 0.5, last_epoch=40)


def test_under_lambda_lr_the_rate_of_the_optimizer_is_multiplied_in():
    optimizer = sgd(1.0)
    assert train(optimizer, LambdaLR(optimizer, STAIRCASE), 50) == true(STAIRCASE, range(50))
