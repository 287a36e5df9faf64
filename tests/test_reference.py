"""The exact reference, compared with independent results: NumPy, `decimal`, known values."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midpoints import closeness, long_near_midpoint, near_midpoint, tie

from invtime import InverseTimeDecay
from invtime.reference import (
    FORMATS,
    LONG,
    NEAREST,
    Reference,
    bits_of_array,
    bits_of_fraction,
    exact_number,
    float_of_bits,
    fraction_of_bits,
    near_tie,
    rounded,
    ulp_distance,
    ulp_distances,
    values,
)
from invtime.testing import strategies
from invtime.verification.grid import DTYPES

SLOPE = InverseTimeDecay(0.1, 1000, 0.5)

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
    """Ties round to even, and values just beside them to the nearest, in all of float16."""
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
    """Rounding to binary64 equals `int / int`, which Python documents as correctly rounded."""
    assert float_of_bits(bits_of_fraction(value, "float64"), "float64") == float(value)


@pytest.mark.parametrize("dtype", FORMATS)
def test_bits_and_values_are_inverse(dtype):
    """Every bit pattern survives the conversion to its value and back."""
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
    """A fractional float means the decimal of its `repr`, an integer-valued one the integer."""
    expected = Fraction(value) if value.is_integer() else Fraction(Decimal(repr(value)))
    assert exact_number(value) == expected


def in_decimals(schedule, step):
    """Evaluate the defining formula at a step, with the precision of the decimal context."""
    numbers = (exact_number(getattr(schedule, key) or 0) for key in parameters(schedule))
    L, S, R, W, w, H, m, X, K, f = (Decimal(n.numerator) / n.denominator for n in numbers)
    n = max(Decimal(step), Decimal(0))

    def before(n):
        if n < W:
            return w + (L - w) * n / W
        if n < W + H:
            return L
        turns = (n - W - H) / S
        if schedule.staircase:
            turns = Decimal((Fraction(n) - int(W + H)) // exact_number(schedule.decay_steps))
        return max(m, L / (1 + R * turns))

    if schedule.cooldown_start is None or n < X:
        return before(n)
    return f if n >= X + K else before(X) + (f - before(X)) * (n - X) / K


def parameters(schedule):
    return (
        *("initial_learning_rate", "decay_steps", "decay_rate", "warmup_steps"),
        *("warmup_learning_rate", "stable_steps", "minimum_learning_rate"),
        *("cooldown_start", "cooldown_steps", "final_learning_rate"),
    )


@given(strategies.schedules(), st.data())
def test_the_exact_value_is_the_formula(schedule, data):
    """v(n) equals the formula in 400-digit decimals, in each phase."""
    step = data.draw(strategies.steps(schedule) | strategies.float_steps(schedule))
    value = Reference(schedule).exact(step)
    if step != step or step == inf:
        return
    with localcontext(prec=400):
        expected = in_decimals(schedule, step)
        assert abs(Decimal(value.numerator) / value.denominator - expected) <= expected * Decimal(
            "1e-60"
        )


def test_known_values():
    """A few values calculated by hand."""
    reference = Reference(InverseTimeDecay(0.1, 1000, 0.5))
    assert reference.exact(1000) == Fraction(1, 15)
    assert reference.exact(2.5) == Fraction(80, 801)
    assert reference.value(1000, "float32") == float(np.float32(1 / 15))
    stairs = Reference(InverseTimeDecay(0.1, 0.3, 2, staircase=True))
    assert [stairs.stage(n) for n in (0, 1, 3, 9)] == [0, 3, 10, 30]
    assert stairs.exact(9) == Fraction(1, 610)


def test_known_values_with_phases():
    """Return steps in each phase, on both sides of knots, and where the decay meets its floor."""
    recipe = InverseTimeDecay(
        *(0.1, 7, 0.3),
        warmup_steps=10,
        warmup_learning_rate=0.2,
        stable_steps=5,
        minimum_learning_rate=0.03,
        cooldown_start=80,
        cooldown_steps=4,
    )
    reference = Reference(recipe)
    assert reference.phased
    assert reference.floor_met == 15 + Fraction(490, 9)
    assert reference.knots == [10, 15, 70, 80, 84]
    known = {0: "1/5", 1: "19/100", 10: "1/10", 14.5: "1/10", 22: "1/13", 69.5: "3/100"}
    known |= {69: "7/232", 79: "3/100", 80: "3/100", 81: "9/400", 83.5: "3/800", 84: "0"}
    assert {n: reference.exact(n) for n in known} == {n: Fraction(v) for n, v in known.items()}
    assert reference.exact(inf) == 0
    assert Reference(recipe.replace(cooldown_start=None, cooldown_steps=0)).exact(inf) == 3 / (
        Fraction(100)
    )
    stairs = Reference(recipe.replace(staircase=True))
    assert stairs.floor_met == 15 + 8 * 7
    assert [stairs.stage(n) for n in (0, 15, 21, 22)] == [0, 0, 0, 1]
    assert stairs.first_step(2) == 29
    assert stairs.exact(22) == Fraction(1, 13)
    in_the_stable_phase = Reference(recipe.replace(cooldown_start=12))
    assert in_the_stable_phase.knots == [10, 12, 16]
    assert in_the_stable_phase.exact(13) == Fraction(3, 40)
    assert not Reference(recipe.replace(**NO_PHASES)).phased


NO_PHASES = {
    **dict.fromkeys(("warmup_steps", "warmup_learning_rate", "stable_steps"), 0),
    **dict.fromkeys(("minimum_learning_rate", "cooldown_steps"), 0),
    "cooldown_start": None,
}


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
    # Just above a tie of float16: float32 drops the excess, and then the tie rounds to even.
    rate = 1 + 2**-11 + 2**-40
    reference = Reference(InverseTimeDecay(rate, 1, 0))
    assert reference.value(0, "float16") == 1.0
    assert float_of_bits(bits_of_fraction(Fraction(rate), "float16"), "float16") == 1 + 2**-10
    assert reference.bits(0, "bfloat16") == 0x3F80


@given(strategies.schedules(), st.data())
def test_the_truth_of_an_array_is_that_of_its_steps(schedule, data):
    """A single division, for an array of integers or floats, has the bits of the fractions."""
    integers = data.draw(st.lists(strategies.steps(schedule), max_size=30))
    floats = data.draw(st.lists(strategies.float_steps(schedule), max_size=30))
    landmarks = strategies.landmarks(schedule)
    reference = Reference(schedule)
    for steps in (np.array(integers + landmarks), np.array([*floats, *map(float, landmarks)])):
        truth = reference.at(steps)
        for dtype in FORMATS:
            expected = [reference.bits(step, dtype) for step in steps.tolist()]
            assert truth.bits(dtype).tolist() == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_truth_is_the_same_in_every_dtype_of_the_step(dtype):
    stairs = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
    for schedule in (SLOPE, stairs, InverseTimeDecay(1e-3, 0.3, 1 / 3, True)):
        reference = Reference(schedule)
        for step in (np.array([0, 1, 41, 82, 100]), np.array([5, 100]).repeat(3)):
            found = reference.doubles(step.astype(dtype))
            assert found.tolist() == [reference.value(n) for n in step.tolist()]


def test_steps_past_every_integer_type():
    """Python integers of any size in an array of objects, as check-log uses them."""
    steps = [-(2**70), 0, 2**63, 2**80 + 1]
    found = Reference(SLOPE).doubles(np.array(steps, object)).tolist()
    assert found == values(SLOPE, steps)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_16_bit_float_survives_the_round_trip(dtype):
    word = np.arange(2**16, dtype=np.uint16)
    single = (word.astype(np.uint32) << 16).view(np.float32)
    floats = word.view(np.float16) if dtype == "float16" else single
    bits = bits_of_array(floats, dtype)
    again = [float_of_bits(pattern, dtype) for pattern in bits.tolist()]
    with np.errstate(invalid="ignore"):  # they include signalling NaNs
        np.testing.assert_array_equal(again, floats.astype(np.float64))
    np.testing.assert_array_equal(rounded(np.array(again), dtype), bits)
    numbers = ~np.isnan(floats)
    np.testing.assert_array_equal(bits[numbers], word[numbers])
    assert FORMATS[dtype].hex(0x1F) == "0x001f"


def test_bfloat16_is_rounded_to_nearest_even():
    kept = np.arange(0, 0x7F7F)
    for offset, up in ((0x7FFF, 0), (0x8001, 1), (0x8000, kept & 1)):
        single = (kept << 16 | offset).astype(np.uint32).view(np.float32)
        np.testing.assert_array_equal(rounded(single.astype(np.float64), "bfloat16"), kept + up)


def test_bfloat16_agrees_with_ml_dtypes():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    drawn = np.random.default_rng(1).standard_normal(10_000)
    doubles = drawn * 10.0 ** np.arange(-50, 50).repeat(100)
    with np.errstate(over="ignore", under="ignore"):
        expected = doubles.astype(np.float32).astype(bfloat16)
    found = rounded(doubles, "bfloat16")
    np.testing.assert_array_equal(found, bits_of_array(expected, "bfloat16"))


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


def test_ulp_distances_count_across_zero_and_to_nan():
    floats = np.array([-inf, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1 + 2**-52, inf, nan])
    bits = rounded(floats, "float64")
    apart = ulp_distances(bits[:-1], bits[1:], "float64").tolist()
    assert [apart[i] for i in (2, 3, 4, 6)] == [1, 0, 1, 1]
    assert ulp_distances(bits[:1], bits[-2:-1], "float64") == 2 * 0x7FF0000000000000  # past 2**63
    assert (ulp_distances(bits[:-1], bits[-1:], "float64") > 2**50).all()


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
        assert Reference(case.schedule).near_ties(np.array([case.step])) == [False]


def test_long_near_midpoints_are_near_and_long():
    draw = random.Random(0)
    for _ in range(20):
        schedule, step = long_near_midpoint(draw)
        reference = Reference(schedule)
        assert 100 < closeness(reference.exact(step)) < inf
        assert reference.near_ties(np.array([1000, step])) == [False, True]


def test_a_vast_numerator_is_long_too():
    """A warm-up to 1e60, whose value at step 3 differs from a tie by 1025 of 2**147."""
    vast = InverseTimeDecay(
        9.999999999999998e59, 1, 0, warmup_steps=2**53, warmup_learning_rate=1025
    )
    assert 100 < closeness(Reference(vast).exact(3)) < inf
    assert Reference(vast).near_ties(np.array([2, 3])) == [False, True]
    assert Reference(vast.replace(initial_learning_rate=1e30)).near_ties(np.array([3])) == [False]


def test_a_tie_is_as_close_as_can_be():
    """On a tie itself the closeness is infinite; a double is half a ULP away from one."""
    assert closeness(Fraction(2**53 + 1)) == inf
    assert closeness(Fraction(2**53 - 2)) == 54
    assert not near_tie(2**53 + 1, 1)  # it rounds to even
    assert near_tie((2**53 + 1 << 99) + 1, 2**99)
    assert not near_tie(2**53 - 2, 1)
    assert not near_tie(0, 1)


@given(st.integers(2**53, 2**54 - 1), st.integers(93, 99), st.sampled_from([-1, 1]))
def test_near_a_tie_is_a_matter_of_fractions(halves, apart, side):
    """`near_tie` is the closeness by fractions, on both sides of every tie and of 2**-96."""
    value = Fraction(halves | 1) * (1 + side * Fraction(2) ** -apart * Fraction(3, 4))
    assert near_tie(value.numerator, value.denominator) == (closeness(value) > NEAREST)


@given(st.integers(1, 2**53 - 1), st.integers(1, 2**44))
def test_small_integers_are_never_near_a_tie(a, d):
    """The cases that `near_ties` excludes by its bounds."""
    assert not near_tie(a, d)


def test_an_exact_tie_of_hand_written_parameters_is_found():
    schedule = InverseTimeDecay(0.21875, 1754246075931009, 497553737754239)
    assert closeness(Reference(schedule).exact(1)) == inf
    assert Reference(schedule).near_ties(np.arange(-1, 4)) == [False] * 5


# -- what is allowed -----------------------------------------------------------------------

FRACTIONAL = InverseTimeDecay(0.1, 0.3, 2, staircase=True)


def allowed(schedule, steps, found, dtype="float64", precision=53):
    truth = Reference(schedule).at(np.asarray(steps))
    return truth.allowed(np.asarray(found, np.uint64), dtype, precision).tolist()


def off_by(schedule, steps, ulps, dtype="float64", precision=53):
    """Return whether the contract allows this difference from the exact bits at each step."""
    true = Reference(schedule).at(np.asarray(steps)).bits(dtype)
    return allowed(schedule, steps, true + np.uint64(ulps), dtype, precision)


FLOATS = [-inf, -2.5, -0.5, 0.0, 7.0, 2.0**53 - 1, 0.5, 2.0**53, 1e30, inf, nan]


def test_a_float_step_may_be_one_ulp_off_where_it_is_no_integer():
    assert off_by(SLOPE, FLOATS, 1) == [False] * 6 + [True] * 3 + [False] * 2
    assert off_by(SLOPE, FLOATS, 2) == [False] * 11
    assert off_by(SLOPE, np.array([0, 1, 2**53]), 1) == [False] * 3
    assert all(off_by(SLOPE, FLOATS, 0))
    assert off_by(SLOPE, FLOATS, 1, "float32") == [False] * 11  # the neighbour rounds back


def test_without_binary64_every_value_may_be_one_float32_ulp_off():
    assert off_by(SLOPE, FLOATS[:-1], 1, "float32", 24) == [True] * 10
    assert off_by(SLOPE, FLOATS, 2, "float32", 24) == [False] * 11
    assert off_by(SLOPE, [nan], 1, "float32", 24) == [False]
    assert off_by(SLOPE, [0, 1000], 1, "float16", 24) == [False, False]


def test_without_binary64_float_steps_past_its_range_are_open():
    """As docs/numerics.md says; integer steps may not differ, nor any step with binary64."""
    steep, long = InverseTimeDecay(1, 2e-52, 1, staircase=True), InverseTimeDecay(1, 1e30, 1)
    for schedule, step in ((steep, 1e-40), (long, 0.5), (SLOPE, 2.0**-61)):
        assert off_by(schedule, [step], 2, "float32", 24) == [True]
        assert off_by(schedule, [step], 2, "float32") == [False], schedule
    assert off_by(long, [1], 2, "float32", 24) == [False]
    assert off_by(steep, [-0.5, 0.0, inf], 2, "float32", 24) == [False] * 3
    assert off_by(SLOPE, [2.0**-60], 2, "float32", 24) == [False]


def test_a_neighbour_is_allowed_next_to_a_tie():
    """Only if the denominator is long, and never at an exact tie."""
    draw = random.Random(3)
    short = [near_midpoint(draw, wanted)[:2] for wanted in (92, 96, 97, 100, 104)]
    ties = [tie(draw) for _ in range(9)]
    for schedule, step in (*short, *ties, long_near_midpoint(draw)):
        wanted = schedule.decay_steps >= LONG
        exact, true = Reference(schedule).exact(step), Reference(schedule).bits(step)
        beside = true + (1 if exact > fraction_of_bits(true, "float64") else -1)
        assert allowed(schedule, [step], [beside]) == [wanted]
        assert allowed(schedule, [float(step)], [beside]) == [wanted or step >= 2**53]


def test_zero_may_stand_for_a_subnormal_of_the_dtype_alone():
    tiny = InverseTimeDecay(1, 1, 1)
    steps = np.array([2.0**125, 2.0**126, 2.0**127, 2.0**140])
    assert allowed(tiny, steps, [0] * 4, "float32") == [False, False, True, True]
    assert allowed(tiny, steps, [0] * 4, "float64") == [False] * 4
    assert allowed(tiny, steps, [1 << 31] * 4, "float32") == [False] * 4  # -0.0
    # The float32 is subnormal, and the bfloat16 that it rounds to is normal.
    above = InverseTimeDecay(2.0**-126 * (1 - 2.0**-23), 1, 0)
    assert Reference(above).bits(0, "bfloat16") == FORMATS["bfloat16"].smallest_normal
    assert allowed(above, [0], [0], "bfloat16") == [False]


def test_a_fractional_boundary_may_fall_to_either_side():
    reference = Reference(FRACTIONAL)
    near, far = 4.5, 4.25  # 15 stages, and just above 14
    stages = [reference.bits(n) for n in (4, 5)]  # 13 and 16
    own, before = (reference.bits(n) for n in (near, np.nextafter(near, 0) - 1e-3))
    assert own != before
    assert allowed(FRACTIONAL, [near] * 4, [own, before, own + 1, before - 1]) == [True] * 4
    assert allowed(FRACTIONAL, [near] * 4, [*stages, own + 2, before + 2]) == [False] * 4
    assert allowed(FRACTIONAL, [far], [own]) == [False]
    assert allowed(FRACTIONAL, [3.0], [reference.bits(2.9)]) == [False]  # a whole step
    assert allowed(FRACTIONAL, [4.5 * (1 + 2.0**-40)], [before]) == [False]
    single = [reference.bits(n, "float32") for n in (4.5, 4.499)]
    assert allowed(FRACTIONAL, [4.5 * (1 + 2.0**-40)], single[1:], "float32", 24) == [True]
    assert allowed(FRACTIONAL, [4.5 * (1 + 2.0**-28)], single[1:], "float32", 24) == [False]
    halves = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
    assert allowed(halves, [np.nextafter(41.0, 0)], [Reference(halves).bits(41)]) == [False]


@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_anything_may_stand_from_stage_2_to_the_63_on(kind):
    stairs = InverseTimeDecay(0.1, 1e-15, 0.5, staircase=True)
    first = Reference(stairs).first_step(2**63)
    steps = np.array([first - 1, first, first + 1]).astype(kind)
    assert allowed(stairs, steps, [12345] * 3) == [False, True, True]
    slope = InverseTimeDecay(0.1, 1e-15, 0.5)
    assert allowed(slope, steps, [12345] * 3) == [False] * 3
    assert allowed(stairs, [inf, nan], [12345] * 2) == [False, False]
