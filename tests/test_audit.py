"""What people use against the exact value: drops at other steps, other bits, and the page."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from invtime import ConfigError, InverseTimeDecay, UnknownBackendError
from invtime.audit import Audit, Finding, Shift, audit, runner, worker
from invtime.audit.compare import Comparison
from invtime.audit.peers import PEERS, Mode, Peer
from invtime.audit.words import call
from invtime.audit.worker import CHUNK, find
from invtime.reference import values

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "audit.md"
MARKDOWN = runpy.run_path(str(PAGE.with_suffix(".py")))["markdown"]
CONFIGS = ROOT / "examples" / "audit.json"
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)


def needs(peer):
    """Skip where a peer is not installed; not by importing it, as it runs in another process."""
    for module in PEERS[peer].modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


# -- the comparison, of rates that are made up ---------------------------------------------


def true(schedule, steps, dtype="float32"):
    return np.array(values(schedule, map(int, steps), dtype), dtype)


def compared(schedule, count, steps=range(500), dtype="float32"):
    """The comparison of a peer that has the rate of step count(n) at step n."""
    steps = np.array(steps)
    comparison = Comparison(schedule, dtype)
    comparison.add(steps, true(schedule, map(count, steps.tolist()), dtype))
    return comparison.result()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_exact_rates_are_exact(dtype):
    found = compared(STAIRCASE, lambda n: n, dtype=dtype)
    assert (found["points"], found["drops"]) == (500, 12)
    assert (found["shifts"], found["differing"], found["far"]) == ((), 0, None)


@pytest.mark.parametrize("by", [1, 3])
def test_late_and_early_drops_are_found(by):
    late = compared(STAIRCASE, lambda n: n - by)
    assert (late["late"], late["early"], late["differing"]) == (12, 0, 0)
    assert late["shifts"][0] == Shift(41, by, late=True)
    early = compared(STAIRCASE, lambda n: n + by)
    assert (early["late"], early["early"], early["differing"]) == (0, 12, 0)
    assert early["shifts"][0] == Shift(41, by, late=False)


def test_a_single_late_drop_is_found():
    found = compared(STAIRCASE, lambda n: n - (n == 82))
    assert found["shifts"] == (Shift(82, 1, late=True),)


def test_a_drop_that_never_comes_is_late_by_its_plateau():
    found = compared(STAIRCASE, lambda n: min(n, 40))
    assert found["shifts"][:2] == (Shift(41, 41, late=True), Shift(82, 41, late=True))


def test_other_bits_are_counted_with_the_furthest():
    steps = np.arange(100)
    rates = true(CONTINUOUS, steps)
    rates[7] = np.nextafter(rates[7], np.float32(1))
    rates[9] = np.nextafter(np.nextafter(rates[9], np.float32(0)), np.float32(0))
    comparison = Comparison(CONTINUOUS, "float32")
    comparison.add(steps[:50], rates[:50])
    comparison.add(steps[50:], rates[50:])
    found = comparison.result()
    assert (found["points"], found["differing"], found["worst_ulp"]) == (100, 2, 2)
    assert found["far"] is None


@pytest.mark.parametrize("schedule", [CONTINUOUS, STAIRCASE])
@pytest.mark.parametrize("wrong", [0.0, 0.07, 0.0931, 0.2, np.inf, np.nan])
def test_rates_of_no_plateau_are_far(schedule, wrong):
    steps = np.arange(30)
    rates = true(schedule, steps)
    rates[[17, 20]] = wrong
    comparison = Comparison(schedule, "float32")
    comparison.add(steps, rates)
    found = comparison.result()
    assert (found["far"], found["differing"], found["shifts"]) == (17, 2, ())
    assert Finding(schedule, "a peer", "eager", "1.0", **found).verdict == "affected"


def test_plateaus_as_near_as_rounding_are_not_told_apart():
    schedule = InverseTimeDecay(0.1, 10, 1e-7, staircase=True)
    found = compared(schedule, lambda n: n - 1)
    assert (found["shifts"], found["far"]) == ((), None)


@pytest.mark.parametrize("by", [1, 2, 17])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_step_at_a_time_finds_how_far_a_drop_is_shifted(by, sign):
    schedule = InverseTimeDecay(0.1, 1000, 0.5, staircase=True)

    def prepare(schedule):
        return lambda n: np.float32(schedule(max(0, int(n) - sign * by)))

    found = find(schedule, Mode("eager", prepare, one_by_one=True), 0, 5000)
    assert found["shifts"][:2] == tuple(Shift(at, by, sign > 0) for at in (1000, 2000))
    assert found["points"] < 1000


def test_a_run_of_several_chunks_is_compared_at_each_step():
    def prepare(schedule):
        placed = schedule.on("numpy", dtype="float32")
        return lambda n: placed(n - (n == CHUNK + 41))

    schedule = InverseTimeDecay(0.1, CHUNK + 41, 0.5, staircase=True)
    found = find(schedule, Mode("eager", prepare), 0, CHUNK + 100)
    assert (found["points"], found["shifts"]) == (
        CHUNK + 100,
        (Shift(CHUNK + 41, 1, late=True),),
    )


# -- the peers -----------------------------------------------------------------------------


def test_the_plain_expression_in_numpy():
    fractional = InverseTimeDecay(0.1, 0.3, 0.001, staircase=True)
    report = audit([STAIRCASE, fractional], peers=["numpy"], steps=2000)
    fine, wrong = report.findings
    assert (fine.verdict, fine.dtype, fine.points) == ("rounding", "float32", 2000)
    assert (wrong.verdict, wrong.shifts[0]) == ("affected", Shift(9, 1, late=True))
    assert not report.ok
    assert fine.version == f"numpy {np.__version__}"


def test_steps_past_what_float32_holds_drop_early():
    schedule = InverseTimeDecay(0.1, 1000, 0.5, staircase=True)
    (finding,) = audit([schedule], peers=["numpy"], start=2**24, steps=5000).findings
    assert finding.early == 5
    assert finding.shifts[0] == Shift(16778000, 1, late=False)


@pytest.mark.parametrize(
    ("peer", "modes"),
    [
        ("keras-jax", {"jit"}),
        ("keras-tensorflow", {"function", "function-xla"}),
        ("keras-torch", set()),
        ("tf-compat-v1", {"graph"}),
        ("torch-lambda", set()),
        ("optax", {"jit"}),
        ("jax", {"jit"}),
    ],
)
def test_compiled_keras_and_its_like_drop_late_at_41(peer, modes):
    needs(peer)
    report = audit([STAIRCASE], peers=[peer], steps=200)
    assert report.skipped == ()
    affected = {finding.mode: finding for finding in report.findings if finding.affected}
    assert affected.keys() == modes
    for finding in affected.values():
        assert finding.shifts == tuple(Shift(at, 1, late=True) for at in (41, 82, 164))
    assert {finding.verdict for finding in report.findings} <= {"affected", "rounding", "exact"}


def test_keras_takes_an_integer_rate_for_integers_only():
    needs("keras-jax")
    report = audit([InverseTimeDecay(1, 1000, 0.5)], peers=["keras-jax"], steps=100)
    assert [(finding.verdict, finding.far) for finding in report.findings] == [("affected", 1)] * 2


def test_compiled_code_gives_one_step_the_bits_it_gives_many():
    pytest.importorskip("jax")
    mode = next(mode for mode in PEERS["jax"].modes() if mode.name == "jit")
    rates = mode.prepare(STAIRCASE)
    many = np.asarray(rates(np.arange(300)))
    assert many.tolist() == [float(rates(np.int64(n))) for n in range(300)]


def test_the_staircase_of_optax_drops_as_late():
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    theirs = optax.exponential_decay(1.0, 41, 0.5, staircase=True)
    assert [float(jax.jit(theirs)(n)) for n in (40, 41, 42, 123)] == [1, 1, 0.5, 0.125]


# -- who cannot be called ------------------------------------------------------------------


def test_what_is_not_installed_is_skipped_with_the_reason(monkeypatch):
    peer = Peer("absent", "nothing", ("no_such_module",), tuple)
    monkeypatch.setitem(PEERS, "absent", peer)
    report = audit([STAIRCASE], peers=["absent", "numpy"], steps=10)
    assert [skipped.reason for skipped in report.skipped] == ["no_such_module is not installed"]
    assert [finding.peer for finding in report.findings] == ["numpy"]


def test_what_does_not_import_is_skipped_with_the_reason(monkeypatch, tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('broken in two')")
    broken = PEERS["numpy"]._replace(environment={"PYTHONPATH": str(tmp_path)})
    monkeypatch.setitem(runner.PEERS, "numpy", broken)
    (skipped,) = audit([STAIRCASE], peers=["numpy"]).skipped
    assert skipped.reason == "its process ended with status 1: ImportError: broken in two"


def test_what_a_peer_raises_is_a_failure_and_not_ok(monkeypatch):
    def prepare(schedule):
        raise RuntimeError("no such kernel\nat all")

    peer = Peer("raising", "nothing", ("numpy",), lambda: (Mode("eager", prepare),))
    monkeypatch.setitem(PEERS, "raising", peer)
    (found,) = worker.findings("raising", [STAIRCASE.get_config()], 0, 10)
    finding = Finding(**found | {"schedule": STAIRCASE})
    assert (finding.error, finding.verdict) == ("RuntimeError: no such kernel", "failed")
    assert not Audit((STAIRCASE,), 0, 10, (finding,), ()).ok


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"peers": ["nope"]}, UnknownBackendError),
        ({"steps": 0}, ConfigError),
        ({"start": -1}, ConfigError),
        ({"start": 2**31 - 2}, ConfigError),
    ],
)
def test_bad_arguments_are_refused(arguments, error):
    with pytest.raises(error):
        audit([STAIRCASE], **arguments)
    with pytest.raises(ConfigError, match="no schedule"):
        audit([])


# -- the page ------------------------------------------------------------------------------


def rows_of(text, schedule, peer):
    """The rows of a peer in the table of a schedule, as they stand."""
    (section,) = re.findall(
        rf"^## `{re.escape(call(schedule))}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return [line for line in section.splitlines() if line.startswith(f"| {peer} |")]


def fixed():
    return [InverseTimeDecay.from_config(config) for config in json.loads(CONFIGS.read_text())]


def test_the_page_is_of_the_fixed_configs():
    headings = re.findall(r"^## `(.*)`$", PAGE.read_text(), re.MULTILINE)
    assert headings == [call(schedule) for schedule in fixed()]


@pytest.mark.parametrize("peer", ["numpy", "keras-jax"])
def test_rows_of_the_page_are_reproduced(peer):
    needs(peer)
    text = PAGE.read_text("utf-8")
    for module in PEERS[peer].modules:
        here = metadata.version(module)
        if peer != "numpy" and f"{module} {here}" not in text:
            pytest.skip(f"the page is of another {module} than {here}")
    report = audit(fixed(), peers=[peer])
    made = "\n".join(MARKDOWN(report))
    for schedule in fixed():
        rows = rows_of(made, schedule, peer)
        assert rows
        assert rows == rows_of(text, schedule, peer)


def test_the_page_has_the_late_drop_of_compiled_keras():
    text = PAGE.read_text("utf-8")
    rows = [row.split(" | ") for row in rows_of(text, STAIRCASE, "keras-jax")]
    assert [(row[1], row[-1]) for row in rows] == [("eager", "rounding |"), ("jit", "affected |")]
    assert "at 41, 82, 164, 287, 328" in text


# -- the command ---------------------------------------------------------------------------


@pytest.fixture
def invoke():
    pytest.importorskip("typer")
    pytest.importorskip("rich")
    from typer.testing import CliRunner

    from invtime.cli.app import app

    return lambda line, **options: CliRunner().invoke(app, ["audit", *shlex.split(line)], **options)


NUMBERS = "--initial-learning-rate 0.1 --decay-steps {} --decay-rate 0.001 --staircase"


def test_the_command_exits_with_0_where_nobody_is_affected(invoke):
    result = invoke(f"{NUMBERS.format(41)} --peer numpy --steps 1000")
    assert result.exit_code == 0, result.output
    assert "No run with these was affected." in result.stdout
    assert f"versions: numpy {np.__version__}" in result.stdout


def test_the_command_exits_with_1_where_somebody_is(invoke):
    result = invoke(f"{NUMBERS.format(0.3)} --peer numpy --steps 1000")
    assert result.exit_code == 1, result.output
    assert "drops 1 step late, at 9, 15, 18, 30, 33, ..." in result.stdout


def test_the_command_reads_a_list_of_configs_and_writes_json(invoke):
    configs = [STAIRCASE.get_config(), json.loads(CONTINUOUS.to_json(envelope="keras"))]
    line = "--config - --peer numpy --steps 100 --format json"
    result = invoke(line, input=json.dumps(configs))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [each["schedule"] for each in found["findings"]] == [
        STAIRCASE.get_config(),
        CONTINUOUS.get_config(),
    ]
    assert [each["points"] for each in found["findings"]] == [100, 100]


def test_the_command_reads_one_config(invoke, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(STAIRCASE.to_json())
    result = invoke(f"--config {file} --peer numpy --steps 100 --format json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["findings"][0]["drops"] == 2


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        ("--peer numpy", None, "no schedule without"),
        (f"{NUMBERS.format(41)} --peer nope", None, "no peer is named 'nope'"),
        (f"{NUMBERS.format(41)} --steps 3000000000", None, "end before"),
        (f"{NUMBERS.format(41)} --config x.json", None, "leave one of them out"),
        ("--config no/such/file.json", None, "No such file"),
        ("--config -", "[]", "no schedule to audit"),
        ("--config -", "[1]", "the config is 1"),
        ("--config -", "", "not JSON"),
    ],
)
def test_the_command_refuses_in_one_line(invoke, line, text, message):
    result = invoke(line, input=text)
    assert result.exit_code == 2, result.output
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert message in result.stderr
