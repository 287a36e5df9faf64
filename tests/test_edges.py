"""Where one way of computing ends and the next begins: off by one there, all else stays right."""

from fractions import Fraction
from itertools import product
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from jets import Jet, JetBackend
from midpoints import near_midpoint

from invtime import ConfigError, InverseTimeDecay, ties
from invtime.backends.numpy import NumpyBackend
from invtime.decimals import exact_number, read_number
from invtime.dtypes import is_short
from invtime.evaluate import _last_exact, rounded
from invtime.fingerprint import _bytes, _exact, canonical
from invtime.form import Form
from invtime.pieces import not_below
from invtime.reference import Reference, bits_of_array
from invtime.stage import SHORT_Q, last_short_step, stage_index, stage_remainder
from invtime.table import Line

NUMPY = NumpyBackend()


def number(value):
    return Fraction(*exact_number(value))


# -- forms -----------------------------------------------------------------------------

SMALL = [
    Form(A, B, C, P, Q, staircase)
    for A, B, C, P, Q in product((1, 15, 16, 17), (1, 7, 16, 17), (0, 1, 3), (1, 3), (1, 2))
    for staircase in (False, True)
]


@pytest.mark.parametrize("form", SMALL, ids=repr)
def test_the_last_exact_step_is_where_an_integer_stops_fitting(form):
    def fits(n):
        t = n * form.Q // form.P if form.staircase else n
        return max(form.A, form.B + form.C * t) <= 16

    last = form.last_exact_step(4)
    if not form.C and fits(0):
        assert last == 2**63 - 1
    else:
        assert last == max((n for n in range(60) if fits(n)), default=-1)


def test_a_constant_is_no_staircase():
    assert Form.constant(3, 6).numbers == (1, 2, 0, 1, 1, False)
    assert Form.constant(3, 6).numbers[5] is False


def test_one_division_is_used_as_far_as_it_is_exact():
    """The double words are right there too, and slower."""
    for form in SMALL:
        last = form.last_exact_step(53)
        for short in (False, True):
            expected = last
            if form.staircase:
                assert form.Q < SHORT_Q
                expected = min(last, last_short_step(form, 53))
            assert _last_exact(form, 53, short) == expected
    flat = InverseTimeDecay(
        2, 1, 0, warmup_steps=4, cooldown_start=8, cooldown_steps=4, final_learning_rate=1
    )
    assert _last_exact(flat.form, 53, short=False) == 2**63 - 1
    decaying = InverseTimeDecay(2, 1, 1, warmup_steps=4)
    assert _last_exact(decaying.form, 53, short=False) == 2**53
    long = Form(1, 1, 1, 7, SHORT_Q, True)
    assert _last_exact(long, 53, short=False) == long.last_exact_step(53)
    assert _last_exact(long, 53, short=True) == last_short_step(long, 53)


def test_the_stage_of_every_step_up_to_the_last_short_one():
    for p, q in ((3, 1), (7, 2), (10, 1023), (12345, 16)):
        form = Form(1, 1, 1, p, q, True)
        last = last_short_step(form, 24)
        for n in (0, 1, p - 1, p, p + 1, 1000, last - 1, last):
            x = np.float32(n) * np.float32(q) + np.float32(0.5)
            assert np.floor(x * np.float32(1 / form.P)) == form.stage(n), (form, n)


def test_the_stage_of_integers_of_any_size():
    highest = 2**63 - 1
    steps = [0, 1, 2, 3, 4, 999, 2**31, 2**32, 2**53 + 1, highest - 1, highest]
    for p, q in ((1, 1), (3, 1), (2**62, 1), (3, 10), (10**17, 7), (7, 10**6 + 3), (10**17, 3)):
        form = Form(1, 1, 1, p, q, True)
        n = np.array(steps)
        wrapped = [(form.stage(step) + 2**63) % 2**64 - 2**63 for step in steps]
        assert stage_index(form, NUMPY, n, highest).tolist() == wrapped
        if q != 1:
            rest = stage_remainder(form, NUMPY, n, highest)
            assert rest.tolist() == [step * (form.Q % form.P) // form.P for step in steps]
    far = Form(1, 1, 1, 100, 1, True)
    assert stage_index(far, NUMPY, np.array([0, 99]), 99).tolist() == [0, 0]
    assert stage_index(far, NUMPY, np.array([0, 100]), 100).tolist() == [0, 1]


# -- values ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_rates_beside_the_smallest_normal_float32(dtype):
    """Where a bfloat16 is rounded by hand."""
    edge = Fraction(1, 2**126)
    for parts in (0, 1, 100, 500, 1000, 3000):
        rate = float(edge * (1 - Fraction(parts, 2**18)))
        for growth in (0, 1e-9, 1e-5):
            schedule = InverseTimeDecay(rate, 1000, growth)
            for steps in (np.arange(4), np.arange(4.0)):
                truth = Reference(schedule).at(steps)
                shared = JetBackend()(schedule.form, Jet(steps), dtype).data
                for found in (schedule.on("numpy", dtype=dtype)(steps), shared):
                    assert truth.allowed(bits_of_array(found, dtype), dtype).all()


class Unrounded(JetBackend):
    def round_to(self, x, dtype):
        return x


def test_what_a_flushed_float32_would_lose_of_a_bfloat16():
    """From half a bfloat16 and half a float32 below the smallest normal one, to that one."""
    normal, spacing = 2.0**-126, 2.0**-160
    first = normal - 2.0**-134 - 2.0**-150
    kept = [0.0, first - spacing, normal / 2, normal, normal + spacing, 1.0, -first]
    moved = [first, first + spacing, normal - 2.0**-134, normal - spacing]
    for values, wanted in ((kept, kept), (moved, [normal] * 4)):
        found = rounded(Jet(np.array(values)), Unrounded(), "bfloat16")
        assert found.data.tolist() == wanted
        for dtype in ("float64", "float32", "float16"):
            found = rounded(Jet(np.array(values)), Unrounded(), dtype)
            assert found.data.tolist() == values


def test_a_line_at_tiny_steps():
    """Its words are scaled, so that nothing is lost below the normal doubles."""
    steps = np.array([1e-300, 3.3e-301, 7e-305, 1e-307, 2e-290, 1e-250])
    for rate in (1 / 3, 1e-9, 1e5 / 7):
        schedule = InverseTimeDecay(rate, 1000, 0.5, warmup_steps=3)
        found = schedule(steps)
        truth = Reference(schedule).at(steps)
        assert truth.allowed(bits_of_array(found, "float64"), "float64").all()
        assert (found > 0).all()


def test_the_first_unsigned_step_past_int64():
    for schedule in (
        InverseTimeDecay(1e9, 3, 1e-9),
        InverseTimeDecay(1 / 3, 1e12, 1 / 7),
        InverseTimeDecay(1 / 3, 1e12, 1 / 7, staircase=True),
    ):
        for others in ([], [0], [2**63 - 1], [2**64 - 1]):
            steps = np.array([2**63, *others], np.uint64)
            truth = Reference(schedule).at(steps)
            found = bits_of_array(schedule(steps), "float64")
            assert truth.allowed(found, "float64").all()
        held = JetBackend()(schedule.form, Jet(np.array([2**63, 2**64 - 1], np.uint64)))
        assert held.data.tolist() == [schedule(2**63 - 1)] * 2


def test_close_to_a_tie_at_fractional_steps():
    """No integer says there on which side of the middle the value lies; the double words do."""
    random = Random(7)
    tried = 0
    for wanted in (60, 64, 68, 72, 76, 80, 84, 88) * 12:
        schedule, step, _ = near_midpoint(random, wanted)
        halved = schedule.replace(decay_steps=schedule.decay_steps / 2)
        if step >= 2**53 or not step % 2 or number(halved.decay_steps) * 2 != schedule.decay_steps:
            continue
        steps = np.array([step / 2])
        truth = Reference(halved).at(steps)
        assert truth.allowed(bits_of_array(halved(steps), "float64"), "float64").all()
        tried += 1
    assert tried > 9


# -- parts of the double words -----------------------------------------------------------


def bits(value):
    """How many bits the significand of a float takes."""
    numerator = abs(int(Fraction(value).numerator))
    return (numerator // (numerator & -numerator)).bit_length() if numerator else 0


@pytest.mark.parametrize(("precision", "high", "low"), [(53, 26, 27), (24, 12, 12)])
def test_the_default_head_and_what_it_leaves_are_short(precision, high, low):
    kind = np.float64 if precision == 53 else np.float32
    limits = np.finfo(kind)
    random = np.random.default_rng(0)
    values = random.uniform(1, 2, 200) * 2.0 ** random.integers(-90, 90, 200)
    values = np.array([*values, 0.0, 1.0, limits.max, limits.max / 2, limits.tiny * 2**30], kind)
    word = f"u{values.dtype.itemsize}"  # the largest ones, of which some would round to infinity
    last = limits.max.view(word) - np.arange(5000).astype(word)
    lower = last - (last[0] >> last.dtype.type(12))
    values = np.array([*values, *last.view(kind), *lower.view(kind)])
    with np.errstate(over="ignore"):
        heads = JetBackend(precision).head(Jet(values)).data
    assert heads.dtype == kind
    for value, head in zip(map(float, values), heads.tolist(), strict=True):
        rest = kind(value) - kind(head)
        assert Fraction(head) + Fraction(float(rest)) == Fraction(value)
        assert bits(head) <= high
        assert bits(float(rest)) <= low
    assert (np.abs(heads - values) <= np.abs(values) * 2.0 ** (1 - high)).all()


def signed(value):
    return (value + 2**63) % 2**64 - 2**63


DECAYS = [
    Form(1, 3, 7, 1, 1, False),
    Form(200, 2000, 1, 1, 1, False),
    Form(7, 2**40, 2**42, 1, 1, False),
    Form(2**156 + 1, 2**90, 3, 1, 1, False),
    Form(2**156 - 1, 2**90 + 1, 3, 1, 1, False),
    Form(3, 2**104, 1, 1, 1, False),
    Form(3, 2**104 - 5, 1, 1, 1, False),
    Form(3, 2**104 + 1, 1, 1, 1, False),
    Form(2**60 + 1, 2**8, 2**8 * 3, 1, 1, False),
    Form(2**51 + 1, 2**4, 2**5, 1, 1, False),
    Form(2**60, 1, 0, 1, 1, False),
]


@pytest.mark.parametrize("form", DECAYS, ids=repr)
def test_the_integers_that_settle_a_tie_of_a_decay(form):
    highest = 1000
    t = np.arange(0, highest + 1)
    found = ties.of_decay(form, NUMPY, t, highest, known="known")
    twos = 2**found.twos
    denominators = [form.B + form.C * n for n in t.tolist()]
    assert found.numerator == signed(form.A)
    assert (np.zeros_like(t) + found.denominator).tolist() == [
        signed(value // twos) for value in denominators
    ]
    assert all(value % twos == 0 for value in denominators)
    assert found.twos == 0 or any(v // twos % 2 for v in (form.B, form.C))
    assert found.known == "known"
    # 2**-e is 1 or more for a value below 2**53, of which the largest is that of step 0.
    assert found.large == (Fraction(form.A, form.B) >= 2**52 / Fraction(twos))
    assert found.vast == (form.A >= 2**156)
    fits = [value // twos <= 2**104 for value in denominators]
    sure = [True] * len(t) if found.sure is None else found.sure.tolist()
    assert sure == fits


@pytest.mark.parametrize(
    "line",
    [
        Line((1, 10), (3, 10), 40),
        Line((0, 1), (1, 3), 1000),
        Line((2**60, 1), (1, 3), 1000),
        Line((2**120, 2**70), (2**119 + 1, 2**70), 50),
        Line((1, 2**104 - 1), (2, 2**104 - 1), 1),
        Line((1, 2**105 - 1), (2, 2**105 - 1), 1),
        Line((1, 3), (2**156, 3), 1),
        Line((1, 3), (2**156 - 1, 3), 1),
    ],
    ids=repr,
)
def test_the_integers_that_settle_a_tie_of_a_line(line):
    t = np.arange(0, min(line.K, 100) + 1)
    found = ties.of_line(line, NUMPY, t, known="known")
    twos = 2**found.twos
    numerators = [line.a * (line.K - n) + line.b * n for n in t.tolist()]
    assert (np.zeros_like(t) + found.numerator).tolist() == list(map(signed, numerators))
    assert found.denominator == signed(line.d // twos)
    assert line.d % twos == 0
    assert line.d // twos % 2 == 1
    assert found.known == "known"
    largest = max(line.a, line.b) * line.K
    assert found.large == (Fraction(largest, line.d) >= Fraction(2**52, twos))
    assert found.vast == (largest >= 2**156)
    sure = True if found.sure is None else found.sure.any()
    assert sure == (line.d // twos < 2**104)


# -- fingerprints ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (9, "0:1/1;9:"),
        (10, "0:1/1;10:"),
        (11, "0:1/1;10:1/2;11:"),
        (19, "0:1/1;10:1/2;19:"),
        (20, "0:1/1;10:1/2;20:"),
        (21, "0:1/(1+1*floor(n*1/10));20:1/3;21:"),
        (29, "0:1/(1+1*floor(n*1/10));20:1/3;29:"),
        (30, "0:1/(1+1*floor(n*1/10));20:1/3;30:"),
        (31, "0:1/(1+1*floor(n*1/10));30:1/4;31:"),
    ],
)
def test_the_drops_of_a_staircase_before_a_cool_down(start, text):
    schedule = InverseTimeDecay(
        1, 10, 1, staircase=True, cooldown_start=start, cooldown_steps=3, final_learning_rate=0.001
    )
    assert canonical(schedule.form).startswith(text)
    assert canonical(schedule.form).count(";") == text.count(";") + 1


@pytest.mark.parametrize("last", range(12))
def test_values_are_exact_up_to_the_last_exact_step_of_each_piece(last):
    def row(first, origin, exact):
        return SimpleNamespace(
            first=first, origin=origin, piece=SimpleNamespace(last_exact_step=lambda _: exact)
        )

    def exact(*ends):
        rows = [row(0, 0, ends[0]), row(4, 2, ends[1]), row(8, 8, ends[2])]
        return _exact(SimpleNamespace(rows=rows, starts=[0, 4, 8]), last)

    assert exact(9, 9, 9)
    assert exact(3, 5, 3)
    assert exact(2, 9, 9) == (last < 3)
    assert exact(9, 4, 9) == (last < 7)
    assert exact(9, 9, 2) == (last < 11)
    assert _exact(Form(1, 1, 1, 1, 1, False), 2**53 - 1)
    assert not _exact(Form(1, 1, 1, 1, 1, False), 2**53)


def test_bits_of_bfloat16_are_rounded_to_the_nearest_and_ties_to_even():
    upper = np.arange(0x3F00, 0x3F10, dtype=np.uint32)
    for lower, up in ((0x7FFF, 0), (0x8000, upper & 1), (0x8001, 1), (0, 0), (0xFFFF, 1)):
        values = ((upper << 16) + lower).astype(np.uint32).view(np.float32)
        found = np.frombuffer(_bytes(values.astype(np.float64), "bfloat16"), "<u2")
        assert found.tolist() == (upper + up).tolist()
    for dtype, kind in (("float64", "<f8"), ("float32", "<f4"), ("float16", "<f2")):
        values = np.array([0.1, 1e300, 1e-300, 65519.0, 65520.0])
        with np.errstate(all="ignore"):
            expected = values.astype(kind if dtype == "float64" else "<f4").astype(kind)
        with np.errstate(over="raise", under="raise"):
            assert _bytes(values, dtype) == expected.tobytes()


def test_dtypes_of_less_than_a_byte():
    short = ["int1", "int4", "uint2", "uint7", "float4_e2m1fn", "float6_e3m2fn", "FLOAT4_E2M1FN"]
    assert all(map(is_short, short))
    assert not any(map(is_short, ["int8", "uint8", "float8_e4m3fn", "float16", "bool", "float4"]))


# -- parameters --------------------------------------------------------------------------


class Scalar:
    """What some framework passes for a number."""

    shape = ()

    def __init__(self, value, dtype="float32"):
        self.value, self.dtype = value, dtype

    def __float__(self):
        return float(self.value)

    def __int__(self):
        return int(self.value)


class Tracked(Scalar):
    """Warns where it is read with its history."""

    def detach(self):
        return Scalar(self.value, self.dtype)

    def __float__(self):
        raise RuntimeError("it requires grad")


class Bare:
    """Has no `__float__`, and is read by way of NumPy."""

    shape = ()
    dtype = "float64"

    def numpy(self):
        return np.float64(0.1)


class Unread(Bare):
    numpy = property()


class Unranked:
    def __iter__(self):
        raise ValueError("its rank is unknown")


class Shapeless(Scalar):
    shape = Unranked()


def test_parameters_of_any_framework_are_read():
    tenth = float(np.float32(0.1))
    assert read_number("x", Scalar(tenth)) == (0.1, "float32")
    assert read_number("x", Scalar(tenth, "float64")) == (tenth, "float64")
    assert read_number("x", Scalar(3, "int8")) == (3, None)
    assert read_number("x", Scalar(3, "uint8")) == (3, None)
    assert read_number("x", Tracked(tenth)) == (0.1, "float32")
    variable = type("Variable", (), {"__module__": "keras.src.variables", "value": Scalar(tenth)})
    assert read_number("x", variable()) == (0.1, "float32")
    assert read_number("x", Bare()) == (0.1, "float64")
    for key, text in ((Unread(), "no value yet"), (Shapeless(1), r"has shape \(-1,\)")):
        with pytest.raises(ConfigError, match=text):
            read_number("x", key)


class Placed(JetBackend):
    def from_numpy(self, x):
        return Jet(x)

    def place(self, x, device):
        x.device = device
        return x


def test_a_constant_is_a_float_of_the_dtype_whatever_number_it_is():
    for value in (1, 1.0, np.float32(1)):
        for dtype in ("float64", "float32"):
            assert Placed().constant(value, dtype, None, None).dtype == dtype


def test_a_constant_is_where_it_is_asked_for_or_beside_what_it_is_like():
    like = SimpleNamespace(device="there")
    assert Placed().constant(1.0, "float64", like, None).device == "there"
    assert Placed().constant(1.0, "float64", like, "here").device == "here"
    assert not hasattr(Placed().constant(1.0, "float64", None, None), "device")
    assert not hasattr(Placed().constant(1.0, "float64", SimpleNamespace(), None), "device")


# -- knots -------------------------------------------------------------------------------


def test_the_first_float_at_or_past_a_knot():
    tiny = Fraction(1, 2**140)
    numbers = [Fraction(n, d) for n in (0, 1, 2, 3, 2**53 + 1) for d in (1, 3, 7, 2**60)]
    numbers += [Fraction(1, 2**126) + part for part in (0, tiny, Fraction(1, 2**150), -tiny)]
    numbers += [Fraction(2**24 + 1), Fraction(2**54 + 2), Fraction(10**30, 7)]
    for ratio in numbers:
        for precision, kind in ((53, np.float64), (24, np.float32)):
            found = not_below((ratio.numerator, ratio.denominator), precision)
            assert kind(found) == found
            assert Fraction(found) >= ratio
            before = np.nextafter(kind(found), kind(-1))
            smallest = found == 2.0**-126 and precision == 24  # none below it is kept
            assert not found or smallest or Fraction(float(before)) < ratio
    assert not_below((2**128, 1), 24) == not_below((2**128 - 1, 1), 24) == np.inf
