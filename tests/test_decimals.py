"""A parameter is the number as written, in every float format."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay
from invtime.decimals import as_binary64, exact_number, shortest_decimal, unwritable

BY_HAND = ["0.1", "0.001", "3e-4", "0.96", "0.0005", "1e-7", "0.25", "6.5", "1e-3", "12.5"]


# float16 holds 1e-7 as a subnormal, and 1e-7 is the shortest decimal for it.
@pytest.mark.parametrize("text", BY_HAND)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_numpy_scalars_mean_their_shortest_decimal(text, dtype):
    schedule = InverseTimeDecay(np.dtype(dtype).type(text), 1000, 0.5)
    assert Fraction(*exact_number(schedule.initial_learning_rate)) == Fraction(text)
    assert schedule.dtype is None  # a NumPy scalar does not pin the dtype


@pytest.mark.parametrize("text", BY_HAND)
def test_bfloat16(text):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.asarray(float(text), ml_dtypes.bfloat16)
    assert Fraction(*exact_number(as_binary64(float(value), "bfloat16"))) == Fraction(text)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_agrees_with_numpy_shortest_printing(dtype):
    kind = np.dtype(dtype)
    bits = np.random.default_rng(0).integers(1, np.iinfo(f"u{kind.itemsize}").max // 2, 3000)
    for value in bits.astype(f"u{kind.itemsize}").view(kind):
        if np.isfinite(value) and value != int(value):
            printed = np.format_float_scientific(value, unique=True, trim="-")
            assert Fraction(*exact_number(as_binary64(float(value), dtype))) == Fraction(printed)


def test_integer_valued_floats_mean_that_integer():
    assert exact_number(1e23) == (99999999999999991611392, 1)
    assert InverseTimeDecay(np.float32(16777216), 1, 0).initial_learning_rate == 2**24
    assert InverseTimeDecay(0.1, np.int64(1000), np.uint8(2)).get_config()["decay_steps"] == 1000


def test_a_zero_dimensional_array_pins_its_dtype():
    schedule = InverseTimeDecay(np.array(0.1, np.float32), np.array(1000), 0.5)
    assert (schedule.initial_learning_rate, schedule.dtype) == (0.1, "float32")
    assert schedule(np.arange(3)).dtype == np.float32
    assert InverseTimeDecay(np.array(1), 1000, 0.5).dtype is None


def test_negative_zero_is_zero():
    config = InverseTimeDecay(-0.0, 1000, -0.0).get_config()
    assert str(config["initial_learning_rate"]) == str(config["decay_rate"]) == "0.0"


def test_of_two_decimals_of_one_digit_the_nearer_one():
    assert as_binary64(2.0**-133, "bfloat16") == 9e-41  # 1e-40 reads back too


def test_a_tie_between_two_decimals_goes_to_the_even_digit():
    assert as_binary64(float(np.float32(2097152.25)), "float32") == 2097152.2


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is binary64 here")
def test_a_long_double_is_refused():
    with pytest.raises(ConfigError, match="dtype"):
        InverseTimeDecay(np.longdouble("0.1"), 1000, 0.5)


@given(st.floats(1e-60, 1e60) | st.integers(0, 2**53))
def test_a_decimal_and_back(number):
    """Converting the number of a parameter to a parameter gives the same one."""
    found = shortest_decimal(Fraction(*exact_number(number)))
    assert found == number


def test_what_no_parameter_means():
    for value in (Fraction(1, 3), Fraction(2**53 + 1), Fraction(1, 10) + Fraction(1, 10**30)):
        assert shortest_decimal(value) is None
    message = str(unwritable("it", Fraction(1, 3), "round it"))
    assert "would have to be 1/3" in message
    assert "0.3333333333333333, has a relative error of 1.0e-16; round it" in message
