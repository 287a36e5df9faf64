"""The schedule object: its value on the host, and its properties as an immutable object."""

import copy
import pickle
import sys
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

import invtime
from invtime import InverseTimeDecay

CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)


def test_the_documented_form():
    assert repr(CONTINUOUS.form) == "Form(200 / (2000 + n))"
    assert repr(STAIRCASE.form) == "Form(1 / (10 + 5 * floor(n / 41)))"
    assert repr(InverseTimeDecay(0.1, 1000, 0).form) == "Form(1 / 10)"


@pytest.mark.parametrize("step", [0, 1, 999, 10**6, 2**53 + 1, 2**63 - 1, 10**400])
def test_an_int_step_is_correctly_rounded(step):
    assert CONTINUOUS(step) == float(Fraction(200, 2000 + step))
    assert type(CONTINUOUS(step)) is float
    third, seventh = Fraction("0.3333333333333333"), Fraction("0.14285714285714285")
    assert LONG(step) == float(third / (1 + seventh * step / 1000))


@pytest.mark.parametrize("step", [0.5, 1e-300, 5e-324, 1234.5678, 1e300, 1.5e308])
def test_a_float_step_means_its_exact_binary_value(step):
    assert CONTINUOUS(step) == float(Fraction(200) / (2000 + Fraction(step)))


def test_the_staircase_drops_exactly_at_each_boundary():
    for steps in (41, 47, 55, 61, 82, 97, 980, 1950):
        schedule = InverseTimeDecay(0.1, steps, 0.5, staircase=True)
        for stage in range(1, 50):
            before, at = (float(Fraction(1, 10) / (1 + Fraction(k, 2))) for k in (stage - 1, stage))
            assert schedule(stage * steps - 1) == before
            assert schedule(stage * steps) == at


def test_a_fractional_decay_steps_means_its_decimal():
    schedule = InverseTimeDecay(0.1, 0.3, 2, staircase=True)
    assert schedule(9) == float(Fraction(1, 10) / (1 + 2 * 30))
    assert schedule(8.999999999999998) == float(Fraction(1, 10) / (1 + 2 * 29))


def test_total_in_the_step():
    assert CONTINUOUS(-1) == CONTINUOUS(-(10**30)) == CONTINUOUS(-0.5) == CONTINUOUS(-inf) == 0.1
    assert LONG(-7) == LONG(0) == 1 / 3
    assert CONTINUOUS(nan) != CONTINUOUS(nan)
    assert CONTINUOUS(inf) == 0.0
    assert InverseTimeDecay(0.1, 1000, 0)(inf) == 0.1
    assert InverseTimeDecay(0, 1000, 1)(5) == 0.0


def test_an_int_or_float_subclass_is_a_number():
    class Step(int):
        pass

    class Epoch(float):
        pass

    assert CONTINUOUS(Step(1000)) == CONTINUOUS(1000)
    assert CONTINUOUS(Epoch(0.5)) == CONTINUOUS(0.5)
    assert CONTINUOUS.on("numpy", dtype="float32")(Step(1000)).dtype == "float32"
    assert CONTINUOUS(step=1000) == CONTINUOUS(1000)


def test_config_has_keras_keys_in_order():
    assert CONTINUOUS.get_config() == {
        "initial_learning_rate": 0.1,
        "decay_steps": 1000,
        "decay_rate": 0.5,
        "staircase": False,
        "name": "InverseTimeDecay",
    }
    assert list(CONTINUOUS.get_config()) == [
        "initial_learning_rate",
        "decay_steps",
        "decay_rate",
        "staircase",
        "name",
    ]


def test_equality_and_hash_leave_out_the_name_and_the_spelling():
    same = InverseTimeDecay(0.1, 1000.0, 0.5, name="other")
    assert same == CONTINUOUS
    assert hash(same) == hash(CONTINUOUS)
    assert InverseTimeDecay(0.1, 1000, 0.5, staircase=True) != CONTINUOUS
    assert CONTINUOUS != (0.1, 1000, 0.5)


@pytest.mark.parametrize("one", [CONTINUOUS, CONTINUOUS.on(dtype="float32")], ids=repr)
def test_frozen(one):
    for name in ("form", "dtype", "anything"):
        with pytest.raises(AttributeError, match=name):
            setattr(one, name, 1)
        with pytest.raises(AttributeError, match=name):
            delattr(one, name)


def test_replace():
    pinned = InverseTimeDecay(0.1, 1000, 0.5, True, "warm", dtype="float16")
    for changed in (pinned.replace(decay_rate=1), pinned.__replace__(decay_rate=1)):
        assert changed == InverseTimeDecay(0.1, 1000, 1, True, dtype="float16")
        assert changed.name == "warm"
    assert pinned.replace(dtype=None) == STAIRCASE.replace(decay_steps=1000)
    assert pinned.replace() == pinned
    with pytest.raises(invtime.ConfigError, match="decay_rate is -1"):
        pinned.replace(decay_rate=-1)
    with pytest.raises(TypeError, match="decay_step"):
        pinned.replace(decay_step=1)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace came with Python 3.13")
def test_copy_replace():
    assert copy.replace(CONTINUOUS, staircase=True).staircase


def test_a_dtype_may_be_given():
    for dtype in ("float32", np.float32, np.dtype("float32")):
        schedule = InverseTimeDecay(0.1, 1000, 0.5, dtype=dtype)
        assert schedule.dtype == "float32"
        assert schedule(np.arange(3)).dtype == np.float32
        assert schedule.on(dtype="float16")(np.arange(3)).dtype == np.float16
    pinning = np.array(0.1, np.float16)
    assert InverseTimeDecay(pinning, 1000, 0.5).dtype == "float16"
    assert InverseTimeDecay(pinning, 1000, 0.5, dtype="float32").dtype == "float32"
    with pytest.raises(invtime.PlacementError, match="int32"):
        InverseTimeDecay(0.1, 1000, 0.5, dtype="int32")


def test_placed_schedules_are_equal_where_they_compute_the_same():
    named = InverseTimeDecay(0.1, 1000, 0.5, name="other")
    assert CONTINUOUS.on("numpy") == named.on("numpy")
    assert hash(CONTINUOUS.on("numpy")) == hash(named.on("numpy"))
    assert CONTINUOUS.on("numpy") != CONTINUOUS.on()
    assert CONTINUOUS.on(dtype="float16") != CONTINUOUS.on(dtype="float32")
    assert CONTINUOUS.on() != STAIRCASE.on()
    assert repr(STAIRCASE.on("numpy", device="cpu", dtype="float32")) == (
        "InverseTimeDecay(initial_learning_rate=0.1, decay_steps=41, decay_rate=0.5, "
        "staircase=True).on('numpy', device='cpu', dtype='float32')"
    )


@pytest.mark.parametrize("decay_steps", [1000, 41, 1.5, 97.7, 0.3, 1e-9])
def test_the_stages_of_a_form(decay_steps):
    form, period = InverseTimeDecay(0.1, decay_steps, 0.5).form, Fraction(str(decay_steps))
    for step in (-5, 0, 1, 40, 41, 42, 10**30):
        assert form.stage(step) == max(step, 0) // period
    for stage in (0, 1, 2, 3, 29, 30, 31, 10**30):
        first = form.first_step(stage)
        assert (first - 1) / period < stage <= first / period


@pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE, LONG], ids=repr)
def test_pickle_copy_and_repr(schedule):
    named = InverseTimeDecay.from_config(
        {**schedule.get_config(), "name": "warm", "dtype": "float16"}
    )
    for one in (schedule, named, schedule.on(dtype="float32")):
        for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):
            assert again == one
            assert hash(again) == hash(one)
    for one in (schedule, named):
        again = eval(repr(one), {"InverseTimeDecay": InverseTimeDecay})
        assert (again, again.name) == (one, one.name)
    form = schedule.form
    assert copy.deepcopy(form) == form
    assert pickle.loads(pickle.dumps(form)) == form


def test_a_dtype_comes_back_from_the_config():
    config = {**CONTINUOUS.get_config(), "dtype": "bfloat16"}
    schedule = InverseTimeDecay.from_config(config)
    assert schedule.get_config() == config
    assert schedule != CONTINUOUS
    assert schedule(1000) == CONTINUOUS(1000)  # a Python number is never narrowed


def test_a_python_number_is_never_narrowed_without_a_backend():
    assert CONTINUOUS.on(dtype="float16")(1000) == CONTINUOUS(1000)
    assert type(CONTINUOUS.on(dtype="float16")(1000)) is float


def test_public_names_exist():
    for name in invtime.__all__:
        assert getattr(invtime, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = invtime.nothing
