"""Optax takes the schedule itself: update number k uses exactly the schedule at step k - 1.

The probe: parameters of zero and gradients of -1, so that what SGD adds is the rate.
"""

import os
import pickle
import subprocess
import sys
from functools import partial

# Four host devices, unless JAX has already started in this process.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

import numpy as np
import pytest

from invtime import InverseTimeDecay, StepTypeError
from invtime.reference import Reference, bits_of_array

jax = pytest.importorskip("jax", exc_type=ImportError)
optax = pytest.importorskip("optax")
import jax.numpy as jnp  # noqa: E402
from jax import export, lax  # noqa: E402
from jax.sharding import NamedSharding, PartitionSpec  # noqa: E402

from invtime.backends.jax import enable_x64  # noqa: E402
from invtime.integrations import current_rates  # noqa: E402

STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
RECIPE = InverseTimeDecay(  # every phase, in 85 updates
    0.1,
    12.25,
    0.5,
    warmup_steps=10,
    warmup_learning_rate=0.001,
    stable_steps=15,
    minimum_learning_rate=0.05,
    cooldown_start=60,
    cooldown_steps=15,
    final_learning_rate=1 / 3000,
)
KNOTS = [10, 25, 50, 60, 75]
SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "staircase": STAIRCASE,
    "double word": InverseTimeDecay(1 / 3, 1000, 1 / 7),
    "fractional period": InverseTimeDecay(0.1, 0.3, 0.5, staircase=True),
    "phases": RECIPE,
}
# Adam without momentum: the update has the direction of the gradient, and length 1.
SIGN = {"b1": 0.0, "b2": 0.0, "eps": 0.0}
OPTIMIZERS = {
    "sgd": optax.sgd,
    "adam": partial(optax.adam, **SIGN),
    "adamw": partial(optax.adamw, weight_decay=0.5, **SIGN),
    "inject_hyperparams": lambda rate: optax.inject_hyperparams(optax.sgd)(learning_rate=rate),
    "scale_by_schedule": lambda rate: optax.chain(optax.scale_by_schedule(rate), optax.scale(-1)),
    "chain": lambda rate: optax.chain(optax.clip_by_global_norm(10.0), optax.sgd(rate)),
}
UPDATES = 85  # past two boundaries of the staircase, at steps 41 and 82, and all KNOTS
ZERO, GRADIENT = np.float32(0), np.float32(-1)


def one_update(optimizer, state, gradient=GRADIENT):
    """What an update adds to a parameter, and the state after it."""
    update, state = optimizer.update(gradient, state, ZERO)
    return optax.apply_updates(ZERO, update), state


def eager(optimizer, state, gradients):
    rates = []
    for gradient in gradients:
        rate, state = one_update(optimizer, state, jnp.asarray(gradient))
        rates.append(rate)
    return np.array(rates), state


def jitted(optimizer, state, gradients):
    step, rates = jax.jit(partial(one_update, optimizer)), []
    for gradient in gradients:
        rate, state = step(state, gradient)
        rates.append(rate)
    return np.array(rates), state


@partial(jax.jit, static_argnums=0)
def scanned(optimizer, state, gradients):
    def body(state, gradient):
        rate, state = one_update(optimizer, state, gradient)
        return state, rate

    state, rates = lax.scan(body, state, gradients)
    return rates, state


MODES = {"eager": eager, "jit": jitted, "scan": scanned}
COMPILED = ["jit", "scan"]  # some wrappers of optax compile a `cond` at each eager update


def run(optimizer, mode="scan", gradients=UPDATES):
    """The rate of each update from the first on."""
    if isinstance(gradients, int):
        gradients = np.full(gradients, GRADIENT)
    return MODES[mode](optimizer, optimizer.init(ZERO), gradients)[0]


def assert_rates(rates, schedule, steps):
    """The float32 bits are correct at each of these steps."""
    reference = Reference(schedule)
    true = [reference.bits(int(step), "float32") for step in steps]
    assert bits_of_array(rates, "float32").tolist() == true


def at_count(state, count):
    """Return the state after `count` updates."""
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, count), state)


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return SCHEDULES[request.param]


both_kinds = pytest.mark.parametrize("schedule", [STAIRCASE, RECIPE], ids=["staircase", "phases"])


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request):
    with enable_x64(request.param):
        yield request.param


@pytest.fixture(scope="module")
def mesh():
    if len(jax.devices()) < 4:
        pytest.skip("JAX was started with fewer than four devices")
    return jax.make_mesh((4,), ("data",))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@both_kinds
def test_update_number_k_uses_the_schedule_at_k_minus_1(schedule, optimizer, mode):
    rates = run(OPTIMIZERS[optimizer](schedule), mode)
    assert_rates(rates, schedule, range(UPDATES))


def test_the_recipe_has_every_phase():
    assert [(phase.name, phase.start) for phase in RECIPE.phases] == [
        ("warm-up", 0),
        *zip(("stable", "decay", "floor", "cool-down", "end"), KNOTS, strict=True),
    ]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_schedule(schedule, mode):
    rates = run(optax.sgd(schedule), mode)
    assert_rates(rates, schedule, range(UPDATES))


def test_the_staircase_drops_at_its_boundary():
    rates = run(optax.sgd(STAIRCASE), gradients=43)
    assert [rate.hex() for rate in map(float, rates[40:])] == [
        float(np.float32(0.1)).hex(),  # update 41, at step 40
        float(np.float32(0.1 / 1.5)).hex(),
        float(np.float32(0.1 / 1.5)).hex(),
    ]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("offset", [1, -10, 5000])
def test_the_origin_shifts_by_a_function_of_the_count(schedule, offset):
    rates = run(optax.sgd(lambda count: schedule(count + offset)))
    assert_rates(rates, schedule, range(offset, offset + UPDATES))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", MODES)
def test_a_warm_up_is_joined_at_its_own_origin(schedule, mode):
    warm_up = optax.linear_schedule(0.0, 0.5, 8)  # exact in binary
    joined = optax.join_schedules([warm_up, schedule], [8])
    rates = run(optax.sgd(joined), mode)
    assert rates[:8].tolist() == [n / 16 for n in range(8)]
    assert_rates(rates[8:], schedule, range(UPDATES - 8))


def test_a_joined_schedule_takes_numbers_and_arrays(schedule):
    joined = optax.join_schedules([optax.constant_schedule(0.5), schedule], [8])
    assert_rates(np.asarray([joined(8), joined(49)]), schedule, [0, 41])
    steps = jnp.arange(8, 60)
    assert_rates(joined(steps), schedule, steps - 8)
    assert joined(jnp.arange(-3, 8)).tolist() == [0.5] * 11


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", COMPILED)
@pytest.mark.parametrize("inner", ["sgd", "inject_hyperparams"])
@both_kinds
def test_multi_steps_counts_its_updates_and_not_its_batches(schedule, inner, mode):
    optimizer = optax.MultiSteps(OPTIMIZERS[inner](schedule), every_k_schedule=2)
    rates = run(optimizer, mode, gradients=2 * UPDATES)
    assert not rates[::2].any()
    assert_rates(rates[1::2], schedule, range(UPDATES))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", COMPILED)
def test_apply_if_finite_does_not_count_what_it_skips(mode):
    gradients = np.full(50, GRADIENT)
    gradients[[0, 7, 41, 42]] = np.nan
    rates = run(optax.apply_if_finite(optax.sgd(STAIRCASE), 3), mode, gradients)
    assert not rates[np.isnan(gradients)].any()
    assert_rates(rates[~np.isnan(gradients)], STAIRCASE, range(46))


def test_two_schedules_in_one_optimizer():
    first, second = SCHEDULES["exact"], SCHEDULES["phases"]
    optimizer = optax.multi_transform(
        {"a": optax.sgd(first), "b": optax.sgd(second)}, {"first": "a", "second": "b"}
    )
    weights = {"first": ZERO, "second": ZERO}
    state = optimizer.init(weights)
    update = jax.jit(optimizer.update)
    for step in range(UPDATES):
        rates, state = update({"first": GRADIENT, "second": GRADIENT}, state, weights)
        assert_rates(np.array([rates["first"]]), first, [step])
        assert_rates(np.array([rates["second"]]), second, [step])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", MODES)
def test_late_counts_up_to_the_last_which_optax_keeps(schedule, mode):
    """The count is an int32, and stays at its largest value."""
    optimizer = optax.sgd(schedule)
    last = 2**31 - 1
    for start in (2**24 - 2, last - 3):
        state = at_count(optimizer.init(ZERO), start)
        rates, _ = MODES[mode](optimizer, state, np.full(6, GRADIENT))
        assert_rates(rates, schedule, np.minimum(start + np.arange(6), last))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_parameters_are_scaled_by_the_rate_in_their_own_dtype(schedule, dtype):
    optimizer = optax.sgd(schedule)
    state = optimizer.init(jnp.zeros((), dtype))
    reference = Reference(schedule)
    for step in range(43):
        update, state = optimizer.update(-jnp.ones((), dtype), state)
        assert update.dtype == dtype
        assert bits_of_array(np.asarray(update), dtype) == reference.bits(step, dtype)


def test_an_injected_rate_keeps_its_own_dtype_and_widens_the_updates_to_it():
    def update_dtype(rate, dtype):
        optimizer = OPTIMIZERS["inject_hyperparams"](rate)
        weight = jnp.zeros((), dtype)
        update, _ = optimizer.update(weight, optimizer.init(weight), weight)
        return update.dtype

    assert update_dtype(STAIRCASE, "bfloat16") == jnp.float32
    assert update_dtype(STAIRCASE.on(dtype="bfloat16"), "bfloat16") == jnp.bfloat16
    with enable_x64(True):
        assert update_dtype(STAIRCASE, "float32") == jnp.float64
        assert update_dtype(STAIRCASE.on(dtype="float32"), "float32") == jnp.float32


def test_strict_promotion(schedule):
    with jax.numpy_dtype_promotion("strict"):
        assert_rates(run(optax.sgd(schedule)), schedule, range(UPDATES))


@both_kinds
def test_no_retracing_as_the_step_changes(schedule):
    for name, build in OPTIMIZERS.items():
        optimizer, traces = build(schedule), []

        @jax.jit
        def step(state, optimizer=optimizer, traces=traces):
            traces.append(state)
            return one_update(optimizer, state)

        state = optimizer.init(ZERO)
        for _ in range(UPDATES):
            _, state = step(state)
        assert len(traces) == 1, name


@both_kinds
def test_eager_updates_compile_nothing_after_the_first(schedule, caplog):
    optimizer = optax.sgd(schedule)
    state = eager(optimizer, optimizer.init(ZERO), [GRADIENT] * 2)[1]
    with jax.log_compiles(), caplog.at_level("WARNING", "jax"):
        eager(optimizer, state, [GRADIENT] * UPDATES)
        assert not caplog.records
        jax.jit(lambda x: x + 1)(ZERO)  # which is noticed
        assert caplog.records


# -- interrupted and resumed ---------------------------------------------------------------


def through_pickle(state, _):
    return pickle.loads(pickle.dumps(jax.tree.map(np.asarray, state)))


def through_leaves(state, fresh):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    return jax.tree.unflatten(jax.tree.structure(fresh), leaves)


WRAPPED = {
    **OPTIMIZERS,
    "apply_if_finite": lambda rate: optax.apply_if_finite(optax.sgd(rate), 3),
    "multi_steps": lambda rate: optax.MultiSteps(optax.sgd(rate), every_k_schedule=2),
    "partition": lambda rate: optax.partition({"all": optax.adam(rate, **SIGN)}, "all"),
}


@pytest.mark.parametrize("through", [through_pickle, through_leaves])
@pytest.mark.parametrize("optimizer", WRAPPED)
@both_kinds
def test_resumed_is_uninterrupted(schedule, optimizer, through):
    """Also between the two batches of one update of MultiSteps."""
    batches = 2 if optimizer == "multi_steps" else 1
    interrupted = (0, 1, 9, 10, 40, 41, 42, 60, 75)
    stored = InverseTimeDecay.from_json(schedule.to_json())
    steps = [WRAPPED[optimizer](each) for each in (schedule, stored)]
    first, second = (jax.jit(partial(one_update, step)) for step in steps)
    state, before = steps[0].init(ZERO), []
    for n in range(76 * batches):
        if n // batches in interrupted:
            resumed, after = through(state, steps[1].init(ZERO)), []
            for _ in range(n, 78 * batches):
                rate, resumed = second(resumed, GRADIENT)
                after.append(rate)
            rates = np.array([*before, *after])
            assert_rates(rates[batches - 1 :: batches], schedule, range(78))
        rate, state = first(state, GRADIENT)
        before.append(rate)


# The parts of a run, with recipe and batches; all except the first start from stored state.
PARTS = [(STAIRCASE, 13), (STAIRCASE, 30), (RECIPE, 14), (RECIPE, 9), (STAIRCASE, 24)]


@pytest.mark.parametrize("through", [through_pickle, through_leaves])
@pytest.mark.parametrize("optimizer", WRAPPED)
def test_interrupted_resumed_and_given_another_recipe_every_update_has_its_rate(optimizer, through):
    """The new recipe continues at the count, from its first update."""
    batches = 2 if optimizer == "multi_steps" else 1
    state, rates, done = None, [], 0
    for schedule, more in PARTS:
        built = WRAPPED[optimizer](InverseTimeDecay.from_json(schedule.to_json()))
        fresh = built.init(ZERO)
        state = fresh if state is None else through(state, fresh)
        assert jax.tree.structure(state) == jax.tree.structure(fresh)
        assert_rates(np.float32(current_rates(state, schedule)), schedule, [done // batches])
        step = jax.jit(partial(one_update, built))
        for _ in range(more):
            rate, state = step(state, GRADIENT)
            done += 1
            if done % batches == 0:
                assert_rates(np.array([rate]), schedule, [done // batches - 1])
                rates.append(rate)
    assert len(rates) == sum(more for _, more in PARTS) // batches


def test_another_recipe_keeps_the_moments():
    """The result is the same as with one function of the count from the start."""
    gradients = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)

    def joined(count):
        return jnp.where(count < 12, STAIRCASE(count), RECIPE(count))

    def trained(weights, state, rate, gradients):
        optimizer = optax.adamw(rate, weight_decay=0.1)
        state = optimizer.init(weights) if state is None else state
        for gradient in gradients:
            updates, state = optimizer.update(gradient, state, weights)
            weights = optax.apply_updates(weights, updates)
        return weights, through_pickle(state, None)

    start = jnp.ones(3)
    first = trained(start, None, STAIRCASE, gradients[:12])
    changed = trained(*first, RECIPE, gradients[12:])
    at_once = trained(start, None, joined, gradients)
    for ours, theirs in zip(jax.tree.leaves(changed), jax.tree.leaves(at_once), strict=True):
        assert np.array_equal(ours, theirs)


def test_another_recipe_may_begin_at_its_own_step_0():
    _, state = scanned(optax.sgd(STAIRCASE), optax.sgd(STAIRCASE).init(ZERO), np.full(50, GRADIENT))
    rates, _ = scanned(optax.sgd(lambda count: RECIPE(count - 50)), state, np.full(80, GRADIENT))
    assert_rates(rates, RECIPE, range(80))


def test_what_was_injected_is_the_old_rate_until_the_next_update():
    build = OPTIMIZERS["inject_hyperparams"]
    _, state = scanned(build(STAIRCASE), build(STAIRCASE).init(ZERO), np.full(45, GRADIENT))
    assert_rates(np.float32(current_rates(state)), STAIRCASE, [44])
    assert_rates(np.float32(current_rates(state, RECIPE)), RECIPE, [45])
    rate, state = one_update(build(RECIPE), state)
    assert_rates(np.array([rate, *current_rates(state)], np.float32), RECIPE, [45, 45])


@pytest.mark.parametrize("injected", [False, True])
def test_from_a_constant_rate_to_the_schedule(injected):
    """The states differ only in the schedule's count, which continues that of the moments."""

    def build(rate):
        if injected:
            return optax.inject_hyperparams(optax.adam)(learning_rate=rate, **SIGN)
        return optax.adam(rate, **SIGN)

    _, old = scanned(build(0.5), build(0.5).init(ZERO), np.full(40, GRADIENT))
    fresh = build(STAIRCASE).init(ZERO)
    assert jax.tree.structure(old) != jax.tree.structure(fresh)
    if injected:
        counted = fresh.hyperparams_states["learning_rate"]._replace(count=old.count)
        state = old._replace(hyperparams_states={"learning_rate": counted})
    else:
        state = old[0], fresh[1]._replace(count=old[0].count)
    rates, state = scanned(build(STAIRCASE), state, np.full(40, GRADIENT))
    assert_rates(rates, STAIRCASE, range(40, 80))
    assert optax.tree.get(state, "ScaleByAdamState").count == 80


# -- several devices -----------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_every_device_of_a_shard_map_uses_the_same_rate(mesh, schedule):
    optimizer = optax.sgd(schedule)

    @jax.jit
    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec("data")),
        out_specs=(PartitionSpec("data"), PartitionSpec()),
    )
    def step(state, gradients):
        gradient = lax.pmean(gradients.mean(), "data")
        rate, state = one_update(optimizer, state, gradient)
        return rate + 0 * gradients, state

    state = optimizer.init(ZERO)
    gradients = jax.device_put(np.full(8, GRADIENT), NamedSharding(mesh, PartitionSpec("data")))
    for count in (0, 40, 41, 82):
        rates, after = step(at_count(state, count), gradients)
        assert len(rates.sharding.device_set) == 4
        assert_rates(np.asarray(rates), schedule, [count] * 8)
        assert jax.tree.leaves(after) == [count + 1]


def test_sharded_parameters_stay_sharded(mesh, schedule):
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    weights = jax.device_put(np.zeros(8, np.float32), sharding)
    optimizer = optax.sgd(schedule)
    state = optimizer.init(weights)
    step = jax.jit(lambda weights, state: optimizer.update(weights - 1, state))
    for count in range(43):
        updates, state = step(weights, state)
        assert updates.sharding.is_equivalent_to(sharding, 1)
        assert_rates(np.asarray(updates), schedule, [count] * 8)


# -- export --------------------------------------------------------------------------------

ELSEWHERE = """
import sys
import jax, numpy as np
from jax import export
with open(sys.argv[1], "rb") as file:
    step = export.deserialize(file.read())
count, rates = np.int32(0), []
for _ in range(85):
    rate, count = step.call(count)
    rates.append(np.asarray(rate))
assert "invtime" not in sys.modules
np.save(sys.argv[2], np.array(rates))
"""


@pytest.mark.usefixtures("x64")
@both_kinds
def test_an_exported_step_runs_where_invtime_is_not_imported(schedule, tmp_path):
    optimizer = optax.sgd(schedule)
    start, structure = jax.tree.flatten(optimizer.init(ZERO))

    @jax.jit
    def step(count):
        rate, state = one_update(optimizer, jax.tree.unflatten(structure, [count]))
        return rate, *jax.tree.leaves(state)

    exported = export.export(step)(*start)
    (tmp_path / "step.bin").write_bytes(exported.serialize())
    files = str(tmp_path / "step.bin"), str(tmp_path / "rates.npy")
    subprocess.run([sys.executable, "-c", ELSEWHERE, *files], check=True)
    assert_rates(np.load(tmp_path / "rates.npy"), schedule, range(UPDATES))


# -- what the rate is, and what is no rate -------------------------------------------------


def test_injected_hyperparams_hold_the_rate_of_the_last_update(schedule):
    optimizer = OPTIMIZERS["inject_hyperparams"](schedule)
    state = optimizer.init(ZERO)
    assert_rates(np.array([state.hyperparams["learning_rate"]]), schedule, [0])
    update = jax.jit(optimizer.update)
    for step in range(43):
        _, state = update(GRADIENT, state, ZERO)
        assert_rates(np.array([state.hyperparams["learning_rate"]]), schedule, [step])


def test_the_count_of_the_state_gives_the_next_rate():
    optimizer = optax.adam(STAIRCASE)
    _, state = scanned(optimizer, optimizer.init(ZERO), np.full(41, GRADIENT))
    count = optax.tree.get(state, "ScaleByScheduleState").count
    assert float(STAIRCASE(int(count))).hex() == Reference(STAIRCASE).value(41).hex()


def test_a_placed_schedule_is_a_schedule(schedule):
    for placed in (
        schedule.on("jax"),
        schedule.on(dtype="float32"),
        schedule.on("jax", device="cpu:0"),
    ):
        for mode in MODES:
            assert_rates(run(optax.sgd(placed), mode, 43), schedule, range(43))


@pytest.mark.parametrize("mode", MODES)
def test_the_class_in_place_of_a_schedule(mode):
    with pytest.raises(TypeError, match="'decay_steps' and 'decay_rate'"):
        run(optax.sgd(InverseTimeDecay), mode, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_count_that_is_no_number(mode):
    with pytest.raises(StepTypeError, match="dtype bool"):
        run(optax.sgd(lambda count: STAIRCASE(count > 0)), mode, 1)


def test_the_schedule_as_a_traced_argument():
    with pytest.raises(TypeError, match=r"InverseTimeDecay.* at path schedule"):
        jax.jit(lambda schedule, count: count)(STAIRCASE, 0)
