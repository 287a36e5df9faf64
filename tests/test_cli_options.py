"""The options are the same in every command, and a command without work does not succeed."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest

pytest.importorskip("typer")

from commands import finished, printed, refused

from invtime import InverseTimeDecay
from invtime.cli.values import Dtype
from invtime.dialects import DIALECTS
from invtime.dtypes import DTYPES

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
SHORT = ["--lr", "0.1", "-S", "1000", "-R", "0.5"]
LONG = ["--initial-learning-rate", "0.1", "--decay-steps", "1000", "--decay-rate", "0.5"]
PAIRS = ["initial_learning_rate=0.1", "decay_steps=1000", "decay_rate=0.5"]


# -- one vocabulary ----------------------------------------------------------------------------


def test_short_options_are_the_long_ones(tmp_path):
    assert printed("table", *SHORT, "--at", 7) == printed("table", *LONG, "--at", 7)
    file = tmp_path / "recipe.json"
    file.write_text(SCHEDULE.to_json())
    assert printed("fingerprint", "-c", file) == printed("fingerprint", "--config", file)
    assert printed("table", "-h") == printed("table", "--help")
    assert printed("-h") == printed("--help")


@pytest.mark.parametrize("text", ["2000", "2e3", "2_000", "2000.0"])
def test_a_whole_number_is_read_in_every_option_alike(text):
    rates = [str(SCHEDULE(n)) for n in (0, 2000)]
    assert printed("table", *SHORT, "--stop", 2001, "--step", text).split()[4::2] == rates
    assert printed("table", *SHORT, "--start", text, "--stop", 2001).split()[4:] == rates[1:]
    assert len(printed("table", *SHORT, "--stop", text).splitlines()) == 2001
    assert printed("table", *SHORT, "--at", text).split()[3:] == ["2000", rates[1]]
    assert printed("fingerprint", *SHORT, "--values", text) == SCHEDULE.fingerprint(2000) + "\n"
    options = ["--format", "json", "--backend", "numpy", "--dtype", "float64"]
    assert json.loads(printed("verify", *SHORT, "--steps", text, *options))["steps"] == 2000
    options = ["--format", "json", "--peer", "numpy", "--start", text, "--steps", text]
    report = json.loads(printed("audit", *SHORT, *options))
    assert (report["start"], report["stop"]) == (2000, 4000)


def test_a_whole_number_of_any_size_is_read():
    huge = 10**400
    found = json.loads(printed("table", *SHORT, "--at", huge, "--format", "json"))
    assert found == [{"step": huge, "learning_rate": SCHEDULE(huge)}]
    options = ["--start", huge, "--stop", huge + 1, "--format", "json"]
    assert json.loads(printed("table", *SHORT, *options)) == found
    assert "must start at 0 or later" in refused("audit", *SHORT, "--start", huge)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("table", "--start"),
        ("table", "--stop"),
        ("table", "--step"),
        ("fingerprint", "--values"),
        ("verify", "--steps"),
        ("audit", "--steps"),
        ("audit", "--start"),
        ("plot", "--start"),
        ("plot", "--stop"),
        ("check-log", "--first-step"),
    ],
)
@pytest.mark.parametrize("text", ["2.5", "x", "", "nan", "inf", "1e400", "True"])
def test_what_is_no_whole_number_is_refused_in_every_option_alike(command, option, text):
    message = refused(command, *SHORT, f"{option}={text}")
    assert f"Invalid value for '{option}': {text!r} is not a whole number" in message
    assert "pass one such as 1000, 1e6 or 1_000_000" in message


@pytest.mark.parametrize(
    ("command", "option", "text", "least"),
    [
        ("table", "--step", "0", 1),
        ("fingerprint", "--values", "0", 1),
        ("verify", "--steps", "0", 1),
        ("audit", "--steps", "0", 1),
        ("audit", "--start", "-1", 0),
        ("plot", "--start", "-1", 0),
        ("plot", "--stop", "0", 1),
    ],
)
def test_a_number_of_nothing_is_refused(command, option, text, least):
    message = refused(command, *SHORT, f"{option}={text}")
    assert f"'{text}' is not a whole number of {least} or more" in message


def test_a_plot_has_the_steps_before_its_stop(tmp_path):
    """The picture is that of `plot` in Python; `test_plot.py` checks its points."""
    pytest.importorskip("matplotlib")
    from invtime import plotting

    file, expected = tmp_path / "rate.svg", tmp_path / "expected.svg"
    printed("plot", *SHORT, "--start", 3, "--stop", 41, "-o", file)
    figure, ax = plotting.figure()
    SCHEDULE.plot(ax, start=3, stop=41, xscale="linear", yscale="linear")
    plotting.save(figure, expected)
    assert file.read_bytes() == expected.read_bytes()


def test_the_dtypes_are_those_of_the_package():
    assert [dtype.value for dtype in Dtype] == [*DTYPES]


def test_convert_takes_the_options_of_a_schedule(tmp_path):
    expected = printed("convert", *PAIRS, "--to", "paddle")
    assert printed("convert", *SHORT, "--to", "paddle") == expected
    phases = {"warmup_steps": 50, "minimum_learning_rate": 0.025}
    options = [f"--{key.replace('_', '-')}={value}" for key, value in phases.items()]
    pairs = [f"{key}={value}" for key, value in phases.items()]
    expected = printed("convert", *PAIRS, *pairs, "--to", "torch")
    assert printed("convert", *SHORT, *options, "--to", "torch") == expected
    message = refused("convert", *SHORT, "--from", "paddle")
    assert "--from is 'paddle'; pass its parameters as KEY=VALUE" in message
    message = refused("convert", *SHORT, "name=x")
    assert "schedule options were given with name=x; remove one of them" in message
    assert "--config was given with --decay-steps" in refused("convert", "-S", 5, "-c", "x.json")


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr", "ten"], "--initial-learning-rate is 'ten'; it must be a number; pass one such"),
        (["-S", "0"], "--decay-steps is 0; it must be above 0"),
        (["-R", "-1"], "--decay-rate is -1; it must be 0 or more"),
        (["--cooldown-start", "5"], "--cooldown-start is 5 and --cooldown-steps is 0"),
        (["--final-learning-rate", "1"], "pass --cooldown-start and --cooldown-steps, or --minim"),
        (["--minimum-learning-rate", "1"], "above the --initial-learning-rate 0.1"),
    ],
)
def test_an_error_speaks_of_the_options(arguments, message):
    text = refused("fingerprint", *SHORT, *arguments)
    assert message in text
    assert "tensor" not in text


@pytest.mark.parametrize(
    ("arguments", "suggested", "where"),
    [
        (["tabel"], "did you mean table", "invtime"),
        (["table", "--stpo", "5"], "did you mean --start or --step or --stop", "invtime table"),
        (["table", "--decay-step", "5"], "--decay-steps", "invtime table"),
        (["verify", "--backends", "numpy"], "did you mean --backend", "invtime verify"),
        (["audit", "--peers", "numpy"], "did you mean --peer", "invtime audit"),
    ],
)
def test_a_mistyped_name_is_told_the_right_one(arguments, suggested, where):
    message = refused(*arguments)
    assert suggested in message.replace("D", "d").replace("'", "")  # the text of typer 0.20
    assert message.endswith(f"; see {where} --help\n")


@pytest.mark.parametrize("arguments", [["table", "--lr"], ["plot", *SHORT], ["table", "x"]])
def test_a_wrong_command_line_is_one_line(arguments):
    assert "--help" in refused(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["table", "-c", "no/such.json", "--at", "1"],
        ["audit", "-c", "no/such.json"],
        ["convert", "-c", "no/such.json"],
        ["plot", "-c", "no/such.json", "-o", "a.png"],
        ["verify", *SHORT, "--junit", "no/such.json"],
    ],
)
def test_a_missing_file_has_a_remedy(arguments, tmp_path, monkeypatch):
    if arguments[0] == "plot":
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    message = refused(*arguments)
    assert "'no/such.json': No such file or directory; check the spelling" in message


def test_a_folder_is_no_config(tmp_path):
    message = refused("fingerprint", "-c", tmp_path)
    assert "Is a directory; pass a file" in message


# -- no success without work -------------------------------------------------------------------


def without(module, tmp_path):
    """Return the environment of a process in which a module is not installed."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_a_peer_that_is_not_installed_is_refused(tmp_path):
    peers = ["--peer", "numpy", "--peer", "torch"]
    environment = without("torch", tmp_path)
    status, out, err = finished("audit", *SHORT, "--steps", 10, *peers, env=environment)
    assert (status, out) == (2, "")
    assert err == (
        "invtime: --peer torch needs torch, which is not installed; "
        "install it, or remove this --peer\n"
    )


@pytest.mark.parametrize(
    ("error", "rows"),
    [
        (
            "SystemExit",
            [
                "^torch +failed +its process ended with status 1: no such device$",
                "^Failed, not compared: torch$",
            ],
        ),
        ("ImportError", [r"^not called: torch \(ImportError: no such device\)$"]),
    ],
)
def test_a_peer_that_was_asked_for_and_does_not_run_is_no_success(tmp_path, error, rows):
    (tmp_path / "torch.py").write_text(f"raise {error}('no such device')")
    peers = ["--peer", "numpy", "--peer", "torch"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    status, out, err = finished("audit", *SHORT, "--steps", 10, *peers, env=environment)
    assert (status, err) == (1, "")
    for row in rows:
        assert re.search(row, out, re.MULTILINE)
    assert f"versions: numpy {np.__version__}\n" in out


def test_an_audit_that_calls_no_peer_is_refused():
    pytest.importorskip("torch")
    message = refused("audit", *SHORT, "--staircase", "--peer", "torch-sequential", "--steps", 10)
    assert "nothing was compared; torch-sequential: " in message
    assert "name another --peer, or omit --peer to try them all" in message


def test_an_audit_says_once_what_is_the_same_in_every_row():
    pytest.importorskip("jax")
    same, blank, header, *rows = printed(
        "audit", *SHORT, "--peer", "numpy", "--peer", "jax", "--steps", 10
    ).splitlines()[1:6]
    assert (same, blank) == ("dtype: float32", "")
    assert "dtype" not in header
    assert [row.split()[:2] for row in rows] == [["numpy", "eager"], ["jax", "eager"]]


def test_a_schedule_that_no_peer_was_called_for_is_said(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "several.json"
    recipe = SCHEDULE.replace(warmup_steps=10, warmup_learning_rate=0.01)
    file.write_text(f"[{SCHEDULE.to_json()}, {recipe.to_json()}]")
    out = printed("audit", "-c", file, "--peer", "torch-sequential", "--steps", 20)
    bare, with_phases = out.split("\n\n")[:2]
    assert "Nothing was compared." in bare
    assert "Affected: none" in with_phases


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "numpy", "--timeout", "5"], "--timeout was given without --dask"),
        (["--backend", "numpy", "--mode", "jit"], "no chosen backend has the mode 'jit'"),
        (["--backend", "nowhere"], "no backend is named 'nowhere'"),
    ],
)
def test_a_verification_of_nothing_is_refused(arguments, message):
    assert message in refused("verify", *SHORT, *arguments)


def test_a_mode_and_a_device_that_no_backend_has_together_are_refused():
    from invtime.backends.numpy import NumpyBackend
    from invtime.errors import PlacementError
    from invtime.verification.selection import Choice, Loaded, places, select

    class One(NumpyBackend):
        pass

    class Other(NumpyBackend):
        def devices(self):
            return ["gpu"]

        def modes(self):
            return {"jit": lambda function: function}

    there = places([Loaded(One(), "1"), Loaded(Other(), "1")])
    assert select(there, Choice(["jit"], ["gpu"], None))
    with pytest.raises(PlacementError, match=r"available: eager on cpu, jit on gpu; pass a mode"):
        select(there, Choice(["jit"], ["cpu"], None))


# -- completion --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("invtime fing", {"fingerprint"}),
        ("invtime verify --back", {"--backend"}),
        ("invtime verify --backend num", {"numpy"}),
        ("invtime audit --peer torch-l", {"torch-lambda"}),
        ("invtime convert --from ", {*DIALECTS}),
        ("invtime table --dtype b", {"bfloat16"}),
        ("invtime table --format ", {"table", "csv", "json"}),
    ],
)
def test_a_shell_completes_names(words, expected):
    environment = {
        **os.environ,
        "_INVTIME_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    _, out, err = finished(env=environment)
    assert (set(out.split()), err) == (expected, "")
