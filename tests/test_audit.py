"""The audit: shifted drops and differing bits of other implementations, and docs/audit.md."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import textwrap
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from invtime import ConfigError, InverseTimeDecay, UnknownBackendError, children
from invtime.audit import Audit, Finding, Shift, Skipped, audit, worker
from invtime.audit.compare import Comparison
from invtime.audit.expressions import has_phases
from invtime.audit.peers import PEERS, Mode, Peer
from invtime.audit.words import call
from invtime.audit.worker import CHUNK, find
from invtime.reference import Reference, values

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "audit.md"
MARKDOWN = runpy.run_path(str(PAGE.with_suffix(".py")))["markdown"]
CONFIGS = ROOT / "examples" / "audit.json"
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
RECIPE = CONTINUOUS.replace(
    warmup_steps=100,
    warmup_learning_rate=0.01,
    stable_steps=200,
    minimum_learning_rate=0.04,
    cooldown_start=4000,
    cooldown_steps=500,
)
STEPPED = RECIPE.replace(decay_steps=41, staircase=True, minimum_learning_rate=0.0122)
# What Levanter and DeePMD-kit have: the decay meets its floor after 9000 steps.
WSD = InverseTimeDecay(0.1, 1000, 1, warmup_steps=100, stable_steps=200, minimum_learning_rate=0.01)
PHASED = ["torch-lambda", "torch-sequential", "optax", "jax", "tensorflow", "torch", "numpy"]


def needs(peer):
    """Skip the test if a peer is not installed; do not import it, it runs in another process."""
    for module in PEERS[peer].modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


# -- the comparison, of rates that are made up ---------------------------------------------


def true(schedule, steps, dtype="float32"):
    return np.array(values(schedule, map(int, steps), dtype), dtype)


def compared(schedule, count, steps=range(500), dtype="float32"):
    """Compare a made-up peer that has the rate of step count(n) at step n."""
    steps = np.array(steps)
    comparison = Comparison(schedule, dtype)
    comparison.add(steps, true(schedule, map(count, steps.tolist()), dtype))
    return comparison.result()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_exact_rates_are_exact(dtype):
    found = compared(STAIRCASE, lambda n: n, dtype=dtype)
    assert (found["points"], found["drops"]) == (500, 12)
    assert (found["shifts"], found["differing"], found["far"]) == ((), 0, None)


@pytest.mark.parametrize("steps", [range(41, 83), [41, 50, 82]])
def test_drops_at_both_ends_are_counted(steps):
    assert compared(STAIRCASE, lambda n: n, steps)["drops"] == 2


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


# -- the comparison, with phases -----------------------------------------------------------

# STEPPED drops at 341, 382, ... 300 + 15 * 41 = 915, where it comes to its floor.
DROPS = [300 + 41 * k for k in range(1, 16)]


def test_drops_are_counted_from_the_start_of_the_decay_to_its_floor():
    found = compared(STEPPED, lambda n: n, range(6000))
    assert (found["points"], found["drops"]) == (6000, len(DROPS))
    assert (found["shifts"], found["differing"], found["far"]) == ((), 0, None)
    assert values(STEPPED, [914, 915])[0] > values(STEPPED, [915])[0] == 0.0122


@pytest.mark.parametrize("by", [1, 3])
def test_late_and_early_drops_of_the_decay_are_found(by):
    """The last drop is the one to the floor; cool-down and warm-up have no drops."""

    def shifted(n):
        return n + by if 250 < n < 3900 else n

    early = compared(STEPPED, shifted, range(6000))
    assert early["shifts"] == tuple(Shift(at, by, late=False) for at in DROPS)
    late = compared(STEPPED, lambda n: n - by if 350 < n < 3900 else n, range(6000))
    assert late["shifts"] == tuple(Shift(at, by, late=True) for at in DROPS[1:])
    for found in (early, late):
        assert (found["differing"], found["far"]) == (0, None)


def test_a_cooldown_that_starts_late_is_no_late_drop():
    schedule = STEPPED.replace(cooldown_start=800)
    found = compared(schedule, lambda n: n - 30 if n >= 800 else n, range(2000))
    assert (found["shifts"], found["far"]) == ((), 800)
    assert found["drops"] == sum(at < 800 for at in DROPS)


def test_a_rate_of_the_warmup_is_of_no_plateau():
    found = compared(STEPPED, lambda n: 341 if n == 50 else n, range(2000))
    assert (found["shifts"], found["far"]) == ((), 50)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("ulps", "far"), [(6, None), (20, 4499)])
def test_rounding_on_a_line_is_of_its_larger_end(ulps, far, dtype):
    """Near its end at 0, the rounding error of the line's start is many ULP of the rate."""
    steps = np.arange(4400, 4600)
    rates = true(RECIPE, steps, dtype)
    unit = np.spacing(np.array(Reference(RECIPE).value(4000), dtype))
    rates[99] += ulps * unit
    rates[120] = 2 * unit  # instead of 0, after the end
    comparison = Comparison(RECIPE, dtype)
    comparison.add(steps, rates)
    found = comparison.result()
    assert (found["differing"], found["far"]) == (2, far)
    assert found["worst_ulp"] > 1000


def test_rounding_in_the_decay_is_of_the_rate_itself():
    steps = np.arange(300, 2000)
    rates = true(RECIPE, steps)
    assert rates[1333] * 2**5 > 1.9  # 10 ULP are less than 8 units of the largest such rate
    rates[1333] += 10 * np.spacing(rates[1333])
    comparison = Comparison(RECIPE, "float32")
    comparison.add(steps, rates)
    assert comparison.result()["far"] == 1633


def wrong(kind):
    """Return the rates of a hand-written recipe with a mistake."""
    bare = InverseTimeDecay(0.1, 1000, 0.5)
    return {
        "the decay is counted from 0": lambda n: bare(n) if 300 <= n < 1000 else RECIPE(n),
        "no floor": RECIPE.replace(minimum_learning_rate=0),
        "the floor after the cool-down": lambda n: max(RECIPE(n), 0.04) if n > 300 else RECIPE(n),
        "no warm-up": lambda n: max(RECIPE(n), 0.1) if n < 100 else RECIPE(n),
        "a cool-down one step late": lambda n: RECIPE(n - 1) if n > 4000 else RECIPE(n),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "far"),
    [
        ("the decay is counted from 0", 300),
        ("no floor", 3301),
        ("the floor after the cool-down", 4001),
        ("no warm-up", 0),
        ("a cool-down one step late", 4001),
    ],
)
@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_recipe_with_a_mistake_is_affected(kind, far, one_by_one):
    rates = np.vectorize(wrong(kind))
    mode = Mode("host", lambda schedule: rates, one_by_one)
    found = find(RECIPE, mode, 0, 6000)
    assert (found["far"], found["shifts"]) == (far, ())
    assert Finding(RECIPE, "a peer", "host", "1.0", **found).verdict == "affected"


@pytest.mark.parametrize("cooldown", [None, 4321])
def test_one_step_at_a_time_finds_how_late_the_floor_is(cooldown):
    """A run that never reaches the floor, because it stays on the plateau before it."""
    schedule = STEPPED.replace(cooldown_start=cooldown, cooldown_steps=500 if cooldown else 0)
    end = cooldown or 6011
    rates = np.vectorize(lambda n: float(schedule(min(n, 914) if n < end else n)))
    found = find(schedule, Mode("host", lambda schedule: rates, one_by_one=True), 0, 6011)
    assert found["shifts"] == (Shift(915, end - 915, late=True),)


def test_one_step_at_a_time_finds_how_early_the_stable_phase_ends():
    schedule = STEPPED.replace(stable_steps=5000, cooldown_start=None, cooldown_steps=0)
    drop = 100 + 5000 + 41
    rates = np.vectorize(lambda n: float(schedule(drop if 3333 <= n < drop else n)))
    found = find(schedule, Mode("host", lambda schedule: rates, one_by_one=True), 0, 6000)
    assert found["shifts"] == (Shift(drop, drop - 3333, late=False),)


def test_one_step_at_a_time_looks_into_each_phase():
    schedule = RECIPE.replace(cooldown_start=50_000)
    steps = set(worker.sample(schedule, 0, 100_000).tolist())
    assert len(steps) < 2000
    for phase in schedule.phases:
        assert {phase.start - 1, phase.start, phase.start + 1} - {-1} <= steps
        assert len([n for n in steps if phase.start <= n < (phase.stop or 10**9)]) >= 50


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
def test_compiled_keras_and_similar_peers_drop_late_at_41(peer, modes):
    needs(peer)
    report = audit([STAIRCASE], peers=[peer], steps=200)
    assert report.skipped == ()
    affected = {finding.mode: finding for finding in report.findings if finding.affected}
    assert affected.keys() == modes
    for finding in affected.values():
        assert finding.shifts == tuple(Shift(at, 1, late=True) for at in (41, 82, 164))
    assert {finding.verdict for finding in report.findings} <= {"affected", "rounding", "exact"}


@pytest.mark.parametrize("peer", PHASED)
def test_a_recipe_with_phases_is_rounded_by_its_peers(peer):
    needs(peer)
    report = audit([RECIPE], peers=[peer], steps=6000)
    assert report.skipped == ()
    assert report.findings
    for finding in report.findings:
        assert (finding.verdict, finding.shifts, finding.far) == ("rounding", (), None)
        assert finding.points in (6000, len(set(worker.sample(RECIPE, 0, 6000).tolist())))


@pytest.mark.parametrize(
    ("peer", "modes"),
    [("numpy", set()), ("torch-sequential", set()), ("optax", {"jit"}), ("jax", {"jit"})],
)
def test_drops_of_a_recipe_come_late_where_those_of_a_decay_do(peer, modes):
    needs(peer)
    report = audit([STEPPED], peers=[peer], steps=6000)
    reciprocal = np.float32(1) / np.float32(41)
    late = [at for k, at in enumerate(DROPS, 1) if np.float32(41 * k) * reciprocal < k]
    assert 0 < len(late) < len(DROPS)
    affected = {finding.mode: finding for finding in report.findings if finding.affected}
    assert affected.keys() == modes
    for finding in affected.values():
        assert finding.shifts == tuple(Shift(at, 1, late=True) for at in late)


def test_levanter_holds_the_second_rate_of_the_decay_at_its_first_step():
    needs("levanter")
    reports = [
        audit([WSD], peers=["levanter"], start=at, steps=n) for at, n in [(0, 300), (301, 9999)]
    ]
    assert [{finding.verdict for finding in report.findings} for report in reports] == [
        {"rounding"},
        {"rounding"},
    ]
    for finding in audit([WSD], peers=["levanter"], steps=400).findings:
        assert finding.far == 300
    from invtime.audit.expressions import levanter

    assert float(levanter(WSD)(300)) == float(levanter(WSD)(301))


def test_deepmd_has_the_schedule():
    (finding,) = audit([WSD], peers=["deepmd"], steps=20_000).findings
    assert (finding.verdict, finding.dtype, finding.points) == ("rounding", "float64", 20_000)


UNSUPPORTED = {
    "keras-jax": [(RECIPE, "it has no phases")],
    "tf-compat-v1": [(WSD, "it has no phases")],
    "torch-sequential": [
        (CONTINUOUS, "needs only LambdaLR"),
        (WSD, "LinearLR cannot start at 0"),
        (RECIPE.replace(final_learning_rate=0.2), "above the peak"),
    ],
    "levanter": [
        (RECIPE, "its warm-up always starts at 0"),
        (WSD.replace(staircase=True), "no staircase"),
    ],
    "deepmd": [
        (RECIPE, "no cool-down"),
        (WSD.replace(decay_steps=1000.1), "a whole number of steps"),
        (WSD.replace(minimum_learning_rate=0), "ends at a floor"),
        (WSD.replace(minimum_learning_rate=0.1), "ends at a floor"),
        (CONTINUOUS, "ends at a floor"),
    ],
}


@pytest.mark.parametrize("peer", UNSUPPORTED)
def test_a_peer_says_what_it_cannot_express(peer):
    needs(peer)
    report = audit([schedule for schedule, _ in UNSUPPORTED[peer]], peers=[peer], steps=10)
    for schedule, reason in UNSUPPORTED[peer]:
        findings = list(report.of(schedule))
        assert findings
        for finding in findings:
            assert finding.verdict == "skipped"
            assert reason in finding.skipped


def test_a_scheduler_is_not_stepped_for_hours():
    needs("torch-sequential")
    (finding,) = audit([RECIPE], peers=["torch-sequential"], start=10**8, steps=10).findings
    assert finding.skipped.startswith("its count cannot be set")


def test_a_call_shows_the_phases():
    assert call(WSD) == (
        "InverseTimeDecay(0.1, 1000, 1, warmup_steps=100, stable_steps=200, "
        "minimum_learning_rate=0.01)"
    )
    assert eval(call(STEPPED)) == STEPPED


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


def test_the_peers_of_a_framework_share_a_process(monkeypatch):
    tasks, run = [], children.run
    monkeypatch.setattr(children, "run", lambda own: tasks.extend(own) or run(own))
    audit([WSD], peers=["numpy", "deepmd"], steps=10)
    assert [task.job.peers for task in tasks] == [("numpy", "deepmd")]


def test_what_is_not_installed_is_skipped_with_the_reason(monkeypatch):
    peer = Peer("absent", "nothing", ("no_such_module",), tuple)
    monkeypatch.setitem(PEERS, "absent", peer)
    report = audit([STAIRCASE], peers=["absent", "numpy"], steps=10)
    assert [skipped.reason for skipped in report.skipped] == ["no_such_module is not installed"]
    assert [finding.peer for finding in report.findings] == ["numpy"]


def test_what_does_not_import_is_skipped_with_the_reason(monkeypatch, tmp_path):
    needs("torch")
    (tmp_path / "torch.py").write_text("raise ImportError('broken in two')")
    broken = PEERS["torch"]._replace(environment={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    monkeypatch.setitem(PEERS, "torch", broken)
    report = audit([STAIRCASE], peers=["torch", "numpy"], steps=10)
    assert report.skipped == (Skipped("torch", "ImportError: broken in two"),)
    assert [finding.peer for finding in report.findings] == ["numpy"]


# Runs at the start of each process, and ends one of them during the second schedule.
MORTAL = """
    import os
    import signal
    import sys
    from invtime.audit import worker

    find = worker.find

    def mortal(schedule, mode, start, stop):
        if mode.name == "host" and schedule.staircase:
            print("out of memory", file=sys.stderr, flush=True)
            {death}
        return find(schedule, mode, start, stop)

    worker.find = mortal
"""


@pytest.mark.parametrize(
    ("death", "problem"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "status -9 (SIGKILL): out of memory"),
        ("os._exit(7)", "status 7: out of memory"),
        ("os._exit(0)", "status 0: out of memory"),
    ],
)
def test_a_peer_that_ends_its_process_fails_and_the_others_go_on(
    monkeypatch, tmp_path, death, problem
):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(MORTAL.format(death=death)))
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    for name in ("deepmd", "numpy"):
        monkeypatch.setitem(PEERS, name, PEERS[name]._replace(environment=environment))
    schedules = [WSD, STAIRCASE, CONTINUOUS]
    seen = []
    report = audit(
        schedules,
        peers=["deepmd", "numpy"],
        steps=400,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert not report.ok
    assert report.skipped == ()
    rows = [(finding.peer, finding.mode, finding.verdict) for finding in report.findings]
    assert rows == [
        ("deepmd", "host", "rounding"),
        ("numpy", "eager", "rounding"),
        ("deepmd", "host", "failed"),
        ("numpy", "eager", "exact"),
        ("deepmd", "", "failed"),
        ("numpy", "eager", "rounding"),
    ]
    errors = {finding.error for finding in report.findings if finding.peer == "deepmd"}
    assert errors == {None, f"its process ended with {problem}"}
    assert (seen[0], seen[-1]) == ((0, 2), (2, 2))


def test_what_a_peer_raises_is_a_failure_and_not_ok():
    def prepare(schedule):
        raise RuntimeError("no such kernel\nat all")

    fields = worker.found(STAIRCASE, Mode("eager", prepare), 0, 10)
    finding = Finding(STAIRCASE, "raising", "eager", "1.0", **fields)
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
    """Return the rows of a peer in the table of a schedule."""
    (section,) = re.findall(
        rf"^### \d+\. `{re.escape(call(schedule))}`\n(.*?)(?=^##|\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    return [line for line in section.splitlines() if line.startswith(f"| {peer} ")]


def matrix_of(text):
    """The cells of the matrix: peer -> number of the schedule -> cell."""
    found = {}
    for table in re.findall(r"^:class: matrix\n\n(.*?)^:::", text, re.MULTILINE | re.DOTALL):
        head, _, *rows = (
            [cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()
        )
        assert len(head) <= 6  # fits on a phone
        for peer, *cells in rows:
            numbers = (int(label.split()[0]) for label in head[1:])
            found.setdefault(peer, {}).update(zip(numbers, cells, strict=True))
    return found


def fixed():
    return [InverseTimeDecay.from_config(config) for config in json.loads(CONFIGS.read_text())]


def test_the_page_is_of_the_fixed_configs():
    text = PAGE.read_text("utf-8")
    headings = re.findall(r"^### (\d+)\. `(.*)`$", text, re.MULTILINE)
    assert headings == [(str(n), call(schedule)) for n, schedule in enumerate(fixed(), 1)]
    cells = matrix_of(text)
    assert list(cells) == list(PEERS)
    assert {tuple(row) for row in cells.values()} == {tuple(range(1, len(headings) + 1))}


def test_a_cell_of_the_matrix_is_of_the_worst_mode():
    def finding(mode, **fields):
        shifts = (Shift(41, 1, late=True),) if {"late", "early"} & fields.keys() else ()
        return Finding(STAIRCASE, "jax", mode, "1", "float32", 10, 9, shifts=shifts, **fields)

    for fields, cell in (
        ([{}], "same"),
        ([{"differing": 3}, {}], "rounding"),
        ([{"differing": 3}, {"late": 2}, {"late": 7}, {"late": 1}], "**7 late**"),
        ([{"late": 7, "early": 1}, {"far": 5}], "**7 late, 1 early**"),
        ([{"skipped": "no"}, {"far": 5}], "**from 5**"),
        ([{"skipped": "no"}, {"skipped": "no"}], "-"),
        ([{"late": 7}, {"error": "it ended"}], "**fails**"),
    ):
        found = tuple(finding(str(i), **each) for i, each in enumerate(fields))
        text = "\n".join(MARKDOWN(Audit((STAIRCASE,), 0, 10, found, ())))
        assert matrix_of(text) == {"jax": {1: cell}}


def test_the_page_does_not_say_when_the_drops_of_a_failed_mode_are():
    fields = [{"error": "it ended"}, {"drops": 9, "points": 10}]
    found = tuple(Finding(STAIRCASE, "jax", str(i), "1", **each) for i, each in enumerate(fields))
    text = "\n".join(MARKDOWN(Audit((STAIRCASE,), 0, 10, found, ())))
    assert rows_of(text, STAIRCASE, "jax") == [
        "| jax 0 |  | it ended | **fails** |",
        "| jax 1 | on time | none of 10 | same |",
    ]


@pytest.mark.parametrize("peer", ["numpy", "keras-jax"])
def test_rows_of_the_page_are_reproduced(peer):
    needs(peer)
    text = PAGE.read_text("utf-8")
    for module in PEERS[peer].modules:
        here = metadata.version(module)
        if peer != "numpy" and f"{module} {here}" not in text:
            pytest.skip(f"the page is of another {module} than {here}")
    schedules = fixed()
    if peer == "numpy" and np.__version__ < "2":  # NumPy 1's `where` widens with a Python float
        schedules = [schedule for schedule in schedules if not has_phases(schedule)]
    report = audit(schedules, peers=[peer])
    made = "\n".join(MARKDOWN(report))
    for schedule in schedules:
        rows = rows_of(made, schedule, peer)
        assert rows or matrix_of(made)[peer][1 + fixed().index(schedule)] == "-"
        assert rows == rows_of(text, schedule, peer)
    if len(schedules) == len(fixed()):
        assert matrix_of(made)[peer] == matrix_of(text)[peer]


def test_the_page_has_the_late_drop_of_compiled_keras():
    text = PAGE.read_text("utf-8")
    rows = [row.split(" | ") for row in rows_of(text, STAIRCASE, "keras-jax")]
    assert [(row[0].split()[2], row[1], row[-1]) for row in rows] == [
        ("eager,", "on time", "rounding |"),
        ("jit,", "825 late of 2439", "affected |"),
    ]
    assert matrix_of(text)["keras-jax"][3] == "**825 late**"
    assert "41, 82, 164, 287, 328" in text


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
    assert "Affected: none" in result.stdout
    assert f"versions: numpy {np.__version__}" in result.stdout


def test_the_command_exits_with_1_where_somebody_is(invoke):
    result = invoke(f"{NUMBERS.format(0.3)} --peer numpy --steps 1000")
    assert result.exit_code == 1, result.output
    assert "drops come 1 step late, at steps 9, 15, 18, 30, 33, ..." in result.stdout


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


def test_the_command_takes_a_recipe(invoke):
    line = "--config - --peer numpy --peer deepmd --steps 1000"
    result = invoke(line, input=RECIPE.to_json())
    assert result.exit_code == 0, result.output
    assert call(RECIPE) in result.stdout
    assert "skipped: deepmd (it has no cool-down after the decay)" in result.stdout


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        ("--peer numpy", None, "missing --initial-learning-rate"),
        (f"{NUMBERS.format(41)} --peer nope", None, "no peer is named 'nope'"),
        (f"{NUMBERS.format(41)} --steps 3000000000", None, "end before"),
        (f"{NUMBERS.format(41)} --config x.json", None, "remove one of them"),
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
