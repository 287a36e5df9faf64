"""The cost of imports, and the direction of imports between modules."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import invtime

PACKAGE = Path(invtime.__file__).parent

FRAMEWORKS = {"torch", "jax", "jaxlib", "tensorflow", "keras", "ml_dtypes", "optax", "dask"}
# Each takes milliseconds to import, and a schedule of plain numbers does not need it.
HEAVY = {"numpy", "pluggy", "dataclasses", "fractions", "decimal", "json", "importlib.metadata"}

SCHEDULE = "schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5); "
STAIRCASE = "schedule = invtime.InverseTimeDecay(0.1, 0.3, 1 / 3, staircase=True); "


def loaded_by(code: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after `code`.

    It runs without `site`, because .pth files can import anything, and with the same search path.
    """
    script = f"import sys; sys.path[:] = {sys.path!r}; {code}; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-S", "-c", script]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import invtime", id="import"),
        pytest.param(f"import invtime; {SCHEDULE}schedule(7)", id="int step"),
        pytest.param(f"import invtime; {SCHEDULE}schedule(-7)", id="negative step"),
        pytest.param(f"import invtime; {SCHEDULE}schedule(10**30)", id="huge step"),
        pytest.param(f"import invtime; {SCHEDULE}schedule(7.5)", id="float step"),
        pytest.param(f"import invtime; {STAIRCASE}schedule(9)", id="staircase"),
        pytest.param(f"import invtime; {STAIRCASE}schedule(9.5)", id="staircase, float step"),
        pytest.param(f"import invtime; {SCHEDULE}repr(schedule)", id="repr"),
        pytest.param(f"import invtime; {SCHEDULE}hash(schedule) == schedule", id="hash"),
        pytest.param(f"import invtime; {SCHEDULE}schedule.get_config()", id="config"),
        pytest.param("import invtime; invtime.config_schema()", id="schema"),
    ],
)
def test_plain_numbers_load_nothing(code: str) -> None:
    found = loaded_by(code)
    assert "invtime.spec" in found
    assert not found & (HEAVY | FRAMEWORKS)


def test_importing_submodules_of_invtime_is_as_light() -> None:
    found = loaded_by("import invtime.spec, invtime.config, invtime.errors, invtime.form")
    assert not found & (HEAVY | FRAMEWORKS)


@pytest.mark.parametrize(
    "code",
    [
        "import invtime; invtime.list_backends()",
        "from invtime import BackendInfo, hookimpl",
        "from invtime import Backend",
    ],
)
def test_announcing_backends_loads_no_framework(code: str) -> None:
    assert not loaded_by(code) & (FRAMEWORKS | {"numpy"})


@pytest.mark.parametrize(
    "code",
    [
        f"import invtime; {SCHEDULE}schedule.fingerprint()",
        f"import invtime; {SCHEDULE}schedule.step_for(0.01)",
        "import invtime; invtime.InverseTimeDecay.from_endpoints(0.1, 0.01, 1000)",
        f"import invtime.dialects; {SCHEDULE}invtime.dialects.to_code('optax', schedule)",
    ],
)
def test_planning_fingerprints_and_dialects_load_no_framework(code: str) -> None:
    assert not loaded_by(code) & (FRAMEWORKS | {"numpy"})


def test_a_numpy_step_loads_no_other_framework() -> None:
    found = loaded_by(f"import invtime, numpy; {SCHEDULE}schedule(numpy.arange(9))")
    assert "invtime.backends.numpy" in found
    assert not found & FRAMEWORKS


def test_lazy_names_are_the_public_ones() -> None:
    from invtime import Backend, BackendInfo, hookimpl, hookspecs
    from invtime.backends import base

    assert Backend is base.Backend
    assert BackendInfo is hookspecs.BackendInfo
    assert hookimpl is hookspecs.hookimpl


def test_every_public_name_is_there() -> None:
    assert all(getattr(invtime, name) is not None for name in invtime.__all__)
    assert list(invtime.__all__) == sorted(invtime.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'schedul'"):
        _ = invtime.schedul


# What each room imports of the package. A room is a module, or a package with all in it. What a
# type checker alone reads counts, and so does what a function imports when it is called.
HOUSE = {
    "errors": "",
    "arrays": "",
    "dtypes": "errors",
    "decimals": "dtypes errors",
    "config": "parameters dtypes errors",
    "form": "decimals",
    "parameters": "decimals errors form",
    "table": "decimals form parameters",
    "primitives": "dtypes",
    "stage": "form primitives",
    "ties": "form primitives stage table",
    "doubleword": "form primitives stage ties",
    "pieces": "form table primitives doubleword ties",
    "evaluate": "form table primitives stage doubleword pieces",
    "hookspecs": "",
    "backends": "",
    "backends.base": "dtypes errors form table primitives evaluate",
    "backends.operand": "backends.base",
    "backends.builtin": "hookspecs",
    "backends.autograph": "",
    "backends.dynamo": "errors form table",
    "backends.numpy_rounding": "form",
    "backends.blocks": "backends.base backends.numpy_rounding evaluate form stage table",
    "backends.numpy": "backends.base backends.blocks errors form table",
    "backends.dask": "backends.numpy errors form table",
    "backends.array_api": "backends.base dtypes errors form table",
    "backends.torch": (
        "backends.base backends.blocks backends.dynamo backends.numpy errors form table "
        "primitives evaluate"
    ),
    "backends.jax": "backends.base dtypes errors form table evaluate",
    "backends.tensorflow": (
        "backends.base backends.blocks backends.numpy dtypes errors evaluate form table"
    ),
    "plugins": "hookspecs errors",
    "versions": "",
    "registry": (
        "plugins versions backends.builtin backends.base backends.autograph backends.dynamo "
        "dtypes errors form table"
    ),
    "placement": "registry backends.autograph arrays dtypes errors form table",
    "planning": "decimals errors form table",
    "fingerprint": "registry dtypes errors form table",
    "plotting": "errors form table",
    "spec": (
        "placement planning fingerprint plotting registry backends.autograph "
        "arrays config parameters dtypes errors form table"
    ),
    "invtime": "spec config registry hookspecs backends.base errors",
    "reference": "",
    "children": "",
    "dialects": "spec planning parameters decimals errors form table",
    "integrations": "spec arrays registry versions parameters decimals errors",
    "verification": "reference children spec registry backends.base form table dtypes errors",
    "audit": "reference children spec parameters errors",
    "checklog": "reference spec parameters decimals errors",
    "testing": "invtime reference registry backends.base hookspecs evaluate errors",
    "cli": (
        "invtime verification audit checklog dialects plotting fingerprint spec registry config "
        "reference table errors"
    ),
}
ROOMS = sorted(HOUSE, key=len, reverse=True)
ON_TOP = {"reference", "integrations", "verification", "audit", "checklog", "testing", "cli"}


def modules() -> dict[str, Path]:
    """Return every module of the package, named relative to the root, which is "invtime"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name or "invtime"] = path
    return found


def imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, at any depth.

    A public name that the root exports, such as `invtime.StepTypeError`, belongs to the root.
    """
    known = modules()
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, inner = name.partition(".")
            while inner and inner not in known:
                inner = inner.rpartition(".")[0]
            found |= {inner or "invtime"} if top == "invtime" else set()
    return found


def room(module: str) -> str:
    """The part of the package that a module is in."""
    return next(own for own in ROOMS if own == module or module.startswith(f"{own}."))


@pytest.mark.parametrize("module", modules())
def test_every_import_is_of_a_room_below(module: str) -> None:
    own = room(module)
    found = {room(name) for name in imports(modules()[module])} - {own}
    assert found - set(HOUSE[own].split()) == set()


@pytest.mark.parametrize("own", HOUSE)
def test_every_arrow_of_the_house_is_an_import(own: str) -> None:
    inside = [path for module, path in modules().items() if room(module) == own]
    used = {room(name) for path in inside for name in imports(path)}
    assert set(HOUSE[own].split()) - used == set()


@pytest.mark.parametrize("graph", ["rooms", "modules"])
def test_nothing_imports_in_a_circle(graph: str) -> None:
    arrows = {own: set(names.split()) for own, names in HOUSE.items()}
    if graph == "modules":
        arrows = {module: imports(path) for module, path in modules().items()}
    assert list(TopologicalSorter(arrows).static_order())  # raises CycleError for a cycle


def test_the_oracle_shares_nothing_with_what_it_judges() -> None:
    assert imports(modules()["reference"]) == set()


def test_what_counts_as_an_import(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from invtime.spec import InverseTimeDecay\n"
        "def function():\n    import invtime.cli\n    from invtime.backends import jax\n"
    )
    assert imports(path) == {"spec", "cli", "backends.jax"}
    path.write_text("from invtime import __version__, registry, verification\nimport invtime")
    assert imports(path) == {"invtime", "registry", "verification"}
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


# -- the page that says so -------------------------------------------------------------

ARCHITECTURE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text("utf-8")


def test_the_page_has_every_room() -> None:
    first = [line.split("|")[1] for line in ARCHITECTURE.splitlines() if line.startswith("| `")]
    listed = {name for cell in first for name in re.findall(r"`(?:invtime/)?(\w+)", cell)}
    assert listed == {module.partition(".")[0] for module in modules()} - {"invtime"} | {"__init__"}


def test_what_the_page_calls_a_method_of_a_backend_is_one() -> None:
    from invtime import Backend

    section = ARCHITECTURE.partition("## Backends")[2]
    named = re.findall(r"`(\w+)`", section.partition("It never contains the formula")[0])
    assert len(named) > 15
    assert set(named) - set(dir(Backend)) == set()


def test_only_a_backend_imports_its_framework() -> None:
    owners: dict[str, set[str]] = {}
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for framework in {name.split(".")[0] for name in names} & (FRAMEWORKS | {"numpy"}):
                if room(module) not in ON_TOP:
                    owners.setdefault(framework, set()).add(module)
    assert owners.pop("ml_dtypes", set()) <= {"backends.numpy", "backends.array_api"}
    # Every backend accepts NumPy steps.
    users = ("base", "blocks", "numpy", "numpy_rounding", "jax", "tensorflow", "dask", "array_api")
    typed = {"spec", "placement"}  # for the types of arrays
    assert owners.pop("numpy") <= {*(f"backends.{name}" for name in users), "fingerprint", *typed}
    for framework, where in owners.items():
        assert where == {f"backends.{framework}"}


def test_the_lazy_names_say_where_they_live() -> None:
    script = "import invtime, json; print(json.dumps(invtime._LAZY))"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout
    for module in json.loads(out).values():
        assert module.partition(".")[2] in modules()
