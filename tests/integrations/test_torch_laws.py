"""The properties of every PyTorch scheduler, checked for InverseTimeLR.

The cases are those that PyTorch's own tests ask of each of its schedulers; the expected rates are
those of the exact reference, bit for bit.
"""

from __future__ import annotations

import copy
import gc
import json
import pickle
import warnings
import weakref

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    ExponentialLR,
    MultiplicativeLR,
    SequentialLR,
)
from torch.optim.swa_utils import SWALR

from invtime import ConfigError, InverseTimeDecay
from invtime.integrations.torch import InverseTimeLR
from invtime.reference import values as true

PLAIN = InverseTimeDecay(0.1, 7, 0.5)
STAIRCASE = InverseTimeDecay(0.3, 3, 0.5, staircase=True)
RECIPE = InverseTimeDecay(
    0.1, 5.5, 1 / 3, warmup_steps=4, stable_steps=3, cooldown_start=20, cooldown_steps=6
)
SCHEDULES = {"continuous": PLAIN, "staircase": STAIRCASE, "phases": RECIPE}
N = 30


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


@pytest.fixture(params=["float", "tensor"])
def rate(request):
    return 0.5 if request.param == "float" else torch.tensor(0.5, dtype=torch.float64)


def parameter():
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    weight.grad = torch.ones_like(weight)
    return weight


def sgd(*rates):
    return torch.optim.SGD([{"params": [parameter()], "lr": rate} for rate in rates or [0.5]])


def rates_of(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def run(optimizer, scheduler, updates=N):
    """Return the rates of the groups at each update."""
    rates = []
    for _ in range(updates):
        rates.append(rates_of(optimizer))
        optimizer.step()
        scheduler.step()
    return rates


def alone(schedule, steps):
    return [[value] for value in true(schedule, steps)]


def through_pickle(x):
    return pickle.loads(pickle.dumps(x))


COPIES = [copy.deepcopy, through_pickle]


# -- the count -------------------------------------------------------------------------------


def test_the_count_is_that_of_the_calls(schedule):
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, schedule)
    for calls in range(N):
        assert scheduler.last_epoch == calls
        assert scheduler.get_last_lr() == rates_of(optimizer) == true(schedule, [calls])
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("count", range(0, N, 5))
def test_every_way_to_a_count_gives_its_rates(schedule, count):
    expected = alone(schedule, range(count, count + N))
    first = sgd()
    scheduler = InverseTimeLR(first, schedule)
    run(first, scheduler, count)
    assert run(first, scheduler) == expected
    optimizer = sgd()
    assert run(optimizer, InverseTimeLR(optimizer, schedule, step=count)) == expected
    optimizer = sgd()
    assert run(optimizer, InverseTimeLR(optimizer, schedule, last_epoch=count - 1)) == expected
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, schedule)
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(count)
    assert run(optimizer, scheduler) == expected


def test_the_closed_form_goes_to_any_step_in_any_order(schedule):
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, schedule)
    optimizer.step()
    for count in (9, 0, 25, 3, 10**9):
        with pytest.warns(UserWarning, match="epoch parameter"):
            scheduler.step(count)
        assert rates_of(optimizer) == scheduler.get_last_lr() == true(schedule, [count])


def test_to_ask_for_a_rate_changes_nothing(schedule):
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, schedule, step=5)
    before = scheduler.state_dict(), rates_of(optimizer)
    assert scheduler.get_lr() == scheduler.get_lr() == scheduler.get_last_lr()
    assert (scheduler.state_dict(), rates_of(optimizer)) == before


# -- the state -------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupted", [0, 1, 4, 19, 20, 27])
def test_a_state_goes_around(schedule, rate, interrupted):
    optimizer = sgd(copy.deepcopy(rate))
    scheduler = InverseTimeLR(optimizer, schedule)
    run(optimizer, scheduler, interrupted)
    saved = json.loads(json.dumps(scheduler.state_dict()))
    rates = copy.deepcopy(optimizer.state_dict())
    other = sgd(copy.deepcopy(rate))
    resumed = InverseTimeLR(other, schedule)
    given = copy.deepcopy(saved)
    other.load_state_dict(rates)
    resumed.load_state_dict(given)
    assert given == saved == resumed.state_dict()
    assert run(other, resumed) == run(optimizer, scheduler)
    assert given == saved


def test_a_saved_state_is_no_view(schedule, rate):
    optimizer = sgd(rate)
    scheduler = InverseTimeLR(optimizer, schedule)
    saved = scheduler.state_dict()
    before = copy.deepcopy(saved)
    run(optimizer, scheduler)
    assert saved == before


# PyTorch's: its SequentialLR steps a chain as it is built.
@pytest.mark.filterwarnings(r"ignore:Detected call of `lr_scheduler\.step\(\)` before")
@pytest.mark.filterwarnings("ignore:the rate of parameter group 0 is .* InverseTimeLR had set it")
@pytest.mark.parametrize("compose", ["sequence", "chain", "chain in a sequence"])
@pytest.mark.parametrize("interrupted", [3, 5, 6, 12])
def test_the_state_of_a_composition_goes_around(schedule, compose, interrupted):
    def start():
        optimizer = sgd()
        own = InverseTimeLR(optimizer, schedule)
        if "chain" in compose:
            halve = MultiplicativeLR(optimizer, lambda step: 0.5)
            own = ChainedScheduler([own, halve], optimizer)
        if "sequence" in compose:
            own = SequentialLR(optimizer, [own, ConstantLR(optimizer)], [10])
        return optimizer, own

    whole = run(*start())
    optimizer, scheduler = start()
    before = run(optimizer, scheduler, interrupted)
    saved = copy.deepcopy([optimizer.state_dict(), scheduler.state_dict()])
    for order in (1, -1):
        optimizer, scheduler = start()
        for part, state in [*zip([optimizer, scheduler], saved, strict=True)][::order]:
            part.load_state_dict(copy.deepcopy(state))
        assert before + run(optimizer, scheduler, N - interrupted) == whole


# -- composition -----------------------------------------------------------------------------


def test_after_a_constant_the_count_starts_at_0(schedule):
    optimizer = sgd()
    own = InverseTimeLR(optimizer, schedule)
    constant = ConstantLR(optimizer, 0.25, total_iters=5)
    rates = run(optimizer, SequentialLR(optimizer, [constant, own], [5]))
    assert rates[:5] == [[schedule.initial_learning_rate * 0.25]] * 5
    assert rates[5:] == alone(schedule, range(N - 5))


def test_before_another_one_the_rates_are_the_same(schedule):
    optimizer = sgd()
    own = InverseTimeLR(optimizer, schedule)
    rates = run(optimizer, SequentialLR(optimizer, [own, ExponentialLR(optimizer, 0.9)], [12]))
    assert rates[:12] == alone(schedule, range(12))


def test_two_in_a_row_are_one_after_the_other(schedule):
    optimizer = sgd()
    both = [InverseTimeLR(optimizer, schedule), InverseTimeLR(optimizer, STAIRCASE)]
    sequence = SequentialLR(optimizer, both, [12])
    rates = run(optimizer, sequence)
    assert rates == alone(schedule, range(12)) + alone(STAIRCASE, range(N - 12))
    assert sequence.get_last_lr() == rates_of(optimizer)


def test_a_chain_of_one_is_the_scheduler(schedule, rate):
    optimizer = sgd(rate)
    chain = ChainedScheduler([InverseTimeLR(optimizer, schedule)])
    assert run(optimizer, chain) == alone(schedule, range(N))
    assert [float(each) for each in chain.get_last_lr()] == rates_of(optimizer)


def test_in_a_chain_each_step_is_multiplied(schedule):
    optimizer = sgd()
    own = InverseTimeLR(optimizer, schedule)
    chain = ChainedScheduler([own, MultiplicativeLR(optimizer, lambda step: 1 / step)], optimizer)
    first, *others = true(schedule, range(N))
    expected = [first, *(rate * (1 / step) for step, rate in enumerate(others, 1))]
    with pytest.warns(UserWarning, match="InverseTimeLR had set it to"):
        assert run(optimizer, chain) == [[each] for each in expected]


def test_weight_averaging_takes_over(schedule):
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, schedule)
    averaging = SWALR(optimizer, swa_lr=0.05, anneal_epochs=1)
    assert run(optimizer, scheduler, 9) == alone(schedule, range(9))
    run(optimizer, averaging, 3)
    assert rates_of(optimizer) == [0.05]


# -- copies and lives ------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copy_has_its_own_count_optimizer_and_groups(schedule, rate, duplicate):
    optimizer = sgd(rate)
    scheduler = InverseTimeLR(optimizer, schedule)
    run(optimizer, scheduler, 9)
    twin = duplicate(scheduler)
    assert twin.state_dict() == scheduler.state_dict()
    twin.optimizer.add_param_group({"params": [parameter()], "lr": 1.0})
    assert twin.optimizer.param_groups[1]["lr"] == schedule(9)
    assert run(twin.optimizer, twin) == [[each] * 2 for each in true(schedule, range(9, 9 + N))]
    assert run(optimizer, scheduler) == alone(schedule, range(9, 9 + N))
    assert len(scheduler.schedules) == 1


@pytest.mark.parametrize("duplicate", COPIES)
def test_an_optimizer_is_copied_without_its_scheduler(duplicate):
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, PLAIN, step=3)
    twin = duplicate(optimizer)
    twin.add_param_group({"params": [parameter()], "lr": 1.0})
    assert rates_of(twin) == [PLAIN(3), 1.0]
    twin.load_state_dict(twin.state_dict())
    assert len(scheduler.schedules) == len(optimizer.param_groups) == 1


def test_nothing_waits_for_the_garbage_collector(rate):
    gc.collect()
    gc.disable()
    try:
        optimizer = sgd(rate)
        scheduler = InverseTimeLR(optimizer, PLAIN, step=3)
        run(optimizer, scheduler, 3)
        optimizer.add_param_group({"params": [parameter()]})
        optimizer.load_state_dict(optimizer.state_dict())
        of_scheduler, of_optimizer = weakref.ref(scheduler), weakref.ref(optimizer)
        del scheduler
        assert of_scheduler() is None
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.add_param_group({"params": [parameter()]})
        del optimizer
        assert of_optimizer() is None
    finally:
        gc.enable()


def test_the_methods_of_an_optimizer_are_replaced_once():
    optimizer = sgd()
    InverseTimeLR(optimizer, PLAIN)
    methods = optimizer.step, optimizer.add_param_group, optimizer.load_state_dict
    for _ in range(2000):  # a chain of so many wrappers would be too deep
        scheduler = InverseTimeLR(optimizer, PLAIN)
    assert methods == (optimizer.step, optimizer.add_param_group, optimizer.load_state_dict)
    optimizer.add_param_group({"params": [parameter()]})
    assert len(scheduler.schedules) == 2


def test_a_method_that_somebody_else_has_replaced_is_still_called():
    optimizer = sgd()
    calls = []
    plain = optimizer.add_param_group
    optimizer.add_param_group = lambda group: (calls.append(group), plain(group))
    scheduler = InverseTimeLR(optimizer, PLAIN)
    optimizer.add_param_group({"params": [parameter()]})
    assert (len(calls), len(scheduler.schedules)) == (1, 2)


# -- warnings --------------------------------------------------------------------------------


def test_a_loop_in_order_is_not_warned_of(schedule, rate):
    optimizer = sgd(rate)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(optimizer, InverseTimeLR(optimizer, schedule))


@pytest.mark.parametrize("count", [{}, {"step": 5}, {"last_epoch": 4}])
def test_a_step_before_that_of_the_optimizer_is_warned_of(count):
    scheduler = InverseTimeLR(sgd(), PLAIN, **count)
    with pytest.warns(UserWarning, match=r"`lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"):
        scheduler.step()


def test_a_step_of_the_optimizer_that_is_replaced_later_is_warned_of():
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, PLAIN)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


# -- groups and rates ------------------------------------------------------------------------


def test_a_group_goes_its_own_way_and_keeps_its_options():
    optimizer = torch.optim.SGD(
        [
            {"params": [parameter()], "lr": 0.1, "momentum": 0.9},
            {"params": [parameter()], "lr": 0.3, "weight_decay": 0.1},
        ]
    )
    before = [{**group} for group in optimizer.param_groups]
    rates = run(optimizer, InverseTimeLR(optimizer, 3, 0.5, True))
    own = [STAIRCASE.replace(initial_learning_rate=each) for each in (0.1, 0.3)]
    assert rates == [list(each) for each in zip(*(true(s, range(N)) for s in own), strict=True)]
    for group, was in zip(optimizer.param_groups, before, strict=True):
        assert {**group, "lr": was["lr"]} == {**was, "initial_lr": was["lr"]}


@pytest.mark.parametrize("name", ["Adadelta", "Adagrad", "Adam", "AdamW", "RMSprop", "Rprop"])
def test_every_optimizer_has_the_rates(name, rate):
    optimizer = getattr(torch.optim, name)([parameter()], lr=rate)
    assert run(optimizer, InverseTimeLR(optimizer, PLAIN)) == alone(PLAIN, range(N))


def test_a_tensor_stays_what_it_is(schedule):
    rate = torch.tensor(0.5, dtype=torch.float64)
    optimizer = sgd(rate)
    (group,) = optimizer.param_groups
    scheduler = InverseTimeLR(optimizer, schedule, step=2)
    run(optimizer, scheduler, 9)
    assert group["lr"] is rate
    assert group["initial_lr"] == schedule.initial_learning_rate
    state = copy.deepcopy(scheduler.state_dict())
    scheduler.load_state_dict(state)
    assert group["lr"] is rate


@pytest.mark.skipif(torch.__version__ < (2, 9), reason="PyTorch 2.6 puts a float in its place")
def test_a_tensor_stays_what_it_is_in_a_sequence(schedule, rate):
    optimizer = sgd(rate)
    own = InverseTimeLR(optimizer, schedule)
    rates = run(optimizer, SequentialLR(optimizer, [own, ConstantLR(optimizer)], [20]), 20)
    assert rates == alone(schedule, range(20))
    assert optimizer.param_groups[0]["lr"] is rate or isinstance(rate, float)


@pytest.mark.skipif(torch.__version__ < (2, 10), reason="PyTorch before gives the tensor itself")
def test_a_rate_that_was_given_out_is_no_view(rate):
    optimizer = sgd(rate)
    scheduler = InverseTimeLR(optimizer, PLAIN, step=2)
    run(optimizer, scheduler, 2)
    last = [copy.deepcopy(each) for each in scheduler.get_last_lr()]
    given = scheduler.get_last_lr()
    run(optimizer, scheduler, 3)
    assert given == last


def test_a_compiled_update_follows_from_any_count():
    from torch._dynamo.testing import CompileCounter

    rate = torch.tensor(0.5, dtype=torch.float64)
    optimizer = sgd(rate)
    scheduler = InverseTimeLR(optimizer, RECIPE, step=2)
    compiler = CompileCounter()
    update = torch.compile(optimizer.step, backend=compiler)
    (weight,) = optimizer.param_groups[0]["params"]
    for step in range(2, 2 + N):
        with torch.no_grad():
            weight.zero_()
        update()
        assert -weight.item() == RECIPE(step)
        scheduler.step()
    assert compiler.frame_count == 1


# -- what other schedulers of PyTorch do --------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,)], ids=["()", "(1,)"])
@pytest.mark.parametrize("kind", ["parameters", "schedule"])
def test_rates_are_of_the_type_of_those_of_the_group(kind, shape):
    """Before a state is loaded, and after it."""
    if shape and torch.__version__ < (2, 10):
        pytest.skip("the SGD of PyTorch 2.6 takes no rate of shape (1,)")

    def start():
        optimizer = sgd(torch.full(shape, 0.3, dtype=torch.float64))
        arguments = (3, 0.5, True) if kind == "parameters" else (STAIRCASE,)
        return optimizer, InverseTimeLR(optimizer, *arguments)

    optimizer, scheduler = start()
    assert run(optimizer, scheduler, 7) == alone(STAIRCASE, range(7))
    saved = optimizer.state_dict(), scheduler.state_dict()
    for part, state in zip(start(), saved, strict=True):
        part.load_state_dict(state)
    for each in (scheduler, part):
        for (rate,) in (each.get_last_lr(), each.get_lr()):
            assert rate.dtype == torch.float64
            assert rate == STAIRCASE(7)
    assert run(part.optimizer, part, 7) == alone(STAIRCASE, range(7, 14))


def test_rates_that_are_floats_stay_floats():
    scheduler = InverseTimeLR(sgd(), PLAIN)
    scheduler.load_state_dict(scheduler.state_dict())
    assert [*map(type, scheduler.get_last_lr() + scheduler.get_lr())] == [float, float]


@pytest.mark.parametrize("peak", [0.4, torch.tensor(0.4, dtype=torch.float32)], ids=type)
@pytest.mark.parametrize("duplicate", [lambda scheduler: scheduler, *COPIES])
def test_a_rate_that_is_written_into_base_lrs_is_obeyed(schedule, duplicate, peak):
    optimizer = sgd(0.5, 0.5)
    scheduler = InverseTimeLR(optimizer, [schedule, PLAIN])
    run(optimizer, scheduler, 5)
    scheduler.base_lrs[0] = peak
    scheduler = duplicate(scheduler)
    optimizer = scheduler.optimizer
    optimizer.step()
    scheduler.step()
    both = schedule.replace(initial_learning_rate=0.4), PLAIN
    assert scheduler.schedules == both
    expected = zip(*(true(each, range(6, 6 + N)) for each in both), strict=True)
    assert run(optimizer, scheduler) == [list(each) for each in expected]
    assert float(optimizer.param_groups[0]["initial_lr"]) == float(peak)


def test_a_rate_in_base_lrs_that_does_not_go_with_the_phases_is_named():
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, PLAIN.replace(minimum_learning_rate=0.05))
    scheduler.base_lrs = [0.01]
    optimizer.step()
    with pytest.raises(ConfigError, match=r"parameter group 0 has the rate 0\.01: minimum_lear"):
        scheduler.step()
    assert scheduler.last_epoch == 0


class Counting(InverseTimeLR):
    """A subclass that sets attributes before and after its parent's __init__."""

    def __init__(self, *args, **kwargs):
        self.calls = 0
        super().__init__(*args, **kwargs)
        self.label = "mine"

    def step(self, epoch=None):
        self.calls += 1
        super().step(epoch)


def test_the_attributes_of_a_subclass_are_in_its_state():
    optimizer = sgd()
    scheduler = Counting(optimizer, PLAIN)
    scheduler.label = "other"
    run(optimizer, scheduler, 4)
    saved = json.loads(json.dumps(scheduler.state_dict()))
    assert (saved["calls"], saved["label"]) == (5, "other")  # construction makes a step
    resumed = Counting(sgd(), PLAIN)
    resumed.load_state_dict(saved)
    assert (resumed.calls, resumed.label, resumed.last_epoch) == (5, "other", 4)
    assert resumed.state_dict() == saved
    plain = InverseTimeLR(sgd(), PLAIN)
    assert plain.state_dict().keys() == saved.keys() - {"calls", "label"}


def test_a_step_that_fails_is_not_counted():
    optimizer = sgd()
    scheduler = InverseTimeLR(optimizer, [PLAIN])
    run(optimizer, scheduler, 4)
    optimizer.add_param_group({"params": [parameter()], "lr": 1.0})
    for _ in range(2):
        optimizer.step()
        with pytest.raises(ConfigError, match="1 schedules and 2 parameter groups"):
            scheduler.step()
    assert scheduler.last_epoch == 4
    again = InverseTimeLR(optimizer, [PLAIN, STAIRCASE], last_epoch=scheduler.last_epoch - 1)
    assert again.get_last_lr() == [PLAIN(4), STAIRCASE(4)]


# -- all of it -------------------------------------------------------------------------------

DEEDS = [
    *("train", "train", "save", "scheduler first", "copy", "pickle", "build again", "join", "list")
]


# PyTorch's: a copied optimizer no longer knows the scheduler.
@pytest.mark.filterwarnings(r"ignore:Seems like `optimizer\.step\(\)` has been overridden")
@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(DEEDS), max_size=12), st.sampled_from(["rates", "one", "list"]))
def test_whatever_is_done_the_rates_are_those_of_the_count(deeds, kind):
    """The rate of group g equals schedule g at the count, before and after every action."""
    peaks, count = [0.3], 0

    def own():
        return [STAIRCASE.replace(initial_learning_rate=peak) for peak in peaks]

    def start(**options):
        optimizer = sgd(*peaks)
        if kind == "rates":
            return optimizer, InverseTimeLR(optimizer, 3, 0.5, True, **options)
        given = STAIRCASE if kind == "one" else own()
        return optimizer, InverseTimeLR(optimizer, given, **options)

    optimizer, scheduler = start()
    for deed in deeds:
        if deed == "train":
            run(optimizer, scheduler, 2)
            count += 2
        elif deed in {"save", "scheduler first"}:
            saved = copy.deepcopy([optimizer.state_dict(), scheduler.state_dict()])
            optimizer, scheduler = start()
            parts = [*zip([optimizer, scheduler], saved, strict=True)]
            for part, state in parts[::-1] if deed == "scheduler first" else parts:
                part.load_state_dict(state)
        elif deed in {"copy", "pickle"}:
            scheduler = (copy.deepcopy if deed == "copy" else through_pickle)(scheduler)
            optimizer = scheduler.optimizer
        elif deed == "build again":
            optimizer, scheduler = start(step=count)
        elif len(peaks) < 4:
            peaks.append(0.3 if kind == "one" else 0.1 * len(peaks))
            optimizer.add_param_group({"params": [parameter()], "lr": peaks[-1]})
            if kind == "list":
                scheduler.add_schedule(own()[-1])
        assert scheduler.last_epoch == count
        assert rates_of(optimizer) == scheduler.get_last_lr() == [s(count) for s in own()]
