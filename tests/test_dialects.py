"""Dialects: each library's formula has the exact rates; the generated code has its rates.

This file covers the bare decay. test_dialects_phases.py covers phases.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from math import floor
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay
from invtime.dialects import DIALECTS, from_dialect, to_code, to_dialect
from invtime.reference import Reference, exact_number
from invtime.testing.strategies import decimals, schedules

CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)
CONSTANT = InverseTimeDecay(0.1, 1000, 0)
PAGE = Path(__file__).parent.parent / "docs" / "dialects.md"
STEPS = (0, 1, 40, 41, 42, 999, 1000, 54_321)


def stairs(turns, staircase):
    return Fraction(floor(turns)) if staircase else turns


# The formulas of the table in docs/dialects.md, with exact parameters `p` and a step `n`.
FORMULAS = {
    "invtime": lambda p, n: (
        p.initial_learning_rate / (1 + p.decay_rate * stairs(n / p.decay_steps, p.staircase))
    ),
    "tf1": lambda p, n: (
        p.learning_rate / (1 + p.decay_rate * stairs(n / p.decay_steps, p.staircase))
    ),
    "mindspore": lambda p, n: (
        p.learning_rate / (1 + p.decay_rate * stairs(n / p.decay_steps, p.is_stair))
    ),
    "keras-legacy": lambda p, n: p.learning_rate / (1 + p.decay * n),
    "paddle": lambda p, n: p.learning_rate / (1 + p.gamma * n),
}
FORMULAS["keras"] = FORMULAS["invtime"]
WITH_GAMMA = {"keras-legacy": "decay", "paddle": "gamma"}


def exact(dialect, parameters, step):
    """Evaluate the formula with the parameters as written."""
    numbers = {
        key: value if isinstance(value, bool | str) else exact_number(value)
        for key, value in parameters.items()
    }
    return FORMULAS[dialect](SimpleNamespace(**numbers), Fraction(step))


def converted(dialect, schedule):
    """Return the parameters, or None if the conversion is rejected."""
    try:
        return to_dialect(dialect, schedule)
    except ConfigError:
        return None


def test_every_dialect_but_code_has_its_formula():
    elsewhere = {"levanter", "deepmd", "torch", "optax"}
    assert FORMULAS.keys() | elsewhere == DIALECTS.keys()


@pytest.mark.parametrize("dialect", FORMULAS)
@given(schedule=schedules(phases=False), steps=st.lists(st.integers(0, 10**9), max_size=5))
def test_the_parameters_give_the_same_schedule_exactly(dialect, schedule, steps):
    """The library's formula gives v(n), and the reverse conversion the same fingerprint."""
    parameters = converted(dialect, schedule)
    if parameters is None:
        return
    reference = Reference(schedule)
    for step in (0, 1, 1000, *steps):
        assert exact(dialect, parameters, step) == reference.exact(step)
    rates = [value for value in parameters.values() if not isinstance(value, bool | str)]
    if all(value == 0 or 1e-60 <= value <= 1e60 for value in rates):
        again = from_dialect(dialect, json.loads(json.dumps(parameters)))
        assert again.fingerprint() == schedule.fingerprint()


@pytest.mark.parametrize("dialect", WITH_GAMMA)
@given(schedule=schedules(staircase=False, phases=False))
def test_a_quotient_is_refused_only_where_no_number_means_it(dialect, schedule):
    """Every binary64 number near R / S means a different fraction."""
    reference = Reference(schedule)
    slope = reference.decay / reference.period
    nearest = slope.numerator / slope.denominator
    if exact_number(nearest) == slope:
        assert to_dialect(dialect, schedule)[WITH_GAMMA[dialect]] == nearest
    else:
        with pytest.raises(ConfigError, match=re.escape(f"nearest, {nearest!r}, has a")):
            to_dialect(dialect, schedule)


@pytest.mark.parametrize("dialect", FORMULAS)
@given(rate=decimals(), decay=decimals())
def test_the_schedule_of_parameters_is_the_same_exactly(dialect, rate, decay):
    """For a schedule from the library's parameters, v(n) is the value of its formula."""
    parameters = to_dialect(dialect, CONTINUOUS)
    first = next(iter(parameters))
    second = "decay_rate" if "decay_rate" in parameters else None
    second = second or next(key for key in parameters if key in {"decay", "gamma"})
    parameters |= {first: rate, second: decay}
    reference = Reference(from_dialect(dialect, parameters))
    for step in STEPS:
        assert reference.exact(step) == exact(dialect, parameters, step)


@pytest.mark.parametrize("dialect", ["invtime", "keras", "tf1", "mindspore"])
def test_a_staircase_keeps_its_plateaus(dialect):
    assert from_dialect(dialect, to_dialect(dialect, STAIRCASE)) == STAIRCASE


@pytest.mark.parametrize("dialect", WITH_GAMMA)
def test_a_staircase_is_refused_where_there_is_none(dialect):
    with pytest.raises(ConfigError, match="no staircase"):
        to_dialect(dialect, STAIRCASE)


def test_a_name_is_kept_where_there_is_one():
    named = InverseTimeDecay(0.1, 1000, 0.5, name="mine")
    for dialect in ("invtime", "keras", "tf1"):
        assert from_dialect(dialect, to_dialect(dialect, named)).name == "mine"


def test_mindspore_takes_an_integer_of_steps():
    whole = to_dialect("mindspore", InverseTimeDecay(1, 2.5, 1))
    assert whole == {"learning_rate": 1.0, "decay_rate": 0.4, "decay_steps": 1, "is_stair": False}
    assert [type(value) for value in whole.values()] == [float, float, int, bool]
    assert to_dialect("mindspore", InverseTimeDecay(1, 1000.0, 1))["decay_steps"] == 1000


@pytest.mark.parametrize(
    ("dialect", "parameters"),
    [
        ("invtime", {"initial_learning_rate": 0.1, "decay_steps": 1000.0, "decay_rate": 0.5}),
        ("keras-legacy", {"learning_rate": 0.1, "decay": 0.0005}),
        ("keras-legacy", {"decay": 0.0005, "lr": 0.1}),  # the name from 2015 to 2020
    ],
)
def test_what_may_be_left_out(dialect, parameters):
    assert from_dialect(dialect, parameters).fingerprint() == CONTINUOUS.fingerprint()


def test_the_legacy_optimizer_decays_only_where_it_is_told_to():
    assert from_dialect("keras-legacy", {"learning_rate": 0.1}).fingerprint() == (
        CONSTANT.fingerprint()
    )


@pytest.mark.parametrize(
    ("dialect", "parameters", "message"),
    [
        ("pytorch", {}, "the dialect is 'pytorch'; accepted are invtime, keras"),
        ("torch", {}, "written but not read"),
        ("optax", {"learning_rate": "f"}, "written but not read"),
        ("paddle", [0.1], r"the parameters are \[0.1\]"),
        ("paddle", {"learning_rate": 0.1, "gama": 1}, r"no parameter 'gama' \(given as 1\)"),
        ("paddle", {"learning_rate": 0.1}, "'gamma' is missing; add it"),
        ("paddle", {"lr": 0.1, "gamma": 1}, "'lr' .*; rename it to learning_rate if that is"),
        ("paddle", {"lr": 0.1, "learning_rate": 0.1, "gamma": 1}, "'lr' .*gamma; remove it"),
        ("keras-legacy", {"lr": 0.1, "learning_rate": 0.1}, "same parameter .*; remove lr"),
        ("paddle", {"learning_rate": 0.1, "gamma": "x"}, "gamma is 'x' of .*; it must be a number"),
        ("paddle", {"learning_rate": 0.1, "gamma": True}, "gamma is True"),
        ("paddle", {"learning_rate": 0.1, "gamma": -1}, "decay_rate is -1"),
        ("paddle", {"learning_rate": 0.1, "gamma": 1e-61}, "gamma is 1e-61"),
        ("invtime", {**CONTINUOUS.get_config(), "staircase": 1}, "staircase is 1"),
        ("invtime", {**CONTINUOUS.get_config(), "dtype": "float32"}, "no parameter 'dtype'"),
    ],
)
def test_parameters_that_are_refused(dialect, parameters, message):
    with pytest.raises(ConfigError, match=message):
        from_dialect(dialect, parameters)


@pytest.mark.parametrize(
    ("dialect", "schedule", "message"),
    [
        ("nothing", CONTINUOUS, "the dialect is 'nothing'"),
        ("paddle", InverseTimeDecay(0.1, 3000, 1), "gamma would have to be 1/3000"),
        ("mindspore", CONSTANT, "decay_rate is 0"),
        ("mindspore", InverseTimeDecay(0, 1000, 0.5), "initial_learning_rate is 0"),
        ("mindspore", FRACTIONAL, "takes an integer"),
        ("mindspore", InverseTimeDecay(0.1, 7.5, 1), "decay_rate would have to be 2/15"),
        ("optax", FRACTIONAL, "pass the schedule itself"),
        ("optax", InverseTimeDecay(0.1, 2**31, 1, staircase=True), "integers below"),
        ("optax", InverseTimeDecay(1e-50, 1000, 1), "range of float32"),
    ],
)
def test_schedules_that_are_refused(dialect, schedule, message):
    with pytest.raises(ConfigError, match=message):
        to_dialect(dialect, schedule)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_pinned_dtype_is_not_dropped(dialect):
    pinned = InverseTimeDecay.from_config({**CONTINUOUS.get_config(), "dtype": "float16"})
    with pytest.raises(ConfigError, match="dtype is 'float16'"):
        to_dialect(dialect, pinned)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_page_describes_every_dialect(dialect):
    lines = PAGE.read_text("utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{dialect}` |")]
    assert row.count("|") == 6
    assert dialect == "invtime" or "(https://" in row


# -- The libraries that have no dialect: the second table of the page ------------------------


def rows_without_a_dialect():
    """Return the name, formula and parameters of each row, the last two as Python code."""
    table = PAGE.read_text("utf-8").partition("## Libraries without a dialect")[2]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:2] == "| "]
    return {re.findall(r"\w[\w-]*", name)[0]: row for name, *row in cells[1:]}


WITHOUT = rows_without_a_dialect()


def test_four_libraries_have_no_dialect():
    assert WITHOUT.keys() == {"Caffe", "mmcv", "k-diffusion", "Thinc"}


@pytest.mark.parametrize("library", WITHOUT)
@given(
    schedule=schedules(staircase=False, phases=False),
    steps=st.lists(st.integers(0, 10**9), max_size=5),
)
def test_a_formula_of_the_page_gives_the_exact_rates(library, schedule, steps):
    reference = Reference(schedule)
    recipe = {"L": reference.initial, "S": reference.period, "R": reference.decay}
    formula, parameters, _ = (cell.strip("`") for cell in WITHOUT[library])
    if not recipe["R"] and "S / R" in parameters:  # the page says so
        return
    names = eval(f"dict({parameters})", recipe)
    for step in (0, 1, 1000, *steps):
        assert eval(formula, {**names, "n": Fraction(step)}) == reference.exact(step)


def test_epochs_of_mmcv_are_a_staircase():
    """As the page says: S is the number of updates in an epoch, and R is gamma."""
    reference = Reference(STAIRCASE)
    names = {"lr": reference.initial, "gamma": reference.decay, "power": 1}
    for step in STEPS:
        epoch = Fraction(step // STAIRCASE.decay_steps)
        assert eval(WITHOUT["mmcv"][0].strip("`"), {**names, "n": epoch}) == reference.exact(step)


def test_a_later_start_of_thinc_is_the_same_decay_from_a_lower_rate():
    """As the page says."""
    rate, decay, t = Fraction(1, 10), Fraction(1, 1000), 1000
    names = {"base_rate": rate, "decay": decay, "t": t}
    lower, slower = (value / (1 + decay * t) for value in (rate, decay))
    for n in map(Fraction, STEPS):
        assert eval(WITHOUT["Thinc"][0].strip("`"), {**names, "n": n}) == lower / (1 + slower * n)


# -- The recipes of docs/howto/recipes.md, against the formulas of their sources --------------


def test_wsd_s_is_linear_in_the_reciprocal_of_the_rate():
    """The paper's formula, from L = 0.001 to m = 0.0001 in 1000 steps."""
    recipe = InverseTimeDecay(
        0.001, 1000, 9, warmup_steps=500, stable_steps=8500, minimum_learning_rate=0.0001
    )
    exact = Reference(recipe).exact
    for t in range(1001):
        tau = Fraction(t, 1000)
        paper = 1 / (tau / Fraction("0.0001") + (1 - tau) / Fraction("0.001"))
        assert exact(9000 + t) == paper, t


def test_get_wsd_schedule_of_transformers():
    """_get_wsd_scheduler_lambda with both types "linear", in fractions."""
    warmup, stable, decay, least = 500, 8500, 1000, Fraction("0.1")
    recipe = InverseTimeDecay(
        0.001,
        1,
        0,
        warmup_steps=warmup,
        warmup_learning_rate=0.0001,
        stable_steps=stable,
        cooldown_start=warmup + stable,
        cooldown_steps=decay,
        final_learning_rate=0.0001,
    )

    def factor(n):
        up = Fraction(min(n, warmup), warmup)
        down = 1 - Fraction(min(max(n - warmup - stable, 0), decay), decay)
        return min(up, down) * (1 - least) + least

    exact = Reference(recipe).exact
    for n in (*range(0, 11_000, 7), 499, 500, 501, 8999, 9000, 9001, 9999, 10_000, 10_001):
        assert exact(n) == Fraction("0.001") * factor(n), n


def test_get_linear_schedule_with_warmup_of_transformers():
    warmup, total = 500, 10_000
    recipe = InverseTimeDecay(
        0.001,
        1,
        0,
        warmup_steps=warmup,
        cooldown_start=warmup,
        cooldown_steps=total - warmup,
    )
    exact = Reference(recipe).exact
    for n in (*range(0, 12_000, 7), 499, 500, 501, 9999, 10_000, 10_001):
        up, down = Fraction(n, warmup), Fraction(total - n, total - warmup)
        assert exact(n) == Fraction("0.001") * max(min(up, down, 1), 0), n


# -- The libraries themselves ----------------------------------------------------------------


def run(dialect, schedule, **names):
    """Return the names that the code defines; the value of an expression is `value`."""
    source = to_code(dialect, schedule)
    if " = " not in source.split("(")[0]:
        source = f"value = {source}"
    exec(source, names)
    return SimpleNamespace(**names)


def assert_near(found, schedule, step, ulps, precision):
    """Check the distance from the exact rate, in ULP of a format of that precision."""
    rate = Reference(schedule).exact(step)
    assert abs(Fraction(float(found)) - rate) <= ulps * rate / 2 ** (precision - 1)


EACH = pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE], ids=["continuous", "staircase"])


@EACH
def test_keras(schedule):
    keras = pytest.importorskip("keras", exc_type=ImportError)
    value = run("keras", schedule, keras=keras).value
    assert from_dialect("keras", value.get_config()) == schedule
    for step in STEPS:
        assert_near(value(step), schedule, step, 3, 24)


@EACH
def test_tf_compat_v1(schedule):
    tf = pytest.importorskip("tensorflow", exc_type=ImportError)
    for step in STEPS:
        rate = run("tf1", schedule, tf=tf, global_step=step).value()
        assert_near(rate, schedule, step, 3, 24)


def test_keras_legacy_optimizers():
    tf = pytest.importorskip("tensorflow", exc_type=ImportError)
    # tf.keras is Keras 3 today. TensorFlow still carries the old optimizers for its own use.
    from tensorflow.python.keras.optimizer_v2 import gradient_descent as legacy

    namespace = SimpleNamespace(keras=SimpleNamespace(optimizers=SimpleNamespace(legacy=legacy)))
    optimizer = run("keras-legacy", CONTINUOUS, tf=namespace).value
    for step in STEPS:
        optimizer.iterations.assign(step)
        assert_near(optimizer._decayed_lr(tf.float32), CONTINUOUS, step, 3, 24)


@pytest.mark.parametrize(
    "schedule",
    [CONTINUOUS, STAIRCASE, FRACTIONAL, CONSTANT, InverseTimeDecay(1 / 3, 1000, 1 / 7)],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_torch_gives_the_very_bits(schedule):
    torch = pytest.importorskip("torch", exc_type=ImportError)
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    scheduler = run("torch", schedule, torch=torch, parameters=parameters).scheduler
    for step in range(50):
        assert scheduler.get_last_lr() == [Reference(schedule).value(step)]
        scheduler.step()


@EACH
def test_optax(schedule):
    optax = pytest.importorskip("optax", exc_type=ImportError)
    jnp = pytest.importorskip("jax.numpy", exc_type=ImportError)
    optimizer = run("optax", schedule, optax=optax).optimizer
    state = optimizer.init(jnp.zeros(()))
    for step in range(50):
        update, state = optimizer.update(jnp.ones(()), state)
        assert_near(-update, schedule, step, 3, 24)
