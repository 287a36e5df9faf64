"""InverseTimeLR in training loops of PyTorch, from the first update to a resumed run."""

from __future__ import annotations

import copy
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
    SequentialLR,
    StepLR,
)

from invtime import ConfigError, InverseTimeDecay
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import Reference
from invtime.reference import values as true

STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "staircase": STAIRCASE,
    "double word": InverseTimeDecay(1 / 3, 12.345678901, 1 / 7, staircase=True),
}


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


def parameter(device="cpu", dtype=torch.float64):
    return torch.nn.Parameter(torch.zeros(1, dtype=dtype, device=device))


def sgd(*rates):
    return torch.optim.SGD([{"params": [parameter()], "lr": rate} for rate in rates])


def rate_of_update(optimizer, update=None, gradient=-1):
    """The rate that an update really has: SGD adds it to a weight whose gradient is -1."""
    (weight,) = optimizer.param_groups[0]["params"]
    with torch.no_grad():
        weight.zero_()
    weight.grad = torch.full_like(weight, gradient)
    (update or optimizer.step)()
    return weight.item()


def train(optimizer, scheduler, updates, update=None):
    """The rates that the updates of the first group really had."""
    rates = []
    for _ in range(updates):
        rates.append(rate_of_update(optimizer, update))
        scheduler.step()
    return rates


def build(schedule):
    """In PyTorch's idiom: the rate is the optimizer's."""
    optimizer = sgd(schedule.initial_learning_rate)
    config = schedule.get_config()
    keys = "decay_steps", "decay_rate", "staircase"
    return optimizer, InverseTimeLR(optimizer, *(config[key] for key in keys))


# -- the rate of each update -----------------------------------------------------------------


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


def test_each_group_has_its_own_schedule():
    own = list(SCHEDULES.values())
    optimizer = sgd(1, 1, 1)
    scheduler = InverseTimeLR.from_schedule(optimizer, own)
    train(optimizer, scheduler, 82)
    assert scheduler.get_last_lr() == [Reference(each).value(82) for each in own]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_tensor_rate_is_the_number_that_was_written_and_is_filled_in_place(dtype):
    rate = torch.tensor(0.1, dtype=getattr(torch, dtype))
    optimizer = torch.optim.SGD([parameter(dtype=rate.dtype)], lr=rate)
    scheduler = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
    assert train(optimizer, scheduler, 130) == true(STAIRCASE, range(130), dtype)
    assert optimizer.param_groups[0]["lr"] is rate
    assert scheduler.get_last_lr()[0] is not rate


def test_a_tensor_rate_is_never_read_from_its_device(schedule):
    # A meta tensor has no value: whatever waited for one would raise.
    optimizer = torch.optim.SGD([parameter("meta")], lr=0.1)
    rate = optimizer.param_groups[0]["lr"] = torch.tensor(0.1, device="meta")
    scheduler = InverseTimeLR.from_schedule(optimizer, schedule)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate


def test_a_compiled_update_is_compiled_once():
    from torch._dynamo.testing import CompileCounter

    optimizer = torch.optim.SGD([parameter(dtype=torch.float32)], lr=torch.tensor(0.1))
    scheduler = InverseTimeLR(optimizer, 3, 0.5, staircase=True)
    compiler = CompileCounter()
    rates = train(optimizer, scheduler, 12, torch.compile(optimizer.step, backend=compiler))
    short = InverseTimeDecay(0.1, 3, 0.5, staircase=True)
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


def test_in_a_chain_the_later_ones_multiply():
    optimizer = sgd(0.1)
    decay = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
    halve = MultiplicativeLR(optimizer, lambda step: 0.5)
    rates = train(optimizer, ChainedScheduler([decay, halve], optimizer), 100)
    halves = [rate / 2 for rate in true(STAIRCASE, range(1, 100))]
    assert rates == [0.1, *halves]  # MultiplicativeLR does nothing at its start


def test_a_skipped_update_is_not_counted_by_a_loop_that_looks_at_the_scale():
    optimizer = torch.optim.SGD([parameter(dtype=torch.float32)], lr=0.1)
    scheduler = InverseTimeLR(optimizer, 1, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.zeros(()))  # makes the scale

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
def test_a_copy_goes_its_own_way(duplicate):
    optimizer, scheduler = build(STAIRCASE)
    train(optimizer, scheduler, 40)
    twin = duplicate(scheduler)
    assert train(twin.optimizer, twin, 5) == true(STAIRCASE, range(40, 45))
    assert scheduler.get_last_lr() == true(STAIRCASE, [40])


# -- saved and resumed -----------------------------------------------------------------------


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def train_with_a_break(start, interrupted, updates):
    """The rates of so many updates, whose state goes through a file after some of them."""
    optimizer, scheduler = start()
    before = train(optimizer, scheduler, interrupted)
    saved = through_a_file([optimizer.state_dict(), scheduler.state_dict()])
    optimizer, scheduler = start()
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert scheduler.state_dict() == saved[1]
    return before + train(optimizer, scheduler, updates - interrupted)


@pytest.mark.parametrize("interrupted", [40, 41, 42])
@pytest.mark.parametrize("tensor", [False, True], ids=["float rate", "tensor rate"])
def test_a_resumed_run_is_the_uninterrupted_one(interrupted, tensor):
    def start():
        rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
        optimizer = torch.optim.SGD([parameter()], lr=rate)
        return optimizer, InverseTimeLR(optimizer, 41, 0.5, staircase=True)

    assert train_with_a_break(start, interrupted, 130) == true(STAIRCASE, range(130))


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


def test_a_schedule_object_starts_at_any_count():
    optimizer = sgd(1.0)
    scheduler = InverseTimeLR.from_schedule(optimizer, STAIRCASE, last_epoch=40)
    assert train(optimizer, scheduler, 50) == true(STAIRCASE, range(41, 91))


def test_the_state_holds_plain_values():
    optimizer = torch.optim.SGD([parameter()], lr=torch.tensor(0.1, dtype=torch.float64))
    scheduler = InverseTimeLR(optimizer, 41, 0.5, staircase=True)
    state = scheduler.state_dict()
    assert type(state["_last_lr"][0]) is float
    assert state == {
        "last_epoch": 0,
        "_step_count": 1,
        "_last_lr": [0.1],
        "schedules": [STAIRCASE.get_config()],
    }


# -- bad use ---------------------------------------------------------------------------------


def test_the_state_of_another_schedule_is_refused():
    _, scheduler = build(STAIRCASE)
    _, other = build(InverseTimeDecay(0.1, 42, 0.5, staircase=True))
    with pytest.raises(ConfigError, match=r"41.*42.*start anew"):
        other.load_state_dict(scheduler.state_dict())
    assert other.last_epoch == 0


def test_the_state_of_another_number_of_groups_is_refused():
    one, two = (InverseTimeLR(sgd(*rates), 41, 0.5) for rates in ([0.1], [0.1, 0.1]))
    with pytest.raises(ConfigError, match="the state is from the schedules"):
        two.load_state_dict(one.state_dict())


def test_the_state_of_another_class_is_refused():
    _, scheduler = build(STAIRCASE)
    state = StepLR(sgd(0.1), 10).state_dict()
    with pytest.raises(ConfigError, match=r"'gamma'.*not InverseTimeLR's; load what"):
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


def test_a_group_that_joined_later_has_no_schedule():
    optimizer, scheduler = build(STAIRCASE)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.1})
    optimizer.step()
    with pytest.raises(ConfigError, match="1 schedules and 2 parameter groups"):
        scheduler.step()


@pytest.mark.parametrize("wrong", [lambda step: 0.1, STAIRCASE.on("torch"), 0.1])
def test_what_is_no_schedule_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"is no schedule; pass an invtime\.InverseTimeDecay"):
        InverseTimeLR.from_schedule(sgd(0.1), [wrong])


@pytest.mark.parametrize("make", [InverseTimeLR, InverseTimeLR.from_schedule])
def test_what_is_no_optimizer_is_refused(make):
    arguments = [41, 0.5] if make is InverseTimeLR else [STAIRCASE]
    with pytest.raises(TypeError, match=r"of type Linear is not a torch\.optim\.Optimizer"):
        make(torch.nn.Linear(1, 1), *arguments)


def test_a_rate_out_of_range_is_named_with_its_group():
    with pytest.raises(ConfigError, match="the rate of parameter group 1 is 1e-61; it must be"):
        InverseTimeLR(sgd(0.1, 1e-61), 41, 0.5)


def test_resuming_without_an_initial_rate_is_pytorchs_own_error():
    with pytest.raises(KeyError, match="initial_lr"):
        InverseTimeLR(sgd(0.1), 41, 0.5, last_epoch=40)


def test_under_lambda_lr_the_rate_of_the_optimizer_is_multiplied_in():
    optimizer = sgd(1.0)
    assert train(optimizer, LambdaLR(optimizer, STAIRCASE), 50) == true(STAIRCASE, range(50))
