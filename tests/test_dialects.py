"""Dialects: each library's formula gives the schedule's exact rates, and its code its rates."""

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

from invtime import ConfigError, InverseTimeDecay, dialects
from invtime.reference import Reference, exact_number
from invtime.testing.strategies import decimals, schedules

CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)
CONSTANT = InverseTimeDecay(0.1, 1000, 0)
STEPS = (0, 1, 40, 41, 42, 999, 1000, 54_321)


def stairs(turns, staircase):
    return Fraction(floor(turns)) if staircase else turns


# The formulas of the table in docs/dialects.md, of exact parameters `p` and a step `n`.
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
    "caffe": lambda p, n: p.base_lr * (1 + p.gamma * n) ** -int(p.power),
    "mmcv": lambda p, n: p.lr * (1 + p.gamma * n) ** -int(p.power),
    "k-diffusion": lambda p, n: (
        (1 - p.warmup ** (n + 1)) * max(p.min_lr, p.lr * (1 + n / p.inv_gamma) ** -int(p.power))
    ),
    "thinc": lambda p, n: p.base_rate / (1 + p.decay * (n + p.t)),
}
FORMULAS["keras"] = FORMULAS["invtime"]
WITH_GAMMA = {"keras-legacy": "decay", "paddle": "gamma", "mmcv": "gamma", "thinc": "decay"}


def exact(dialect, parameters, step):
    """What the formula gives for the parameters as they are written."""
    numbers = {
        key: value if isinstance(value, bool | str) else exact_number(value)
        for key, value in parameters.items()
    }
    return FORMULAS[dialect](SimpleNamespace(**numbers), Fraction(step))


def said(dialect, schedule):
    """The parameters, or None where they are refused."""
    try:
        return dialects.write(dialect, schedule)
    except ConfigError:
        return None


def test_every_dialect_that_is_read_has_its_formula():
    assert FORMULAS.keys() | {"torch", "optax"} == dialects.DIALECTS.keys()


@pytest.mark.parametrize("dialect", FORMULAS)
@given(schedule=schedules(), steps=st.lists(st.integers(0, 10**9), max_size=5))
def test_what_is_written_is_the_same_schedule_exactly(dialect, schedule, steps):
    """The library's formula gives v(n), and reading it back gives its fingerprint."""
    parameters = said(dialect, schedule)
    if parameters is None:
        return
    reference = Reference(schedule)
    for step in (0, 1, 1000, *steps):
        assert exact(dialect, parameters, step) == reference.exact(step)
    rates = [value for value in parameters.values() if not isinstance(value, bool | str)]
    if all(value == 0 or 1e-60 <= value <= 1e60 for value in rates):
        again = dialects.read(dialect, json.loads(json.dumps(parameters)))
        assert again.fingerprint() == schedule.fingerprint()


@pytest.mark.parametrize("dialect", WITH_GAMMA)
@given(schedule=schedules(staircase=False))
def test_a_quotient_is_refused_only_where_no_number_is_written_so(dialect, schedule):
    """Every binary64 number near R / S means another fraction."""
    reference = Reference(schedule)
    slope = reference.decay / reference.period
    nearest = slope.numerator / slope.denominator
    if exact_number(nearest) == slope:
        assert dialects.write(dialect, schedule)[WITH_GAMMA[dialect]] == nearest
    else:
        with pytest.raises(ConfigError, match=re.escape(f"nearest, {nearest!r}, is off by")):
            dialects.write(dialect, schedule)


@pytest.mark.parametrize("dialect", FORMULAS)
@given(rate=decimals(), decay=decimals())
def test_what_is_read_is_the_same_schedule_exactly(dialect, rate, decay):
    """From the library's own parameters: v(n) is what its formula gives."""
    parameters = dialects.write(dialect, dialects.EXAMPLE)
    first = next(iter(parameters))
    second = "decay_rate" if "decay_rate" in parameters else None
    second = second or next(key for key in parameters if key in {"decay", "gamma", "inv_gamma"})
    parameters |= {first: rate, second: decay}
    reference = Reference(dialects.read(dialect, parameters))
    for step in STEPS:
        assert reference.exact(step) == exact(dialect, parameters, step)


@pytest.mark.parametrize("dialect", ["invtime", "keras", "tf1", "mindspore"])
def test_a_staircase_keeps_its_plateaus(dialect):
    assert dialects.read(dialect, dialects.write(dialect, STAIRCASE)) == STAIRCASE


@pytest.mark.parametrize("dialect", [*WITH_GAMMA, "caffe", "k-diffusion"])
def test_a_staircase_is_refused_where_there_is_none(dialect):
    with pytest.raises(ConfigError, match="no staircase"):
        dialects.write(dialect, STAIRCASE)


def test_a_name_is_kept_where_there_is_one():
    named = InverseTimeDecay(0.1, 1000, 0.5, name="mine")
    for dialect in ("invtime", "keras", "tf1"):
        assert dialects.read(dialect, dialects.write(dialect, named)).name == "mine"


def test_mindspore_takes_an_integer_of_steps():
    whole = dialects.write("mindspore", InverseTimeDecay(1, 2.5, 1))
    assert whole == {"learning_rate": 1.0, "decay_rate": 0.4, "decay_steps": 1, "is_stair": False}
    assert [type(value) for value in whole.values()] == [float, float, int, bool]
    assert dialects.write("mindspore", InverseTimeDecay(1, 1000.0, 1))["decay_steps"] == 1000


def test_caffe_reads_float32():
    assert dialects.write("caffe", CONTINUOUS)["gamma"] == 0.0005
    with pytest.raises(ConfigError, match=r"0.12345678901.* means 0.12345679"):
        dialects.read("caffe", {**CAFFE, "gamma": 0.12345678901})
    with pytest.raises(ConfigError, match=r"16777217, .* means 16777216"):
        dialects.write("caffe", InverseTimeDecay(16777217, 1, 0.5))
    for rate in (1e-39, 1e39):
        with pytest.raises(ConfigError, match="out of the range"):
            dialects.write("caffe", InverseTimeDecay(rate, 1, 0.5))


def test_thinc_may_start_its_clock_later():
    schedule = dialects.read("thinc", {"base_rate": 0.1, "decay": 0.001, "t": 1000})
    assert schedule == InverseTimeDecay(0.05, 1, 0.0005)
    with pytest.raises(ConfigError, match="initial_learning_rate would have to be 1/30"):
        dialects.read("thinc", {"base_rate": 0.1, "decay": 0.002, "t": 1000})


CAFFE = {"base_lr": 0.1, "lr_policy": "inv", "gamma": 0.0005, "power": 1}
MMCV = {"lr": 0.1, "policy": "inv", "gamma": 0.0005, "by_epoch": False}
K_DIFFUSION = {"lr": 0.1, "inv_gamma": 2000}


@pytest.mark.parametrize(
    ("dialect", "parameters"),
    [
        ("invtime", {"initial_learning_rate": 0.1, "decay_steps": 1000.0, "decay_rate": 0.5}),
        ("keras-legacy", {"learning_rate": 0.1, "decay": 0.0005}),
        ("caffe", {**CAFFE, "power": 1.0}),
        ("mmcv", MMCV),
        ("mmcv", {**MMCV, "power": 1}),
        ("k-diffusion", K_DIFFUSION),
        ("thinc", {"base_rate": 0.1, "decay": 0.0005}),
    ],
)
def test_what_may_be_left_out(dialect, parameters):
    assert dialects.read(dialect, parameters).fingerprint() == CONTINUOUS.fingerprint()


def test_the_legacy_optimizer_decays_only_where_it_is_told_to():
    assert dialects.read("keras-legacy", {"learning_rate": 0.1}).fingerprint() == (
        CONSTANT.fingerprint()
    )


@pytest.mark.parametrize(
    ("dialect", "parameters", "message"),
    [
        ("pytorch", {}, "the dialect is 'pytorch'; accepted are invtime, keras"),
        ("torch", {}, "written and not read"),
        ("optax", {"learning_rate": "f"}, "written and not read"),
        ("paddle", [0.1], r"the parameters are \[0.1\]"),
        ("paddle", {"learning_rate": 0.1, "gama": 1}, "no parameter 'gama', which is 1"),
        ("paddle", {"learning_rate": 0.1}, "no 'gamma'; add it"),
        ("paddle", {"learning_rate": 0.1, "gamma": "x"}, "gamma is 'x'"),
        ("paddle", {"learning_rate": 0.1, "gamma": True}, "gamma is True"),
        ("paddle", {"learning_rate": 0.1, "gamma": -1}, "decay_rate is -1"),
        ("paddle", {"learning_rate": 0.1, "gamma": 1e-61}, "gamma is 1e-61"),
        ("invtime", {**CONTINUOUS.get_config(), "staircase": 1}, "staircase is 1"),
        ("invtime", {**CONTINUOUS.get_config(), "dtype": "float32"}, "no parameter 'dtype'"),
        ("caffe", {**CAFFE, "power": 0.75}, "power is 0.75; it must be 1"),
        ("caffe", {k: v for k, v in CAFFE.items() if k != "power"}, "no 'power'"),
        ("caffe", {**CAFFE, "lr_policy": "step"}, "lr_policy is 'step'"),
        ("mmcv", {**MMCV, "power": 2}, "power is 2"),
        ("mmcv", {k: v for k, v in MMCV.items() if k != "by_epoch"}, "by_epoch is True"),
        ("k-diffusion", {**K_DIFFUSION, "warmup": 0.99}, "warmup is 0.99"),
        ("k-diffusion", {**K_DIFFUSION, "min_lr": 1e-5}, "min_lr is 1e-05"),
        ("k-diffusion", {**K_DIFFUSION, "inv_gamma": 0}, "decay_steps is 0"),
        ("thinc", {"base_rate": 0.1, "decay": 1, "t": -1}, "t is -1"),
    ],
)
def test_what_is_not_read(dialect, parameters, message):
    with pytest.raises(ConfigError, match=message):
        dialects.read(dialect, parameters)


@pytest.mark.parametrize(
    ("dialect", "schedule", "message"),
    [
        ("nothing", CONTINUOUS, "the dialect is 'nothing'"),
        ("paddle", InverseTimeDecay(0.1, 3000, 1), "gamma would have to be 1/3000"),
        ("k-diffusion", InverseTimeDecay(0.1, 1, 3), "inv_gamma would have to be 1/3"),
        ("k-diffusion", CONSTANT, "inv_gamma would be infinite"),
        ("mindspore", CONSTANT, "decay_rate 0"),
        ("mindspore", InverseTimeDecay(0, 1000, 0.5), "initial_learning_rate is 0"),
        ("mindspore", FRACTIONAL, "takes an integer"),
        ("mindspore", InverseTimeDecay(0.1, 7.5, 1), "decay_rate would have to be 2/15"),
        ("optax", FRACTIONAL, "pass the schedule itself"),
        ("optax", InverseTimeDecay(0.1, 2**31, 1, staircase=True), "integers below"),
        ("optax", InverseTimeDecay(1e-50, 1000, 1), "range of float32"),
    ],
)
def test_what_is_not_written(dialect, schedule, message):
    with pytest.raises(ConfigError, match=message):
        dialects.write(dialect, schedule)


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_a_pinned_dtype_is_not_dropped(dialect):
    pinned = InverseTimeDecay.from_config({**CONTINUOUS.get_config(), "dtype": "float16"})
    with pytest.raises(ConfigError, match="dtype is 'float16'"):
        dialects.write(dialect, pinned)


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_the_page_describes_every_dialect(dialect):
    page = (Path(__file__).parent.parent / "docs" / "dialects.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{dialect}` |")]
    assert row.count("|") == 6
    assert dialect == "invtime" or "(https://" in row


# -- The libraries themselves ----------------------------------------------------------------


def run(dialect, schedule, **names):
    """The names that the dialect's code leaves behind; an expression's value is `value`."""
    source = dialects.code(dialect, schedule)
    if " = " not in source.split("(")[0]:
        source = f"value = {source}"
    exec(source, names)
    return SimpleNamespace(**names)


def assert_near(found, schedule, step, ulps, precision):
    """Within so many ULP of the exact rate, in a format of that precision."""
    rate = Reference(schedule).exact(step)
    assert abs(Fraction(float(found)) - rate) <= ulps * rate / 2 ** (precision - 1)


EACH = pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE], ids=["continuous", "staircase"])


@EACH
def test_keras(schedule):
    keras = pytest.importorskip("keras", exc_type=ImportError)
    value = run("keras", schedule, keras=keras).value
    assert dialects.read("keras", value.get_config()) == schedule
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


@pytest.mark.parametrize("t", [0, 1000])
def test_thinc(t):
    thinc = pytest.importorskip("thinc.api", exc_type=ImportError)
    theirs = thinc.decaying(0.1, 0.001, t=t)
    schedule = dialects.read("thinc", {"base_rate": 0.1, "decay": 0.001, "t": t})
    for step in STEPS:
        assert_near(theirs(step), schedule, step, 3, 53)
    if not t:
        ours = run("thinc", schedule, thinc=SimpleNamespace(api=thinc)).value
        assert ours(1000) == theirs(1000)
