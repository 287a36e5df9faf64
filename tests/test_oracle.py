"""The oracle, held against what it was not written with: NumPy, `decimal`, known values."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import InverseTimeDecay
from invtime.testing import bulk, strategies
from invtime.testing.midpoints import closeness, near_midpoint
from invtime.testing.oracle import (
    FORMATS,
    Reference,
    as_written,
    bits_of_array,
    bits_of_fraction,
    float_of_bits,
    fraction_of_bits,
    ulp_distance,
)

doubles = st.floats(0, allow_infinity=False)
wide_fractions = st.builds(Fraction, st.integers(0, 2**200), st.integers(1, 2**200))


def numpy_bits(value: float, dtype: str) -> int:
    with np.errstate(over="ignore", under="ignore"):
        return int(bits_of_array(np.float64(value).astype(dtype), dtype))


@given(doubles | st.floats(0, 70000) | st.floats(0, 1e-4) | st.floats(0, 1e-37))
def test_rounding_a_double_is_numpys(value):
    """One rounding of a double to float32 and to float16 is what NumPy's cast does."""
    for dtype in ("float32", "float16"):
        assert bits_of_fraction(Fraction(value), dtype) == numpy_bits(value, dtype)


def test_rounding_at_every_midpoint_of_float16():
    """Ties go to even, and a hair beside them to the nearer, all over float16."""
    for low in range(0, FORMATS["float16"].infinity - 1):
        below, above = (fraction_of_bits(bits, "float16") for bits in (low, low + 1))
        middle, hair = (below + above) / 2, Fraction(1, 2**80)
        assert bits_of_fraction(middle - hair, "float16") == low
        assert bits_of_fraction(middle, "float16") == low + low % 2
        assert bits_of_fraction(middle + hair, "float16") == low + 1


def test_rounding_to_bfloat16_is_that_of_ml_dtypes():
    """One rounding of a float32 to bfloat16 is what the common implementation does."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 20_000, dtype=np.uint32)
    bits[:9] = 0x7F7F7FFF, 0x7F7F8000, 0x7F7F8001, 1, 0x8000, 0x8001, 0x3F808000, 0x3F818000, 0
    with np.errstate(over="ignore"):
        expected_bits = bits_of_array(bits.view(np.float32).astype(bfloat16), "bfloat16")
    for value, expected in zip(bits.view(np.float32), expected_bits, strict=True):
        assert bits_of_fraction(Fraction(float(value)), "bfloat16") == expected


@given(wide_fractions)
def test_rounding_a_fraction_is_pythons(value):
    """Rounding to binary64 is what `int / int` gives, which Python documents as correct."""
    assert float_of_bits(bits_of_fraction(value, "float64"), "float64") == float(value)


@pytest.mark.parametrize("dtype", FORMATS)
def test_bits_and_values_are_inverse(dtype):
    """Every bit pattern survives the way to its value and back."""
    top = FORMATS[dtype].infinity
    draw = random.Random(0)
    patterns = {0, 1, top - 1, FORMATS[dtype].smallest_normal - 1, FORMATS[dtype].smallest_normal}
    for bits in patterns | {draw.randrange(top) for _ in range(2000)}:
        assert bits_of_fraction(fraction_of_bits(bits, dtype), dtype) == bits


@pytest.mark.parametrize(
    ("dtype", "infinity", "largest", "smallest"),
    [
        ("float64", 0x7FF0000000000000, 1.7976931348623157e308, 5e-324),
        ("float32", 0x7F800000, 3.4028234663852886e38, 1.401298464324817e-45),
        ("float16", 0x7C00, 65504.0, 5.960464477539063e-08),
        ("bfloat16", 0x7F80, 3.3895313892515355e38, 9.183549615799121e-41),
    ],
)
def test_the_ends_of_the_formats(dtype, infinity, largest, smallest):
    """The formats are those of IEEE 754 and of bfloat16."""
    assert FORMATS[dtype].infinity == infinity
    assert float_of_bits(infinity - 1, dtype) == largest
    assert float_of_bits(1, dtype) == smallest
    assert float_of_bits(infinity, dtype) == inf
    assert isnan(float_of_bits(FORMATS[dtype].nan, dtype))
    assert bits_of_fraction(Fraction(10) ** 400, dtype) == infinity


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_parameter_is_its_shortest_decimal(value):
    """A number with a fraction means what `repr` prints, an integer-valued one its integer."""
    expected = Fraction(value) if value.is_integer() else Fraction(Decimal(repr(value)))
    assert as_written(value) == expected


@given(strategies.schedules(), st.data())
def test_the_exact_value_is_the_formula(schedule, data):
    """v(n) = L / (1 + R * n / S), as 400-digit decimals compute it."""
    step = data.draw(strategies.steps(schedule) | strategies.float_steps(schedule))
    value = Reference(schedule).exact(step)
    if step != step or step == inf:
        return
    parameters = schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate
    with localcontext(prec=400):
        L, S, R = (Decimal(f.numerator) / f.denominator for f in map(as_written, parameters))
        turns = max(Decimal(step), Decimal(0)) / S
        if schedule.staircase:
            turns = Decimal(int(turns))
        expected = L / (1 + R * turns)
        assert abs(Decimal(value.numerator) / value.denominator - expected) <= expected * Decimal(
            "1e-60"
        )


def test_known_values():
    """A few values worked out by hand."""
    reference = Reference(InverseTimeDecay(0.1, 1000, 0.5))
    assert reference.exact(1000) == Fraction(1, 15)
    assert reference.exact(2.5) == Fraction(80, 801)
    assert reference.value(1000, "float32") == float(np.float32(1 / 15))
    stairs = Reference(InverseTimeDecay(0.1, 0.3, 2, staircase=True))
    assert [stairs.stage(n) for n in (0, 1, 3, 9)] == [0, 3, 10, 30]
    assert stairs.exact(9) == Fraction(1, 610)


def test_steps_that_are_no_numbers():
    """NaN gives NaN; infinity the limit; before the start the rate is L."""
    falling, level = (Reference(InverseTimeDecay(0.1, 10, rate)) for rate in (1, 0))
    assert falling.exact(nan) is None
    assert falling.bits(nan, "float16") == 0x7E00
    assert falling.exact(inf) == 0
    assert level.exact(inf) == Fraction(1, 10)
    for step in (-inf, -5, -0.5, -0.0, 0):
        assert falling.exact(step) == Fraction(1, 10)


def test_the_chain_is_not_one_rounding():
    """float16 is the rounded float32, which may differ from the rounded double."""
    # Just above a tie of float16: float32 drops the excess, and then the tie goes to even.
    rate = 1 + 2**-11 + 2**-40
    reference = Reference(InverseTimeDecay(rate, 1, 0))
    assert reference.value(0, "float16") == 1.0
    assert float_of_bits(bits_of_fraction(Fraction(rate), "float16"), "float16") == 1 + 2**-10
    assert reference.bits(0, "bfloat16") == 0x3F80


@given(strategies.schedules(), st.data())
def test_bulk_is_the_oracle(schedule, data):
    """The expected values of bulk runs are the oracle's, bit for bit, in every dtype."""
    steps = data.draw(st.lists(strategies.steps(schedule), max_size=30))
    steps += strategies.landmarks(schedule)
    found = bulk.expected_doubles(schedule, steps)
    reference = Reference(schedule)
    for dtype in FORMATS:
        expected = [reference.bits(step, dtype) for step in steps]
        assert bulk.expected_bits(found, dtype).tolist() == expected


def test_bits_of_an_array():
    """Widened bfloat16 is read as bfloat16, every NaN is one pattern, a wrong dtype refused."""
    assert bits_of_array(np.float32([1, nan]), "bfloat16").tolist() == [0x3F80, 0x7FC0]
    assert bits_of_array(np.float64([-nan]), "float64").tolist() == [0x7FF8000000000000]
    with pytest.raises(ValueError, match="not widened"):
        bits_of_array(np.float32([0.1]), "bfloat16")
    with pytest.raises(ValueError, match="expected an array of float32"):
        bits_of_array(np.float64([0.1]), "float32")


def test_ulp_distance():
    """The distance counts representable numbers, across zero too."""
    one = bits_of_fraction(Fraction(1), "float64")
    assert ulp_distance(one, one + 3) == 3
    assert ulp_distance(0x80000001, 0x00000001, "float32") == 2
    with pytest.raises(ValueError, match="NaN"):
        ulp_distance(0x7E00, 0, "float16")


@pytest.mark.parametrize("staircase", [False, True])
def test_near_midpoints_are_near(staircase):
    """The value of such a case lies between 2**-x and 2**(1 - x) of a tie of two doubles."""
    draw = random.Random(0)
    for wanted in range(60, 108, 4):
        case = near_midpoint(draw, wanted, staircase)
        value = Reference(case.schedule).exact(case.step)
        low = bits_of_fraction(value, "float64")
        distances = []
        for neighbour in (low - 1, low + 1):
            pair = fraction_of_bits(low, "float64") + fraction_of_bits(neighbour, "float64")
            distances.append(abs(value - pair / 2) / value)
        assert Fraction(1, 2**wanted) <= min(distances) < Fraction(2, 2**wanted)
        assert closeness(value) == case.closeness == wanted


def test_a_tie_is_as_close_as_can_be():
    """On a tie itself the closeness is infinite; a double is half a ULP away from one."""
    assert closeness(Fraction(2**53 + 1)) == inf
    assert closeness(Fraction(2**53 - 2)) == 54
