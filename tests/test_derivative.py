"""The derivative in the step is the formula's, of first and second order, as exact fractions.

The frameworks differentiate in their own tests. This one needs none: `jets.py` carries the
derivatives along beside NumPy's arrays.
"""

from fractions import Fraction

import numpy as np
import pytest
from jets import Jet, JetBackend
from recipes import RECIPE

from invtime import InverseTimeDecay
from invtime.decimals import exact_number
from invtime.reference import Reference

SCHEDULES = {
    "exact": InverseTimeDecay(0.1, 1000, 0.5),
    "long": InverseTimeDecay(1 / 3, 12.34567890123, 1 / 7),
    "one step": InverseTimeDecay(2.0, 0.01, 30),
    "large": InverseTimeDecay(1e30, 1000, 0.5),
    "small": InverseTimeDecay(1e-30, 1000, 0.5),
    "recipe": RECIPE,
    "without floor": RECIPE.replace(minimum_learning_rate=0),
    "without cool-down": RECIPE.replace(
        cooldown_start=None, cooldown_steps=0, final_learning_rate=0
    ),
    "cool-down alone": InverseTimeDecay(
        0.1, 1000, 0, cooldown_start=2000, cooldown_steps=7, final_learning_rate=0.2
    ),
}
STEPS = [-5.0, 0.0, 0.5, 1.0, 3.25, 99.5, 100.0, 120.0, 149.5, 150.0, 151.0, 777.25, 1000.0]
STEPS += [3007.0, 3008.0, 5000.5, 8999.5, 9000.0, 9000.5, 9999.5, 10000.0, 10001.0, 1e5, 1e7]


def number(value):
    return Fraction(*exact_number(value))


def pieces(schedule):
    """(first step, rate, slope, bend) of each piece, the last three as functions of the step."""
    rate, period, growth = map(
        number, (schedule.initial_learning_rate, schedule.decay_steps, schedule.decay_rate)
    )
    warm, lead = schedule.warmup_steps, schedule.warmup_steps + schedule.stable_steps
    k = growth / period

    def line(first, last, start, steps):
        slope = (last - first) / steps
        return start, lambda n: first + slope * (n - start), lambda n: slope, lambda n: 0

    def flat(start, value):
        return start, lambda n: value, lambda n: 0, lambda n: 0

    found = [flat(0, rate)]
    if warm:
        found = [line(number(schedule.warmup_learning_rate), rate, 0, warm), flat(warm, rate)]
    found.append(
        (
            lead,
            lambda n: rate / (1 + k * (n - lead)),
            lambda n: -rate * k / (1 + k * (n - lead)) ** 2,
            lambda n: 2 * rate * k**2 / (1 + k * (n - lead)) ** 3,
        )
    )
    floor = number(schedule.minimum_learning_rate)
    if floor and k:
        found.append(flat(lead + (rate / floor - 1) / k, floor))
    start, steps = schedule.cooldown_start, schedule.cooldown_steps
    if steps:
        found = [piece for piece in found if piece[0] <= start]
        last = number(schedule.final_learning_rate)
        found.append(line(found[-1][1](start), last, start, steps))
        found.append(flat(start + steps, last))
    return found


def derivatives(schedule, step):
    """The slope and the bend at a step, to the right of a knot; zero before the start."""
    if step < 0:
        return 0, 0
    *_, (_, _, slope, bend) = (piece for piece in pieces(schedule) if piece[0] <= step)
    n = Fraction(step)
    return slope(n), bend(n)


def evaluated(schedule, steps, precision):
    kind = np.float64 if precision == 53 else np.float32
    steps = np.array(steps, kind)
    step = Jet(steps, np.ones_like(steps), np.zeros_like(steps))
    return JetBackend(precision)(schedule.form, step, np.dtype(kind).name)


def with_zeros(derivative, steps):
    return np.zeros(len(steps)) if derivative is None else np.broadcast_to(derivative, len(steps))


@pytest.mark.parametrize("precision", [53, 24])
@pytest.mark.parametrize("name", SCHEDULES)
def test_both_orders_are_those_of_the_formula(name, precision):
    schedule = SCHEDULES[name]
    found = evaluated(schedule, STEPS, precision)
    close = 2.0 ** (4 - precision)
    smallest = 0 if precision == 53 else 2.0**-126
    for order, values in enumerate((found.first, found.second)):
        for step, value in zip(STEPS, with_zeros(values, STEPS), strict=True):
            true = derivatives(schedule, step)[order]
            assert abs(Fraction(float(value)) - true) <= abs(true) * Fraction(close) + Fraction(
                smallest
            ), (order, step, float(value), float(true))


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_values_beside_it_are_those_without_a_derivative(name):
    schedule = SCHEDULES[name]
    found = evaluated(schedule, STEPS, 53).data
    truth = Reference(schedule).at(np.array(STEPS))
    assert found.tolist() == schedule(np.array(STEPS)).tolist()
    assert truth.allowed(found.view(np.int64), "float64").all()


@pytest.mark.parametrize("precision", [53, 24])
@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULES["exact"].replace(staircase=True),
        SCHEDULES["exact"].replace(decay_rate=0),
        RECIPE.replace(warmup_steps=0, warmup_learning_rate=0, decay_rate=0),
        SCHEDULES["long"].replace(staircase=True),
    ],
    ids=["staircase", "constant", "constant with phases", "fractional staircase"],
)
def test_it_is_zero_where_the_rate_stays(schedule, precision):
    steps = [-1.0, 0.0, 0.25, 1.0, 50.5, 999.0, 1000.0, 8000.0, np.inf]
    found = evaluated(schedule, steps, precision)
    assert np.isfinite(found.data).all()
    for values in (found.first, found.second):
        assert (with_zeros(values, steps) == 0).all()


def test_it_is_finite_where_binary32_has_no_room_for_the_slope():
    steps = [0.0, 0.5, 1.0, 3.0]
    steep = InverseTimeDecay(
        1e38, 1, 1e38, warmup_steps=1, cooldown_start=2, cooldown_steps=1, final_learning_rate=1e60
    )
    for schedule in (InverseTimeDecay(1.0, 1e-30, 1e60), steep):
        found = evaluated(schedule, steps, 24)
        assert np.isfinite(with_zeros(found.first, steps)).all()


def test_nan_stays_nan_and_its_derivative_does_not_spread():
    found = evaluated(RECIPE, [np.nan, 50.0], 53)
    assert np.isnan(found.data[0])
    assert found.first[1] == float(derivatives(RECIPE, 50.0)[0])
