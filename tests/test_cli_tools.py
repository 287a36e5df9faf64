"""`invtime fingerprint` and `invtime convert`: their output and their errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")

from commands import command, finished, printed, refused

from invtime import InverseTimeDecay
from invtime.dialects import DIALECTS, to_code, to_dialect

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
NUMBERS = ["--initial-learning-rate", "0.1", "--decay-steps", "1000", "--decay-rate", "0.5"]
PARAMETERS = ["initial_learning_rate=0.1", "decay_steps=1000", "decay_rate=0.5"]


# -- fingerprint -----------------------------------------------------------------------------


def test_the_fingerprint_of_the_meaning():
    assert printed("fingerprint", *NUMBERS) == SCHEDULE.fingerprint() + "\n"
    staircase = InverseTimeDecay(0.1, 1000, 0.5, staircase=True)
    assert printed("fingerprint", *NUMBERS, "--staircase") == staircase.fingerprint() + "\n"


def test_the_fingerprint_of_phases():
    recipe = SCHEDULE.replace(warmup_steps=50, minimum_learning_rate=0.025)
    options = ["--warmup-steps", "50", "--minimum-learning-rate", "0.025"]
    assert printed("fingerprint", *NUMBERS, *options) == recipe.fingerprint() + "\n"
    text = printed("fingerprint", *NUMBERS, *options, "--values", 500, "--dtype", "float32")
    assert text == recipe.fingerprint(500, "float32") + "\n"


def test_the_fingerprint_of_values():
    text = printed("fingerprint", *NUMBERS, "--values", 500, "--dtype", "bfloat16")
    assert text == SCHEDULE.fingerprint(500, "bfloat16") + "\n"
    assert printed("fingerprint", *NUMBERS, "--values", 5) == SCHEDULE.fingerprint(5) + "\n"


def test_the_fingerprint_of_a_config(tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(SCHEDULE.to_json(envelope="keras"))
    expected = SCHEDULE.fingerprint() + "\n"
    assert printed("fingerprint", "--config", file) == expected
    assert printed("fingerprint", "--config", "-", input=SCHEDULE.to_json()) == expected


def test_the_fingerprint_in_json():
    text = printed("fingerprint", *NUMBERS, "--values", 7, "--dtype", "float32", "--format", "json")
    assert json.loads(text) == {
        "fingerprint": SCHEDULE.fingerprint(7, "float32"),
        "schedule": SCHEDULE.get_config(),
        "values": 7,
        "dtype": "float32",
    }


@pytest.mark.parametrize(
    ("pinned", "options", "dtype"),
    [
        (None, ["--values", 7], "float64"),
        ("float32", ["--values", 7], "float32"),
        ("float32", ["--values", 7, "--dtype", "float16"], "float16"),
        ("float32", [], None),
    ],
)
def test_the_fingerprint_in_json_names_its_dtype(pinned, options, dtype):
    config = SCHEDULE.replace(dtype=pinned).to_json()
    text = printed("fingerprint", "-c", "-", *options, "--format", "json", input=config)
    found = json.loads(text)
    assert found["dtype"] == dtype
    assert found["fingerprint"] == SCHEDULE.fingerprint(found["values"], dtype)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "or --config FILE"),
        ([*NUMBERS, "--values", "0"], "'0' is not a whole number of 1 or more"),
        ([*NUMBERS, "--values", "5", "--dtype", "int8"], "'int8' is not one of"),
        ([*NUMBERS, "--dtype", "float32"], "--dtype is float32 and there is no --values"),
        (["--config", "no/such/file.json"], "No such file"),
    ],
)
def test_fingerprint_refuses(arguments, message):
    assert message in refused("fingerprint", *arguments)


# -- convert ---------------------------------------------------------------------------------


# The decays of Levanter and DeePMD-kit end.
BARE = sorted({*DIALECTS} - {"levanter", "deepmd"})


@pytest.mark.parametrize("target", BARE)
def test_convert_prints_code_and_json(target):
    assert printed("convert", "--to", target, *PARAMETERS) == to_code(target, SCHEDULE) + "\n"
    text = printed("convert", "--to", target, *PARAMETERS, "--format", "json")
    assert json.loads(text) == to_dialect(target, SCHEDULE)


@pytest.mark.parametrize("source", sorted({*BARE} - {"torch", "optax"}))
def test_what_convert_prints_it_takes_again(source):
    parameters = printed("convert", "--to", source, *PARAMETERS, "--format", "json")
    text = printed(
        "convert", "--from", source, "--config", "-", "--format", "json", input=parameters
    )
    assert InverseTimeDecay.from_json(text).fingerprint() == SCHEDULE.fingerprint()


@pytest.mark.parametrize("source", ["levanter", "deepmd", "invtime"])
def test_convert_takes_a_recipe_with_phases(source):
    recipe = SCHEDULE.replace(warmup_steps=50, minimum_learning_rate=0.025)
    given = [f"{key}={value}" for key, value in to_dialect(source, recipe).items()]
    text = printed("convert", "--from", source, "--to", "torch", *given)
    assert text == to_code("torch", recipe) + "\n"


def test_convert_takes_keras_envelope_and_a_file(tmp_path):
    file = tmp_path / "schedule.json"
    file.write_text(SCHEDULE.to_json(envelope="keras"))
    text = printed("convert", "--from", "keras", "--to", "paddle", "--config", file)
    assert text == "paddle.optimizer.lr.InverseTimeDecay(learning_rate=0.1, gamma=0.0005)\n"


def test_a_name_that_the_encoding_of_the_output_has_not_is_escaped():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    status, out, err = finished("convert", *PARAMETERS, "name=\u00e9", env=environment)
    assert (status, err) == (0, "")
    assert "name='\\xe9'" in out


def test_convert_takes_booleans_and_text():
    given = ["learning_rate=1e-1", "decay_rate=0.5", "decay_steps=41", "is_stair=True"]
    text = printed("convert", "--from", "mindspore", *given, "--format", "json")
    assert InverseTimeDecay.from_json(text) == InverseTimeDecay(0.1, 41, 0.5, staircase=True)
    assert "name='mine'" in printed("convert", *PARAMETERS, "staircase=false", "name=mine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs initial_learning_rate"),
        (["decay_steps"], "'decay_steps' is not KEY=VALUE; write it like"),
        ([*PARAMETERS, "decay_rate=1"], "'decay_rate' was given twice; remove one"),
        ([*PARAMETERS, "decay=1"], "no parameter 'decay' (given as 1)"),
        ([*PARAMETERS, "staircase=yes"], "staircase is 'yes'"),
        ([*PARAMETERS[:2], "decay_rate=-1"], "decay_rate is -1"),
        (["--from", "torch", *PARAMETERS], "written but not read"),
        (["--to", "pytorch", *PARAMETERS], "the dialect is 'pytorch'; accepted are"),
        (["--to", "paddle", *PARAMETERS, "staircase=true"], "no staircase"),
        (["--to", "paddle", *PARAMETERS[::2], "decay_steps=3000"], "relative error of 4.0e-17"),
        (["--to", "paddle", *PARAMETERS, "warmup_steps=5"], "paddle has no phases"),
        (["--to", "deepmd", *PARAMETERS], "the decay of deepmd ends at a rate above 0"),
        (["--from", "levanter", "lr_schedule=inv"], "'num_train_steps' is missing; add it"),
        (["--config", "-", *PARAMETERS], "--config was given with initial_learning_rate=0.1"),
        (["--config", "no/such/file.json"], "No such file"),
    ],
)
def test_convert_refuses(arguments, message):
    assert message in refused("convert", *arguments)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"decay_steps": 1, "decay_steps": 2}', "\0"])
def test_convert_refuses_a_file_that_is_no_object(text):
    refused("convert", "--config", "-", input=text)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
@pytest.mark.parametrize("arguments", [["fingerprint", *NUMBERS], ["convert", *PARAMETERS]])
def test_a_closed_pipe_ends_the_command_quietly(arguments):
    read, write = os.pipe()
    os.close(read)
    line = command(*arguments)
    done = subprocess.run(
        line, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
