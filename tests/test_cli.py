"""The `invtime` command: its output, its exit status, and broken plugins."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")

import typer
from commands import command, finished, invoke, refused
from distributions import install

import invtime
from invtime.cli.app import app

NUMBERS = ["--initial-learning-rate", "0.1", "--decay-steps", "1000", "--decay-rate", "0.5"]
SCHEDULE = invtime.InverseTimeDecay(0.1, 1000, 0.5)
QUICK = ["--backend", "numpy", "--steps", "500"]

# A distribution with a backend whose result differs by one ULP at step 777.
PLUGIN = """
    import invtime
    import numpy as np
    from invtime.backends.numpy import NumpyBackend

    class Off(NumpyBackend):
        name = "off"

        def evaluate(self, form, x, dtype):
            out = super().evaluate(form, x, dtype)
            return np.where(x == 777, np.nextafter(out, np.array(np.inf, out.dtype)), out)

    class Raising(NumpyBackend):
        name = "raising"

        def evaluate(self, form, x, dtype):
            raise RuntimeError("no such kernel")

    @invtime.hookimpl
    def invtime_backends():
        for name, module in (("off", "numpy"), ("raising", "numpy"), ("absent", "no_such_thing")):
            target = f"invtime_off:{name.title()}"
            yield invtime.BackendInfo(name, (module,), target, f"pip install {name}")

    @invtime.hookimpl
    def invtime_backend_for(step_type):
        return None  # the types of NumPy stay with NumPy's own backend
"""


# A backend module that imports its missing framework when its class is read.
IMPORTING = """
def __getattr__(name):
    import no_such_thing

    raise AttributeError(name)
"""


@pytest.fixture
def environment(tmp_path):
    """The environment of a process in which the plugin above is installed."""
    install(tmp_path, "invtime_off", PLUGIN)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def started(line, **options):
    """Start a new process, and do not read its output yet."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, **pipes, **options)


# -- verify --------------------------------------------------------------------------------


def test_verify_prints_a_row_for_each_run():
    result = invoke("verify", *NUMBERS, *QUICK, "--dtype", "float64", "--dtype", "float32")
    assert result.exit_code == 0, result.output
    same, _, header, *rows, _, verdict = result.stdout.splitlines()
    assert same.endswith("mode: eager, device: cpu")
    assert header.split() == ["dtype", "points", "mismatches"]
    points = [int(row.split()[1]) for row in rows]
    assert [row.split() for row in rows] == [
        [dtype, str(points[0]), "0"] for dtype in ("float64", "float32")
    ]
    assert verdict == f"No mismatch at {sum(points):,} points, in 2 runs (numpy)"


def test_verify_writes_json(tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(SCHEDULE.to_json(envelope="keras"))
    result = invoke("verify", "--config", file, *QUICK, "--mode", "eager", "--format", "json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert report["schedule"] == SCHEDULE.get_config()
    assert [run["backend"] for run in report["runs"]] == ["numpy"] * 4


def test_verify_exits_with_1_where_a_backend_differs(environment):
    only = ["--backend", "off", "--dtype", "float64", "--steps", 1000]
    status, out, err = finished("verify", *NUMBERS, *only, env=environment)
    assert (status, err) == (1, "")
    _, row, _, verdict = out.splitlines()
    assert "first at int64 step 777: expected" in row
    assert verdict.startswith("9 mismatches at ")
    assert verdict.endswith(" points, in 1 of 1 run (off)")
    status, out, _ = finished("verify", *NUMBERS, *only, "--format", "json", env=environment)
    assert status == 1
    assert json.loads(out)["runs"][0]["worst_ulp"] == 1


def test_verify_writes_junit_beside_the_table(environment, tmp_path):
    file = tmp_path / "report.xml"
    only = ["--backend", "numpy", "--backend", "off", "--dtype", "float64", "--steps", 1000]
    status, out, err = finished("verify", *NUMBERS, *only, "--junit", file, env=environment)
    assert (status, err) == (1, "")
    assert out.splitlines()[-1].endswith(" points, in 1 of 2 runs (numpy, off)")
    suite = ET.parse(file).getroot().find("testsuite")
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "1")
    assert "int64 step 777" in suite.find("testcase/failure").text


def test_verify_refuses_a_file_that_it_cannot_write_before_any_work(tmp_path):
    missing = tmp_path / "no" / "report.xml"
    assert "No such file" in refused("verify", *NUMBERS, "--junit", missing)


def test_verify_exits_with_1_where_a_framework_fails(environment):
    only = ["--backend", "raising", "--backend", "numpy", "--dtype", "float64", "--steps", 10]
    status, out, err = finished("verify", *NUMBERS, *only, env=environment)
    assert (status, err) == (1, "")
    assert "failed: at int64 steps: RuntimeError: no such kernel" in out


def test_verify_lists_what_is_missing(environment):
    # The other frameworks, if installed, would take minutes.
    code = """
        import sys
        from invtime import registry
        known = registry.default.plugins.announced
        for name in set(known) - {"numpy", "absent"}:
            del known[name]
        from invtime.cli import main
        main()
    """
    line = [sys.executable, "-c", textwrap.dedent(code), "verify", *NUMBERS, "--steps", "10"]
    done = subprocess.run(
        line, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    missing, verdict = done.stdout.splitlines()[-2:]
    assert missing == "not compared: absent (no_such_thing is missing); run: pip install absent"
    assert "(numpy); " in verdict
    assert verdict.endswith("1 backend not compared")


# -- table ---------------------------------------------------------------------------------


def test_table_prints_the_exact_rates():
    result = invoke("table", *NUMBERS, "--stop", 3000, "--step", 1000)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert rows == [[str(n), repr(SCHEDULE(n))] for n in (0, 1000, 2000)]


def test_table_writes_csv_and_json_with_full_digits():
    result = invoke("table", *NUMBERS, "--at", "7,2.5,-3", "--format", "csv")
    assert {line.count(",") for line in result.stdout.splitlines()} == {1}
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["step"] for row in rows] == ["7", "2.5", "-3"]
    assert [float(row["learning_rate"]) for row in rows] == [SCHEDULE(n) for n in (7, 2.5, -3)]
    result = invoke("table", *NUMBERS, "--start", 5, "--stop", 7, "--format", "json")
    expected = [{"step": n, "learning_rate": SCHEDULE(n)} for n in (5, 6)]
    assert json.loads(result.stdout) == expected


@pytest.mark.parametrize(
    ("dtype", "rate"),
    [("float32", 0.10000000149011612), ("float16", 0.0999755859375), ("bfloat16", 0.10009765625)],
)
def test_table_rounds_to_a_dtype(dtype, rate):
    result = invoke("table", *NUMBERS, "--at", "0", "--dtype", dtype, "--format", "json")
    assert json.loads(result.stdout) == [{"step": 0, "learning_rate": rate}]


def test_table_writes_what_overflows_as_null_in_json():
    numbers = ["--initial-learning-rate", "1e50", *NUMBERS[2:]]
    result = invoke("table", *numbers, "--at", "0", "--dtype", "float32", "--format", "json")
    assert json.loads(result.stdout) == [{"step": 0, "learning_rate": None}]


RECIPE = {
    "warmup_steps": 500,
    "warmup_learning_rate": 0.01,
    "stable_steps": 2000,
    "minimum_learning_rate": 0.03,
    "cooldown_start": 9000,
    "cooldown_steps": 1000,
    "final_learning_rate": 0.001,
}
PHASES = [text for key, value in RECIPE.items() for text in (f"--{key}".replace("_", "-"), value)]


def test_table_names_the_phase_of_each_step():
    """The decay meets the floor at step 7166.67."""
    schedule = SCHEDULE.replace(**RECIPE)
    steps = [-3, 0, 499, 500, 2500, 7166, 7166.6, 7166.7, 7167, 9000, 9999.5, 10_000, 10**20]
    names = ["warm-up"] * 3 + ["stable", "decay", "decay", "decay", "floor", "floor"]
    names += ["cool-down", "cool-down", "end", "end"]
    at = ["--at", ",".join(map(str, steps))]
    out = invoke("table", *NUMBERS, *PHASES, *at).stdout
    rows = list(zip(steps, map(schedule, steps), names, strict=True))
    assert out.split()[:4] == ["step", "learning", "rate", "phase"]
    expected = [[str(n), repr(rate), name] for n, rate, name in rows]
    assert [line.split() for line in out.splitlines()[1:]] == expected
    out = invoke("table", *NUMBERS, *PHASES, *at, "--format", "csv").stdout
    assert out.splitlines() == ["step,learning_rate,phase", *map(",".join, expected)]
    out = invoke("table", *NUMBERS, *PHASES, *at, "--format", "json").stdout
    keys = ("step", "learning_rate", "phase")
    assert json.loads(out) == [dict(zip(keys, row, strict=True)) for row in rows]


# -- backends, schema, version, help -------------------------------------------------------


def test_backends_lists_what_there_is(environment):
    status, out, _ = finished("backends", "--format", "json", env=environment)
    assert status == 0
    rows = {row["backend"]: row for row in json.loads(out)}
    assert rows["numpy"]["usable"] is True
    assert rows["off"]["distribution"] == "invtime-off 1.0"
    assert rows["absent"]["usable"] is False
    assert rows["absent"]["install"] == "pip install absent"
    status, out, _ = finished("backends", env=environment)
    assert status == 0
    absent = next(line for line in out.splitlines() if line.startswith("absent"))
    assert absent.endswith("no_such_thing is missing; run: pip install absent")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Absent"),  # it exists, but the plugin has no class for it
        ("import os; os._exit(3)", "its process ended with status 3: no message"),
    ],
)
def test_backends_lists_devices_and_what_does_not_import(environment, tmp_path, text, problem):
    (tmp_path / "no_such_thing.py").write_text(text)
    with (tmp_path / "invtime_off.py").open("a") as plugin:
        plugin.write(IMPORTING)
    code = """
        from invtime import registry
        known = registry.default.plugins.announced
        for name in set(known) - {"numpy", "absent"}:
            del known[name]
        from invtime.cli import main
        main()
    """
    line = [sys.executable, "-c", textwrap.dedent(code), "backends", "--devices"]
    done = subprocess.run(
        [*line, "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    numpy, absent = json.loads(done.stdout)
    assert numpy["devices"] == ["cpu"]
    assert absent["usable"] is False
    assert problem in absent["problem"]


def test_schema_prints_the_schema():
    result = invoke("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == invtime.config_schema()


def test_version():
    assert invoke("--version").stdout == f"invtime {invtime.__version__}\n"


COMMANDS = sorted(typer.main.get_command(app).commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_and_the_exit_status(name):
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert f"Example: invtime {name}" in result.stdout
    assert "Exit status: 0" in result.stdout


# -- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "ten", "1e61", "True", ""])
def test_a_number_that_is_none_is_refused(text):
    numbers = [f"--initial-learning-rate={text}", *NUMBERS[2:]]
    assert "--initial-learning-rate is" in refused("table", *numbers, "--at", "0")


@pytest.mark.parametrize(("key", "value"), RECIPE.items())
def test_each_phase_has_an_option(key, value):
    beside = {"warmup_learning_rate": "warmup_steps", "final_learning_rate": "cooldown_start"}
    needed = {key, beside.get(key)}
    if key.startswith(("cooldown", "final")):
        needed |= {"cooldown_start", "cooldown_steps"}
    chosen = {name: value for name, value in RECIPE.items() if name in needed}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    result = invoke("fingerprint", *NUMBERS, *options, "--format", "json")
    config = json.loads(result.stdout)["schedule"]
    assert config == SCHEDULE.replace(**chosen).get_config()
    assert config[key] == value


def test_every_command_that_takes_a_schedule_takes_its_phases():
    for name in ("verify", "audit", "check-log", "table", "fingerprint", "plot", "convert"):
        result = invoke(name, "--help")
        assert "Phases of the schedule" in result.stdout, name
    result = invoke("verify", *NUMBERS, *PHASES, *QUICK, "--format", "json")
    report = json.loads(result.stdout)
    assert report["schedule"] == SCHEDULE.replace(**RECIPE).get_config()
    assert report["ok"] is True


def test_help_fits_80_columns():
    for name in COMMANDS:
        text = invoke(name, "--help", terminal_width=80).stdout
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text


def test_numbers_are_taken_as_written():
    numbers = ["--initial-learning-rate=1e-1", "--decay-steps=1000", "--decay-rate=0.50"]
    result = invoke("verify", *numbers, *QUICK, "--format", "json")
    config = json.loads(result.stdout)["schedule"]
    assert json.dumps(config) == SCHEDULE.to_json()  # 1000, not 1000.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--decay-steps", "5"], "missing --initial-learning-rate, --decay-rate; pass"),
        ([], "or --config FILE"),
        ([*NUMBERS, "--config", "x.json"], "--config was given with --initial-learning-rate"),
        (["--staircase", "--config", "x.json"], "--config was given with --staircase"),
        (["--stable-steps=0", "--config", "x.json"], "--config was given with --stable-steps"),
        ([*NUMBERS, "--warmup-steps", "2.5"], "--warmup-steps is 2.5"),
        ([*NUMBERS, "--cooldown-start", "x"], "--cooldown-start is 'x'; it must be a number"),
        ([*NUMBERS, "--cooldown-start", "5"], "a cool-down needs both"),
        (["--config", "no/such/file.json"], "No such file"),
        ([*NUMBERS, "--backend", "nope"], "no backend is named 'nope'"),
        ([*NUMBERS, "--backend", "numpy", "--mode", "jitted"], "the mode 'jitted'"),
        ([*NUMBERS, "--backend", "numpy", "--device", "cuda:9"], "the device 'cuda:9'"),
        ([*NUMBERS, "--backend", "numpy", "--dtype", "int8"], "'int8' is not one of"),
    ],
)
def test_verify_refuses(arguments, message):
    assert message in refused("verify", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no steps were given; pass a range with --stop N"),
        (["--at", "1", "--stop", "5"], "--at was given with --stop"),
        (["--at", "1", "--start", "3", "--step", "2"], "--at was given with --start, --step"),
        (["--stop", "0"], "--start is 0 and --stop is 0"),
        (["--start", "10", "--stop", "5"], "--start is 10 and --stop is 5"),
        (["--at", "1,x"], "'x' is not a finite number"),
        (["--at", "1,,2"], "'' is not a finite number"),
        (["--at", "nan"], "nan is not a finite number"),
        (["--at", "1e400"], "inf is not a finite number"),
        (["--at", "1", "--dtype", "int8"], "'int8' is not one of"),
        (["--at", "1", "--config", ""], "--config was given with --initial-learning-rate"),
    ],
)
def test_table_refuses(arguments, message):
    assert message in refused("table", *NUMBERS, *arguments)


@pytest.mark.parametrize("text", ["{", '{"decay_steps": 5}', "[]", b"\xff\xfe\xfa", '{"decay_'])
def test_a_config_on_stdin_that_is_none_is_refused(text):
    refused("table", "--config", "-", "--at", "0", input=text)


def test_a_config_is_read_from_stdin():
    result = invoke("table", "--config", "-", "--at", "1000", input=SCHEDULE.to_json())
    assert result.stdout.split()[-1] == repr(SCHEDULE(1000))


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["verify", "--steps", "-1"], ["table", "--step", "0"]]
)
def test_wrong_usage_exits_with_2(arguments):
    assert invoke(*arguments).exit_code == 2


# -- processes -----------------------------------------------------------------------------


def test_the_command_imports_no_framework():
    code = """
        import sys
        import invtime.cli.app
        heavy = {"numpy", "torch", "jax", "tensorflow", "keras", "ml_dtypes"} & set(sys.modules)
        sys.exit(f"imported {heavy}" if heavy else 0)
    """
    line = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_its_extra_the_command_says_how_to_install_it(tmp_path, module):
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})")
    status, out, err = finished("schema", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert module in err
    assert 'python -m pip install "invtime[cli]"' in err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_a_closed_pipe_ends_the_command_quietly():
    line = command("table", *NUMBERS, "--stop", 10**12, "--format", "csv")
    with started(line) as running:
        assert running.stdout.readline() == "step,learning_rate\n"
        running.stdout.close()
        assert running.wait(timeout=60) == 141
        assert running.stderr.read() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_a_pipe_that_is_closed_from_the_start_ends_it_quietly():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("schema"), stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_ends_the_command_quietly():
    with listening("table", *NUMBERS, "--stop", 10**12, "--format", "csv") as running:
        assert running.stdout.readline() == "step,learning_rate\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_ends_a_long_verification_quietly(tmp_path):
    report = tmp_path / "report.xml"
    arguments = ["verify", *NUMBERS, "--backend", "numpy", "--steps", 10**12, "--junit", report]
    with listening(*arguments) as running:
        for _ in range(600):
            if report.exists():
                break
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "")


def listening(*arguments):
    """A process of the command that a signal interrupts.

    A shell starts its background jobs with the signal ignored, and this may be one of them.
    preexec_fn is no solution: it forks, and JAX warns about every fork.
    """
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from invtime.cli import main; main()"
    )
    return started([sys.executable, "-c", code, *map(str, arguments)])


@pytest.mark.skipif(os.name != "posix", reason="the shell closes the stream")
@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["schema"], 0),
        (
            [
                "verify",
                "--lr",
                "0.1",
                "-S",
                "10",
                "-R",
                "0.5",
                "--steps",
                "9",
                "--backend",
                "numpy",
            ],
            0,
        ),
        (["schema", "--no-such-option"], 2),
    ],
    ids=["schema", "verify", "refused"],
)
def test_a_closed_stream_takes_nothing_and_the_status_stays(stream, arguments, status):
    line = f"{shlex.join(command(*arguments))} {stream}>&-"
    done = subprocess.run(line, shell=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    assert (done.stdout, done.stderr)[stream - 1] == b""
