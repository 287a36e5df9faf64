"""Reading a log from a file: formats, columns, runs, and errors."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from invtime import BackendUnavailableError
from invtime.checklog import Log, LogError, diagnose, read
from invtime.reference import Reference

LOGS = Path(__file__).parent / "logs"
MAKE = runpy.run_path(str(LOGS / "make.py"))
STAIRCASE, CONTINUOUS, PHASES = (MAKE[name] for name in ("SCHEDULE", "CONTINUOUS", "PHASES"))

# -- logs of real runs ---------------------------------------------------------------------


def float64(rate):
    return Decimal(repr(rate))


def float32(rate):
    return Decimal(float(np.float32(rate)))


def four(rate):
    return Decimal(f"{rate:.4g}")


def six(rate):
    return Decimal(f"{rate:.6f}")


UPDATES, EPOCHS, FROM_1 = range(130), range(10), range(1, 131)
# For each correct run: its schedule, the steps and what they count, the step of the schedule, and
# how the rates are written.
CORRECT = {
    "torch.jsonl": (STAIRCASE, UPDATES, "update", lambda n: n, float64),
    "plain.txt": (PHASES, UPDATES, "update", lambda n: n, six),
    "mlflow-lr": (CONTINUOUS, UPDATES, "update", lambda n: n, float64),
    "events.out.tfevents.torch": (STAIRCASE, UPDATES, "update", lambda n: n, float32),
    "lightning.csv": (STAIRCASE, UPDATES, "update", lambda n: n, float64),
    "lightning-by-epoch.csv": (PHASES, range(0, 130, 13), "update", lambda n: n, float64),
    "trainer_state.json": (STAIRCASE, FROM_1, "update", lambda n: n - 1, float64),
    "trainer.txt": (CONTINUOUS, range(26), "row", lambda row: 5 * row + 4, four),
    "trainer-epochs.txt": (PHASES, range(1, 11), "epoch", lambda epoch: 13 * epoch - 1, four),
    "keras-batches.csv": (STAIRCASE, FROM_1, "update", lambda n: n, float32),
    "keras-epochs.csv": (CONTINUOUS, EPOCHS, "epoch", lambda epoch: 13 * (epoch + 1), float32),
    "keras-tensorboard": (PHASES, EPOCHS, "epoch", lambda epoch: 13 * (epoch + 1), float32),
}


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_run_is_read(name):
    """Each rate is the exact one of its step, as the format writes it."""
    if "tensorboard" in name or "tfevents" in name:
        pytest.importorskip("tensorboard")
    schedule, steps, unit, step_of, written = CORRECT[name]
    log, reference = read(LOGS / name), Reference(schedule)
    assert (log.steps, log.unit) == (tuple(steps), unit)
    written_as = {float32: lambda rate: Decimal(float(np.float32(str(rate))))}
    rates = [written_as.get(written, Decimal)(rate) for rate in log.rates]
    assert rates == [written(reference.value(step_of(n))) for n in steps]


@pytest.mark.parametrize("name", [*CORRECT, "wandb.csv"])
def test_a_correct_run_is_a_match(name):
    if "tensorboard" in name or "tfevents" in name:
        pytest.importorskip("tensorboard")
    run = "phases" if name == "wandb.csv" else None
    schedule = PHASES if run else CORRECT[name][0]
    diagnosis = diagnose(read(LOGS / name, run=run), schedule)
    assert (diagnosis.match, diagnosis.status, diagnosis.explanations) == (True, 0, ())


@pytest.mark.parametrize(("run", "schedule"), [("staircase", STAIRCASE), ("phases", PHASES)])
def test_each_run_of_wandb_is_read(run, schedule):
    log, reference = read(LOGS / "wandb.csv", run=run), Reference(schedule)
    assert log.kind == f"CSV, Step and {run} - lr"
    assert log.steps == tuple(UPDATES)
    assert list(log.rates) == [float64(reference.value(n)) for n in UPDATES]


@pytest.mark.parametrize(
    ("name", "conventions", "first_steps"),
    [
        ("torch.jsonl", (), (0,)),
        ("trainer_state.json", ("trainer",), (1, 0)),
        ("trainer.txt", ("trainer",), (0,)),
        ("trainer-epochs.txt", ("trainer",), (0,)),
        ("keras-batches.csv", (), (0,)),
        ("keras-epochs.csv", ("keras-epoch",), (0,)),
        ("keras-tensorboard", ("keras-epoch",), (0,)),
    ],
)
def test_what_a_format_is_known_to_log_is_said(name, conventions, first_steps):
    if name == "keras-tensorboard":
        pytest.importorskip("tensorboard")
    log = read(LOGS / name)
    assert (log.conventions, log.first_steps) == (conventions, first_steps)


MAKERS = {
    "torch": ["torch"],
    "plain": ["torch"],
    "tensorboard": ["torch", "tensorboard"],
    "keras_jax": ["keras", "jax"],
    "keras_batches": ["keras", "tensorflow"],
    "keras_epochs": ["keras", "tensorflow"],
    "keras_tensorboard": ["keras", "tensorflow", "tensorboard"],
}


@pytest.mark.parametrize("maker", MAKERS)
def test_the_logs_are_those_of_real_runs(maker, tmp_path):
    for needed in MAKERS[maker]:
        pytest.importorskip(needed)
    command = [sys.executable, LOGS / "make.py", tmp_path, maker]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = tmp_path.iterdir()
    assert read(made) == read(LOGS / made.name)


# -- formats -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "step,lr\n0,0.10\n41,0.0667\n",
        "epoch;Global Step;Learning-Rate\n0;0;0.10\n1;41;0.0667\n",
        "iteration\tloss\ttrain/lr\n0\t3\t0.10\n41\t2\t0.0667\n",
        "\ufeffstep,lr-SGD,loss\r\n0,0.10,\r\n0,,3.2\r\n41,0.0667,\r\n",
        '\ufeff{"step": 0, "lr": 0.10}\n\n{"step": 1, "loss": 2}\n{"step": 41, "lr": 0.0667}\n',
        '[{"step": 0.0, "sgd.learning_rate": 0.10}, {"step": 41, "sgd.learning_rate": "0.0667"}]',
        # without a header
        "0,0.10\n41,0.0667\n",
        "0.10;0\n0.0667;41\n",
        "\n  0    0.10 \n 41    0.0667\n",
        "0.000e+00\t0.10\n4.100e+01\t0.0667\n",
        # between spaces
        "# step lr\n0 0.10\n41 0.0667\n",
        "loss lr  step\n3.2  0.10  0\n2.5  0.0667  41\n",
        # MLflow's, with and without the data set of a metric
        "1795764663078 0.10 0\n1795764663079 0.0667 41\n",
        "1795764663078 0.10 0 mnist ab12\n1795764663079 0.0667 41 mnist ab12\n",
        # saved by the TensorBoard page, and by pandas
        "Wall time,Step,Value\n1795764663.07,0,0.10\n1795764664.07,41,0.0667\n",
        ",lr\n0,0.10\n41,0.0667\n",
        "Unnamed: 0,loss,lr\n0,3,0.10\n41,2,0.0667\n",
        # one run of wandb, with a point that is a mean
        "Step,a - lr,a - lr__MIN,a - lr__MAX\n0,0.10,0.10,0.10\n9,0.09,0.06,0.10\n41,0.0667,,\n",
        # printed dictionaries
        "{'step': 0, 'lr': 0.10}\n{'loss': nan}\n{'lr': '0.0667', 'step': 41}\n",
        "[INFO] epoch 1\r 3%|#| {'step': 0, 'lr': 0.10} 3/4 {'x': []}\n{'lr': 0.0667, 'step': 41}",
        "{'step': np.int64(0), 'lr': tensor(0.10, device='cuda:0')}{'lr': 0.0667, 'step': 41}",
        "lr is logged:\nINFO {'step': 0, 'lr': 0.10}\nINFO {'step': 41, 'lr': 0.0667}",
        "config,step,lr\n\"{'lr': 0.10, 'a': 1}\",0,0.10\n\"{'lr': 0.10, 'a': 1}\",41,0.0667\n",
    ],
)
def test_formats_and_columns_are_found_out(text):
    log = read(text.encode())
    assert (log.steps, log.unit) == ((0, 41), "update")
    assert [str(rate) for rate in log.rates] == ["0.10", "0.0667"]


def test_the_trainers_state_counts_from_1():
    history = [{"step": 1, "lr": 0.1}, {"loss": 1}, {"step": 42, "lr": 0.0667}]
    log = read(json.dumps({"log_history": history}).encode())
    assert (log.steps, log.first_steps) == ((1, 42), (1, 0))
    assert log.notes == ("rows with other values but no learning rate, ignored: 1",)


@pytest.mark.parametrize(
    "name",
    [
        *("step", "steps", "global_step", "trainer/global_step", "train/global_step", "train_step"),
        *("num_updates", "update", "iteration", "iter", "it", "batch", "n", "index", "_step", "#"),
    ],
)
def test_a_column_of_steps_is_known_by_its_name(name):
    assert read(f"loss,{name},lr\n1,7,0.1\n2,9,0.2\n".encode()).steps == (7, 9)


@pytest.mark.parametrize(
    "columns", ["epoch,step,global_step,lr", "_step,_runtime,train/global_step,lr"]
)
def test_a_global_step_counts_beside_another(columns):
    assert read(f"{columns}\n0,0,7,0.1\n1,0,9,0.2\n".encode()).steps == (7, 9)


@pytest.mark.parametrize(
    ("text", "unit", "steps", "conventions"),
    [
        ("epoch,lr\n1,0.1\n2,0.2\n", "epoch", (1, 2), ("keras-epoch",)),
        (
            "epoch,lr,x,val_lr,val_x\n1,0.1,3,NA,NA\n2,0.2,3,NA,NA\n",
            "epoch",
            (1, 2),
            ("keras-epoch",),
        ),
        ("epoch,loss,lr,acc\n1,3,0.1,4\n2,3,0.2,4\n", "epoch", (1, 2), ()),
        (",epoch,lr\n5,1,0.1\n6,2,0.2\n", "epoch", (1, 2), ()),
        ("epoch,lr\n1,0.1\n1,0.2\n2,0.2\n", "row", (0, 1, 2), ()),
        ("epoch,lr\n0.5,0.1\n1,0.2\n", "row", (0, 1), ()),
        ("epoch,batch,lr\n0,0,0.1\n0,1,0.2\n1,0,0.3\n", "row", (0, 1, 2), ()),
        ("epoch,lr\n,0.1\n1,0.2\n", "row", (0, 1), ()),
        ("loss,lr\n7,0.1\n9,0.2\n", "row", (0, 1), ()),
        ("0.1\n0.2\n", "row", (0, 1), ()),
        ("lr\n0.1\n\n0.2\n", "row", (0, 1), ()),
        ("{'lr': 0.1}\n{'lr': 0.2}", "row", (0, 1), ("trainer",)),
    ],
)
def test_what_the_steps_count_is_found_out(text, unit, steps, conventions):
    log = read(text.encode())
    assert (log.unit, log.steps, log.conventions) == (unit, steps, conventions)
    assert log.kind.endswith("lr by row" if unit == "row" else "epoch and lr") or text[0] == "0"


def test_epochs_that_are_named_as_steps_must_be_whole():
    with pytest.raises(LogError, match=r"line 2 has the step '0\.5'"):
        read(b"epoch,lr\n0.5,0.1\n1,0.2\n", step_column="epoch")


@pytest.mark.parametrize("name", ["train/learning_rate", "a - train/learning_rate"])
def test_the_trainers_rate_is_known_by_its_name(name):
    log = read(f"train/global_step,{name}\n1,0.1\n2,0.2\n".encode())
    assert (log.conventions, log.first_steps) == (("trainer",), (1, 0))


# -- runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("run,step,lr\na,0,0.1\nb,0,0.3\na,1,0.2\n", "ab"),
        (
            '{"run_id": "a", "lr": 0.1}\n{"run_id": "b", "lr": 0.3}\n{"run_id": "a", "lr": 0.2}',
            "ab",
        ),
        ("Step,a - lr,b - lr\n0,0.1,0.3\n1,0.2,\n", "ab"),
        ("step,lr\n0,0.1\n1,0.2\n0,0.3\n", "12"),
        ("epoch,lr\n0,0.1\n1,0.2\n0,0.3\n", "12"),
        ("step,lr\n0,0.1\n1,0.2\nstep,lr\n0,0.3\n", "12"),
    ],
)
def test_one_run_of_several_is_read(text, names):
    first, second = (read(text.encode(), run=name) for name in names)
    assert (first.steps, first.rates) == ((0, 1), (Decimal("0.1"), Decimal("0.2")))
    assert (second.steps, second.rates) == ((0,), (Decimal("0.3"),))
    with pytest.raises(LogError, match="--run"):
        read(text.encode())
    with pytest.raises(
        LogError, match=r"no run 'c' has learning rates; the runs are '.', '.'; .* --run"
    ):
        read(text.encode(), run="c")


def test_the_only_run_need_not_be_named():
    for text in (b"run,step,lr\na,0,0.1\na,1,0.2\n", b"step,a - lr\n0,0.1\n1,0.2\n"):
        assert read(text) == read(text, run="a")
        assert read(text).steps == (0, 1)


def test_a_step_that_is_logged_twice_is_no_new_run():
    text = b"step,lr\n0,0.1\n0,0.1\n1,0.2\n0,0.3\n"
    assert (read(text, run="1").steps, read(text, run="2").steps) == ((0, 1), (0,))


def test_a_run_that_goes_on_before_it_stopped_is_one():
    log = read(b"step,lr\n0,0.1\n1,0.2\n2,0.3\n1,0.2\n2,0.3\n3,0.4\n")
    assert log.steps == (0, 1, 2, 3)
    assert log.notes == ("rows that repeat a step with the same rate, ignored: 2",)


@pytest.fixture
def runs(tmp_path):
    """A directory with the event files of three runs, one of which has no rates."""
    pytest.importorskip("tensorboard")
    for name in ("a/version_0", "b"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(LOGS / "events.out.tfevents.torch", tmp_path / name)
    (tmp_path / "validation").mkdir()
    event_file(tmp_path / "validation" / "events.out.tfevents.1", [scalar(0, "loss", 0.3)])
    return tmp_path


def test_the_runs_of_a_directory_are_told_apart(runs):
    with pytest.raises(LogError, match=r"2 runs have .* 'a/version_0', 'b'; choose one with --run"):
        read(runs)
    whole = read(LOGS / "events.out.tfevents.torch")
    assert read(runs, run="b") == read(runs / "a") == whole
    assert read(runs, rate_column="train/loss", run="a/version_0").kind == "TensorBoard, train/loss"
    assert read(runs / "validation", rate_column="loss").steps == (0,)
    with pytest.raises(LogError, match=r"no column looks like .* columns are 'loss'; name"):
        read(runs / "validation")
    event_file(runs / "events.out.tfevents.1", [b"damaged"])
    assert read(runs, run="b") == whole  # the others are not read


def test_columns_can_be_named():
    text = b"a,b,lr,lr2\n0,7,9,0.1\n41,8,9,0.0667\n"
    log = read(text, step_column="a", rate_column="lr2")
    assert log.steps == (0, 41)
    assert log.rates == (Decimal("0.1"), Decimal("0.0667"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("step,lr\n", "the log has no learning rate"),
        ("step,loss\n0,3\n", "no column looks like learning rates; the columns are 'step', 'loss'"),
        ("step,lr-a,lr-b\n0,1,2\n", "2 columns look like learning rates"),
        ("0,3,0.1\n1,2,0.1\n", "the columns are 'step', '2', '3'"),
        ("0 3 0.1\n1 3 0.1\n", "the columns are 'step', '2', '3'"),
        ("0.5 0.1\n1.5 0.1\n", "the columns are '1', '2'"),
        ("step,lr_0,lr_1\n0,1,2\n", "2 columns look like learning rates"),
        ("{'step': 0, 'lr': 0.1}\n{'step': 1, 'lr': nan}", "the learning rate 'nan'"),
        ("{'step': 0, 'lr': [0.1]}", "the learning rate '[0.1]'"),
        ("step,lr\n1,0.1\n0,0.1\n1,0.2\n", "choose a run with --run 1, --run 2, ..."),
        ("step,lr\n0,0.1\n1,\n", "line 3 has a step but no learning rate"),
        ("step,lr\n0,0.1\n1\n", "line 3 has a step but no learning rate"),
        ("step,lr\n0,0.1\n1,nan\n", "line 3 has the learning rate 'nan'"),
        ("step,lr\n0,0.1\n1,inf\n", "line 3 has the learning rate 'inf'"),
        ("step,lr\n0,0.1\n1,1e999\n", "line 3 has the learning rate '1e999'"),
        ("step,lr\n0,0.1\n1,-0.1\n", "line 3 has the learning rate '-0.1'"),
        ("step,lr\n0,0.1\n1,high\n", "line 3 has the learning rate 'high'"),
        ("step,lr\n0,0.1\n1,sNaN\n", "line 3 has the learning rate 'sNaN'"),
        ("step,lr\n0,0.1\n1,0e81749429431\n", "line 3 has the learning rate '0e81749429431'"),
        ("step,lr\n0,0.1\n1,1e-99999999\n", "line 3 has the learning rate '1e-99999999'"),
        ("step,lr\n0,0.1\nx,0.1\n", "line 3 has the step 'x'"),
        (f"step,lr\n0,0.1\n{2**63},0.1\n", "line 3 has the step '9223372036854775808'"),
        ("step,lr\n0,0.1\n1.5,0.1\n", "line 3 has the step '1.5'"),
        ("step,lr\n0,0.1\n1e999999999,0.1\n", "line 3 has the step '1e999999999'"),
        ("step,lr\n0,0.1\n1e30,0.1\n", "line 3 has the step '1e30'"),
        ("step,lr\n0,0.1\n0,0.2\n", "line 3 has step 0 again, with the rate 0.2 instead of 0.1"),
        ('step,lr\n0,"0.1\n', "is not CSV"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr"', "line 2 is not JSON"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr": null}', "no learning rate"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr": NaN}', "line 2 has the learning rate 'NaN'"),
        ('{"step": 0, "lr": 0.1}\n{"step": 1, "lr": true}', "the learning rate True"),
        ('{"step": 0, "lr": -0.1}', "line 1 has the learning rate -0.1; it must"),
        ('{"step": 0.5, "lr": 0.1}', "line 1 has the step 0.5, not a whole number"),
        ('{"step": 0, "lr": 0.1}\n{"lr": 0.1}', "line 2 has the step None"),
        ('{"step": 0, "lr": 0.1}\n[1]', "line 2 is not a JSON object"),
        ("[1, 2]", "entry 0 is not a JSON object"),
        (
            '{"step": 0, "lr": 0.1}\n{"step": 1, "lr": 1e-%s}' % ("3" * 30),
            "the learning rate '1e-33",
        ),
        ("[" * 100_000, "line 1 is not JSON"),
        ('{"log_history": []}', "no column looks like learning rates; the columns are none"),
        ('{"log_history": 5}', "log_history is not a list"),
        (b"\xff\xfe\x00\x01", "not UTF-8 text"),
    ],
)
def test_what_no_log_should_have_is_refused(text, message):
    with pytest.raises(LogError) as refusal:
        read(text if isinstance(text, bytes) else text.encode())
    assert message in str(refusal.value)


def test_a_log_of_many_columns_has_a_short_error():
    names = ",".join(f"metric{i}" for i in range(5000))
    with pytest.raises(LogError, match=r"'metric19', 4,980 more; name") as caught:
        read(f"{names}\n".encode())
    assert len(str(caught.value)) < 500


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(LogError, match="there is no column 'rate'; the columns are 'step', 'lr'"):
        read(b"step,lr\n0,0.1\n", rate_column="rate")


def test_holes_and_repeated_rows_are_noted():
    rows = [(n, STAIRCASE(n)) for n in range(100) if not 50 <= n < 60]
    rows.append(rows[-1])
    text = "step,lr\n" + "\n".join(f"{n},{rate}" for n, rate in rows)
    hole, repeated = read(text.encode()).notes
    assert "gap between step 49 and step 60" in hole
    assert repeated.endswith("with the same rate, ignored: 1")


def test_a_log_at_uneven_steps_has_no_hole():
    assert Log.of({1: 0.1, 2: 0.1, 4: 0.1, 8: 0.1}).notes == ()


def test_an_event_file_without_its_reader_says_how_to_install_it(monkeypatch):
    for name in [*sys.modules, "tensorboard"]:
        if name.split(".")[0] == "tensorboard":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendUnavailableError, match="python -m pip install tensorboard"):
        read(LOGS / "events.out.tfevents.torch")


def test_event_files_that_are_none_are_refused(tmp_path):
    pytest.importorskip("tensorboard")
    with pytest.raises(LogError, match=r"no event file in or below .*; pass a file"):
        read(tmp_path)
    (tmp_path / "version_0").mkdir()
    (tmp_path / "version_0" / "metrics.csv").write_text("step,lr\n")
    with pytest.raises(LogError, match=r"it has 'version_0.metrics\.csv'; pass one of these"):
        read(tmp_path)
    with pytest.raises(LogError, match="there is no column 'lr'; the columns are 'train/lr'"):
        read(LOGS / "events.out.tfevents.torch", rate_column="lr")
    event_file(tmp_path / "events.out.tfevents.1", [])
    with pytest.raises(LogError, match="no scalars"):
        read(tmp_path)


def scalar(step, tag, value):
    """An event as PyTorch writes it, or with a tensor as TensorFlow does."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.util.tensor_util import make_tensor_proto

    if isinstance(value, float):
        one = summary_pb2.Summary.Value(tag=tag, simple_value=value)
    else:
        one = summary_pb2.Summary.Value(tag=tag, tensor=make_tensor_proto(value))
        one.metadata.plugin_data.plugin_name = "scalars"
    return event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[one]))


def event_file(path, events):
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event if isinstance(event, bytes) else event.SerializeToString())


def test_tensors_of_one_number_are_read(tmp_path):
    pytest.importorskip("tensorboard")
    events = [scalar(step, "lr", np.float32(0.5 / step)) for step in (1, 2)]
    events[1].summary.value[0].ClearField("metadata")  # which the first of a tag has
    event_file(tmp_path / "events.out.tfevents.1", events)
    assert read(tmp_path).rates == (Decimal("0.5"), Decimal("0.25"))


def test_event_tensors_that_are_no_numbers_are_refused(tmp_path):
    pytest.importorskip("tensorboard")
    path = tmp_path / "events.out.tfevents.1"
    two, torn = (scalar(0, "lr", np.array([0.1, 0.2], np.float32)) for _ in range(2))
    torn.summary.value[0].tensor.tensor_content = b"\0"
    for event in (two, torn):
        event_file(path, [event, scalar(0, "train/loss", 3.0)])
        with pytest.raises(LogError, match="'lr' has tensors that are not numbers"):
            read(path)
        assert read(path, rate_column="train/loss").steps == (0,)


def test_what_a_resumed_run_logs_again_counts(tmp_path):
    """PyTorch's writer sets purge_step to the step from which a run was started again."""
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto import event_pb2

    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    before = [scalar(step, "lr", 0.5) for step in range(4)]
    after = [scalar(step, "lr", 0.25) for step in (2, 3)]
    resumed = event_pb2.Event(step=2, session_log=start)
    event_file(tmp_path / "events.out.tfevents.1", before)
    event_file(tmp_path / "events.out.tfevents.2", [resumed, *after])
    assert [float(rate) for rate in read(tmp_path).rates] == [0.5, 0.5, 0.25, 0.25]


def test_a_damaged_record_of_an_event_file_is_refused(tmp_path):
    pytest.importorskip("tensorboard")
    path = tmp_path / "events.out.tfevents.1"
    event_file(path, [b"no event"])
    with pytest.raises(LogError, match="damaged"):
        read(path)
    content = bytearray((LOGS / "events.out.tfevents.torch").read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LogError, match=r"damaged .*crc32"):
        read(path)


def test_a_record_that_is_being_written_ends_the_log(tmp_path):
    pytest.importorskip("tensorboard")
    path = tmp_path / "events.out.tfevents.1"
    content = (LOGS / "events.out.tfevents.torch").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    log = read(path)
    assert log.rates == read(LOGS / "events.out.tfevents.torch").rates[: len(log.rates)]
    assert 50 < len(log.rates) < 70


def test_event_files_are_read_without_tensorflow():
    pytest.importorskip("tensorboard")
    program = (
        "import sys; from invtime.checklog import read; read(sys.argv[1]); "
        "print('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, LOGS / "keras-tensorboard"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("metric.csv", "there is no file .*metric.csv'; the directory has 'metrics.csv'; pass a"),
        ("run/log.csv", "there is no directory .*run'; pass the path of a log, or - for standard"),
        ("zzz", "directory has 'metrics.csv', 'old.jsonl'; pass a log, or - for standard input"),
    ],
)
def test_a_missing_file_says_what_is_near(tmp_path, name, message):
    for there in ("metrics.csv", "old.jsonl", "model.pt"):
        (tmp_path / there).touch()
    with pytest.raises(FileNotFoundError, match=message):
        read(tmp_path / name)


def test_a_missing_file_among_no_logs_says_what_there_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="the directory is empty; pass a log"):
        read(tmp_path / "lr")
    (tmp_path / "loss").touch()  # a metric of MLflow's
    with pytest.raises(FileNotFoundError, match="the directory has 'loss'; pass a log"):
        read(tmp_path / "lr")


def test_the_command_chooses_a_run():
    pytest.importorskip("typer")
    pytest.importorskip("rich")
    from typer.testing import CliRunner

    from invtime.cli.app import app

    options = ["--initial-learning-rate", "0.1", "--decay-steps", "41", "--decay-rate", "0.5"]
    command = ["check-log", str(LOGS / "wandb.csv"), *options, "--staircase"]
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "the runs are 'staircase', 'phases'; choose one with --run" in result.stderr
    assert CliRunner().invoke(app, [*command, "--run", "staircase"]).exit_code == 0
