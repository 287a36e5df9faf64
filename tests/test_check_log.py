"""Logged learning rates against a schedule: the formats, the mistakes, what no log should have."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invtime import BackendUnavailableError, InverseTimeDecay
from invtime.checklog import Log, LogError, diagnose, read
from invtime.checklog.case import Case

LOGS = Path(__file__).parent / "logs"
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
OPTIONS = [
    *("--initial-learning-rate", "0.1", "--decay-steps", "41", "--decay-rate", "0.5"),
    "--staircase",
]


def logged(schedule, steps=range(130), count=lambda n: n):
    """The log of a run that had the rate of step count(n) at its update n."""
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


@pytest.mark.parametrize("maker", ["torch", "keras_jax"])
def test_the_logs_are_those_of_real_runs(maker, tmp_path):
    for needed in maker.split("_"):
        pytest.importorskip(needed)
    command = [sys.executable, LOGS / "make.py", tmp_path, maker]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = tmp_path.iterdir()
    rates = [read(file).rates for file in (made, LOGS / made.name)]
    assert rates[0] == rates[1]


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


# -- reading -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "step,lr\n0,0.1\n41,0.0667\n",
        "epoch;Global Step;Learning-Rate\n0;0;0.1\n1;41;0.0667\n",
        "iteration\tloss\ttrain/lr\n0\t3\t0.1\n\t\t\n41\t2\t0.0667\n".replace("\n\t\t\n", "\n"),
        "\ufeffstep,lr-SGD,loss\r\n0,0.1,\r\n0,,3.2\r\n41,0.0667,\r\n",
        '\ufeff{"step": 0, "lr": 0.1}\n\n{"step": 1, "loss": 2}\n{"step": 41, "lr": 0.0667}\n',
        '[{"step": 0.0, "adam.learning_rate": 0.1}, {"step": 41, "adam.learning_rate": "0.0667"}]',
        '{"log_history": [{"step": 1, "lr": 0.1}, {"loss": 1}, {"step": 42, "lr": 0.0667}]}',
    ],
)
def test_formats_and_columns_are_found_out(text):
    diagnosis = diagnose(read(text.encode()), STAIRCASE)
    assert (diagnosis.match, diagnosis.level, diagnosis.rows) == (True, "digits", 2)


def test_the_trainer_of_old_logged_the_next_rate():
    history = [{"step": n, "learning_rate": STAIRCASE(n)} for n in range(1, 130)]
    diagnosis = diagnose(read(json.dumps({"log_history": history}).encode()), STAIRCASE)
    assert (diagnosis.match, diagnosis.first_step) == (True, 0)


def test_columns_can_be_named():
    text = b"a,b,lr,lr2\n0,7,9,0.1\n41,8,9,0.0667\n"
    log = read(text, step_column="a", rate_column="lr2")
    assert log.steps == (0, 41)
    assert log.rates == (Decimal("0.1"), Decimal("0.0667"))


def test_the_first_step_can_be_named():
    log = logged(STAIRCASE, range(1, 130), lambda n: n - 1)
    assert kinds(diagnose(log, STAIRCASE))[0] == "shifted"
    assert diagnose(log, STAIRCASE, first_step=1).match


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("step,lr\n", "there is no learning rate"),
        ("step,loss\n0,3\n", "of 'step', 'loss', none is the one with the rates"),
        ("loss,lr\n3,0.1\n", "none is the one with the steps; name it with --step-column"),
        ("step,lr-a,lr-b\n0,1,2\n", "2 of the columns"),
        ("0,0.1\n1,0.1\n", "none is the one"),
        ("step,lr\n0,0.1\n1,\n", "line 3 has a step and no learning rate"),
        ("step,lr\n0,0.1\n1\n", "line 3 has a step and no learning rate"),
        ("step,lr\n0,0.1\n1,nan\n", "line 3 has the learning rate 'nan'"),
        ("step,lr\n0,0.1\n1,inf\n", "line 3 has the learning rate 'inf'"),
        ("step,lr\n0,0.1\n1,1e999\n", "line 3 has the learning rate '1e999'"),
        ("step,lr\n0,0.1\n1,-0.1\n", "line 3 has the learning rate '-0.1'"),
        ("step,lr\n0,0.1\n1,high\n", "line 3 has the learning rate 'high'"),
        ("step,lr\n0,0.1\n1,sNaN\n", "line 3 has the learning rate 'sNaN'"),
        ("step,lr\n0,0.1\n1,0e81749429431\n", "line 3 has the learning rate '0e81749429431'"),
        ("step,lr\n0,0.1\n1,1e-99999999\n", "line 3 has the learning rate '1e-99999999'"),
        ("step,lr\n0,0.1\nx,0.1\n", "line 3 has the step 'x'"),
        ("step,lr\n0,0.1\n1.5,0.1\n", "line 3 has the step '1.5'"),
        ("step,lr\n0,0.1\n1e999999999,0.1\n", "line 3 has the step '1e999999999'"),
        ("step,lr\n0,0.1\n1e30,0.1\n", "line 3 has the step '1e30'"),
        ("step,lr\n0,0.1\n0,0.2\n", "line 3 has step 0 again, with 0.2 instead of 0.1"),
        ('step,lr\n0,"0.1\n', "is not CSV"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr"', "line 2 is not JSON"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr": null}', "no learning rate"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr": NaN}', "line 2 has the learning rate 'NaN'"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr": true}', "the learning rate 'True'"),
        ('{"step": 0, "lr": 0.1}\n{"lr": 0.1}', "line 2 has the step 'None'"),
        ('{"step": 0, "lr": 0.1}\n[1]', "line 2 is no JSON object"),
        ("[1, 2]", "entry 0 is no JSON object"),
        (
            '{"step": 0, "lr": 0.1}\n{"step": 1, "lr": 1e-%s}' % ("3" * 30),
            "the learning rate '1e-33",
        ),
        ("[" * 100_000, "line 1 is not JSON"),
        ('{"log_history": []}', "none is the one"),
        ('{"log_history": 5}', "log_history is no list"),
        (b"\xff\xfe\x00\x01", "not text in UTF-8"),
    ],
)
def test_what_no_log_should_have_is_refused(text, message):
    with pytest.raises(LogError) as refusal:
        read(text if isinstance(text, bytes) else text.encode())
    assert message in str(refusal.value)


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(LogError, match="there is no column 'rate'; there are 'step', 'lr'"):
        read(b"step,lr\n0,0.1\n", rate_column="rate")


def test_holes_and_repeated_rows_are_noted():
    rows = [(n, STAIRCASE(n)) for n in range(100) if not 50 <= n < 60]
    rows.append(rows[-1])
    text = "step,lr\n" + "\n".join(f"{n},{rate}" for n, rate in rows)
    diagnosis = diagnose(read(text.encode()), STAIRCASE)
    assert diagnosis.match
    hole, repeated = diagnosis.notes
    assert "nothing between step 49 and step 60" in hole
    assert repeated.endswith("with the same rate: 1")


def test_a_log_at_uneven_steps_has_no_hole():
    assert Log.of({1: 0.1, 2: 0.1, 4: 0.1, 8: 0.1}).notes == ()


def test_an_event_file_without_its_reader_says_how_to_install_it(monkeypatch, tmp_path):
    for name in [*sys.modules, "tensorboard"]:
        if name.split(".")[0] == "tensorboard":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendUnavailableError, match="python -m pip install tensorboard"):
        read(LOGS / "events.out.tfevents.torch")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "events.out.tfevents.1")


def test_event_files_that_are_none_are_refused(tmp_path):
    pytest.importorskip("tensorboard")
    with pytest.raises(LogError, match="no scalar"):
        read(tmp_path)
    with pytest.raises(LogError, match="there is no column 'lr'; there are 'train/lr'"):
        read(LOGS / "events.out.tfevents.torch", rate_column="lr")


def test_a_damaged_record_of_an_event_file_is_refused(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.summary.writer.record_writer import RecordWriter

    path = tmp_path / "events.out.tfevents.1"
    with path.open("wb") as file:
        RecordWriter(file).write(b"no event")
    with pytest.raises(LogError, match="damaged"):
        read(path)


def test_event_tensors_that_are_no_numbers_are_refused(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    tensor = make_tensor_proto(np.array([0.1, 0.2], np.float32))
    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="lr", tensor=tensor)])
    summary.value[0].metadata.plugin_data.plugin_name = "scalars"
    path = tmp_path / "events.out.tfevents.1"
    with path.open("wb") as file:
        RecordWriter(file).write(event_pb2.Event(summary=summary).SerializeToString())
    with pytest.raises(LogError, match="'lr' has tensors that are no numbers"):
        read(path)


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
    assert "match: every rate has the bits of the schedule's, in float64" in result.stdout


def test_the_command_names_the_late_drop_and_exits_with_1(invoke):
    result = invoke(LOGS / "keras-jax.csv", *OPTIONS)
    assert result.exit_code == 1, result.output
    assert "no match: the late drop of compiled Keras" in result.stdout
    assert "2 rates differ, the first at step 41: logged 0.1" in result.stdout


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
    assert "no match, and nothing that is known explains it" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such.csv", *OPTIONS], "No such file"),
        ([LOGS / "torch.jsonl"], "no schedule without"),
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
