"""Logged rates compared with a schedule: accuracy, mistakes, epochs, and what was tested."""

from __future__ import annotations

import gc
import inspect
import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invtime import InverseTimeDecay
from invtime.checklog import Log, diagnose, read
from invtime.checklog.case import Case
from invtime.checklog.counting import any_offset
from invtime.checklog.inverse import Inverse
from invtime.reference import Reference
from invtime.testing import strategies

LOGS = Path(__file__).parent / "logs"
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
OPTIONS = [
    *("--initial-learning-rate", "0.1", "--decay-steps", "41", "--decay-rate", "0.5"),
    "--staircase",
]


def logged(schedule, steps=range(130), count=lambda n: n):
    """Return the log of a run that had the rate of step count(n) at its update n."""
    return Log.of({n: schedule(count(n)) for n in steps})


def kinds(diagnosis):
    return [explanation.kind for explanation in diagnosis.explanations]


# -- logs of real runs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "level", "kind"),
    [
        ("torch.jsonl", "float64", None),
        ("lightning.csv", "float64", None),
        ("trainer_state.json", "float64", None),
        ("keras-jax.csv", "float32", "late-drop"),
        ("keras-tensorflow.csv", "float32", "late-drop"),
        ("lightning-epochs.csv", "float64", "epochs"),
        ("torch-lambda.jsonl", "float32", "initial_learning_rate"),
    ],
)
def test_a_real_run_is_diagnosed(file, level, kind):
    diagnosis = diagnose(read(LOGS / file), STAIRCASE)
    assert diagnosis.level == level
    assert diagnosis.match is (kind is None)
    assert kinds(diagnosis)[:1] == ([kind] if kind else [])


def test_a_run_of_tensorboard_is_diagnosed():
    pytest.importorskip("tensorboard")
    diagnosis = diagnose(read(LOGS / "events.out.tfevents.torch"), STAIRCASE)
    assert (diagnosis.match, diagnosis.level) == (True, "float32")
    assert diagnosis.kind == "TensorBoard, train/lr"


def test_the_late_drops_are_named():
    (explanation,) = diagnose(read(LOGS / "keras-jax.csv"), STAIRCASE).explanations
    assert explanation.parameters == {"steps": [41, 82]}


def test_epochs_are_counted():
    explanation, _ = diagnose(read(LOGS / "lightning-epochs.csv"), STAIRCASE).explanations
    assert explanation.parameters["updates"] == 3


def test_a_schedule_that_lambda_lr_multiplied_in_again_is_named():
    (explanation,) = diagnose(read(LOGS / "torch-lambda.jsonl"), STAIRCASE).explanations
    assert "LambdaLR" in explanation.text


def test_the_trainer_of_old_logged_the_next_rate():
    history = [{"step": n, "learning_rate": STAIRCASE(n)} for n in range(1, 130)]
    diagnosis = diagnose(read(json.dumps({"log_history": history}).encode()), STAIRCASE)
    assert (diagnosis.match, diagnosis.first_step) == (True, 0)


def test_the_first_step_can_be_named():
    log = logged(STAIRCASE, range(1, 130), lambda n: n - 1)
    assert kinds(diagnose(log, STAIRCASE))[0] == "shifted"
    assert diagnose(log, STAIRCASE, first_step=1).match


# -- how closely ---------------------------------------------------------------------------


def text_of(rates):
    return Log.of(dict(enumerate(rates)))


@pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE])
@pytest.mark.parametrize(
    ("write", "level"),
    [
        (repr, "float64"),
        ("{:.17g}".format, "float64"),
        (lambda rate: str(np.float32(rate)), "float32"),
        (lambda rate: repr(float(np.float32(rate))), "float32"),
        (lambda rate: f"{np.float32(rate):.9g}", "float32"),
        ("{:.6f}".format, "digits"),
        ("{:.5g}".format, "digits"),
        ("{:.3e}".format, "digits"),
        (lambda rate: repr(round(rate, 5)), "digits"),
        (lambda rate: f"{np.float32(rate):.7f}", "digits"),
    ],
)
def test_a_match_has_its_level(schedule, write, level):
    diagnosis = diagnose(text_of(write(schedule(n)) for n in range(3000)), schedule)
    assert (diagnosis.match, diagnosis.level) == (True, level)
    assert diagnosis.explanations == ()


@pytest.mark.parametrize(
    ("write", "change"),
    [(repr, 1e-15), (lambda rate: str(np.float32(rate)), 1.5e-8), ("{:.4f}".format, 1e-4)],
)
def test_one_rate_that_is_off_by_a_unit_is_no_match_as_close(write, change):
    rates = [CONTINUOUS(n) for n in range(2000)]
    fine = diagnose(text_of(map(write, rates)), CONTINUOUS).level
    rates[777] += change
    diagnosis = diagnose(text_of(map(write, rates)), CONTINUOUS)
    assert diagnosis.level != fine


def test_the_decimal_that_the_true_value_does_not_round_to_is_no_match():
    log = {0: "0.100", 1000: "0.067", 2000: "0.050"}
    assert diagnose(Log.of(log), CONTINUOUS).level == "digits"
    diagnosis = diagnose(Log.of({**log, 1000: "0.066"}), CONTINUOUS)
    assert not diagnosis.match
    assert diagnosis.difference.step == 1000


@pytest.mark.parametrize("zero", ["0", "0.0"])
def test_a_zero_is_not_taken_for_a_rate_of_few_digits(zero):
    """In a fixed number of significant digits only 0 itself is printed as 0."""
    schedule = InverseTimeDecay(1e-5, 1000, 0.5)
    log = {0: "1.0000e-05", 1000: "6.6667e-06", 2000: "5.0000e-06"}
    assert diagnose(Log.of(log), schedule).level == "digits"
    diagnosis = diagnose(Log.of({**log, 2000: zero}), schedule)
    assert (diagnosis.match, diagnosis.difference.step) == (False, 2000)


def test_a_constant_log_is_not_taken_for_rounded():
    constant = logged(STAIRCASE, range(60), lambda n: 0)  # 0.1, and 0.0667 would round to it
    assert not diagnose(constant, STAIRCASE).match
    padded = read(b'{"step": 0, "lr": 0.100}\n{"step": 1, "lr": 0.100}')
    assert diagnose(padded, CONTINUOUS).level == "digits"


def test_another_expression_is_rounding_and_no_match():
    steps = np.arange(3000, dtype=np.float32)
    plain = 0.1 / (1 + 0.5 * steps / 1000)
    diagnosis = diagnose(text_of(map(str, plain)), CONTINUOUS)
    assert (kinds(diagnosis), diagnosis.match) == (["rounding"], False)
    assert 1 <= diagnosis.explanations[0].parameters["worst_ulp"] <= 3


def test_what_nothing_explains_is_said_to_be_unknown():
    diagnosis = diagnose(Log.of({0: 0.1, 10: 0.2, 20: 0.05, 30: 0.3}), STAIRCASE)
    assert (diagnosis.match, diagnosis.level, diagnosis.explanations) == (False, None, ())
    assert (diagnosis.differing, diagnosis.difference.step) == (3, 10)


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "schedule", "kind", "parameters"),
    [
        (logged(CONTINUOUS, count=lambda n: n + 3), CONTINUOUS, "shifted", {"steps": 3}),
        (logged(STAIRCASE, count=lambda n: n - 1), STAIRCASE, "shifted", {"steps": -1}),
        (logged(CONTINUOUS, count=lambda n: n // 20), CONTINUOUS, "epochs", {"updates": 20}),
        (logged(InverseTimeDecay(0.1, 41, 0.5)), STAIRCASE, "continuous", {}),
        (logged(STAIRCASE), InverseTimeDecay(0.1, 41, 0.5), "staircase", {}),
        (
            logged(InverseTimeDecay(0.1, 41, 0.3, True)),
            STAIRCASE,
            "decay_rate",
            {"decay_rate": 0.3},
        ),
        (logged(InverseTimeDecay(0.1, 41, 0, True)), STAIRCASE, "decay_rate", {"decay_rate": 0}),
        (
            logged(InverseTimeDecay(0.2, 41, 0.5, True)),
            STAIRCASE,
            "initial_learning_rate",
            {"initial_learning_rate": 0.2},
        ),
        (
            logged(InverseTimeDecay(0.1, 40, 0.5, True)),
            STAIRCASE,
            "decay_steps",
            {"decay_steps": 40},
        ),
        (
            logged(CONTINUOUS, count=lambda n: 391 * n),
            CONTINUOUS,
            "log-in-epochs",
            {"updates": 391},
        ),
        (
            logged(InverseTimeDecay(0.1, 41, 0.5, True), (0, 40, 41, 100)),
            InverseTimeDecay(0.1, 50, 0.5, True),
            "decay_steps",
            {"decay_steps": 41},
        ),
        (
            logged(InverseTimeDecay(0.1, 10**9, 0.5), count=lambda n: n + 100),
            InverseTimeDecay(0.1, 10**9, 0.5),  # within rounding of each other, in float32
            "shifted",
            {"steps": 100},
        ),
        (
            logged(InverseTimeDecay(0.3, 1000, 0.7)),
            CONTINUOUS,
            "two-parameters",
            {"initial_learning_rate": 0.3, "decay_rate": 0.7},
        ),
    ],
)
def test_each_mistake_is_found(log, schedule, kind, parameters):
    diagnosis = diagnose(log, schedule)
    assert diagnosis.level == "float64"
    assert not diagnosis.match
    found = next(each for each in diagnosis.explanations if each.kind == kind)
    assert found.parameters.items() >= parameters.items()


@pytest.mark.parametrize("write", [lambda rate: str(np.float32(rate)), "{:.6f}".format])
def test_mistakes_are_found_in_fewer_digits(write):
    other = InverseTimeDecay(0.1, 1000, 0.3)
    diagnosis = diagnose(text_of(write(other(n)) for n in range(2000)), CONTINUOUS)
    assert diagnosis.explanations[0].parameters == {"decay_rate": 0.3}


def test_a_plateau_leaves_room_for_the_shift():
    log = logged(STAIRCASE, range(0, 130, 10), lambda n: n + 5)
    explanation = diagnose(log, STAIRCASE).explanations[0]
    assert explanation.kind == "shifted"
    assert explanation.parameters["steps"] == 3  # step 120 has the rate of step 123
    low, high = explanation.parameters["between"]
    assert low <= 5 <= high


def test_a_short_log_of_float32_is_no_other_initial_rate():
    assert diagnose(Log.of({0: 0.10000000149011612}), STAIRCASE).level == "float32"


@pytest.mark.parametrize("schedule", [InverseTimeDecay(0, 41, 0.5), InverseTimeDecay(0.1, 41, 0)])
@pytest.mark.parametrize("rate", [0, 0.2, 1e300])
def test_degenerate_schedules_are_diagnosed_too(schedule, rate):
    diagnosis = diagnose(Log.of({0: rate, 50: rate, 99: 0.01}), schedule)
    assert not diagnosis.match


def test_a_rate_of_zero_between_others_is_diagnosed_too():
    assert not diagnose(Log.of({0: 0.1, 5: 0.05, 41: 0}), STAIRCASE).match


def test_a_diagnosis_leaves_nothing_behind():
    log = logged(STAIRCASE, range(130), lambda n: n - 1)
    diagnose(log, STAIRCASE)
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is Case]


@pytest.mark.parametrize("period", [1e-60, 1e60])
def test_extreme_periods_are_diagnosed_too(period):
    schedule = InverseTimeDecay(0.1, period, 0.5, staircase=True)
    assert diagnose(logged(schedule), schedule).match
    assert not diagnose(Log.of({0: 0.1, 5: 0.07, 2**62: 0.05}), schedule).match


RATES = st.sampled_from([0.1, 0.5, 0.05, 1e-3, 3e-4, 2])
PERIODS = st.sampled_from([1, 7, 41, 100, 391, 0.5, 12.5])
DECAYS = st.sampled_from([0.1, 0.25, 0.5, 0.9, 1, 3])
SCHEDULES = st.builds(InverseTimeDecay, RATES, PERIODS, DECAYS, st.booleans())


@given(SCHEDULES, st.integers(-300, 300))
def test_a_shifted_log_is_called_shifted(schedule, by):
    """The log of step n + by, over four plateaus and more, is explained by a shift."""
    steps = range(2000)
    assume(any(schedule(n + by) != schedule(n) for n in steps))
    diagnosis = diagnose(logged(schedule, steps, lambda n: n + by), schedule)
    assert not diagnosis.match
    shift = next(each for each in diagnosis.explanations if each.kind == "shifted")
    low, high = shift.parameters["between"]
    assert low <= by <= high


@given(SCHEDULES, st.integers(2, 50))
def test_a_log_of_a_schedule_stepped_each_epoch_is_called_so(schedule, updates):
    """The log of step n // updates is explained by epochs, with that number."""
    steps = range(2000)
    assume(any(schedule(n // updates) != schedule(n) for n in steps))
    diagnosis = diagnose(logged(schedule, steps, lambda n: n // updates), schedule)
    assert not diagnosis.match
    found = next(each for each in diagnosis.explanations if each.kind == "epochs")
    low, high = found.parameters["between"]
    assert low <= updates <= (high or updates)


@given(SCHEDULES, st.sampled_from([0, 0.0375, 0.2, 0.7, 1.5, 2]))
def test_a_log_of_another_decay_rate_is_called_so(schedule, decay):
    """The log of another decay_rate is explained by exactly that one."""
    other = InverseTimeDecay.from_config(schedule.get_config() | {"decay_rate": decay})
    assume(other != schedule)
    diagnosis = diagnose(logged(other, range(2000)), schedule)
    assert not diagnosis.match
    found = next(each for each in diagnosis.explanations if each.kind == "decay_rate")
    assert found.parameters == {"decay_rate": decay}


# -- phases --------------------------------------------------------------------------------

RECIPE = CONTINUOUS.replace(
    warmup_steps=100,
    warmup_learning_rate=0.01,
    stable_steps=200,
    minimum_learning_rate=0.04,
    cooldown_start=4000,
    cooldown_steps=500,
    final_learning_rate=0.001,
)
STEPPED = RECIPE.replace(decay_steps=41, staircase=True, minimum_learning_rate=0.0122)
PHASED = {
    "recipe": RECIPE,
    "staircase": STEPPED,
    "to 0": RECIPE.replace(warmup_learning_rate=0, final_learning_rate=0),
    "up": STEPPED.replace(final_learning_rate=0.3),
    "no decay": RECIPE.replace(decay_rate=0, minimum_learning_rate=0),
}
WRITTEN = {
    "float64": repr,
    "float32": lambda rate: str(np.float32(rate)),
    "digits": "{:.6f}".format,
}
RUN = range(6000)


def written(schedule, level, count=lambda n: n, steps=RUN):
    """Return a log like `logged`, with the number of digits of a level."""
    return Log.of({n: WRITTEN[level](schedule(count(n))) for n in steps})


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("name", ["recipe", "staircase", "to 0", "up"])
def test_a_recipe_matches_at_each_level(name, level):
    diagnosis = diagnose(written(PHASED[name], level), PHASED[name])
    assert (diagnosis.match, diagnosis.level, diagnosis.explanations) == (True, level, ())


@pytest.mark.parametrize("name", ["recipe", "to 0", "up"])
def test_another_expression_of_a_recipe_is_rounding(name):
    """In float32 the errors of a line to 0 are large relative to its last rates."""
    schedule, steps = PHASED[name], np.arange(6000)
    rates = np.array([schedule(n) for n in RUN], np.float32)
    begin = np.float32(schedule(4000))
    line = (1 - (steps - np.float32(4000)) * np.float32(1 / 500)) * (
        begin - np.float32(schedule.final_learning_rate)
    ) + np.float32(schedule.final_learning_rate)
    rates = np.where((steps >= 4000) & (steps < 4500), np.abs(line), rates)
    diagnosis = diagnose(text_of(map(str, rates)), schedule)
    assert (kinds(diagnosis), diagnosis.match) == (["rounding"], False)
    assert 1 <= diagnosis.explanations[0].parameters["worst_ulp"] <= 8


def test_rounding_beyond_float32_is_told_too():
    schedule = InverseTimeDecay(1e60, 1, 0, cooldown_start=1, cooldown_steps=10)
    diagnosis = diagnose(Log.of({0: 1e60, 5: 6e59 * (1 + 2**-22), 20: 1e50}), schedule)
    assert (kinds(diagnosis), diagnosis.match) == (["rounding"], False)


def test_a_line_that_is_off_by_more_than_rounding_is_none():
    rates = [RECIPE(n) for n in RUN]
    rates[4400] += 1e-6
    assert not diagnose(text_of(WRITTEN["float32"](rate) for rate in rates), RECIPE).explanations


MISTAKEN = [
    ("shifted", {"steps": 3}, lambda own, n: own(n + 3)),
    ("shifted", {"steps": -5}, lambda own, n: own(n - 5)),
    ("shifted", {"steps": 150}, lambda own, n: own(n + 150)),
    ("epochs", {"updates": 7}, lambda own, n: own(n // 7)),
    ("log-in-epochs", {"updates": 7}, lambda own, n: own(n * 7)),
]


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize(("kind", "parameters", "rate"), MISTAKEN)
@pytest.mark.parametrize("name", ["recipe", "staircase", "to 0", "up"])
def test_other_steps_of_a_recipe_are_found(name, kind, parameters, rate, level):
    schedule = PHASED[name]
    log = Log.of({n: WRITTEN[level](rate(schedule, n)) for n in RUN})
    found = next(each for each in diagnose(log, schedule).explanations if each.kind == kind)
    if level != "digits":
        assert found.parameters.items() >= parameters.items()
    low, high = found.parameters["between"]
    assert low <= next(iter(parameters.values())) <= high


CHANGED = [
    ("staircase", {"staircase": True}, ["recipe"]),
    ("continuous", {"staircase": False}, ["staircase", "up"]),
    ("decay_rate", {"decay_rate": 0.3}, ["recipe", "staircase", "to 0", "up"]),
    ("decay_steps", {"decay_steps": 70}, ["recipe", "staircase", "to 0", "up"]),
    ("initial_learning_rate", {"initial_learning_rate": 0.2}, [*PHASED]),
    ("warmup_steps", {"warmup_steps": 170}, [*PHASED]),
    ("warmup_steps", {"warmup_steps": 30}, [*PHASED]),
    ("stable_steps", {"stable_steps": 250}, ["recipe", "staircase", "to 0", "up"]),
    ("two-parameters", {"initial_learning_rate": 0.3, "decay_rate": 0.7}, ["recipe", "staircase"]),
]


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize(("kind", "changes", "names"), CHANGED)
def test_another_parameter_of_a_recipe_is_found(kind, changes, names, level):
    for name in names:
        schedule = PHASED[name]
        diagnosis = diagnose(written(schedule.replace(**changes), level), schedule)
        assert not diagnosis.match
        first = diagnosis.explanations[0]
        assert first.kind == kind, name
        assert first.parameters.items() <= changes.items(), name


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("changes", [{"initial_learning_rate": 0.2}, {"warmup_steps": 170}])
def test_another_parameter_is_found_while_the_run_warms_up(changes, level):
    log = written(RECIPE.replace(**changes), level, steps=range(60))
    found = [explanation.parameters for explanation in diagnose(log, RECIPE).explanations]
    assert changes in found


WITHOUT = {
    "the warm-up": {"warmup_steps": 0, "warmup_learning_rate": 0},
    "the warm-up, with the peak instead": {
        "warmup_steps": 0,
        "warmup_learning_rate": 0,
        "stable_steps": 300,
    },
    "the stable phase": {"stable_steps": 0},
    "the floor": {"minimum_learning_rate": 0},
    "the cool-down": {"cooldown_start": None, "cooldown_steps": 0, "final_learning_rate": 0},
}


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("without", WITHOUT)
@pytest.mark.parametrize("name", ["recipe", "staircase"])
def test_a_phase_that_the_run_left_out_is_named(name, without, level):
    schedule = PHASED[name]
    diagnosis = diagnose(written(schedule.replace(**WITHOUT[without]), level), schedule)
    found = diagnosis.explanations[0]
    assert (found.kind, found.text) == (
        "left-out",
        f"the log follows the schedule without {without}",
    )
    assert found.parameters == WITHOUT[without]


def test_several_phases_that_the_run_left_out_are_named():
    log = written(RECIPE.replace(**WITHOUT["the floor"], **WITHOUT["the cool-down"]), "digits")
    assert diagnose(log, RECIPE).explanations[0].text.endswith("the floor and the cool-down")
    bare = written(InverseTimeDecay(0.1, 1000, 0.5), "float32")
    found = diagnose(bare, RECIPE).explanations[0]
    assert found.parameters == {
        key: value for each in WITHOUT.values() for key, value in each.items()
    } | {"stable_steps": 0}


def jumping(n):
    """RECIPE with a decay that counts from step 0; calculated by hand."""
    if n < 300:
        return RECIPE(n)
    value = max(0.1 / (1 + 0.5 * min(n, 4000) / 1000), 0.04)
    return value if n < 4000 else value + (0.001 - value) * min(n - 4000, 500) / 500


@pytest.mark.parametrize("level", ["float32", "digits"])
def test_a_decay_that_was_counted_from_step_0_is_named(level):
    diagnosis = diagnose(Log.of({n: WRITTEN[level](jumping(n)) for n in RUN}), RECIPE)
    assert (kinds(diagnosis), diagnosis.level) == (["from-zero"], level)
    assert "instead of from its start at step 300" in diagnosis.explanations[0].text


@pytest.mark.parametrize("level", ["float32", "digits"])
def test_a_decay_from_step_0_that_multiplies_the_warm_up_is_named(level):
    meant = CONTINUOUS.replace(warmup_steps=100)
    log = Log.of({n: WRITTEN[level](CONTINUOUS(n) * min(n / 100, 1)) for n in RUN})
    (found,) = diagnose(log, meant).explanations
    assert (found.kind, found.text.endswith("and multiplies the warm-up")) == ("from-zero", True)


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize(("factor", "why"), [(0.1, "LambdaLR"), (4, "times 4")])
def test_a_recipe_that_was_scaled_is_named(factor, why, level):
    log = Log.of({n: WRITTEN[level](factor * RECIPE(n)) for n in RUN})
    (found,) = diagnose(log, RECIPE).explanations
    assert (found.kind, found.parameters) == ("scaled", {"factor": factor})
    assert why in found.text


def test_lambda_lr_around_a_recipe_of_no_other_rate_is_named():
    schedule = InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=100)
    log = Log.of({n: 0.1 * schedule(n) for n in RUN})
    (found,) = diagnose(log, schedule).explanations
    assert found.kind == "initial_learning_rate"
    assert "LambdaLR" in found.text
    floor = schedule.replace(minimum_learning_rate=0.004)
    log = written(floor.replace(initial_learning_rate=0.01), "float32")
    (found,) = diagnose(log, floor).explanations
    assert (found.parameters, "LambdaLR" in found.text) == ({"initial_learning_rate": 0.01}, False)


@pytest.mark.parametrize("cooldown", [None, 700])
def test_late_drops_are_those_of_the_decay_of_a_recipe(cooldown):
    """As jax.jit computes floor((n - 300) / 41); the rates of a plateau are the recipe's."""
    schedule = STEPPED.replace(
        cooldown_start=cooldown,
        cooldown_steps=500 if cooldown else 0,
        final_learning_rate=0.001 if cooldown else 0,
    )
    reciprocal = np.float32(1) / np.float32(41)
    drops = [300 + 41 * k for k in range(1, 16) if np.float32(41 * k) * reciprocal < k]
    late = [n for n in drops if n < (cooldown or 6000)]
    rates = {n: str(np.float32(schedule(n - (n in late)))) for n in range(2000)}
    diagnosis = diagnose(Log.of(rates), schedule)
    assert (kinds(diagnosis), diagnosis.level) == (["late-drop"], "float32")
    assert diagnosis.explanations[0].parameters == {"steps": late}
    assert 0 < len(late) <= len(drops) < 15


def test_the_first_step_of_a_recipe_can_be_named():
    log = logged(RECIPE, range(1, 6000), lambda n: n - 1)
    assert kinds(diagnose(log, RECIPE))[0] == "shifted"
    assert diagnose(log, RECIPE, first_step=1).match


@given(strategies.schedules(), st.data())
def test_the_steps_of_a_rate_are_all_of_them(schedule, data):
    """The inverse in exact fractions, on both sides of each end."""
    reference, inverse = Reference(schedule), Inverse(schedule)
    step = data.draw(strategies.steps(schedule))
    exact = reference.exact(step)
    value = float(exact)
    low, high = value - value * 2.0**-40, value + value * 2.0**-40
    spans = inverse.steps(low, high)
    assert any(first <= step <= last for first, last in spans)
    for first, last in spans:
        for inside in (first, last):
            if abs(inside) < 2**64:
                assert low <= reference.exact(inside) <= high
        for outside in (first - 1, last + 1):
            if 0 <= outside < 2**64:
                assert not low <= reference.exact(outside) <= high
    assert all(a[1] + 1 < b[0] for a, b in pairwise(spans))


PARAMETERS = inspect.signature(InverseTimeDecay).parameters


@given(strategies.schedules(), strategies.schedules(), st.data())
def test_what_explains_a_log_does_explain_it(meant, had, data):
    """For a log of any other schedule, or of arbitrary rates, each explanation is correct."""
    steps = data.draw(st.lists(strategies.steps(meant), min_size=1, max_size=30, unique=True))
    steps = [n for n in steps if abs(n) < 2**63]
    assume(steps)
    log = Log.of({n: f"{had(n):.17e}" for n in steps})  # so that few digits hide no difference
    log = replace(log, unit=data.draw(st.sampled_from(["update", "epoch", "row"])))
    diagnosis = diagnose(log, meant)
    own = Reference(meant)

    def holds(schedule, by=0, updates=1):
        """Each rate has the bits or the digits of the level; `rounding` allows 2**-21."""
        values = np.array([schedule.value(updates * n + by) for n in log.steps])
        rates = np.array([float(rate) for rate in log.rates])
        if diagnosis.level in ("rounding", "digits"):
            relative = Fraction(1, 2**21 if diagnosis.level == "rounding" else 2**23)
            half = Fraction(1, 2) / 10 ** max(-rate.as_tuple().exponent for rate in log.rates)
            pairs = zip(map(Fraction, rates.tolist()), map(Fraction, values.tolist()), strict=True)
            return all(abs(rate - value) <= value * relative + half for rate, value in pairs)
        with np.errstate(over="ignore", under="ignore"):
            singles = values.astype(np.float32)
            same = rates == values
            return bool((same | (rates.astype(np.float32) == singles)).all())

    if diagnosis.match:
        count = diagnosis.reading.parameters if diagnosis.reading else {}
        assert holds(own, count.get("offset", 0), count.get("updates", 1))
    json.loads(diagnosis.to_json())
    assert list(diagnosis.lines())
    for found in diagnosis.explanations:
        offset = found.parameters.get("offset", 0)
        changes = {k: v for k, v in found.parameters.items() if k in PARAMETERS}
        if changes and found.kind in PARAMETERS and "step" not in found.parameters:
            other = Reference(meant.replace(dtype=None, **changes))
            assert holds(other, offset, found.parameters.get("updates", 1))
        if found.kind == "shifted" and log.unit == "update":
            assert holds(own, found.parameters["steps"])
        if found.kind == "offset":
            assert holds(own, found.parameters["offset"], found.parameters["updates"])


# -- logs by epoch -------------------------------------------------------------------------

# For epoch e of m updates, frameworks log the rate of step m * (e + ahead) + beside.
KNOWN = {
    (1, 0): "after the last update of each epoch",
    (0, 0): "for the first update of each epoch",
    (1, -1): "for the last update of each epoch",
    (0, 1): "after the first update of each epoch",
}


def by_epoch(schedule, updates, ahead, beside, epochs=60, level="float64", first=0):
    """The log of each epoch's rate, where epochs are counted from `first`."""
    rates = {e + first: schedule(updates * (e + ahead) + beside) for e in range(epochs)}
    written = {e: WRITTEN[level](rate) for e, rate in rates.items()}
    return replace(Log.of(written), unit="epoch")


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize(("ahead", "beside"), KNOWN)
@pytest.mark.parametrize("schedule", [CONTINUOUS, RECIPE, STEPPED])
def test_a_log_by_epoch_matches(schedule, ahead, beside, level):
    diagnosis = diagnose(by_epoch(schedule, 130, ahead, beside, level=level), schedule)
    assert (diagnosis.status, diagnosis.level, diagnosis.explanations) == (0, level, ())
    found = diagnosis.reading.parameters
    if level != "digits" and schedule is not STEPPED:
        assert (found["updates"], found["offset"]) == (130, 130 * ahead + beside)
        assert KNOWN[ahead, beside] in diagnosis.reading.text
    low, high = found["between"]
    assert low <= 130 <= high + 1


def test_the_least_number_of_updates_agrees_with_the_digits():
    """More numbers lie between the bounds of these rates, but do not fit."""
    schedule = InverseTimeDecay(0.1, 1000, 0.001, warmup_steps=50, warmup_learning_rate=0.01)
    log = replace(Log.of({0: "0.01", 1: "0.09997", 2: "0.09993"}), unit="epoch")
    diagnosis = diagnose(log, schedule)
    assert (diagnosis.match, diagnosis.level) == (True, "digits")
    low, high = diagnosis.reading.parameters["between"]
    assert low <= 391 <= high
    assert f"{schedule(low):.4g}" == "0.09997"
    assert f"{schedule(2 * low):.4g}" == "0.09993"


def test_a_log_by_epoch_is_told_how_it_counts():
    lines = list(diagnose(by_epoch(CONTINUOUS, 130, 1, 0), CONTINUOUS).lines())
    assert lines[1].endswith(
        "in float64; row e has the rate of step 130 * (e + 1): after the last update of each "
        "epoch (130 updates)"
    )
    assert lines[3] == (
        "note: the log does not say how many updates an epoch has; check that it is 130"
    )


@pytest.mark.parametrize("first", [0, 1])
def test_epochs_that_count_from_1_are_read_so(first):
    log = by_epoch(RECIPE, 130, 1, 0, first=first)
    found = diagnose(log, RECIPE).reading
    assert "after the last update of each epoch" in found.text
    assert ("counted from 1 in the log" in found.text) is bool(first)
    assert found.parameters["offset"] == 130 * (1 - first)


def test_another_expression_in_a_log_by_epoch_is_rounding():
    plain = 0.1 / (1 + 0.5 * np.arange(13, 1300, 13, dtype=np.float32) / 1000)
    diagnosis = diagnose(replace(text_of(map(str, plain)), unit="epoch"), CONTINUOUS)
    assert (kinds(diagnosis), diagnosis.status) == (["rounding"], 1)
    assert "row e has the rate of step 13 * (e + 1)" in list(diagnosis.lines())[1]


def test_the_schedule_may_count_epochs_too():
    found = diagnose(by_epoch(STAIRCASE, 1, 0, 0, epochs=130), STAIRCASE).reading
    assert found.text == "row e has the rate of step e: one step of the schedule per epoch"


def test_rows_without_a_step_are_counted_as_epochs_are():
    log = replace(by_epoch(RECIPE, 7, 0, 0, epochs=900), unit="row")
    diagnosis = diagnose(log, RECIPE)
    assert diagnosis.match
    assert "for the first update of each row (7 updates)" in diagnosis.reading.text


@pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE, RECIPE])
def test_the_trainers_row_for_the_first_update_is_known(schedule):
    rates = [f"{schedule(max(5 * e - 1, 0)):.4g}" for e in range(900)]
    log = replace(text_of(rates), unit="row", conventions=("trainer",))
    diagnosis = diagnose(log, schedule)
    assert diagnosis.match
    found = diagnosis.reading
    assert (found.parameters["updates"], found.parameters["offset"]) == (5, -1)
    assert "for the first update, and then for the last update of each row (5" in found.text
    assert not diagnose(replace(log, conventions=()), schedule).match


def test_a_row_for_each_update_has_no_other_for_the_first():
    log = replace(logged(CONTINUOUS, count=lambda n: n - 1), unit="row", conventions=("trainer",))
    assert not diagnose(log, CONTINUOUS).match


def test_the_first_step_of_a_log_by_epoch_can_be_named():
    log = by_epoch(RECIPE, 130, 0, 0, first=5)
    diagnosis = diagnose(log, RECIPE, first_step=5)
    assert (diagnosis.match, diagnosis.first_step) == (True, 5)
    assert diagnosis.reading.parameters["offset"] == -5 * 130


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("schedule", [CONTINUOUS, RECIPE])
def test_another_step_of_each_epoch_is_named(schedule, level):
    (found,) = diagnose(by_epoch(schedule, 130, 0, 57, level=level), schedule).explanations
    assert found.kind == "offset"
    if level != "digits":
        assert found.parameters == {"updates": 130, "offset": 57, "between": [130, 130]}


@given(SCHEDULES, st.integers(1, 60), st.sampled_from([*KNOWN]))
def test_a_log_by_epoch_always_matches(schedule, updates, known):
    """With a number of updates between those of the diagnosis, or another count."""
    log = by_epoch(schedule, updates, *known)
    assume(len(set(log.rates)) > 1)
    diagnosis = diagnose(log, schedule)
    assert (diagnosis.match, diagnosis.level) == (True, "float64")
    found = diagnosis.reading.parameters
    rates = [schedule(found["updates"] * e + found["offset"]) for e in log.steps]
    assert [Decimal(repr(rate)) for rate in rates] == list(log.rates)


INTERVALS = st.lists(st.tuples(st.integers(-30, 60), st.integers(0, 8)), min_size=1, max_size=5)


@given(INTERVALS, st.booleans())
def test_m_and_c_are_found_exactly(intervals, within):
    """Find the smallest m that fits, by trying all steps of a rising schedule."""

    class Rising:
        spans = staticmethod(lambda level: [[(low, low + more)] for low, more in intervals])
        rates = SimpleNamespace(floats=np.arange(len(intervals)))
        steps = np.arange(len(intervals)).astype(object)

    def offsets(m):
        rows = [(low - m * e, low + more - m * e) for e, (low, more) in enumerate(intervals)]
        ends = [*rows, (0, m)] if within else rows
        return max(low for low, _ in ends), min(high for _, high in ends)

    fitting = [m for m in range(1, 200) if offsets(m)[0] <= offsets(m)[1]]
    found = any_offset(Rising, "float64", within)
    if not fitting:
        assert found is None
    else:
        low, high = offsets(fitting[0])
        assert (found.updates, found.beside) == (fitting[0], min(max(low, 0), high))
        assert min(found.most, 199) == fitting[-1]


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize(
    ("schedule", "changes"),
    [
        (RECIPE, {"initial_learning_rate": 0.2}),
        (CONTINUOUS, {"initial_learning_rate": 0.2}),
        (RECIPE, {"minimum_learning_rate": 0.045}),
        (RECIPE, {"decay_rate": 0.3}),
        (STEPPED, {"decay_rate": 0.3}),
        (RECIPE, {"warmup_steps": 390}),
    ],
)
def test_another_parameter_is_found_in_a_log_by_epoch(schedule, changes, level):
    log = by_epoch(schedule.replace(**changes), 13, 1, 0, epochs=500, level=level)
    found = diagnose(log, schedule).explanations
    (key,) = changes
    assert changes in [{key: each.parameters.get(key)} for each in found]


# -- what was tested -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "schedule", "status", "rates", "of_decay"),
    [
        (range(1), CONTINUOUS, 3, 1, 0),
        (range(20), STAIRCASE, 3, 1, 0),
        (range(41), STAIRCASE, 3, 1, 0),
        (range(42), STAIRCASE, 0, 2, 1),
        (range(2), CONTINUOUS, 0, 2, 1),
        ([5000], CONTINUOUS, 0, 1, 1),
        (range(301), RECIPE, 3, 101, 0),
        (range(302), RECIPE, 0, 102, 1),
        (range(3400, 3900), RECIPE, 3, 1, 0),
        ([9000], RECIPE, 3, 1, 0),
        (range(20), InverseTimeDecay(0.1, 41, 0), 0, 1, 0),
    ],
)
def test_a_match_says_what_was_tested(steps, schedule, status, rates, of_decay):
    """A rate of the decay counts, if it is neither the peak nor the floor."""
    diagnosis = diagnose(logged(schedule, steps), schedule)
    assert (diagnosis.match, diagnosis.status) == (True, status)
    assert (diagnosis.tested.rates, diagnosis.tested.of_decay) == (rates, of_decay)
    assert diagnosis.tested.last == steps[-1]
    lines = list(diagnosis.lines())
    assert ("match, but the decay was not tested" in lines[1]) is (status == 3)
    assert lines[2].startswith(f"tested: {rates} distinct rate")


@pytest.mark.parametrize(
    ("schedule", "rates", "status"),
    [
        (CONTINUOUS, [0.05], 3),
        (CONTINUOUS, [0.1, 0.05], 3),
        (STAIRCASE, [0.1, 0.1, 0.05, 0.05], 3),
        (CONTINUOUS, [CONTINUOUS(130), CONTINUOUS(260)], 0),
        (InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=20), [0.05, 0.1, CONTINUOUS(10)], 0),
        (InverseTimeDecay(0.1, 1000, 0.5, minimum_learning_rate=0.04), [0.1, 0.05, 0.04], 3),
        (InverseTimeDecay(0.1, 1000, 0), [0.1], 0),
    ],
)
def test_the_rate_that_says_how_many_updates_an_epoch_has_tests_nothing(schedule, rates, status):
    diagnosis = diagnose(replace(text_of(rates), unit="epoch"), schedule)
    assert (diagnosis.match, diagnosis.status) == (True, status)
    assert ("the only rate from the decay" in diagnosis.notes[0]) is (status == 3)


def test_rates_that_printing_made_the_peak_test_nothing():
    """The peak as three decimals, and as the float64 of its float32."""
    for write in ("{:.3f}".format, lambda rate: repr(float(np.float32(rate)))):
        assert diagnose(text_of(write(STAIRCASE(n)) for n in range(10)), STAIRCASE).status == 3
    assert diagnose(text_of(f"{CONTINUOUS(n):.3f}" for n in range(10)), CONTINUOUS).status == 3


def test_the_phases_that_have_a_row_are_named():
    log = logged(RECIPE, [50, 150, 4100])
    assert diagnose(log, RECIPE).tested.phases == ("warm-up", "stable", "cool-down")


# -- more mistakes -------------------------------------------------------------------------


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("name", ["recipe", "staircase"])
@pytest.mark.parametrize(
    ("change", "rate"),
    [
        ("decay_rate", lambda own, n: own.replace(decay_rate=0.3)(n)),
        ("shifted", lambda own, n: own(n - 700)),
    ],
)
def test_a_change_half_way_has_its_step(name, change, rate, level):
    schedule = PHASED[name].replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
    rates = [(rate(schedule, n) if n >= 700 else schedule(n)) for n in range(3000)]
    written = [WRITTEN[level](each) for each in rates]
    first = next(n for n in range(3000) if written[n] != WRITTEN[level](schedule(n)))
    found = diagnose(text_of(written), schedule).explanations[0]
    assert (found.kind, found.parameters["change"]) == ("from-step", change)
    assert found.parameters["step"] == first


def test_a_count_that_started_again_is_said_to_have():
    log = logged(RECIPE, range(3000), lambda n: n if n < 1700 else n - 1700)
    (found,) = diagnose(log, RECIPE).explanations
    assert found.text.endswith("from step 1700 on: the step count restarted from 0")


def test_a_mistake_that_ended_has_its_last_step():
    log = logged(RECIPE, RUN, lambda n: n + 1 if n < 100 else n)
    (found,) = diagnose(log, RECIPE).explanations
    assert (found.kind, found.parameters["step"]) == ("until-step", 99)


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE])
def test_a_scheduler_that_stopped_is_named(schedule, level, every):
    log = written(schedule, level, lambda n: min(n, 701), range(0, 2000, every))
    found = next(each for each in diagnose(log, schedule).explanations if each.kind == "stopped")
    low, high = found.parameters["between"]
    assert low == found.parameters["step"]
    assert low <= 701 <= high


def test_a_floor_of_many_digits_is_not_preferred():
    """The printed 0.000666667 is such a rate; with fewer digits the schedule stopped there."""
    schedule = InverseTimeDecay(0.001, 40, 0.25, staircase=True)
    log = text_of(f"{schedule(min(n, 90)):.6g}" for n in range(400))
    assert kinds(diagnose(log, schedule))[0] == "stopped"


@pytest.mark.parametrize(("first", "differing"), [(0, 798), (1, 799)])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_compounded_decay_is_named(kind, first, differing):
    """The result of `lr = lr / (1 + decay * n)`, which differs from step 2 on."""
    rate, rates = kind(0.1), []
    for n in range(first, 800):
        rate = rate / (kind(1) + kind(0.5 / 1000) * kind(n))
        rates.append(str(rate))
    diagnosis = diagnose(text_of(rates), CONTINUOUS)
    assert (kinds(diagnosis), diagnosis.differing) == (["compounded"], differing)


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("final", [0, 0.001])
@pytest.mark.parametrize("start", [1500, 1503])
def test_a_cool_down_that_was_not_meant_is_named(start, final, every, level):
    phases = {"cooldown_start": start, "cooldown_steps": 300, "final_learning_rate": final}
    log = written(CONTINUOUS.replace(**phases), level, steps=range(0, 2500, every))
    found = diagnose(log, CONTINUOUS).explanations[0]
    assert (found.kind, found.parameters) == ("cool-down", phases)


@pytest.mark.parametrize("changes", [{"cooldown_start": 3500}, {"cooldown_steps": 700}])
def test_another_cool_down_is_named(changes):
    log = written(RECIPE.replace(**changes), "float32")
    found = diagnose(log, RECIPE).explanations[0]
    assert (found.kind, found.parameters.items() >= changes.items()) == ("cool-down", True)
    assert found.text.endswith("instead of one from step 4000 over 500 steps to 0.001")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"minimum_learning_rate": 0.03}, "minimum_learning_rate"),
        ({"warmup_steps": 70}, "warmup_steps"),
        ({"warmup_steps": 70, "warmup_learning_rate": 0.002}, "warmup_steps"),
    ],
)
def test_a_phase_that_was_not_meant_is_named(changes, kind):
    found = diagnose(written(CONTINUOUS.replace(**changes), "digits"), CONTINUOUS).explanations[0]
    assert (found.kind, found.parameters) == (kind, changes)


@pytest.mark.parametrize("times", [2, 8])
def test_a_scheduler_that_each_process_steps_is_named(times):
    log = logged(RECIPE, RUN, lambda n: times * n)
    found = diagnose(log, RECIPE).explanations[0]
    assert (found.kind, found.parameters) == ("processes", {"times": times})


def test_the_first_step_that_a_shift_needs_is_as_the_log_counts():
    log = logged(RECIPE, range(2, 6000), lambda n: n - 2)
    (found,) = diagnose(log, RECIPE, first_step=1).explanations
    assert found.text.endswith(
        "the log's step n has the rate of step n - 2; if the log counts from 2, pass --first-step "
        "2; if the run was resumed at step 2, its count was lost"
    )
    assert diagnose(log, RECIPE, first_step=2).match
    log = logged(RECIPE, RUN, lambda n: n + 5)
    (found,) = diagnose(log, RECIPE, first_step=-4).explanations
    assert "n + 5; if the rate is logged after the update, pass --first-step -5" in found.text
    assert diagnose(log, RECIPE, first_step=-5).match


def test_a_shift_of_a_part_needs_no_first_step():
    log = logged(RECIPE, range(3000), lambda n: n if n < 1700 else n - 500)
    (found,) = diagnose(log, RECIPE).explanations
    assert found.text.endswith("from step 1700 on: shifted: step n has the rate of step n - 500")


def test_one_rate_is_no_cool_down():
    """A line to 0 with a suitable number of steps goes through any lower rate."""
    rates = [CONTINUOUS(n) for n in range(0, 2000, 50)]
    rates[-1] *= 0.99
    log = Log.of({50 * i: f"{rate:.4g}" for i, rate in enumerate(rates)})
    assert diagnose(log, CONTINUOUS).explanations == ()


@pytest.mark.parametrize("beside", [0, -1])
def test_processes_in_a_log_after_the_update_are_named(beside):
    log = logged(RECIPE, RUN, lambda n: 4 * (n + 1) + beside)
    found = diagnose(log, RECIPE).explanations[0]
    assert (found.kind, found.parameters) == ("processes", {"times": 4})
    assert f"the rate of step 4 * (n + 1){' - 1' if beside else ''}, as" in found.text


def test_a_constant_rate_is_named():
    for rate in (0.1, 0.02):
        log = Log.of(dict.fromkeys(range(100), rate))
        assert kinds(diagnose(log, STAIRCASE))[0] == "constant"


def test_a_log_that_is_read_after_the_update_is_told_its_first_step():
    log = logged(RECIPE, RUN, lambda n: n + 1)
    assert "pass --first-step -1" in diagnose(log, RECIPE).explanations[0].text
    assert diagnose(log, RECIPE, first_step=-1).match


@pytest.mark.parametrize("level", WRITTEN)
@pytest.mark.parametrize("name", ["to 0", "recipe", "staircase"])
@pytest.mark.parametrize(
    "changes",
    [
        {"initial_learning_rate": 0.2},
        {"minimum_learning_rate": 0.05},
        {"decay_rate": 0.3},
        {"warmup_steps": 170},
    ],
)
def test_two_mistakes_are_named(name, changes, level):
    schedule = PHASED[name].replace(cooldown_start=None, cooldown_steps=0, final_learning_rate=0)
    log = written(schedule.replace(**changes), level, lambda n: n + 1)
    found = diagnose(log, schedule).explanations[0]
    (key,) = changes
    assert found.kind == f"{key}+shifted"
    assert found.parameters.items() >= {**changes, "steps": 1}.items()


# -- the command ---------------------------------------------------------------------------


@pytest.fixture
def invoke():
    pytest.importorskip("typer")
    pytest.importorskip("rich")
    from typer.testing import CliRunner

    from invtime.cli.app import app

    return lambda *arguments, **options: CliRunner().invoke(
        app, ["check-log", *map(str, arguments)], **options
    )


def test_the_command_exits_with_0_on_a_match(invoke):
    result = invoke(LOGS / "torch.jsonl", *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "match: every rate equals the schedule's in float64" in result.stdout


def test_the_command_names_the_late_drop_and_exits_with_1(invoke):
    result = invoke(LOGS / "keras-jax.csv", *OPTIONS)
    assert result.exit_code == 1, result.output
    assert "no match: late drop of compiled Keras" in result.stdout
    assert "2 rates differ from the schedule, first at step 41: logged 0.1" in result.stdout


def test_the_command_exits_with_3_where_nothing_of_the_decay_was_tested(invoke):
    text = "step,lr\n" + "".join(f"{n},0.1\n" for n in range(20))
    result = invoke("-", *OPTIONS, input=text)
    assert result.exit_code == 3, result.output
    assert "match, but the decay was not tested: every rate equals" in result.stdout
    assert (
        "tested: 1 distinct rate, 0 from the decay; phases: decay; last step: 19" in result.stdout
    )
    found = json.loads(invoke("-", *OPTIONS, "--format", "json", input=text).stdout)
    assert (found["match"], found["status"], found["tested"]["decay"]) == (True, 3, False)


def test_the_command_takes_a_recipe(invoke, tmp_path):
    file = tmp_path / "log.csv"
    for schedule, status in ((RECIPE, 0), (RECIPE.replace(minimum_learning_rate=0), 1)):
        file.write_text("step,lr\n" + "".join(f"{n},{schedule(n)!r}\n" for n in RUN))
        result = invoke(file, "--config", "-", input=RECIPE.to_json())
        assert result.exit_code == status, result.output
    assert "no match: the log follows the schedule without the floor" in result.stdout


def test_the_command_writes_json(invoke):
    result = invoke(LOGS / "keras-jax.csv", *OPTIONS, "--format", "json")
    found = json.loads(result.stdout)
    assert found["match"] is False
    assert found["explanations"][0]["kind"] == "late-drop"
    assert found["difference"]["step"] == 41
    assert found["schedule"] == STAIRCASE.get_config()


def test_the_command_reads_stdin_and_says_when_nothing_explains_it(invoke):
    result = invoke("-", *OPTIONS, input="step,lr\n0,0.1\n5,0.3\n9,0.1\n")
    assert result.exit_code == 1
    assert "no match: no known mistake explains the log" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such.csv", *OPTIONS], "there is no directory 'no'"),
        ([LOGS / "torch.jsonl"], "missing --initial-learning-rate"),
        ([LOGS / "torch.jsonl", *OPTIONS, "--rate-column", "x"], "no column 'x'"),
        ([LOGS, *OPTIONS, "--rate-column", "x"], ""),
    ],
)
def test_the_command_refuses_in_one_line(invoke, arguments, message):
    if arguments[0] == LOGS:
        pytest.importorskip("tensorboard")
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert message in result.stderr
