"""current_rates: what the next update of any optimizer will use."""

from __future__ import annotations

import numpy as np
import pytest

from invtime import InverseTimeDecay
from invtime.integrations import current_rates
from invtime.reference import Reference

SCHEDULE = InverseTimeDecay(0.1, 3, 0.5, staircase=True)
OTHER = InverseTimeDecay(0.7, 2, 0.25)  # differs from the other rates at every step
RECIPE = InverseTimeDecay(  # every phase but a stable one, in seven updates
    0.1,
    3,
    0.5,
    warmup_steps=2,
    minimum_learning_rate=0.09,
    cooldown_start=4,
    cooldown_steps=2,
    final_learning_rate=0.01,
)


@pytest.fixture(params=[SCHEDULE, RECIPE], ids=["staircase", "phases"])
def schedule(request):
    return request.param


@pytest.fixture
def rate(schedule):
    """Return the exact rate of a step."""
    reference = Reference(schedule)
    return lambda step, dtype="float32": reference.value(step, dtype)


def test_the_recipe_has_what_it_says():
    names = [phase.name for phase in RECIPE.phases]
    assert names == ["warm-up", "decay", "floor", "cool-down", "end"]


def test_of_a_torch_optimizer_or_scheduler(schedule, rate):
    torch = pytest.importorskip("torch")
    from invtime.integrations.torch import InverseTimeLR

    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    optimizer.param_groups[1]["lr"] = torch.tensor(1.0)
    scheduler = InverseTimeLR.from_schedule(optimizer, schedule)
    for step in range(7):
        assert current_rates(optimizer) == current_rates(scheduler)
        assert current_rates(optimizer) == [rate(step, "float64"), rate(step)]
        optimizer.step()
        scheduler.step()


def test_of_a_keras_optimizer(schedule, rate):
    pytest.importorskip("keras")
    import keras

    from invtime.integrations.keras import InverseTimeDecay as KerasInverseTimeDecay

    optimizer = keras.optimizers.SGD(KerasInverseTimeDecay.from_schedule(schedule))
    weight = keras.Variable([0.0])
    optimizer.build([weight])
    for step in range(7):
        assert current_rates(optimizer) == [rate(step)]
        optimizer.apply([keras.ops.ones(1)])


@pytest.fixture
def optax():
    return pytest.importorskip("optax")


def states(optimizer, parameters=("w",), wrap=lambda weights: weights):
    """The state before each of seven updates, in which every parameter is one number."""
    import jax.numpy as jnp

    weights = wrap({name: jnp.zeros(1) for name in parameters})
    state = optimizer.init(weights)
    for _ in range(7):
        yield state
        _, state = optimizer.update({name: jnp.ones(1) for name in parameters}, state, weights)


def test_of_an_optax_state(optax, schedule, rate):
    optimizer = optax.adam(schedule)
    found = [current_rates(state, schedule) for state in states(optimizer)]
    assert found == [[rate(step)] for step in range(7)]


def test_of_an_optax_state_that_is_nested(optax, schedule, rate):
    optimizer = optax.MultiSteps(optax.chain(optax.clip(1.0), optax.sgd(schedule)), 2)
    found = [current_rates(state, schedule) for state in states(optimizer)]
    assert found == [[rate(step // 2)] for step in range(7)]


def test_of_an_injected_schedule(optax, schedule, rate):
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=schedule)
    before = list(states(optimizer))
    assert [current_rates(state, schedule) for state in before] == [[rate(n)] for n in range(7)]
    # Without the schedule, the rate that the last update used.
    last = [[rate(max(n - 1, 0))] for n in range(7)]
    assert [current_rates(state) for state in before] == last


def test_other_injected_hyperparameters_are_passed_over(optax, schedule, rate):
    inject = optax.inject_hyperparams(optax.scale_by_adam)
    optimizer = optax.chain(inject(b1=0.5), optax.scale_by_learning_rate(schedule))
    assert current_rates(optimizer.init({}), schedule) == [rate(0)]


def inject(optax, rate):
    return optax.inject_hyperparams(optax.sgd)(learning_rate=rate)


# Wrappers of an optimizer that has a schedule.
AROUND = {
    "chain": lambda optax, sgd: optax.chain(optax.clip(1.0), sgd, optax.keep_params_nonnegative()),
    "named_chain": lambda optax, sgd: optax.named_chain(("z", optax.clip(1.0)), ("a", sgd)),
    "masked": lambda optax, sgd: optax.masked(sgd, {"w": True}),
    "one label": lambda optax, sgd: optax.partition({"a": sgd}, {"w": "a"}),
    "a label of its own": lambda optax, sgd: optax.partition(
        {"frozen": optax.set_to_zero(), "constant": optax.sgd(0.5), "a": sgd}, {"w": "a"}
    ),
    "apply_if_finite": lambda optax, sgd: optax.apply_if_finite(sgd, 3),
    "lookahead": lambda optax, sgd: optax.lookahead(sgd, 3, 0.5),
    "schedule_free": lambda optax, sgd: optax.contrib.schedule_free(sgd, SCHEDULE),
    "conditionally": lambda optax, sgd: optax.conditionally_transform(sgd, lambda *_: True),
    "injected beside": lambda optax, sgd: optax.chain(
        optax.inject_hyperparams(optax.scale_by_adam)(b1=0.5), sgd
    ),
    "inside an injection": lambda optax, sgd: optax.inject_hyperparams(
        lambda weight_decay: optax.chain(optax.add_decayed_weights(weight_decay), sgd)
    )(weight_decay=0.5),
}


@pytest.mark.parametrize("build", ["sgd", "inject"])
@pytest.mark.parametrize("around", AROUND)
def test_of_one_schedule_in_whatever_optax_builds(optax, around, build, schedule, rate):
    sgd = inject(optax, schedule) if build == "inject" else optax.sgd(schedule)
    wrap = {"wrap": optax.LookaheadParams.init_synced} if around == "lookahead" else {}
    found = [current_rates(each, schedule) for each in states(AROUND[around](optax, sgd), **wrap)]
    assert found == [[rate(step)] for step in range(7)]


def labelled(optax, **optimizers):
    """A partition with one parameter for each label."""
    return optax.partition(optimizers, {name: name for name in optimizers})


def test_each_label_has_the_rate_of_its_own_schedule(optax, schedule, rate):
    """The rates are sorted, independent of the order of the optimizer or the mapping."""
    other = Reference(OTHER)
    expected = [[rate(n), other.value(n, "float32")] for n in range(7)]
    for optimizer in (
        labelled(optax, b=optax.sgd(OTHER), a=optax.sgd(schedule)),
        labelled(optax, b=inject(optax, OTHER), a=inject(optax, schedule)),
        labelled(optax, b=inject(optax, OTHER), a=optax.adam(schedule)),
        optax.chain(optax.clip(1.0), labelled(optax, a=optax.sgd(schedule), b=optax.sgd(OTHER))),
    ):
        for schedules in ({"a": schedule, "b": OTHER}, {"b": OTHER, "a": schedule}):
            found = [current_rates(each, schedules) for each in states(optimizer, "ab")]
            assert found == expected


def test_one_schedule_for_several_labels_is_refused_and_the_mapping_says_that_it_is_the_same(
    optax, schedule, rate
):
    optimizer = labelled(optax, a=optax.sgd(schedule), b=optax.adam(schedule))
    *_, state = states(optimizer, "ab")
    with pytest.raises(TypeError, match=r"counts of 2 there.*\{'a': \.\.\., 'b': \.\.\.\}"):
        current_rates(state, schedule)
    assert current_rates(state, dict.fromkeys("ab", schedule)) == [rate(6), rate(6)]


def test_a_label_with_a_constant_rate_takes_no_schedule(optax, schedule, rate):
    """An injected rate is in the list, because the state contains it; others are not."""
    for constant, expected in ((optax.sgd(0.5), []), (inject(optax, 0.5), [0.5])):
        *_, state = states(labelled(optax, a=constant, b=optax.sgd(schedule)), "ab")
        assert current_rates(state, {"b": schedule}) == [*expected, rate(6)]
        assert current_rates(state, schedule) == [*expected, rate(6)]
        with pytest.raises(
            TypeError, match=r"passed under 'a'.*holds no count.*leave the label out"
        ):
            current_rates(state, {"a": OTHER, "b": schedule})


def test_labels_inside_of_labels_take_a_mapping_inside_of_the_mapping(optax, schedule, rate):
    inner = optax.partition(
        {"x": optax.sgd(schedule), "y": optax.sgd(OTHER)},
        {"a": "x", "b": "y", "c": optax.MaskedNode()},
    )
    outer = optax.partition(
        {"in": inner, "out": optax.sgd(schedule)}, {"a": "in", "b": "in", "c": "out"}
    )
    *_, state = states(outer, "abc")
    schedules = {"in": {"x": schedule, "y": OTHER}, "out": schedule}
    other = Reference(OTHER).value(6, "float32")
    assert current_rates(state, schedules) == [rate(6), other, rate(6)]
    with pytest.raises(TypeError, match=r"under 'in', .* 2 there, .*\{'x': \.\.\., 'y': \.\.\.\}"):
        current_rates(state, {"in": schedule, "out": schedule})
    with pytest.raises(TypeError, match=r"schedule under 'in' / 'y', .* only under 'in' / 'x' and"):
        current_rates(state, {"in": {"x": schedule}, "out": schedule})


def test_a_label_that_was_forgotten_or_misspelt(optax):
    *_, state = states(labelled(optax, a=optax.sgd(SCHEDULE), b=optax.sgd(OTHER)), "ab")
    with pytest.raises(TypeError, match=r"count of a schedule under 'b', .* only under 'a'; "):
        current_rates(state, {"a": SCHEDULE})
    with pytest.raises(TypeError, match=r"passed under 'c'.*leave the label out"):
        current_rates(state, {"a": SCHEDULE, "b": OTHER, "c": OTHER})
    with pytest.raises(TypeError, match="only an empty mapping"):
        current_rates(state, {})
    with pytest.raises(TypeError, match=r"0.5 of type float is not a schedule under 'b'; pass"):
        current_rates(state, {"a": SCHEDULE, "b": 0.5})


def test_muon_has_the_labels_adam_and_muon(optax, schedule, rate):
    muon = optax.contrib.muon(schedule, adam_learning_rate=OTHER)
    found = current_rates(muon.init({"w": np.zeros((2, 2))}), {"muon": schedule, "adam": OTHER})
    assert found == [Reference(OTHER).value(0, "float32"), rate(0)]


def test_two_counts_without_labels_are_read_by_the_part(optax, schedule, rate):
    first = optax.masked(optax.sgd(schedule), {"a": True, "b": False})
    second = optax.masked(optax.sgd(OTHER), {"a": False, "b": True})
    *_, state = states(optax.chain(first, second), "ab")
    with pytest.raises(TypeError, match=r"counts of 2 there.*current_rates\(state\[1\], schedule"):
        current_rates(state, schedule)
    assert current_rates(state[0], schedule) == [rate(6)]
    assert current_rates(state[1], OTHER) == [Reference(OTHER).value(6, "float32")]
    with pytest.raises(TypeError, match="pass this part of the state by itself"):
        current_rates(state, {"a": schedule, "b": OTHER})


def test_an_injected_constant_is_the_rate_of_the_next_update(optax):
    *_, state = states(inject(optax, 0.5))
    state.hyperparams["learning_rate"] = 0.25
    assert current_rates(state) == [0.25]
    with pytest.raises(TypeError, match=r"only constants.*call current_rates\(state\) without it"):
        current_rates(state, SCHEDULE)


def test_an_injected_schedule_has_a_count_of_its_own(optax, schedule, rate):
    """The optimizer uses the injected count; `optax.tree.set` finds the other one."""
    optimizer = inject(optax, schedule)
    *_, state = states(optimizer)
    state = optax.tree.set(state, count=np.int32(0))
    (expected,) = current_rates(state, schedule)
    _, state = optimizer.update({"w": np.float32(1)}, state, {"w": np.float32(0)})
    assert current_rates(state) == [expected] == [rate(6)]


def test_what_is_given_for_a_schedule_must_be_one(optax):
    with pytest.raises(TypeError, match=r"0.1 of type float is not a schedule; pass the sch"):
        current_rates(optax.sgd(SCHEDULE).init({}), 0.1)


def test_an_optimizer_that_counts_by_itself_is_named(optax):
    state = optax.contrib.momo(SCHEDULE).init({"w": np.zeros(1, np.float32)})
    message = r"in an object of type MomoState.*optax\.tree\.get\(state, 'count'\)"
    with pytest.raises(TypeError, match=message):
        current_rates(state, SCHEDULE)


def test_an_optax_state_needs_the_schedule(optax):
    with pytest.raises(TypeError, match=r"pass it too: current_rates\(state, schedule\)"):
        current_rates(optax.sgd(SCHEDULE).init({}))


def test_a_constant_rate_is_not_in_an_optax_state(optax):
    with pytest.raises(TypeError, match="no learning rate was found in an object of type tuple"):
        current_rates(optax.sgd(0.1).init({}), SCHEDULE)


@pytest.mark.parametrize("wrong", [None, 0.1, SCHEDULE])
def test_what_has_no_rate_is_refused(wrong):
    with pytest.raises(TypeError, match="no learning rate was found in a"):
        current_rates(wrong)
