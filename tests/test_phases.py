"""A schedule with phases on the host: the meaning of each parameter, and its errors."""

import copy
import pickle
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

from invtime import ConfigError, InverseTimeDecay
from invtime.table import Phase, Table

RECIPE = InverseTimeDecay(
    0.1,
    1000,
    0.5,
    warmup_steps=500,
    warmup_learning_rate=0.02,
    stable_steps=2000,
    minimum_learning_rate=0.05,
    cooldown_start=9000,
    cooldown_steps=1000,
    final_learning_rate=0.001,
)
BARE = (0.1, 1000, 0.5)


def test_the_value_in_each_phase_and_at_each_knot():
    peak, tenth = Fraction(1, 10), Fraction(1, 1000)
    known = {
        0: Fraction(1, 50),
        1: Fraction(1, 50) + Fraction(8, 100) / 500,
        499: Fraction(1, 50) + Fraction(8, 100) * 499 / 500,
        500: peak,
        2500: peak,
        2501: peak / (1 + Fraction(1, 2000)),
        4499: peak / (1 + Fraction(1999, 2000)),
        4500: peak / 2,
        4501: peak / 2,
        9000: peak / 2,
        9001: peak / 2 + (tenth - peak / 2) / 1000,
        9999: peak / 2 + (tenth - peak / 2) * 999 / 1000,
        10_000: tenth,
        10**400: tenth,
    }
    for step, value in known.items():
        assert RECIPE(step) == float(value), step
        assert type(RECIPE(step)) is float
    for step, value in {0.5: Fraction(1, 50) + Fraction(4, 100) / 500, 4500.5: peak / 2}.items():
        assert RECIPE(step) == float(value)


def test_the_cooldown_starts_from_the_exact_value_there():
    in_the_decay = InverseTimeDecay(*BARE, cooldown_start=1000, cooldown_steps=3)
    assert [in_the_decay(1000 + t) for t in range(4)] == [
        float(Fraction(1, 15) * (3 - t) / 3) for t in range(4)
    ]
    stairs = InverseTimeDecay(0.1, 0.3, 2, staircase=True, cooldown_start=2, cooldown_steps=7)
    assert stairs(3) == float(Fraction(1, 10) / 13 * Fraction(6, 7))  # stage 6 at step 2
    up = in_the_decay.replace(final_learning_rate=1)
    assert up(1001) == float(Fraction(1, 15) + Fraction(14, 15) / 3)


def test_a_cooldown_takes_over_from_whatever_comes_before_it():
    before = {
        10: (["warm-up"], 0.1),
        15: (["warm-up", "stable"], 0.1),
        20: (["warm-up", "stable"], 0.1),
        1020: (["warm-up", "stable", "decay"], Fraction(1, 15)),
        2020: (["warm-up", "stable", "decay"], 0.05),
        5000: (["warm-up", "stable", "decay", "floor"], 0.05),
    }
    for start, (names, rate) in before.items():
        phases = {"warmup_steps": 10, "stable_steps": 10, "minimum_learning_rate": 0.05}
        one = InverseTimeDecay(*BARE, **phases, cooldown_start=start, cooldown_steps=10)
        assert [phase.name for phase in one.phases] == [*names, "cool-down", "end"]
        halfway = rate / 2 if isinstance(rate, Fraction) else Fraction(str(rate)) / 2
        assert (one(start), one(start + 5), one(start + 10)) == (float(rate), float(halfway), 0.0)


def test_a_staircase_counts_its_stages_from_the_end_of_the_stable_phase():
    stairs = InverseTimeDecay(0.1, 41, 0.5, staircase=True, warmup_steps=7, stable_steps=3)
    bare = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
    assert [stairs(10 + n) for n in range(200)] == [bare(n) for n in range(200)]
    halves = InverseTimeDecay(0.1, 2.5, 0.5, staircase=True, stable_steps=1)
    assert [halves(n) for n in (1, 3, 4, 5, 6, 7.5)] == [
        float(Fraction(1, 10) / (1 + Fraction(k, 2))) for k in (0, 0, 1, 1, 2, 2)
    ]


def test_the_decay_meets_its_floor_at_the_exact_step():
    between = InverseTimeDecay(0.1, 7, 0.3, minimum_learning_rate=0.03)  # at 490 / 9
    assert between.phases[-1] == Phase("floor", 55, None)
    assert (between(54) > 0.03, between(55)) == (True, 0.03)
    assert between(54.44444444444444) == float(
        Fraction(1, 10) / (1 + Fraction(3, 70) * Fraction(54.44444444444444))
    )
    assert between(54.44444444444445) == 0.03
    stairs = between.replace(staircase=True)
    assert stairs.phases[-1] == Phase("floor", 56, None)  # with stage 8
    at_once = InverseTimeDecay(*BARE, minimum_learning_rate=0.1, stable_steps=5)
    assert {at_once(n) for n in (0, 5, 6, 10**9)} == {0.1}
    never = InverseTimeDecay(0.1, 1000, 0, minimum_learning_rate=0.01)
    assert [phase.name for phase in never.phases] == ["decay"]


def test_total_in_the_step():
    assert RECIPE(-1) == RECIPE(-(10**30)) == RECIPE(-0.5) == RECIPE(-inf) == RECIPE(0) == 0.02
    assert RECIPE(nan) != RECIPE(nan)
    assert RECIPE(inf) == 0.001
    assert RECIPE.replace(final_learning_rate=0)(inf) == 0.0
    level = RECIPE.replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
    assert level(inf) == level(1e308) == 0.05
    assert level.replace(minimum_learning_rate=0)(inf) == 0.0
    assert level.replace(minimum_learning_rate=0, decay_rate=0)(inf) == 0.1


def test_without_phases_the_form_is_one_piece():
    bare = InverseTimeDecay(*BARE)
    assert not isinstance(bare.form, Table)
    assert bare.phases == (Phase("decay", 0, None),)
    same = {
        "warmup_steps": 0,
        "warmup_learning_rate": 0.0,
        "stable_steps": 0.0,
        "minimum_learning_rate": -0.0,
        "cooldown_start": None,
        "cooldown_steps": np.int64(0),
        "final_learning_rate": 0,
    }
    assert InverseTimeDecay(*BARE, **same) == bare
    assert InverseTimeDecay(*BARE, **same).get_config() == bare.get_config()


def test_the_phases_print_one_in_a_line():
    assert str(RECIPE.phases).splitlines() == [
        "warm-up    0 <= n < 500",
        "stable     500 <= n < 2500",
        "decay      2500 <= n < 4500",
        "floor      4500 <= n < 9000",
        "cool-down  9000 <= n < 10000",
        "end        10000 <= n",
    ]
    assert RECIPE.phases[0] == ("warm-up", 0, 500)
    assert [RECIPE.phases[-1].start, RECIPE.phases[-1].stop] == [10_000, None]


COUNTS = {
    "warmup_steps": {},
    "stable_steps": {},
    "cooldown_start": {"cooldown_steps": 1},
    "cooldown_steps": {"cooldown_start": 0},
}


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize(
    "three",
    [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), np.array(3), np.array(3.0, np.float16)],
    ids=repr,
)
def test_a_whole_number_of_any_kind_is_a_count(key, three):
    schedule = InverseTimeDecay(*BARE, **COUNTS[key] | {key: three})
    value = getattr(schedule, key)
    assert (value, type(value)) == (3, int)
    assert schedule.dtype is None  # only initial_learning_rate fixes a dtype
    assert schedule == InverseTimeDecay(*BARE, **COUNTS[key] | {key: 3})
    assert InverseTimeDecay(*BARE, **COUNTS[key] | {key: 2**53})(0) >= 0


REFUSED = {
    "bool": (True, "True of type bool"),
    "NumPy bool": (np.bool_(True), "dtype bool"),
    "half": (2.5, r"2\.5; it must be a whole number of steps from 0 to 2\*\*53; pass an int"),
    "negative": (-1, "-1; it must be a whole number"),
    "too large": (2**53 + 2, "9007199254740994; it must be a whole number"),
    "inexact": (2**53 + 1, "9007199254740993, an integer that binary64 cannot hold"),
    "nan": (nan, "nan; it must be finite"),
    "inf": (inf, "inf; it must be finite"),
    "text": ("3", "'3' of type str"),
    "vector": (np.array([3]), r"shape \(1,\)"),
    "list": ([3], "of type list"),
}


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_count_is_refused(key, case):
    value, message = REFUSED[case]
    with pytest.raises(ConfigError, match=f"^{key} (is|has) .*;") as caught:
        InverseTimeDecay(*BARE, **COUNTS[key] | {key: value})
    assert caught.match(message)


@pytest.mark.parametrize("key", ["warmup_steps", "stable_steps", "cooldown_steps"])
def test_none_is_a_cooldown_start_alone(key):
    with pytest.raises(ConfigError, match=f"^{key} is None of type NoneType; accepted are"):
        InverseTimeDecay(*BARE, **COUNTS[key] | {key: None})


RATES = {
    "warmup_learning_rate": {"warmup_steps": 5},
    "minimum_learning_rate": {},
    "final_learning_rate": {"cooldown_start": 0, "cooldown_steps": 5},
}


@pytest.mark.parametrize("key", RATES)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, r"is -0\.1; it must be 0 or more; pass a positive rate"),
        (nan, "is nan; it must be finite"),
        (1e-61, r"is 1e-61; it must be finite and, unless zero, between 1e-60 and 1e60"),
        (1e61, r"is 1e\+61; it must be finite and, unless zero, between 1e-60 and 1e60"),
        (True, "is True of type bool"),
        (None, "is None of type NoneType"),
        ("0.1", "is '0.1' of type str"),
    ],
)
def test_what_is_no_rate_is_refused(key, value, message):
    with pytest.raises(ConfigError, match=f"^{key} {message}"):
        InverseTimeDecay(*BARE, **RATES[key] | {key: value})


@pytest.mark.parametrize("key", RATES)
def test_a_rate_means_its_shortest_decimal(key):
    written = InverseTimeDecay(*BARE, **RATES[key] | {key: 0.01})
    for value in (np.float32(0.01), np.float16(0.01), np.array(0.01, np.float32)):
        schedule = InverseTimeDecay(*BARE, **RATES[key] | {key: value})
        assert getattr(schedule, key) == 0.01
        assert schedule == written
        assert schedule.dtype is None


TOGETHER = {
    "a warm-up's rate without one": (
        {"warmup_learning_rate": 0.01},
        r"warmup_learning_rate is 0\.01 and warmup_steps is 0; .*; pass warmup_steps, or",
    ),
    "a floor above the peak": (
        {"minimum_learning_rate": 0.2},
        r"minimum_learning_rate is 0\.2, above the initial_learning_rate 0\.1; .*; pass a lower",
    ),
    "a start without a length": (
        {"cooldown_start": 5},
        r"cooldown_start is 5 and cooldown_steps is 0; .*; pass both, or neither",
    ),
    "a length without a start": (
        {"cooldown_steps": 5},
        r"cooldown_start is None and cooldown_steps is 5; .*; pass both, or neither",
    ),
    "an end without a cool-down": (
        {"final_learning_rate": 0.01},
        r"final_learning_rate is 0\.01 and there is no cool-down; .*; pass cooldown_start and",
    ),
    "a cool-down in the warm-up": (
        {"warmup_steps": 10, "cooldown_start": 9, "cooldown_steps": 1},
        r"cooldown_start is 9 and warmup_steps is 10; .*; pass a later step",
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_parameters_that_do_not_go_together(case):
    phases, message = TOGETHER[case]
    with pytest.raises(ConfigError, match=f"^{message}"):
        InverseTimeDecay(*BARE, **phases)


def test_limits_that_are_just_kept():
    InverseTimeDecay(*BARE, minimum_learning_rate=0.1)
    InverseTimeDecay(*BARE, warmup_steps=10, cooldown_start=10, cooldown_steps=1)
    InverseTimeDecay(1e23, 1, 1, minimum_learning_rate=1e23)
    with pytest.raises(ConfigError, match="above the initial_learning_rate"):
        InverseTimeDecay(0.1, 1, 1, minimum_learning_rate=float(np.nextafter(0.1, 1)))


def test_phases_are_keywords():
    with pytest.raises(TypeError, match="positional"):
        InverseTimeDecay(0.1, 1000, 0.5, False, None, 500)


def test_replace_and_config():
    changed = RECIPE.replace(stable_steps=0, name="mine")
    assert (changed.stable_steps, changed.warmup_steps, changed.name) == (0, 500, "mine")
    assert changed != RECIPE
    assert changed.replace(stable_steps=2000) == RECIPE
    assert "stable_steps" not in changed.get_config()
    assert list(RECIPE.get_config()) == [
        *("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name"),
        *("warmup_steps", "warmup_learning_rate", "stable_steps", "minimum_learning_rate"),
        *("cooldown_start", "cooldown_steps", "final_learning_rate"),
    ]
    at_zero = InverseTimeDecay(*BARE, cooldown_start=0, cooldown_steps=1)
    assert at_zero.get_config()["cooldown_start"] == 0  # not the default, which is None
    assert InverseTimeDecay.from_config(at_zero.get_config()) == at_zero
    with pytest.raises(ConfigError, match="cooldown_start is None and cooldown_steps is 1000"):
        RECIPE.replace(cooldown_start=None)


def test_a_recipe_is_a_value():
    named = RECIPE.replace(name="mine", dtype="float16")
    for one in (RECIPE, named, RECIPE.on(dtype="float32"), RECIPE.form):
        for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):
            assert again == one
            assert hash(again) == hash(one)
    for one in (RECIPE, named):
        again = eval(repr(one), {"InverseTimeDecay": InverseTimeDecay})
        assert (again, again.name) == (one, one.name)
    assert RECIPE.form != RECIPE.replace(warmup_steps=501).form
    assert "warmup_steps=500" in repr(RECIPE)
    with pytest.raises(AttributeError):
        RECIPE.warmup_steps = 3
    assert len({RECIPE, RECIPE.replace(name="other"), RECIPE.replace(warmup_steps=500.0)}) == 1


def test_the_pieces_of_a_table():
    recipe = InverseTimeDecay(*BARE, warmup_steps=100, cooldown_start=1100, cooldown_steps=10)
    assert repr(recipe.form) == (
        "Table(0: Line((0 * (100 - t) + 1 * t) / 1000), 100: Form(200 / (2000 + n)), "
        "1100: Line((1 * (10 - t) + 0 * t) / 150), 1110: Form(0 / 1))"
    )
