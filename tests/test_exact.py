"""The stage index and the limit of the exact form, compared with integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from invtime import InverseTimeDecay, doubleword, registry
from invtime.reference import Reference, values
from invtime.stage import stage_index, stage_remainder

# Long and short, below one step and above, a P of up to 17 digits.
PERIODS = [0.3, 7.7, 1234.5, 0.0007, 2.718281828459045, 31.41592653589793, 99999.99999999999]
PERIODS += [0.12345678901234567, 1 / 3, 12345678.123456789]


def boundaries(form, highest):
    """Draw steps on both sides of plateau boundaries, and any others."""
    random = Random(form.P)
    steps = {0, 1, highest, highest - 1}
    for _ in range(300):
        n = random.randrange(2 ** random.randrange(1, highest.bit_length() + 1)) % highest
        first = -(-(n * form.Q // form.P) * form.P // form.Q)
        steps |= {n, first, first - 1, first + 1}
    below = -pow(form.Q, -1, form.P) % form.P  # where n * Q / P is 1 / P short of an integer
    steps |= {below + form.P * random.randrange(highest // form.P + 1) for _ in range(100)}
    return sorted(n for n in steps if 0 <= n <= highest)


@pytest.mark.parametrize("period", PERIODS)
def test_the_stage_index_at_every_boundary(period):
    """floor(n * Q / P), exactly, as long as it is below 2**63."""
    form = InverseTimeDecay(0.1, period, 0.5, staircase=True).form
    assert form.Q > 1
    highest = min(2**63 - 1, (2**63 - 1) * form.P // form.Q)
    steps = boundaries(form, highest)
    backend = registry.default.load("numpy")
    found = stage_index(form, backend, np.array(steps), highest)
    assert found.tolist() == [n * form.Q // form.P for n in steps]
    rest = stage_remainder(form, backend, np.array(steps), highest)
    assert rest.tolist() == [n * (form.Q % form.P) // form.P for n in steps]


@pytest.mark.parametrize("period", [*PERIODS, 7, 41, 4096])
def test_the_stage_of_float_steps(period):
    """Exact at whole steps, and at others except within a relative 2**-50 of a boundary."""
    form = InverseTimeDecay(0.1, period, 0.5, staircase=True).form
    backend = registry.default.load("numpy")
    whole = [float(n) for n in boundaries(form, min(2**53, 2**53 * form.P // form.Q))]
    others = [n + part for n in whole[:500] for part in (0.25, 0.6180339887498949)]
    others += np.nextafter(whole, 0).tolist()
    steps = np.array([*whole, *others])
    floor, carry = doubleword._stage_of_floats(form, backend, 53, steps, None)
    for n, stage in zip(steps.tolist(), (floor + carry).tolist(), strict=True):
        true = Fraction(n) * form.Q / form.P
        near = abs(true - round(true)) < true / 2**50
        if n.is_integer() or form.Q == 1 or not near:
            assert stage == true // 1, n


@pytest.mark.parametrize("period", [0.75, 2.5, 12.5, 7.25])
def test_the_stage_of_float_steps_on_a_boundary(period):
    """A fractional step can be an exact whole number of periods."""
    schedule = InverseTimeDecay(0.1, period, 0.5, staircase=True)
    steps = [k * period for k in range(1, 2000)]
    assert schedule(np.array(steps)).tolist() == values(schedule, steps)


@pytest.mark.parametrize("rate", [1, 1e10, 1e16, 1e20, 1e25, 1e60])
def test_a_float_just_short_of_the_first_stage(rate):
    """The double 0.3 is less than 3/10, by less than a product in binary64 tells."""
    schedule = InverseTimeDecay(0.1, 0.3, rate, staircase=True)
    assert schedule(np.array([0.3, 0.25])).tolist() == [0.1, 0.1]


@pytest.mark.parametrize(
    "schedule", [InverseTimeDecay(0.1, 1000, 0.7), InverseTimeDecay(1, 3, 1, staircase=True)]
)
def test_just_past_the_last_exact_step(schedule):
    """Where B + C * t no longer fits, a plain division has wrong bits in a quarter of the steps."""
    last = Reference(schedule).last_exact_step()
    steps = np.arange(last - 50, last + 200)
    expected = values(schedule, steps.tolist())
    assert schedule(steps).tolist() == expected
    assert [schedule(steps[i : i + 1])[0] for i in range(250)] == expected


@pytest.mark.parametrize("period", [*PERIODS, 1, 3, 41, 1000])
def test_the_first_steps_on_the_host(period):
    schedule = InverseTimeDecay(0.1, period, 0.5, staircase=True)
    assert [schedule(n) for n in range(100)] == values(schedule, range(100))


@pytest.mark.parametrize("period", [1, 3, 5, 13, 41, 1000, 0.3])
def test_plateaus_up_to_the_last_exact_step(period):
    """A product with 1 / P reaches the stage up to 2**51 only, and the exact form farther."""
    schedule = InverseTimeDecay(1, period, 1, staircase=True)
    steps = boundaries(schedule.form, Reference(schedule).last_exact_step())
    if period in (5, 13):  # 1 / P is rounded up: the first steps that are one stage too late
        steps += [k * period - 1 for k in range(2**52 // period - 20, 2**52 // period)]
    expected = values(schedule, steps)
    assert schedule(np.array(steps)).tolist() == expected
    assert [schedule(np.array([n]))[0] for n in steps] == expected


@pytest.mark.parametrize("period", [*PERIODS, 1, 1000])
@pytest.mark.parametrize("staircase", [False, True])
def test_the_text_of_a_form_is_all_of_it(period, staircase):
    form = InverseTimeDecay(1 / 3, period, 1e-60, staircase).form
    assert type(form).of_key(form.key) == form
    assert form.key != InverseTimeDecay(1 / 3, period, 1e-59, staircase).form.key
