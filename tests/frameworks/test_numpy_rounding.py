"""Long decimals in NumPy: values very close to a tie are rounded correctly."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest
from midpoints import closeness

from invtime import InverseTimeDecay
from invtime.backends import blocks, numpy_rounding
from invtime.reference import Reference

LONG = InverseTimeDecay(1 / 3, 1000, 1 / 7)


def hard_case(random):
    """A schedule and a step below 2**32 whose value lies within 2**-72 of a tie.

    M / 2**j is the tie: L * den * 2**j - M * (den + num * n) = 1 or -1, for which n solves a
    congruence modulo den * 2**j, and L follows.
    """
    while True:
        den, num, j = random.randrange(2**11, 2**13) | 1, random.choice((1, 3, 7)), 18
        middle, residue = random.randrange(2**53, 2**54) | 1, random.choice((-1, 1))
        modulus = den << j
        try:
            n = -(middle * den + residue) * pow(middle * num, -1, modulus) % modulus
        except ValueError:  # no inverse
            continue
        rate = (middle * (den + num * n) + residue) // modulus
        if 2**42 < rate < 2**53:
            schedule = InverseTimeDecay(rate, den, num)
            if closeness(Reference(schedule).exact(n)) > 72:
                return schedule, n


def test_values_beside_a_tie(assert_bits):
    """Without the exact division, two fifths of these values round to the wrong side."""
    random = Random(6)
    for _ in range(200):
        schedule, n = hard_case(random)
        steps = np.array([max(n, 1) - 1, n, n + 1])
        assert_bits(schedule, steps, schedule(steps))


def test_the_value_lies_between_the_two_sums():
    """Ziv's test is sound: in exact fractions, at every size of the step and of the decay."""
    random = Random(7)
    for _ in range(300):
        rate = random.random() * 10 ** random.uniform(-40, 15)
        form = InverseTimeDecay(random.uniform(0.1, 1), 1, rate).form
        last = min(random.getrandbits(random.randrange(1, 33)), numpy_rounding.last_rounded(form))
        if last < 0:
            continue
        steps = np.array([0, 1, last // 3, last - 1, last]).clip(0)
        words = numpy_rounding._words(form, last.bit_length())
        q, c, _ = numpy_rounding._quotient(words, steps.astype(np.float64))
        for n, head, rest in zip(steps.tolist(), q.tolist(), c.tolist(), strict=True):
            value = Fraction(form.A, form.B + form.C * n)
            enlarged = rest * float(numpy_rounding.ENLARGED)
            low, high = Fraction(rest) + Fraction(head), Fraction(enlarged) + Fraction(head)
            assert low < value < high


@pytest.mark.parametrize("dtype", ["int64", "uint32", "float64"])
@pytest.mark.parametrize("staircase", [False, True])
def test_every_magnitude_of_step(staircase, dtype, assert_bits):
    schedule = InverseTimeDecay(1 / 3, 7.7 if staircase else 1000, 1 / 7, staircase)
    for bits in range(34):
        top = min(2**bits, 2**32 - 1)
        steps = np.unique(np.array([0, 1, 2, top // 3, top - 1, top])).astype(dtype)
        assert_bits(schedule, steps, schedule(steps))


@pytest.mark.parametrize("rate", [0, 1e-60, 1 / 7e30, 1 / 7, 12345.678901234567, 1 / 7e-30, 1e60])
@pytest.mark.parametrize("initial", [1e-60, 1 / 3, 1.2345678901234567e59])
def test_every_magnitude_of_parameter(initial, rate, assert_bits):
    steps = np.array([0, 1, 999, 10**6, 2**31])
    for period in (1e-60, 0.7, 1000, 1e60):
        schedule = InverseTimeDecay(initial, period, rate)
        assert_bits(schedule, steps, schedule(steps))


@pytest.mark.parametrize(
    ("schedule", "steps", "covered"),
    [
        (LONG, [0, 2**32 - 1], True),
        (LONG, [0, 2**32], False),
        (InverseTimeDecay(1 / 3, 1, 2.0**52 / 8), [0, 3], True),
        (InverseTimeDecay(1 / 3, 1, 2.0**52), [0, 3], False),  # 1 is below the unit of k0
        (InverseTimeDecay(1 / 3, 7, 1 / 7, staircase=True), [0, 7 * 2**32 - 1], True),
        (InverseTimeDecay(1 / 3, 7, 1 / 7, staircase=True), [0, 7 * 2**32], False),
    ],
)
def test_where_it_applies(schedule, steps, covered, assert_bits, monkeypatch):
    seen = []

    def watched(form, t, highest, out):
        seen.append(t.size)
        divide_rounded(form, t, highest, out)

    divide_rounded = blocks.divide_rounded
    monkeypatch.setattr(blocks, "divide_rounded", watched)
    steps = np.array(steps)
    assert_bits(schedule, steps, schedule(steps))
    assert seen == ([2] if covered else [1])  # independent of the other steps


def test_rows_and_blocks_join_without_a_seam(assert_bits):
    edges = [0, 16383, 16384, 16385, 32767, 32768, 32769, 65535, 65536, 99_999]
    values = LONG(np.arange(100_000))
    assert_bits(LONG, np.array(edges), values[edges])
