"""Dialects with phases: Levanter's and DeePMD-kit's configs, Optax's and PyTorch's code.

The formulas are those of the libraries' sources, in fractions. The numbers of steps are
binary64, as in the sources.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay
from invtime.dialects import DIALECTS, from_dialect, to_code, to_dialect
from invtime.reference import Reference, exact_number
from invtime.testing.strategies import schedules

RECIPE = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=50, stable_steps=30)
FLOOR = RECIPE.replace(decay_steps=20, decay_rate=1, minimum_learning_rate=0.025)
LINEAR = RECIPE.replace(decay_rate=0, cooldown_start=80, cooldown_steps=40)
EVERY_PHASE = FLOOR.replace(cooldown_start=120, cooldown_steps=9, final_learning_rate=0.001)


def landmarks(schedule, last):
    """Return the first steps, those around the knots, the last one, and a distant one."""
    around = {knot + d for knot in (*Reference(schedule).knots, last) for d in (-1, 0, 1)}
    return sorted(n for n in {*range(20), *around, 3 * last + 1} if n >= 0)


def unless(reasons, call, *arguments):
    """Return the result; discard an example that is rejected for one of the reasons."""
    try:
        return call(*arguments)
    except ConfigError as error:
        if not re.search(reasons, str(error)):
            raise
        return assume(False)


# -- Levanter: src/levanter/optim/config.py of stanford-crfm/levanter, 9263f81 ---------------------


def join(schedules, boundaries):
    """optax.join_schedules."""

    def joined(n):
        found = schedules[0](n)
        for boundary, schedule in zip(boundaries, schedules[1:], strict=False):
            found = found if n < boundary else schedule(n - boundary)
        return found

    return joined


def linear(first, last, steps):
    """optax.linear_schedule."""
    return lambda n: (first - last) * (1 - Fraction(min(max(n, 0), steps), steps)) + last


def constant(rate):
    return lambda n: rate


def frac_or_steps(value, total):
    return int(value * total) if value <= 1.0 else int(value)


def inv_decay(rate, least, steps):
    def schedule(n):
        decay = min(1, 1 / ((rate / least - 1) * Fraction(max(n, 1), steps) + 1))
        return max(rate * decay, least)

    return schedule


def levanter(config):
    """OptimizerConfig.lr_scheduler with one cycle."""
    c = SimpleNamespace(**{"warmup": 0.01, "decay": None, "cooldown": None, **config})
    rate, ratio = exact_number(c.learning_rate), exact_number(config.get("min_lr_ratio", 0.1))
    cooldown = 0 if c.cooldown is None else frac_or_steps(c.cooldown, c.num_train_steps)
    total = c.num_train_steps - cooldown
    schedules, boundaries = [], []
    warmup = frac_or_steps(c.warmup, total)
    if warmup:
        schedules.append(linear(Fraction(0), rate, warmup))
        boundaries.append(warmup)
    decay = total - warmup if c.decay is None else frac_or_steps(c.decay, total)
    stable = total - warmup - decay
    if stable:
        schedules.append(constant(rate))
        boundaries.append(warmup + stable)
    down = {
        "constant": lambda: constant(rate),
        "linear": lambda: linear(rate, rate * ratio, decay),
        "inv": lambda: inv_decay(rate, rate * ratio, decay),
    }[c.lr_schedule]()
    schedules.append(down)
    boundaries.append(total)
    if cooldown:
        schedules.append(linear(down(decay), rate * ratio, cooldown))
    return join(schedules, boundaries)


def lengths(total):
    shares = st.sampled_from((0, 0.0, 0.01, 0.1, 0.29, 0.5, 1, 1.0))
    return shares | st.integers(2, max(total, 2)) | st.floats(1e-6, 1)


@st.composite
def levanter_configs(draw):
    total = draw(st.sampled_from((1, 2, 7, 100, 997, 10_000, 10**9)))
    config = {
        "learning_rate": draw(st.sampled_from((0.1, 6e-4, 3e-4, 2, 1 / 3))),
        "min_lr_ratio": draw(st.sampled_from((0.1, 0.25, 0.3, 0.01, 1, 1.0))),
        "lr_schedule": draw(st.sampled_from(("inv", "linear", "constant"))),
        "num_train_steps": total,
    }
    for key in ("warmup", "decay", "cooldown"):
        if draw(st.booleans()):
            config[key] = draw(lengths(total))
    return config


def assert_levanter(config, schedule, last):
    theirs, ours = levanter(config), Reference(schedule).exact
    start = schedule.warmup_steps + schedule.stable_steps
    for n in landmarks(schedule, last):
        if config["lr_schedule"] == "inv" and n == start:  # it has the rate of the next step
            assert theirs(n) == ours(n + 1)
            assert ours(n) == exact_number(schedule.initial_learning_rate)
        else:
            assert theirs(n) == ours(n), n


@given(config=levanter_configs())
def test_a_config_of_levanter_is_the_same_schedule_exactly(config):
    """At every step but the first of its `inv`, where Levanter has the rate of the second."""
    inexact = "no binary64 number|cannot be written exactly"
    reasons = f"Levanter's versions differ|{inexact}"
    schedule = unless(reasons, from_dialect, "levanter", config)
    assert_levanter(config, schedule, config["num_train_steps"])
    again = unless(inexact, to_dialect, "levanter", schedule)
    assert_levanter(again, schedule, config["num_train_steps"])


def test_levanter_of_an_example():
    config = {"learning_rate": 0.01, "min_lr_ratio": 0.1, "decay": 0.2, "lr_schedule": "inv"}
    schedule = from_dialect("levanter", {**config, "num_train_steps": 1000})
    assert schedule == InverseTimeDecay(
        0.01, 200, 9, warmup_steps=10, stable_steps=790, minimum_learning_rate=0.001
    )
    steps = (0, 5, 10, 800, 801, 900, 1000, 2000)
    formula = [Fraction(v) for v in ("0", "1/200", "1/100")]
    formula += [1 / (100 * (1 + 9 * Fraction(t, 200))) for t in (0, 1, 100, 200, 200)]
    assert [Reference(schedule).exact(n) for n in steps] == formula
    theirs = levanter({**config, "num_train_steps": 1000})
    assert theirs(800) == theirs(801) == formula[4]


def test_the_object_form_of_levanters_schedule():
    config = {"lr_schedule": {"type": "inv"}, "num_train_steps": 1000, "cycles": 1}
    config |= {"cycle_length": None, "haps": None, "rewarmup": 0.5}
    plain = from_dialect("levanter", {"lr_schedule": "inv", "num_train_steps": 1000})
    assert from_dialect("levanter", config) == plain


def test_one_step_is_a_fraction_in_levanter():
    """In Levanter `warmup=1` is the whole run."""
    config = to_dialect("levanter", FLOOR.replace(warmup_steps=1))
    assert frac_or_steps(config["warmup"], config["num_train_steps"]) == 1
    assert config["warmup"] < 1


def test_a_fraction_gives_the_steps_in_binary64():
    """1 / 49 * 49 is 0.9999999999999999, which both libraries truncate to 0 steps."""
    bare = InverseTimeDecay(0.1, 48, 1, minimum_learning_rate=0.05)
    config = to_dialect("levanter", bare.replace(warmup_steps=1))
    assert int(config["warmup"] * config["num_train_steps"]) == 1
    assert config["num_train_steps"] == 49
    short = bare.replace(decay_steps=1, stable_steps=48)
    assert from_dialect("deepmd", to_dialect("deepmd", short)) == short


def test_a_rate_of_zero_has_no_ratio_in_levanter():
    nothing = InverseTimeDecay(0, 1, 0, cooldown_start=5, cooldown_steps=5)
    config = to_dialect("levanter", nothing)
    assert config["lr_schedule"] == "constant"
    assert from_dialect("levanter", config)(7) == 0


# -- DeePMD-kit: deepmd/dpmodel/utils/learning_rate.py of deepmodeling/deepmd-kit, bc902da --------


def deepmd(config):
    """LearningRateWSD.value."""
    c = SimpleNamespace(**{"warmup_steps": 0, "decay_phase_ratio": 0.1, **config})
    total, warmup = c.numb_steps, c.warmup_steps
    start = exact_number(c.start_lr)
    stop = start * exact_number(c.stop_lr_ratio) if "stop_lr_ratio" in config else None
    stop = exact_number(c.stop_lr) if stop is None else stop
    first = start * exact_number(config.get("warmup_start_factor", 0))
    if "warmup_ratio" in config:
        warmup = int(c.warmup_ratio * total)
    decay = max(1, min(int(c.decay_phase_ratio * total), total - warmup))
    stable = total - warmup - decay

    def value(n):
        if n < warmup:
            return first + (start - first) * Fraction(n, warmup)
        tau = min(max(Fraction(n - warmup - stable, decay), Fraction(0)), Fraction(1))
        if config.get("decay_type", "inverse_linear") == "linear":
            return start + (stop - start) * tau
        return 1 / (tau / stop + (1 - tau) / start)

    return value


@st.composite
def deepmd_configs(draw):
    total = draw(st.sampled_from((1, 2, 7, 100, 997, 10_000, 10**9)))
    config = {
        "type": "wsd",
        "start_lr": draw(st.sampled_from((1e-3, 6e-4, 0.1, 1))),
        draw(st.sampled_from(("stop_lr", "stop_lr_ratio"))): draw(
            st.sampled_from((1e-6, 3.51e-8, 1e-3, 3e-4))
        ),
        "numb_steps": total,
    }
    if draw(st.booleans()):
        config["warmup_steps"] = draw(st.integers(0, total - 1))
    elif draw(st.booleans()):
        config["warmup_ratio"] = draw(st.floats(1e-9, 0.99))
    for key, values in {
        "decay_phase_ratio": st.sampled_from((0.1, 0.29, 1, 1.0)) | st.floats(1e-9, 1),
        "decay_type": st.sampled_from(("inverse_linear", "linear")),
        "warmup_start_factor": st.sampled_from((0, 0.1, 1, 1.5)),
        "scale_by_worker": st.sampled_from(("linear", "sqrt", "none")),
    }.items():
        if draw(st.booleans()):
            config[key] = draw(values)
    return config


@given(config=deepmd_configs())
def test_a_config_of_deepmd_is_the_same_schedule_exactly(config):
    schedule = unless("must not increase", from_dialect, "deepmd", config)
    again = to_dialect("deepmd", schedule)
    ours = Reference(schedule).exact
    for n in landmarks(schedule, config["numb_steps"]):
        assert deepmd(config)(n) == ours(n) == deepmd(again)(n), n


def test_deepmd_of_an_example():
    config = {"type": "wsd", "start_lr": 1e-3, "stop_lr": 1e-6, "numb_steps": 1_000_000}
    assert from_dialect("deepmd", {**config, "warmup_steps": 5000}) == InverseTimeDecay(
        1e-3, 100_000, 999, warmup_steps=5000, stable_steps=895_000, minimum_learning_rate=1e-6
    )


def test_the_code_of_deepmd_is_its_input():
    parameters = to_dialect("deepmd", FLOOR)
    found = json.loads(to_code("deepmd", FLOOR))
    assert found.keys() == {"learning_rate", "training"}
    assert {**found["learning_rate"], **found["training"]} == parameters
    assert from_dialect("deepmd", parameters) == FLOOR.replace(decay_steps=60, decay_rate=3)


# -- Both -----------------------------------------------------------------------------------------

FORMULAS = {"levanter": levanter, "deepmd": deepmd}


@st.composite
def recipes(draw):
    """Draw schedules with phases; both libraries can express most of them."""
    rate = draw(st.sampled_from((0.1, 3e-4, 1, 1 / 3)))
    steps = st.sampled_from((0, 1, 2, 100, 12_345))
    phases = {"warmup_steps": draw(steps), "stable_steps": draw(steps)}
    if phases["warmup_steps"] and draw(st.booleans()):
        phases["warmup_learning_rate"] = draw(st.sampled_from((1e-5, 2.0)))
    decay = draw(st.sampled_from((0, 0.5, 9, 3)))
    if draw(st.booleans()):
        phases["minimum_learning_rate"] = draw(st.sampled_from((rate, 1e-5, 3e-5)))
    if draw(st.booleans()):
        phases["cooldown_start"] = phases["warmup_steps"] + draw(steps)
        phases["cooldown_steps"] = draw(st.sampled_from((1, 2, 1000)))
        phases["final_learning_rate"] = draw(st.sampled_from((0, rate, 1e-5, 2)))
    return InverseTimeDecay(rate, draw(st.sampled_from((1, 1000, 0.5))), decay, **phases)


@pytest.mark.parametrize("dialect", FORMULAS)
@given(schedule=recipes())
def test_the_parameters_of_a_schedule_give_its_rates_exactly(dialect, schedule):
    config = unless("", to_dialect, dialect, schedule)
    last = config.get("num_train_steps") or config["numb_steps"]
    if dialect == "levanter":
        assert_levanter(config, schedule, last)
    again = from_dialect(dialect, config)
    assert again.fingerprint() == schedule.fingerprint()
    for n in landmarks(schedule, last):
        exact = Reference(schedule).exact(n)
        assert Reference(again).exact(n) == exact
        assert dialect == "levanter" or deepmd(config)(n) == exact


@given(schedule=schedules(phases=True))
def test_our_own_parameters_are_the_schedule(schedule):
    parameters = json.loads(json.dumps(to_dialect("invtime", schedule)))
    assert from_dialect("invtime", parameters) == schedule


L = {"lr_schedule": "inv", "num_train_steps": 1000}
D = {"type": "wsd", "start_lr": 1e-3, "stop_lr": 1e-6, "numb_steps": 1000}


@pytest.mark.parametrize(
    ("dialect", "parameters", "message"),
    [
        ("levanter", {"lr_schedule": "inv"}, "needs num_train_steps; 'num_train_steps' is missing"),
        ("levanter", {"num_train_steps": 9}, "lr_schedule is 'cosine' .*accepted are inv, linear"),
        ("levanter", {**L, "lr_schedule": "inv_sqrt"}, "neither inverse time decay nor straight"),
        ("levanter", {**L, "lr_schedule": {"type": "cosine", "exponent": 2}}, "lr_schedule is {"),
        ("levanter", {**L, "lr_schedule": 3}, "lr_schedule is 3"),
        ("levanter", {**L, "num_train_steps": 10.5}, "num_train_steps is 10.5; .*whole number"),
        ("levanter", {**L, "cycles": 4}, "cycles is 4; an invtime schedule has one cycle"),
        ("levanter", {**L, "cycles": [100]}, r"cycles is \[100\]"),
        ("levanter", {**L, "cycle_length": 0.5}, "cycle_length is 0.5"),
        ("levanter", {**L, "haps": [5]}, r"haps is \[5\]"),
        ("levanter", {**L, "warmup": 10.5}, "warmup is 10.5; Levanter takes a fraction"),
        ("levanter", {**L, "decay": -1}, "decay is -1"),
        ("levanter", {**L, "warmup": 600, "decay": 500}, "takes 600 of them, the decay 500"),
        ("levanter", {**L, "warmup": 1}, "takes 1000 of them, the decay 0"),
        ("levanter", {**L, "cooldown": 1.0}, "the cooldown 1000"),
        (
            "levanter",
            {"lr_schedule": "constant", "num_train_steps": 3, "warmup": 5},
            "takes 5 of them, the decay -2",
        ),
        (
            "levanter",
            {"lr_schedule": "constant", "num_train_steps": 4, "warmup": 4, "cooldown": 0.5},
            "the decay -2 and the cooldown 2",
        ),
        ("levanter", {**L, "min_lr_ratio": 0}, "inv divides by the product"),
        ("levanter", {**L, "min_lr_ratio": 1.5}, "a ratio above 1 is not a decay"),
        ("levanter", {**L, "learning_rate": 0}, "learning_rate is 0"),
        ("levanter", {**L, "min_lr_ratio": 1 / 3}, r"from 0.0006 to .* in 990 steps, decay_rate"),
        (
            "levanter",
            {**L, "learning_rate": 1 / 3, "min_lr_ratio": 0.123},
            "minimum_learning_rate w",
        ),
        ("levanter", {**L, "weight_decay": 0.1}, "'weight_decay' .*; remove it"),
        ("levanter", {**L, "warmup_steps": 9}, "'warmup_steps' .* use the dialect invtime"),
        (
            "deepmd",
            {"type": "wsd", "start_lr": 1e-3},
            "needs start_lr, numb_steps; 'numb_steps' is missing",
        ),
        ("deepmd", {**D, "type": "exp"}, "type is 'exp'"),
        ("deepmd", {"start_lr": 1e-3, "numb_steps": 9}, "type is 'exp' .*default is 'exp'"),
        ("deepmd", {**D, "decay_type": "cosine"}, "decay_type is 'cosine'"),
        ("deepmd", {**D, "scale_by_worker": None}, "scale_by_worker is None"),
        ("deepmd", {**D, "stop_lr_ratio": 0.1}, "takes exactly one of them"),
        ("deepmd", {**D, "stop_lr": None}, "stop_lr is None and stop_lr_ratio is None"),
        ("deepmd", {**D, "stop_lr": 0}, "stop_lr is 0; both rates must be above 0"),
        ("deepmd", {**D, "start_lr": -1}, "start_lr is -1"),
        ("deepmd", {**D, "stop_lr": 1}, "the rate must not increase"),
        ("deepmd", {**D, "warmup_steps": 9, "warmup_ratio": 0.1}, "warmup_ratio is 0.1"),
        ("deepmd", {**D, "warmup_steps": 1000}, "takes 1000 of them"),
        ("deepmd", {**D, "warmup_ratio": -0.5}, "takes -500 of them"),
        ("deepmd", {**D, "warmup_steps": 2.5}, "warmup_steps is 2.5; .*whole number"),
        ("deepmd", {**D, "decay_phase_ratio": 1.5}, "decay_phase_ratio is 1.5"),
        ("deepmd", {**D, "numb_steps": 0}, "numb_steps is 0"),
        ("deepmd", {**D, "decay_steps": 5000}, "no parameter 'decay_steps'"),
        ("keras", {**RECIPE.get_config()}, "'warmup_steps' .* the dialect invtime"),
    ],
)
def test_parameters_that_are_refused(dialect, parameters, message):
    with pytest.raises(ConfigError, match=message):
        from_dialect(dialect, parameters)


@pytest.mark.parametrize(
    ("dialect", "schedule", "message"),
    [
        *(
            (name, RECIPE, f"warmup_steps is 50, but {name} has no phases")
            for name in ("keras", "tf1")
        ),
        *((name, LINEAR, "remove .* from the schedule") for name in ("paddle", "mindspore")),
        ("keras-legacy", FLOOR, "dialects with phases are invtime, levanter, deepmd, torch, optax"),
        ("levanter", RECIPE, "minimum_learning_rate is 0, but the decay of levanter ends"),
        ("deepmd", RECIPE, "the decay of deepmd ends"),
        ("levanter", EVERY_PHASE, "cooldown_start is 120, but the decay starts at 80"),
        ("deepmd", EVERY_PHASE, "deepmd has a decay or a cool-down"),
        ("levanter", FLOOR.replace(staircase=True), "levanter has no staircase"),
        ("deepmd", FLOOR.replace(minimum_learning_rate=0.03), "after 140/3 steps"),
        ("levanter", FLOOR.replace(warmup_learning_rate=1e-3), "Levanter's warm-up starts at 0"),
        ("levanter", LINEAR.replace(initial_learning_rate=0.3, final_learning_rate=0.1), "min_lr_"),
        (
            "levanter",
            LINEAR.replace(initial_learning_rate=0, final_learning_rate=1),
            "ratio of the",
        ),
        ("levanter", FLOOR.replace(decay_steps=1e20), "step 300000000000000000080 on, which"),
        (
            "deepmd",
            FLOOR.replace(stable_steps=2**53),
            "steps to write for deepmd; it must be at most",
        ),
        ("deepmd", LINEAR, "from 0.1 to 0.0; DeePMD-kit does not accept a rate of 0"),
        (
            "deepmd",
            FLOOR.replace(initial_learning_rate=0.3, warmup_learning_rate=0.1),
            "start_fact",
        ),
        ("optax", RECIPE.replace(warmup_steps=2**31), "the decay starts at step 2147483678"),
        ("optax", RECIPE.replace(decay_steps=2.5, staircase=True), "only for integers below 2..31"),
        ("optax", RECIPE.replace(warmup_learning_rate=1e-50), "range of float32"),
    ],
)
def test_schedules_that_are_refused(dialect, schedule, message):
    with pytest.raises(ConfigError, match=message):
        to_dialect(dialect, schedule)


def test_levanters_code_is_python():
    class AdamConfig(SimpleNamespace):
        def lr_scheduler(self, steps):
            return {**vars(self), "num_train_steps": steps}

    names = {"levanter": SimpleNamespace(optim=SimpleNamespace(AdamConfig=AdamConfig))}
    assert eval(to_code("levanter", FLOOR), names) == to_dialect("levanter", FLOOR)


def test_invtimes_code_is_the_schedule():
    names = {"invtime": SimpleNamespace(InverseTimeDecay=InverseTimeDecay)}
    for schedule in (RECIPE, FLOOR, LINEAR, EVERY_PHASE):
        assert eval(to_code("invtime", schedule), names) == schedule


# -- The code of PyTorch and Optax, executed ------------------------------------------------------

PHASED = {
    "every phase": EVERY_PHASE,
    "warm-up": RECIPE.replace(stable_steps=0, warmup_learning_rate=0.01),
    "stable": RECIPE.replace(warmup_steps=0),
    "floor": FLOOR,
    "floor, no plateau": FLOOR.replace(minimum_learning_rate=0.1),
    "floor between two steps": FLOOR.replace(minimum_learning_rate=0.03),
    "cool-down on the floor": FLOOR.replace(
        minimum_learning_rate=0.05, cooldown_start=110, cooldown_steps=20
    ),
    "cool-down from the warm-up": RECIPE.replace(cooldown_start=50, cooldown_steps=70),
    "cool-down in the stable phase": RECIPE.replace(cooldown_start=70, cooldown_steps=1),
    "cool-down where the decay starts": LINEAR,
    "cool-down up": RECIPE.replace(cooldown_start=90, cooldown_steps=30, final_learning_rate=0.2),
    "cool-down to the same rate": LINEAR.replace(final_learning_rate=0.1),
    "steps of one": InverseTimeDecay(
        0.1, 3, 1, warmup_steps=1, stable_steps=1, cooldown_start=3, cooldown_steps=1
    ),
    "staircase": FLOOR.replace(staircase=True, cooldown_start=115, cooldown_steps=20),
    "long decimals": InverseTimeDecay(
        1 / 3,
        1 / 7,
        1 / 9,
        warmup_steps=20,
        warmup_learning_rate=1 / 11,
        minimum_learning_rate=1 / 13,
        cooldown_start=60,
        cooldown_steps=20,
        final_learning_rate=1 / 17,
    ),
    "from step 0": InverseTimeDecay(0.1, 1, 0, cooldown_start=0, cooldown_steps=100),
    "constant": InverseTimeDecay(0.1, 1, 0, stable_steps=9),
}
EACH = pytest.mark.parametrize("name", PHASED)


def scheduler_of(schedule):
    torch = pytest.importorskip("torch", exc_type=ImportError)
    names = {"torch": torch, "parameters": [torch.nn.Parameter(torch.zeros(1))]}
    exec(to_code("torch", schedule), names)
    return names["scheduler"]


def assert_torch(schedule):
    scheduler = scheduler_of(schedule)
    for step in range(150):
        assert scheduler.get_last_lr() == [Reference(schedule).value(step)], step
        scheduler.optimizer.step()
        scheduler.step()


@EACH
def test_torch_gives_the_very_bits(name):
    assert_torch(PHASED[name])


@given(schedule=schedules(phases=True))
def test_each_factor_of_torch_has_the_very_bits(schedule):
    found = to_dialect("torch", schedule)
    factors = [*map(eval, found["lr_lambdas"] if "lr_lambdas" in found else [found["lr_lambda"]])]
    starts = [0, *found.get("milestones", [])]
    assert len(starts) == len(factors)
    for n in landmarks(schedule, 1000):
        piece = bisect_right(starts, n) - 1
        assert factors[piece](n - starts[piece]) == Reference(schedule).value(n), n


def test_torch_gives_the_very_bits_of_a_fractional_staircase():
    assert_torch(PHASED["every phase"].replace(decay_steps=2.3, staircase=True))


def test_torch_has_a_sequence_where_there_are_phases():
    assert type(scheduler_of(FLOOR)).__name__ == "SequentialLR"
    assert type(scheduler_of(PHASED["stable"])).__name__ == "SequentialLR"
    assert "SequentialLR" not in to_code("torch", InverseTimeDecay(0.1, 1000, 0.5))
    sources = to_dialect("torch", EVERY_PHASE)["lr_lambdas"]
    assert sources[0] == "lambda n: n / 500"
    assert len(sources) == len(EVERY_PHASE.phases)


def expression_of(schedule):
    optax = pytest.importorskip("optax", exc_type=ImportError)
    jnp = pytest.importorskip("jax.numpy", exc_type=ImportError)
    return eval(to_dialect("optax", schedule)["learning_rate"], {"optax": optax, "jnp": jnp})


def tolerance(schedule, n):
    """Allow float32 rounding: of the rate or, on a line, of the larger of its two ends."""
    reference, rates = Reference(schedule), [Reference(schedule).exact(n)]
    if n < schedule.warmup_steps:
        rates += [reference.initial, reference.first]
    if schedule.cooldown_start is not None and n >= schedule.cooldown_start:
        rates += [reference.exact(schedule.cooldown_start), reference.final]
    return 4 * max(rates) / 2**23


@EACH
@pytest.mark.parametrize("mode", ["int", "eager", "jit", "vmap"])
def test_optax_gives_the_rates_in_float32(name, mode):
    jax = pytest.importorskip("jax", exc_type=ImportError)
    schedule = PHASED[name]
    joined = expression_of(schedule)
    steps = range(150) if mode != "int" else range(0, 150, 7)
    if mode == "vmap":
        found = jax.vmap(joined)(jax.numpy.arange(150))
    else:
        call = jax.jit(joined) if mode == "jit" else joined
        found = [call(n if mode == "int" else jax.numpy.int32(n)) for n in steps]
    for n, rate in zip(steps, found, strict=True):
        assert abs(Fraction(float(rate)) - Reference(schedule).exact(n)) <= tolerance(
            schedule, n
        ), n


def test_optax_runs_as_an_optimizer():
    optax = pytest.importorskip("optax", exc_type=ImportError)
    jnp = pytest.importorskip("jax.numpy", exc_type=ImportError)
    names = {"optax": optax, "jnp": jnp}
    exec(to_code("optax", EVERY_PHASE), names)
    state = names["optimizer"].init(jnp.zeros(()))
    for step in range(140):
        update, state = names["optimizer"].update(jnp.ones(()), state)
        error = abs(Fraction(float(-update)) - Reference(EVERY_PHASE).exact(step))
        assert error <= tolerance(EVERY_PHASE, step)


def test_optax_asks_a_decay_before_its_start_without_an_error():
    """`join_schedules` evaluates every piece: at n = 0, 1 + R * (n - 2000) / S would be 0."""
    late = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=2000)
    assert expression_of(late)(0) == 0
    assert expression_of(late.replace(staircase=True))(0) == 0


def test_dialects_with_phases_are_those_of_the_page():
    assert {name for name, dialect in DIALECTS.items() if dialect.phases} == {
        *("invtime", "levanter", "deepmd", "torch", "optax")
    }
