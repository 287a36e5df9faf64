"""The comparison engine: its grid, its arithmetic on bits, and faulty backends that it finds."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
import tracemalloc
from fractions import Fraction
from math import inf
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import invtime
from invtime import registry
from invtime.backends.numpy import NumpyBackend
from invtime.reference import Reference
from invtime.table import Row, Table
from invtime.verification import runner, to_junit, verify
from invtime.verification.grid import CHUNK, COMPILED, DTYPES, Grid
from invtime.verification.report import Run
from invtime.verification.selection import Choice

SCHEDULE = invtime.InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = invtime.InverseTimeDecay(0.1, 41, 0.5, staircase=True)
NARROW = ("float32", "float16", "bfloat16")
PHASES = invtime.InverseTimeDecay(
    0.1,
    1000,
    0.7,
    warmup_steps=500,
    warmup_learning_rate=0.01,
    stable_steps=300,
    minimum_learning_rate=0.03,
    cooldown_start=9000,
    cooldown_steps=700,
    final_learning_rate=0.001,
)
# Each knot lies far beyond the consecutive steps of the tests.
FAR = PHASES.replace(
    decay_steps=10**6 / 3,
    warmup_steps=10**6 + 3,
    stable_steps=2 * 10**6 + 1,
    cooldown_start=3 * 10**9,
    cooldown_steps=10**9 + 7,
)
RECIPES = {
    "continuous": PHASES,
    "staircase": PHASES.replace(decay_steps=41.3, staircase=True),
    "far": FAR,
    "far staircase": FAR.replace(staircase=True),
    "a warm-up": SCHEDULE.replace(warmup_steps=1),
    "floor alone": STAIRCASE.replace(minimum_learning_rate=0.05),
    "cool-down alone": SCHEDULE.replace(cooldown_start=3000, cooldown_steps=1000),
    "on the floor": PHASES.replace(minimum_learning_rate=0.1),
}


# -- backends for the tests ----------------------------------------------------------------


class Off(NumpyBackend):
    """One ULP too high at the step 777, and nowhere else."""

    name = "off"

    def evaluate(self, form, x, dtype):
        out = super().evaluate(form, x, dtype)
        return np.where(x == 777, np.nextafter(out, np.array(inf, out.dtype)), out)


class Late(NumpyBackend):
    """Drops a staircase one step late in a compiled mode, as Keras does at some boundaries."""

    name = "late"

    def modes(self):
        return {"eager": lambda f: f, "compiled": lambda f: lambda x: f(np.where(x > 0, x - 1, x))}


class Moved(NumpyBackend):
    """Begins one row of a table some steps early or late; each row counts as before."""

    name = "moved"
    row = by = 0

    def evaluate_phases(self, form, x, dtype):
        rows = list(form.rows)
        own = rows[self.row]
        n, d = own.knot
        rows[self.row] = Row(own.name, (n + self.by * d, d), own.origin, own.piece)
        return super().evaluate_phases(Table(tuple(rows)), x, dtype)


class FromZero(NumpyBackend):
    """Counts the decay from step 0 instead of from the end of the stable phase."""

    name = "from-zero"

    def evaluate_phases(self, form, x, dtype):
        rows = (
            Row(row.name, row.knot, 0 if row.name == "decay" else row.origin, row.piece)
            for row in form.rows
        )
        return super().evaluate_phases(Table(tuple(rows)), x, dtype)


class Whole(NumpyBackend):
    """Rounds the knots of float steps up to whole steps, also for a floor met between two steps."""

    name = "whole"

    def evaluate_phases(self, form, x, dtype):
        rows = (Row(row.name, (row.first, 1), row.origin, row.piece) for row in form.rows)
        return super().evaluate_phases(Table(tuple(rows)), x, dtype)


class Truncating(NumpyBackend):
    """Drops the fraction of a float step."""

    name = "truncating"

    def evaluate_phases(self, form, x, dtype):
        return super().evaluate_phases(form, np.trunc(x), dtype)


class Flushing(NumpyBackend):
    """Flushes subnormal results to zero."""

    name = "flushing"

    def evaluate(self, form, x, dtype):
        out = super().evaluate(form, x, dtype)
        return np.where(out < np.finfo(out.dtype).tiny, np.zeros((), out.dtype), out)


class Losing(Flushing):
    """Flushes the smallest normal numbers too."""

    name = "losing"

    def evaluate(self, form, x, dtype):
        out = super().evaluate(form, x, dtype)
        return np.where(out < 2 * np.finfo(out.dtype).tiny, np.zeros((), out.dtype), out)


class Single(NumpyBackend):
    """Has no binary64: every value is one float32 ULP too high."""

    name = "single"
    ulps = 1

    def precision(self, x):
        return 24

    def evaluate(self, form, x, dtype):
        out = NumpyBackend().evaluate(form, x, "float32")
        for _ in range(self.ulps):
            out = np.nextafter(out, np.float32(inf))
        return out.astype(dtype)


class Coarse(Single):
    name = "coarse"
    ulps = 2


class Raising(NumpyBackend):
    name = "raising"

    def evaluate(self, form, x, dtype):
        if x.dtype == np.int32:
            raise RuntimeError("the kernel\nwas lost")
        return super().evaluate(form, x, dtype)


class Widening(NumpyBackend):
    """Returns float64 for every requested dtype."""

    name = "widening"

    def evaluate(self, form, x, dtype):
        return super().evaluate(form, x, "float64")


class Scalar(NumpyBackend):
    """Loses the shape of the step."""

    name = "scalar"

    def evaluate(self, form, x, dtype):
        return super().evaluate(form, x, dtype)[:1]


class Choosy(NumpyBackend):
    """Accepts steps of some dtypes only."""

    name = "choosy"
    kinds = "if"

    def coerce(self, step, device):
        if step.dtype.kind not in self.kinds:
            raise invtime.StepTypeError.refusing(f"NumPy data of dtype {step.dtype}")
        return super().coerce(step, device)


class Refusing(Choosy):
    name = "refusing"
    kinds = ""


@pytest.fixture(autouse=True)
def announced(monkeypatch):
    """Announce the backends above, and two unusable ones, during a test."""
    known = registry.default.plugins.announced
    here = sys.modules[__name__]
    for cls in vars(here).values():
        if isinstance(cls, type) and issubclass(cls, NumpyBackend) and cls.__module__ == __name__:
            info = invtime.BackendInfo(cls.name, ("numpy",), f"{__name__}:{cls.__name__}", "-")
            monkeypatch.setitem(known, cls.name, registry.Announced(info, "tests"))
    for name, module, target in (
        ("absent", "no_such_framework", "no_such_framework.invtime:Backend"),
        ("broken", "numpy", f"{__name__}:NoSuchClass"),
    ):
        info = invtime.BackendInfo(name, (module,), target, f"pip install {name}")
        monkeypatch.setitem(known, name, registry.Announced(info, "tests"))


def runs_of(name, schedule=SCHEDULE, steps=2000, **options):
    """Return the report of one backend, and its runs by mode and dtype."""
    report = verify(schedule, backends=[name], steps=steps, **options)
    return report, {(run.mode, run.dtype): run for run in report.runs}


# -- the grid ------------------------------------------------------------------------------


def steps_of(grid):
    """Return every step of the grid by dtype, as Python numbers."""
    found = {dtype: [] for dtype in DTYPES}
    for piece in grid.pieces(3 * CHUNK):
        chunks = list(grid.chunks(piece))
        assert len(chunks) == piece.chunks
        assert sum(chunk.size for chunk in chunks) == piece.size <= 3 * CHUNK
        for chunk in chunks:
            assert chunk.ndim == 1
            assert 0 < chunk.size <= CHUNK
            assert chunk.dtype == piece.dtype
            found[piece.dtype] += chunk.tolist()
    return found


@pytest.mark.parametrize(("size", "chunk"), [(1, CHUNK), (300, 100), (64 * CHUNK, CHUNK)])
def test_the_grid_is_the_same_in_pieces_of_any_size(monkeypatch, size, chunk):
    form = SCHEDULE.form
    whole = steps_of(Grid(form, 500))
    monkeypatch.setattr("invtime.verification.grid.CHUNK", chunk)
    pieced = Grid(form, 500)
    found = {dtype: [] for dtype in DTYPES}
    for piece in pieced.pieces(size):
        assert piece.size <= size
        for part in pieced.chunks(piece):
            assert part.size <= chunk
            found[piece.dtype] += part.tolist()
    assert repr(found) == repr(whole)  # NaN among them


def test_the_grid_has_every_step_and_the_edges_of_the_types():
    grid = Grid(SCHEDULE.form, 20_000)
    found = steps_of(grid)
    assert set(range(20_001)) <= set(found["int64"])
    for power in (7, 8, 15, 16, 24, 31, 32, 53):
        assert {2**power - 1, 2**power, 2**power + 1, -(2**power)} <= set(found["int64"])
    assert {2**63 - 1, -1, -(2**63)} <= set(found["int64"])
    for dtype in DTYPES:
        if "int" in dtype:
            limits = np.iinfo(dtype)
            last = min(int(limits.max), 2**63 - 1)
            assert set(range(min(last, 20_000) + 1)) | {int(limits.min), last} <= set(found[dtype])
        else:
            whole = 2 ** min(14, np.finfo(dtype).nmant + 1)
            assert {*range(whole + 1), 0.5, -0.5, inf, -inf} <= set(found[dtype])
            assert any(step != step for step in found[dtype])


@pytest.mark.parametrize("decay_steps", [41, 0.3, 1e-15, 123456.789, 1e30])
def test_the_grid_has_boundaries_far_beyond_the_consecutive_steps(decay_steps):
    form = invtime.InverseTimeDecay(0.1, decay_steps, 0.5, staircase=True).form
    found = set(steps_of(Grid(form, 100))["int64"])
    per_step = Fraction(form.Q, form.P)
    for stage in (2**k for k in range(64)):
        first = form.first_step(stage)
        assert first * per_step >= stage > (first - 1) * per_step
        if first < 2**63 - 1 and (first + 1) * per_step < 2**63:
            assert {first - 1, first, first + 1} <= found


def test_the_grid_goes_on_where_the_contract_leaves_a_value_open():
    """The reference decides what is allowed there, and no step is left out."""
    form = invtime.InverseTimeDecay(0.1, 1e-15, 0.5, staircase=True).form
    found = steps_of(Grid(form, 20_000))
    assert {20_000, 2**63 - 1} <= set(found["int64"])  # both past stage 2**63
    third = invtime.InverseTimeDecay(0.1, 0.3, 0.5, staircase=True).form
    assert {0.3, np.nextafter(0.3, 0), 4.5} <= set(steps_of(Grid(third, 10))["float64"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_grid_has_each_knot_and_both_sides_of_it(recipe):
    schedule = RECIPES[recipe]
    found = steps_of(Grid(schedule.form, 10))
    knots = Reference(schedule).knots
    assert knots
    for knot in knots:
        assert {knot - 1, knot, knot + 1} <= set(found["int64"])
        for dtype in ("float64", "float32", "float16"):
            with np.errstate(over="ignore"):
                here = np.array(knot).astype(dtype)
            sides = [np.nextafter(here, np.array(end, dtype)) for end in (-inf, inf)]
            assert {float(step) for step in (here, *sides)} <= set(found[dtype])
        for away in (2**5, 2**20):  # and steps inside a piece, from both ends
            assert {knot + away, max(knot - away, 0)} <= set(found["int64"])


@pytest.mark.parametrize("recipe", ["continuous", "staircase", "far", "far staircase"])
def test_the_grid_has_both_sides_of_a_floor_between_two_steps(recipe):
    schedule = RECIPES[recipe]
    found, exact = set(steps_of(Grid(schedule.form, 10))["float64"]), Reference(schedule).floor_met
    nearest = exact.numerator / exact.denominator
    assert {np.nextafter(nearest, 0), nearest, np.nextafter(nearest, inf)} <= found
    assert exact.denominator > 1
    assert any(exact < step < -(-exact // 1) for step in found if step == step and step < inf)


def test_the_grid_has_fractions_inside_of_each_line():
    found = np.array(steps_of(Grid(FAR.form, 10))["float64"])
    for phase in FAR.phases:
        if phase.stop is not None:
            inside = found[(phase.start < found) & (found < phase.stop)]
            tenth = (phase.stop - phase.start) / 10
            spread = {int((step - phase.start) // tenth) for step in inside}
            assert spread == set(range(10))
            assert (inside != np.floor(inside)).sum() > 30


@pytest.mark.parametrize("decay_steps", [41, 0.3])
def test_the_grid_counts_boundaries_from_the_start_of_the_decay(decay_steps):
    schedule = FAR.replace(
        decay_steps=decay_steps, staircase=True, minimum_learning_rate=0, cooldown_start=2**53
    )
    found, own = set(steps_of(Grid(schedule.form, 10))["int64"]), Reference(schedule)
    for stage in (2**k for k in range(48)):
        first = own.first_step(stage)
        assert own.stage(first) >= stage > own.stage(first - 1)
        assert {first - 1, first, first + 1} <= found


# -- what is expected ----------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [(0.1, 1000, 0.3), (1, 0.1, 1, True)])
def test_a_wrong_reading_of_decimals_is_seen(monkeypatch, parameters):
    """The expected value must not come from the integers that every backend gets."""
    monkeypatch.setattr("invtime.form.exact_number", lambda n: float(n).as_integer_ratio())
    binary = invtime.InverseTimeDecay(*parameters)
    report, runs = runs_of("numpy", binary, dtypes=["float64"])
    assert not report.ok
    assert runs["eager", "float64"].mismatches > 1000


# -- verify --------------------------------------------------------------------------------


def test_numpy_agrees_and_the_report_is_json():
    report = verify(STAIRCASE, backends=["numpy"], steps=3000)
    assert report.ok
    assert [run.dtype for run in report.runs] == ["float64", *NARROW]
    assert all(run.points > 20_000 for run in report.runs if not run.note)
    assert all(run.points == run.asked for run in report.runs)
    assert all(run.version == np.__version__ for run in report.runs)
    found = json.loads(report.to_json())
    assert found["ok"] is True
    assert found["schedule"] == STAIRCASE.get_config()
    assert found["runs"][0]["mismatches"] == 0


def test_one_ulp_at_one_step_is_seen():
    report, runs = runs_of("off", dtypes=["float64", "float16"])
    assert not report.ok
    for (_, dtype), run in runs.items():
        assert run.worst_ulp == 1
        assert run.first.step == 777
        assert run.first.step_dtype == "int64"
        assert run.first.expected < run.first.found
        assert int(run.first.found_bits, 16) - int(run.first.expected_bits, 16) == 1
        # Every dtype of the step but int8 and uint8 holds 777; a duplicate in the edges may too.
        assert len(DTYPES) - 2 <= run.mismatches <= 2 * len(DTYPES), dtype
    first = json.loads(report.to_json())["runs"][0]["first"]
    assert first["step"] == "777"
    assert float(first["expected"]) == SCHEDULE(777)


@pytest.mark.parametrize("recipe", RECIPES)
def test_numpy_agrees_in_phases(recipe):
    report, runs = runs_of("numpy", RECIPES[recipe], steps=2000)
    assert report.ok, [run for run in report.runs if not run.ok]
    assert runs["eager", "float64"].mismatches == 0


@pytest.mark.parametrize("steps", [10, 12_000])
@pytest.mark.parametrize("schedule", [PHASES, FAR])
@pytest.mark.parametrize("row", [1, 2, 4, 5])
def test_a_knot_that_the_row_after_it_owns_too_early_is_found(monkeypatch, schedule, row, steps):
    monkeypatch.setattr(Moved, "row", row)
    monkeypatch.setattr(Moved, "by", -1)
    _, runs = runs_of("moved", schedule, steps=steps, dtypes=["float64"])
    run = runs["eager", "float64"]
    assert run.mismatches >= 2  # the step before the knot, and floats between
    assert run.first.step == schedule.form.rows[row].first - 1


@pytest.mark.parametrize("schedule", [PHASES, FAR, FAR.replace(staircase=True)])
@pytest.mark.parametrize("by", [1, -1])
def test_a_floor_on_the_wrong_side_of_its_knot_is_found(monkeypatch, schedule, by):
    monkeypatch.setattr(Moved, "row", 3)
    monkeypatch.setattr(Moved, "by", by)
    _, runs = runs_of("moved", schedule, steps=10, dtypes=["float64"])
    knot = schedule.form.rows[3].first
    assert runs["eager", "float64"].first.step == knot - (by < 0)


@pytest.mark.parametrize(
    ("name", "recipes"),
    [
        ("from-zero", ["continuous", "staircase", "far", "far staircase"]),
        ("whole", ["continuous", "staircase", "far staircase"]),
        ("truncating", ["continuous", "far", "a warm-up", "cool-down alone"]),
    ],
)
def test_a_fault_in_phases_is_found(name, recipes):
    for recipe in recipes:
        report, _ = runs_of(name, RECIPES[recipe], steps=10, dtypes=["float64"])
        assert not report.ok, recipe


def test_steps_past_the_first_chunk_are_compared(monkeypatch):
    monkeypatch.setattr(Off, "evaluate", _off_at(CHUNK + 5))
    _, runs = runs_of("off", dtypes=["float64"], steps=CHUNK + 5)
    run = runs["eager", "float64"]
    assert run.first.step == CHUNK + 5
    assert run.mismatches <= 2 * len(DTYPES)  # the padding, which repeats it, is not counted
    _, runs = runs_of("off", dtypes=["float64"], steps=CHUNK + 2)
    assert runs["eager", "float64"].ok


def _off_at(step):
    def evaluate(self, form, x, dtype):
        return np.where(np.float64(x) == step, 0.0, NumpyBackend().evaluate(form, x, dtype))

    return evaluate


def test_a_compiled_mode_that_drops_late_is_seen():
    report, runs = runs_of("late", STAIRCASE, dtypes=["float32"])
    assert not report.ok
    assert runs["eager", "float32"].ok
    compiled = runs["compiled", "float32"]
    assert compiled.first.step == 41
    assert compiled.first.found == float(np.float32(0.1))
    assert 0 < compiled.points < runs["eager", "float32"].points
    only, _ = runs_of("late", STAIRCASE, dtypes=["float32"], modes=["eager"])
    assert only.ok


def test_flushed_subnormals_are_allowed_and_counted():
    tiny = invtime.InverseTimeDecay(1e-37, 1, 0.01)
    _, runs = runs_of("flushing", tiny, dtypes=["float32"])
    run = runs["eager", "float32"]
    assert run.ok
    assert run.flushed > 1000
    assert "subnormals" in run.note
    report, runs = runs_of("losing", tiny, dtypes=["float32"])
    assert not report.ok
    assert runs["eager", "float32"].first.expected >= 2.0**-126


def test_a_device_without_binary64_may_be_one_float32_ulp_off():
    report, runs = runs_of("single")
    assert report.ok
    assert runs["eager", "float64"].points == 0
    assert "no binary64" in runs["eager", "float64"].note
    assert runs["eager", "float32"].neighbours > 10_000
    report, runs = runs_of("coarse", dtypes=["float32"])
    assert not report.ok
    assert runs["eager", "float32"].worst_ulp == 2


def test_a_framework_that_raises_is_a_failed_run():
    report, runs = runs_of("raising", dtypes=["float64", "float32"])
    assert not report.ok
    assert [run.error for run in runs.values()] == ["at int32 steps: RuntimeError: the kernel"] * 2
    assert all(run.points > 2000 for run in runs.values())  # the int64 steps before


@pytest.mark.parametrize(
    ("name", "message"),
    [("widening", "dtype float64 and shape"), ("scalar", "shape (1,)")],
)
def test_a_wrong_dtype_or_shape_is_a_failed_run(name, message):
    report, runs = runs_of(name, dtypes=["float32"])
    assert not report.ok
    assert message in runs["eager", "float32"].error


def test_a_backend_without_some_step_dtypes_says_so():
    report, runs = runs_of("choosy", dtypes=["float64"])
    assert report.ok
    assert runs["eager", "float64"].note == "steps not accepted: uint8, uint16, uint32, uint64"
    report, runs = runs_of("refusing", dtypes=["float64"])
    assert not report.ok
    assert "no step was evaluated" in runs["eager", "float64"].error


def test_bfloat16_needs_ml_dtypes_in_numpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    report, runs = runs_of("numpy", dtypes=["bfloat16", "float32"])
    assert report.ok
    assert runs["eager", "bfloat16"].points == 0
    assert runs["eager", "bfloat16"].note.startswith("skipped: NumPy itself has no bfloat16")
    report, _ = runs_of("numpy", dtypes=["bfloat16"])
    assert not report.ok  # nothing was compared


def test_unusable_backends_are_missing_and_no_fault(monkeypatch):
    known = registry.default.plugins.announced
    for name in set(known) - {"numpy", "absent", "broken"}:
        monkeypatch.delitem(known, name)
    report = verify(SCHEDULE, steps=10)
    assert report.ok
    assert {run.backend for run in report.runs} == {"numpy"}
    missing = {found.backend: found for found in report.missing}
    assert list(missing) == ["absent", "broken"]
    assert missing["absent"].install == "pip install absent"
    assert "no_such_framework" in missing["absent"].reason
    assert "NoSuchClass" in missing["broken"].reason
    assert json.loads(report.to_json())["missing"][0]["backend"] == "absent"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backends": ["nope"]}, invtime.UnknownBackendError, "nope"),
        ({"backends": ["absent"]}, ImportError, "no_such_framework"),
        ({"modes": ["jitted"]}, invtime.PlacementError, "'jitted'; available: .*'eager'"),
        ({"devices": ["cuda"]}, invtime.PlacementError, "'cuda'; available: .*'cpu'"),
        ({"dtypes": ["float8"]}, invtime.PlacementError, "float8"),
        ({"steps": 0}, invtime.ConfigError, "steps is 0; it must be an int of 1 or more"),
        ({"steps": 1e5}, invtime.ConfigError, "100000.0"),
    ],
)
def test_what_cannot_be_verified_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        verify(SCHEDULE, **{"backends": ["numpy"], **options})


def test_a_mode_and_a_device_must_be_of_one_backend():
    there = {("eager", "cpu"), ("jit", "cpu"), ("eager", "cuda:0")}
    Choice(["jit", "eager"], ["cuda"], None).check(there)
    with pytest.raises(invtime.PlacementError, match="jit on cpu; pass a mode and a device of one"):
        Choice(["jit"], ["cuda"], None).check(there)


@pytest.mark.parametrize("steps", [1, 2**14, 2**14 + 1])
def test_steps_is_their_number(monkeypatch, steps):
    """The consecutive steps are exactly 0 to steps - 1."""
    seen = set()
    monkeypatch.setattr(Grid, "chunks", lambda grid, piece: seen.add(piece) or iter(()))
    verify(SCHEDULE, backends=["numpy"], steps=steps)
    ends = {piece.stop for piece in seen if piece.dtype == "int64" and not piece.edges}
    assert max(ends) == steps


def test_progress_reaches_its_total():
    seen = []
    verify(SCHEDULE, backends=["numpy"], steps=10, progress=lambda *counts: seen.append(counts))
    total = seen[0][1]
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_a_run_that_lacks_points_is_not_ok():
    whole = Run("numpy", "2", "eager", "cpu", "float64", asked=10, points=10)
    assert whole.ok
    assert not dataclasses.replace(whole, points=9).ok


def peak_of(steps):
    """Return the peak memory of NumPy and Python during a verification, in bytes."""
    tracemalloc.start()
    try:
        verify(SCHEDULE, backends=["numpy"], dtypes=["float32"], modes=["eager"], steps=steps)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_steps(monkeypatch):
    monkeypatch.setattr(runner, "PIECE", 2 * CHUNK)
    peak_of(10)
    # If they were kept, the values of eight more chunks in five step dtypes would take 5 MiB.
    assert peak_of(10 * CHUNK) < peak_of(2 * CHUNK) + 2**21


def test_compiled_step_dtypes_come_first():
    assert DTYPES[: len(COMPILED)] == COMPILED


def test_runs_do_not_share_a_code_object(monkeypatch):
    """Dynamo counts recompilations by code object, and stops after eight of them."""
    codes = []

    def compiled(function):
        codes.append(function.__code__)
        return function

    monkeypatch.setattr(NumpyBackend, "modes", lambda self: {"eager": compiled})
    report, _ = runs_of("numpy", steps=10, dtypes=["float64", "float32", "float16"])
    assert report.ok
    assert len({id(code) for code in codes}) == len(codes) == 3


# -- JUnit ---------------------------------------------------------------------------------

# element -> the required attributes and the allowed children, as CI systems read them
JUNIT = {
    "testsuites": ({"tests", "failures", "errors", "skipped"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, {"properties", "testcase"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def junit_of(report):
    """Return the test suite of a report's JUnit XML, after a check of its structure."""
    root = ET.fromstring(to_junit(report))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = JUNIT[element.tag]
        assert attributes <= element.attrib.keys()
        assert {child.tag for child in element} <= children
    (suite,) = root
    for counted in (root, suite):
        for attribute, path in (
            ("tests", ".//testcase"),
            ("failures", ".//failure"),
            ("errors", ".//error"),
            ("skipped", ".//skipped"),
        ):
            assert int(counted.attrib[attribute]) == len(root.findall(path))
    for case in suite.iter("testcase"):
        assert len(case.findall("failure") + case.findall("error") + case.findall("skipped")) <= 1
    names = [(case.attrib["classname"], case.attrib["name"]) for case in suite.iter("testcase")]
    assert len(names) == len(set(names))
    return suite


def test_junit_has_a_case_for_each_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    report = verify(SCHEDULE, backends=["numpy", "off"], steps=1000)
    suite = junit_of(report)
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "3",
        "errors": "0",
        "skipped": "2",  # bfloat16
    }
    config = suite.find("properties/property[@name='schedule']").attrib["value"]
    assert json.loads(config) == SCHEDULE.get_config()
    case = suite.find("testcase[@classname='invtime.off'][@name='eager cpu float64']")
    assert "points differ, by up to 1 ULP" in case.find("failure").attrib["message"]
    assert case.find("failure").text.startswith("first at int64 step 777: expected 0.07")
    assert f"off {np.__version__}: " in case.find("system-out").text


def test_junit_has_errors_and_what_is_missing(monkeypatch):
    def evaluate(*call):
        raise RuntimeError("\x1b[31mno <kernel> & \x00 \ud800\x1b[0m")

    monkeypatch.setattr(Raising, "evaluate", evaluate)
    known = registry.default.plugins.announced
    for name in set(known) - {"raising", "absent"}:
        monkeypatch.delitem(known, name)
    suite = junit_of(verify(SCHEDULE, dtypes=["float64"], steps=10))
    error = suite.find("testcase[@classname='invtime.raising']/error")
    assert error.attrib["message"] == "at int64 steps: RuntimeError: ?[31mno <kernel> & ? ??[0m"
    missing = suite.find("testcase[@classname='invtime.absent']/skipped")
    assert missing.attrib["message"] == "no_such_framework is missing; run: pip install absent"


def test_junit_fails_where_nothing_was_compared(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    suite = junit_of(verify(SCHEDULE, backends=["numpy"], dtypes=["bfloat16"], steps=10))
    assert suite.find("testcase/error").attrib["message"] == "nothing was compared"


# -- the frameworks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mode"),
    [("torch", "eager"), ("torch", "vmap"), ("jax", "jit"), ("tensorflow", "function")],
)
def test_a_framework_agrees(name, mode):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    for schedule in (SCHEDULE, STAIRCASE, PHASES):
        report, runs = runs_of(name, schedule, steps=300, modes=[mode], devices=["cpu"])
        assert report.ok, [run for run in report.runs if not run.ok]
        assert len(runs) == 4
