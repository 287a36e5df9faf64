"""NumPy's blocks: which steps are computed in place, and that each way has the host's bits."""

import numpy as np
import pytest
from recipes import RECIPE

from invtime import InverseTimeDecay
from invtime.backends import blocks
from invtime.backends.blocks import BLOCK, SHORT_BLOCK, _highest, _reaches
from invtime.backends.numpy import NumpyBackend
from invtime.backends.numpy_rounding import ROW, divide_rounded, last_rounded
from invtime.form import Form
from invtime.reference import Reference, bits_of_array

NUMPY = NumpyBackend()


def assert_as_on_the_host(schedule, steps):
    found = schedule(steps)
    expected = [schedule(step) for step in steps.ravel().tolist()]
    assert found.ravel().tolist() == expected
    assert found.shape == steps.shape


@pytest.mark.parametrize("kind", ["int64", "uint8", "int16", "float64", "float32"])
def test_each_phase_alone_and_all_together(kind):
    last = int(np.iinfo(kind).max) if kind[0] != "f" else 2**20
    knots = [0, 99, 100, 149, 150, 3007, 3008, 8999, 9000, 9999, 10000]
    ranges = [[0, 50, 99], [100, 101, 149], [150, 151, 3007], [3010, 8000], [9000, 9999], [10000]]
    for every in (*ranges, knots, [-1, 0, 5], [10000, 10001, 20000]):
        steps = [n for n in every if n <= last and (n >= 0 or kind[0] != "u")]
        if steps:
            assert_as_on_the_host(RECIPE, np.array(steps, kind))
            assert_as_on_the_host(RECIPE.replace(staircase=True), np.array(steps, kind))


def test_lines_of_short_numbers_in_place():
    for steps in (np.arange(1, 100), np.arange(0, 101), np.arange(9000, 9999)):
        for schedule in (
            InverseTimeDecay(0.5, 1000, 1, warmup_steps=100, warmup_learning_rate=0.25),
            InverseTimeDecay(
                3, 1000, 0, cooldown_start=9000, cooldown_steps=1024, final_learning_rate=1
            ),
        ):
            assert_as_on_the_host(schedule, steps)


@pytest.mark.parametrize("times", [1, 10, 7])
def test_the_first_and_the_last_step_of_each_stage(times):
    """floor(n * (1 / P)) is one stage too low for many P, which half a step makes up for."""
    for period in range(1, 200):
        schedule = InverseTimeDecay(3, period / times, 2, staircase=True)
        first = np.array([schedule.form.first_step(stage) for stage in (1, 2, 3, 10, 49, 1000)])
        assert_as_on_the_host(schedule, np.concatenate([first - 1, first, first + 1]))
        later = schedule.replace(cooldown_start=10**6, cooldown_steps=1, warmup_steps=3)
        assert_as_on_the_host(later, np.concatenate([first + 2, first + 3, first + 4]))


def test_what_is_computed_in_place():
    constant, short = Form.constant(1, 3), InverseTimeDecay(0.5, 1000, 1)
    assert [(r.first, r.last) for r in _reaches(constant)] == [(0, 2**64 - 1)]
    assert _reaches(short.form)[0].last >= short.form.last_exact_step(53)
    rows = _reaches(RECIPE.form)
    assert [r.first for r in rows] == [0, 100, 150, 3008, 9000, 10000]
    assert [r.last for r in rows][-1] == 2**64 - 1
    assert [r.last + 1 for r in rows[:-1]] == [r.first for r in rows[1:]]
    assert not _reaches(Form(2**60, 2**60 + 1, 2**124, 1, 1, False))


def test_the_largest_whole_step():
    scratch = np.empty(3)
    for kind in ("int8", "uint8", "int32", "uint64", "float16", "float32", "float64"):
        assert _highest(np.array([3, 7, 5], kind), scratch) == 7
        assert _highest(np.array([0, 0, 0], kind), scratch) == 0
        if kind[0] != "u":
            assert _highest(np.array([3, -7, 5], kind), scratch) == -1
        if kind[0] == "f":
            for other in (np.nan, np.inf, 0.5, -0.5, -np.inf):
                assert _highest(np.array([3, other, 5], kind), scratch) == -1
    assert _highest(np.array([1, 2**64 - 1, 2], np.uint64), scratch) == 2**64 - 1
    assert _highest(np.array([1, 2**53, 2.0]), scratch) == -1
    assert _highest(np.array([1, 2**53 - 1, 2.0]), scratch) == 2**53 - 1


def test_the_choice_and_the_range_are_of_the_block():
    for last, expected in ((5, "exact"), (4, "other")):
        x = np.array([3, 5, -1])
        assert NUMPY.choose(x, last, lambda: "exact", lambda: "other") == expected
    assert NUMPY.integer_range(np.array([3, 5])) == (3, 5)
    assert NUMPY.integer_range(np.array([-3, -5])) == (-5, 0)
    assert NUMPY.integer_range(np.array([3.0])) is None
    assert NUMPY.clamp(np.array([-3, 0, 1, 5])).tolist() == [0, 0, 1, 5]
    assert NUMPY.none(np.array([False]))
    assert not NUMPY.none(np.array([False, True]))


def test_arrays_of_several_blocks_and_any_layout():
    schedule = InverseTimeDecay(1 / 3, 1000, 1 / 7)
    for size in (1, SHORT_BLOCK + 1, BLOCK, BLOCK + 1, 3 * ROW + 5):
        steps = np.arange(size)
        for each in (steps, steps[::-1], steps.astype(">i8"), steps.reshape(1, -1, 1)):
            assert_as_on_the_host(schedule, each[..., :2000, :] if each.ndim == 3 else each[-3000:])
            # Every block has the bits of the steps in ascending order, whatever its layout.
            assert np.sort(schedule(each), axis=None).tolist() == schedule(steps)[::-1].tolist()
    assert schedule(np.empty((0, 3))).shape == (0, 3)
    unaligned = np.frombuffer(b"x" + np.arange(9).tobytes(), np.uint8)[1:].view(np.int64)
    assert_as_on_the_host(schedule, unaligned)


def test_many_steps_that_are_not_whole():
    schedule = InverseTimeDecay(1 / 3, 1000, 1 / 7)
    steps = np.arange(3 * SHORT_BLOCK) + 0.5
    found = bits_of_array(schedule(steps), "float64")
    ends = [0, SHORT_BLOCK - 1, SHORT_BLOCK, 3 * SHORT_BLOCK - 1]
    assert Reference(schedule).at(steps[ends]).allowed(found[ends], "float64").all()
    mixed = np.where(np.arange(steps.size) % 3, steps, np.arange(steps.size))
    assert (np.diff(schedule(np.sort(mixed))) <= 0).all()


def test_long_decimals_are_divided_as_the_integers_are():
    for schedule in (
        InverseTimeDecay(1 / 3, 1000, 1 / 7),
        InverseTimeDecay(1e-5 / 3, 12.3456789, 1e5 / 7),
        InverseTimeDecay(0.1234567890123, 3, 0.987654321098),
    ):
        form = schedule.form
        last = last_rounded(form)
        assert (form.B + form.C * last) <= form.B << 53
        for highest in (last, 1000):
            t = np.unique(np.linspace(0, highest, 3000).astype(np.int64)).astype(np.float64)
            out = np.empty_like(t)
            divide_rounded(form, t, highest, out)
            assert out.tolist() == [form.A / (form.B + form.C * int(n)) for n in t]
    t = np.arange(2.0 * ROW + 3)
    divide_rounded(form, t, int(t[-1]), t)
    assert t[[0, ROW - 1, ROW, -1]].tolist() == [
        schedule(n) for n in (0, ROW - 1, ROW, 2 * ROW + 2)
    ]


def test_the_last_step_that_is_rounded_so():
    assert last_rounded(Form.constant(1, 3)) == 2**32 - 1
    assert last_rounded(Form(1, 1, 1, 1, 1, False)) == 2**32 - 1
    assert last_rounded(Form(1, 1, 2**50, 1, 1, False)) == 3
    assert last_rounded(Form(1, 1, 2**60, 1, 1, False)) == -1


def test_one_core_is_enough_up_to_a_size():
    assert blocks.ONE_CORE > BLOCK > ROW > SHORT_BLOCK
