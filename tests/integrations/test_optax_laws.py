"""The properties that optax needs from a schedule, checked bit for bit.

test_optax.py checks the rate of each update.
"""

import inspect
from functools import partial

import numpy as np
import pytest

from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_array

jax = pytest.importorskip("jax", exc_type=ImportError)
optax = pytest.importorskip("optax")
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from invtime.backends.jax import enable_x64  # noqa: E402
from invtime.integrations import current_rates  # noqa: E402

SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 10, 0.5),
    "staircase": InverseTimeDecay(0.1, 7, 0.5, staircase=True),
    "double word": InverseTimeDecay(1 / 3, 10, 1 / 7),
    "fractional period": InverseTimeDecay(0.1, 2.5, 0.5, staircase=True),
    "constant": InverseTimeDecay(0.1, 10, 0),
    "zero": InverseTimeDecay(0, 10, 0.5),
    "slow": InverseTimeDecay(0.1, 10**10, 0.5),
    "phases": InverseTimeDecay(
        0.1,
        10,
        0.5,
        warmup_steps=5,
        warmup_learning_rate=0.02,
        stable_steps=3,
        minimum_learning_rate=0.06,
        cooldown_start=20,
        cooldown_steps=6,
        final_learning_rate=0.01,
    ),
}
STEPS = range(30)  # past every phase
GRADIENT = np.float32(-1)  # so that SGD adds the rate


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


@pytest.fixture(params=["staircase", "double word", "phases"])
def some(request):
    return SCHEDULES[request.param]


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request):
    with enable_x64(request.param):
        yield request.param


def true(schedule, steps=STEPS, dtype="float32"):
    """The bits of the rates at these steps."""
    reference = Reference(schedule)
    return [reference.bits(int(step), dtype) for step in steps]


def bits(rates, dtype="float32"):
    return bits_of_array(np.asarray(rates), dtype).tolist()


def updates(optimizer, gradients=30, *, state=None, weights=None):
    """Return the additions of compiled updates, and the last state."""
    weights = np.float32(0) if weights is None else weights
    gradients = [GRADIENT] * gradients if isinstance(gradients, int) else gradients
    update = jax.jit(optimizer.update)
    state = optimizer.init(weights) if state is None else state
    added = []
    for gradient in gradients:
        each, state = update(gradient, state, weights)
        added.append(each)
    return np.array(added), state


# -- a schedule is a function of the count -------------------------------------------------


def test_a_count_gives_a_scalar_of_jaxs_default_float(schedule, x64):
    default = "float64" if x64 else "float32"
    for evaluate in (schedule, jax.jit(schedule)):
        rates = [evaluate(jnp.int32(step)) for step in STEPS]
        assert {(rate.shape, str(rate.dtype), rate.weak_type) for rate in rates} == {
            ((), default, False)
        }
        assert bits(jnp.stack(rates), default) == true(schedule, dtype=default)


def test_a_python_count_is_traced_by_jit_as_any_other(schedule):
    assert bits([jax.jit(schedule)(step) for step in STEPS]) == true(schedule)


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float32"])
def test_the_dtype_of_the_count_is_not_that_of_the_rate(schedule, dtype):
    assert bits(schedule(jnp.asarray(STEPS, dtype))) == true(schedule)


def test_one_by_one_at_once_mapped_and_scanned_are_the_same(schedule):
    counts = jnp.asarray(STEPS, jnp.int32)
    _, scanned = lax.scan(lambda count, _: (count + 1, schedule(count)), counts[0], counts)
    many = schedule(counts), jax.vmap(schedule)(counts), jax.jit(schedule)(counts), scanned
    for rates in many:
        assert bits(rates) == true(schedule)
    assert schedule(counts.reshape(5, 6)).shape == (5, 6)


def test_the_count_is_not_changed(schedule):
    count = jnp.asarray(STEPS, jnp.int32)
    before = count.copy()
    schedule(count)
    assert (count == before).all()


def test_a_negative_count_is_the_first(schedule):
    assert bits(schedule(jnp.arange(-5, 1))) == true(schedule, [0] * 6)


def test_the_derivative_of_the_rate_in_the_count(schedule):
    """The derivative is finite everywhere, also at steps where another schedule is used."""
    joined = optax.join_schedules([optax.constant_schedule(0.5), schedule], [1000])
    for count in (-2000.0, 0.0, 7.0, 999.0):
        assert np.isfinite(jax.grad(schedule)(count))
        assert jax.grad(joined)(count) == 0
    slope = -0.1 * 0.05 / (1 + 0.05 * 12) ** 2
    found = jax.grad(SCHEDULES["exact"])(12.0)
    np.testing.assert_array_max_ulp(np.float32(found), np.float32(slope), maxulp=1)
    assert jax.grad(SCHEDULES["staircase"])(12.0) == 0


def test_an_update_is_linear_in_the_gradient(schedule):
    """The derivative is the rate, as needed to differentiate an optimizer inside a loss."""
    optimizer = optax.sgd(schedule)
    state = updates(optimizer, 12)[1]
    slope = jax.grad(lambda gradient: optimizer.update(gradient, state)[0])(GRADIENT)
    assert bits(-slope) == true(schedule, [12])[0]


def test_without_a_decay_it_is_the_constant():
    ours, theirs = (
        updates(optax.adamw(rate, weight_decay=0.5), weights=np.float32(2))[0]
        for rate in (SCHEDULES["constant"], optax.constant_schedule(0.1))
    )
    assert ours.tolist() == theirs.tolist()


# -- joined --------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_each_part_that_is_joined_starts_at_its_own_step_0(schedule):
    """Every part is called at every count, the later parts at negative steps."""
    second, third = SCHEDULES["staircase"], SCHEDULES["phases"]
    joined = optax.join_schedules([schedule, second, third], [6, 15])
    expected = [
        *true(schedule, range(6)),
        *true(second, range(9)),
        *true(third, range(15)),
    ]
    assert bits(updates(optax.sgd(joined))[0]) == expected
    for rates in (joined(jnp.arange(30)), jax.jit(jax.vmap(joined))(jnp.arange(30))):
        assert bits(rates.astype(jnp.float32)) == expected
    assert bits(np.float32([joined(n) for n in STEPS])) == expected


@pytest.mark.parametrize("name", ["exact", "staircase", "double word", "fractional period"])
def test_a_warm_up_in_front_is_the_warm_up_of_the_schedule_from_where_it_ends(name):
    schedule = SCHEDULES[name]
    ramp = optax.linear_schedule(0.0, schedule.initial_learning_rate, 8)
    joined = updates(optax.sgd(optax.join_schedules([ramp, schedule], [8])))[0]
    ours = updates(optax.sgd(schedule.replace(warmup_steps=8)))[0]
    assert joined[8:].tolist() == ours[8:].tolist()
    assert bits(ours) == true(schedule.replace(warmup_steps=8))
    np.testing.assert_array_max_ulp(joined[:8], ours[:8], maxulp=1)  # optax rounds several times


# -- as part of an optimizer chain -----------------------------------------------------------


def test_scale_by_schedule_keeps_the_sign_and_scale_by_learning_rate_turns_it(schedule):
    kept = updates(optax.scale_by_schedule(schedule))[0]
    turned = updates(optax.scale_by_learning_rate(schedule))[0]
    also_kept = updates(optax.scale_by_learning_rate(schedule, flip_sign=False))[0]
    assert bits(turned) == bits(-kept) == bits(-also_kept) == true(schedule)


def test_masked_scales_what_is_not_masked(some):
    gradient = {"scaled": GRADIENT, "left": GRADIENT}
    optimizer = optax.masked(optax.sgd(some), {"scaled": True, "left": False})
    added, _ = updates(optimizer, [gradient] * 30, weights=gradient)
    assert bits(np.float32([each["scaled"] for each in added])) == true(some)
    assert {float(each["left"]) for each in added} == {-1.0}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("k", [1, 3, lambda count: 1 + count % 2], ids=["1", "3", "1 and 2"])
def test_multi_steps_counts_updates_and_leaves_out_batches_that_are_not_finite(some, k):
    optimizer = optax.MultiSteps(optax.sgd(some), k, should_skip_update_fn=optax.skip_not_finite)
    gradients = np.full(30, GRADIENT)
    gradients[[0, 4, 5, 17]] = np.nan, np.inf, -np.inf, np.nan
    added, state = updates(optimizer, gradients)
    assert bits(added[added != 0]) == true(some, range(int(state.gradient_step)))
    assert optax.tree.get(state, "ScaleByScheduleState").count == state.gradient_step


@pytest.mark.parametrize("wrapper", [optax.conditionally_transform, optax.conditionally_mask])
def test_an_update_on_a_condition_is_counted_where_it_is_made(some, wrapper):
    optimizer = wrapper(optax.sgd(some), lambda step: step % 3 == 2)
    added, _ = updates(optimizer, 30)
    assert bits(added[2::3]) == true(some, range(10))
    assert set(added[::3]) == ({-1.0} if wrapper is optax.conditionally_transform else {0.0})


@pytest.mark.parametrize("reset", [False, True])
def test_lookahead_starts_the_schedule_anew_where_it_resets_the_state(some, reset):
    optimizer = optax.lookahead(optax.sgd(some), 4, 0.5, reset_state=reset)
    weights = optax.LookaheadParams.init_synced(np.float32(0))
    state, counts = optimizer.init(weights), []
    for _ in range(10):
        counts.append(int(optax.tree.get(state, "ScaleByScheduleState").count))
        _, state = jax.jit(optimizer.update)(GRADIENT, state, weights)
    assert counts == [n % 4 if reset else n for n in range(10)]


def test_schedule_free_steps_by_the_rate_and_weighs_by_the_next(some):
    """The wrapper's count begins at 1, that of the inner optimizer at 0."""
    optimizer = optax.contrib.schedule_free(optax.sgd(some), some)
    weights, reference = np.zeros(1, np.float32), Reference(some)
    state, largest = optimizer.init(weights), 0.0
    for n in range(10):
        before = state
        _, state = optimizer.update(np.full(1, GRADIENT), state, weights)
        rate = np.float32(reference.value(n, "float32"))
        assert state.z == before.z + rate
        largest = max(largest, reference.value(n + 1, "float32"))
        assert float(state.max_lr) == largest


def test_a_plateau_in_the_chain_multiplies_the_rate(some):
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
    optimizer = optax.chain(optax.sgd(some), plateau)
    state = optimizer.init(np.float32(0))
    update = jax.jit(partial(optimizer.update, value=1.0))  # it never improves
    for n in range(10):
        added, state = update(GRADIENT, state, np.float32(0))
        scale = optax.tree.get(state, "scale")
        assert scale == 0.5 ** (n // 2)
        assert added == np.float32(Reference(some).value(n, "float32")) * scale


# -- injected ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "name"),
    [(optax.sgd, "learning_rate"), (optax.scale, "step_size"), (optax.scale_by_adam, "b1")],
)
def test_any_hyperparameter_may_be_the_schedule(some, factory, name):
    optimizer = optax.inject_hyperparams(factory)(**{name: some})
    state = jax.jit(optimizer.init)(np.float32(0))
    used = [state.hyperparams[name]]
    for _ in STEPS:
        _, state = jax.jit(optimizer.update)(GRADIENT, state, np.float32(0))
        used.append(state.hyperparams[name])
    assert bits(np.float32(used[1:])) == true(some)
    assert used[0] == used[1]  # before the first update, that of the first


def test_the_others_stay_and_a_new_value_for_a_scheduled_one_has_no_effect(some):
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=some, b1=0.5)
    state = optimizer.init(np.float32(0))
    state.hyperparams["learning_rate"] = np.float32(123)
    _, state = optimizer.update(GRADIENT, state, np.float32(0))
    assert bits(state.hyperparams["learning_rate"]) == true(some, [0])[0]
    assert state.hyperparams["b1"] == 0.5


def test_the_schedule_as_a_static_argument_is_that_of_the_optimizer_inside(some):
    inject = optax.inject_hyperparams(optax.sgd, static_args="learning_rate")
    added, state = updates(inject(learning_rate=some, momentum=0.0))
    assert "learning_rate" not in state.hyperparams
    assert bits(added) == true(some)


def test_hyperparam_dtype_does_not_narrow_the_rate_and_the_dtype_of_the_schedule_does(some):
    """Optax does not change an array."""
    inject = optax.inject_hyperparams(optax.sgd, hyperparam_dtype=jnp.bfloat16)
    for rate, dtype in ((some, "float32"), (some.replace(dtype="bfloat16"), "bfloat16")):
        state = updates(inject(learning_rate=rate), 12)[1]
        stored = state.hyperparams["learning_rate"]
        assert stored.dtype == dtype
        assert bits(stored, dtype) == true(some, [11], dtype)[0]


def test_wrapped_as_a_stateful_schedule(some):
    wrapped = optax.WrappedSchedule(some)
    state, rates = wrapped.init(), []
    for _ in STEPS:
        rates.append(wrapped(state))
        state = wrapped.update(state)
    assert bits(jnp.stack(rates)) == true(some)


# -- the state -----------------------------------------------------------------------------

STATES = {
    "sgd": optax.sgd,
    "adam": optax.adam,
    "inject": lambda rate: optax.inject_hyperparams(optax.adam)(learning_rate=rate),
    "chain": lambda rate: optax.chain(optax.clip(1.0), optax.adamw(rate)),
    "multi_steps": lambda rate: optax.MultiSteps(optax.adam(rate), 2),
    "partition": lambda rate: optax.partition({"a": optax.adam(rate)}, "a"),
    "schedule_free": lambda rate: optax.contrib.schedule_free(optax.sgd(rate), rate),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("build", STATES.values(), ids=STATES)
def test_the_state_has_one_shape_whatever_the_schedule_and_the_count(build):
    """A state therefore works in a scan, a cond, a checkpoint, and with another recipe."""
    optimizer = build(SCHEDULES["staircase"])
    weights = np.float32(1)
    state = optimizer.init(weights)
    after = updates(optimizer, 3, weights=weights)[1]
    other = build(SCHEDULES["phases"]).init(weights)

    def described(state):
        leaves, structure = jax.tree.flatten(state)
        return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]

    assert described(state) == described(after) == described(other)
    assert described(jax.eval_shape(optimizer.init, weights)) == described(state)
    counts = optax.tree.get_all_with_path(after, "count")
    assert {str(count.dtype) for _, count in counts} == {"int32"}


@pytest.mark.parametrize("build", STATES.values(), ids=STATES)
def test_a_state_of_numpy_leaves_goes_on_as_it_was(build):
    optimizer, weights = build(SCHEDULES["phases"]), np.float32(1)
    state = updates(optimizer, 5, weights=weights)[1]
    stored = jax.tree.map(np.asarray, state)
    assert jax.tree.structure(stored) == jax.tree.structure(state)
    runs = [updates(optimizer, 10, state=each, weights=weights)[0] for each in (state, stored)]
    assert runs[0].tolist() == runs[1].tolist()


def test_each_of_many_states_has_the_rate_of_its_own_count(some):
    """An ensemble, whose members have made different numbers of updates."""
    optimizer = optax.sgd(some)
    counts = jnp.array([0, 3, 7, 21], jnp.int32)
    states = jax.tree.map(lambda _: counts, optimizer.init(np.float32(0)))
    added, states = jax.vmap(optimizer.update)(jnp.full(4, GRADIENT), states)
    assert bits(added) == true(some, [0, 3, 7, 21])
    assert optax.tree.get(states, "count").tolist() == [1, 4, 8, 22]


def test_the_state_may_be_donated(schedule):
    optimizer = optax.adam(schedule, b1=0.0, b2=0.0, eps=0.0)
    update = jax.jit(optimizer.update, donate_argnums=1)
    state, added = optimizer.init(np.float32(0)), []
    for _ in STEPS:
        each, state = update(GRADIENT, state)
        added.append(each)
    assert bits(np.float32(added)) == true(schedule)


# -- every optimizer that optax has --------------------------------------------------------

# These need more than a rate and a gradient.
OUT = {"lbfgs", "dpsgd", "_deprecated_dpsgd", "noisy_sgd", "schedule_free", "sophia"}


def takes_a_schedule(factory):
    if not inspect.isfunction(factory) or factory.__name__.startswith("_"):
        return False
    rate = inspect.signature(factory).parameters.get("learning_rate")
    return rate is not None and "Callable" in str(rate.annotation)


FACTORIES = {
    name: factory
    for module in (optax, optax.contrib)
    for name, factory in vars(module).items()
    if takes_a_schedule(factory) and name not in OUT
}
WEIGHTS = jax.ShapeDtypeStruct((3, 3), np.float32)


def test_the_optimizers_of_optax_are_found():
    assert {"sgd", "adam", "adamw", "lion", "fromage", "momo", "muon"} <= FACTORIES.keys()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FACTORIES)
def test_the_updates_have_the_dtype_of_the_parameters(name, dtype):
    """Some multiply by the unrounded rate: for them, fix the dtype of the parameters."""
    unrounded = name in {"fromage", "momo", "momo_adam"}
    more = {"value": jnp.ones((), dtype)} if "momo" in name else {}
    schedule = SCHEDULES["exact"]

    def dtype_with(rate):
        optimizer = FACTORIES[name](rate)
        weights = jax.ShapeDtypeStruct(WEIGHTS.shape, dtype)
        return jax.eval_shape(
            lambda weights: optimizer.update(weights, optimizer.init(weights), weights, **more)[0],
            weights,
        ).dtype

    default = jnp.zeros(()).dtype
    assert dtype_with(schedule) == (jnp.promote_types(default, dtype) if unrounded else dtype)
    for pinned in (schedule.replace(dtype=dtype), schedule.on(dtype=dtype)):
        assert dtype_with(pinned) == dtype


@pytest.mark.parametrize("name", FACTORIES)
def test_current_rates_of_every_optimizer(name):
    schedule = SCHEDULES["phases"]
    state = FACTORIES[name](schedule).init(jnp.zeros(WEIGHTS.shape))
    if name == "muon":
        schedules = {"adam": schedule, "muon": schedule}
        assert current_rates(state, schedules) == [np.float32(0.02)] * 2
    elif name in {"momo", "momo_adam", "madgrad", "scale_by_madgrad", "prodigy", "dadapt_adamw"}:
        with pytest.raises(TypeError, match=r"optax\.tree\.get\(state, 'count'\)"):
            current_rates(state, schedule)
        assert optax.tree.get(state, "count") == 0
    else:
        assert current_rates(state, schedule) == [np.float32(0.02)]
