"""What importing costs, and which way the imports run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import invtime

PACKAGE = Path(invtime.__file__).parent

FRAMEWORKS = {"torch", "jax", "jaxlib", "tensorflow", "keras", "ml_dtypes", "optax", "dask"}
# Each costs milliseconds that a schedule of plain numbers has no use for.
HEAVY = {"numpy", "pluggy", "dataclasses", "fractions", "decimal", "json", "importlib.metadata"}

SCHEDULE = "schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5); "
STAIRCASE = "schedule = invtime.InverseTimeDecay(0.1, 0.3, 1 / 3, staircase=True); "


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `code`.

    Without `site`, whose .pth files may import anything; the search path is handed over.
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
    found = loaded_by("import invtime.spec, invtime.config, invtime.errors, invtime.exact")
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


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="first"),
        pytest.param("invtime.list_backends()", id="again"),
        pytest.param(f"import numpy; {SCHEDULE}schedule(numpy.arange(9))", id="backend loaded"),
        pytest.param("import invtime.backends.numpy", id="package imported"),
    ],
)
def test_backends_is_a_function_and_a_package(before: str) -> None:
    """`invtime.list_backends()` lists them; `invtime.backends.numpy` is one of their modules."""
    code = f"import invtime; {before}; from invtime import backends; {{s.name for s in backends()}}"
    assert "invtime.registry" in loaded_by(code.replace("; ;", ";"))


def test_every_public_name_is_there() -> None:
    assert all(getattr(invtime, name) is not None for name in invtime.__all__)
    assert list(invtime.__all__) == sorted(invtime.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'schedul'"):
        _ = invtime.schedul


# Which of the package's modules each room may import, at any depth of a function: itself,
# and what is listed. `registry` is the one that spec and exact reach on first use.
CORE = {"errors", "exact", "compensated", "decimals", "rounding", "dtypes", "parameters", "config"}
DISCOVERY = {"hookspecs", "registry", "backends", "backends.builtin", "backends.base"}
MAY_IMPORT = {
    "errors": set(),
    "decimals": set(),
    "rounding": set(),
    "dtypes": {"errors"},
    "parameters": {"decimals", "errors"},
    "config": {"dtypes", "errors"},
    "exact": {"decimals", "rounding", "compensated"},
    "compensated": {"exact", "decimals", "rounding"},
    "hookspecs": set(),
    "registry": {"errors", "hookspecs", "backends", "backends.builtin"},
    "written": {"decimals", "errors"},
    "planning": {"written", "exact", "parameters", "errors"},
    "fingerprint": {"dtypes", "exact", "errors"},
    "dialects": {"spec", "written", "decimals", "parameters", "rounding", "errors"},
    "plotting": {"errors"},
    "spec": CORE | {"registry", "placement", "planning", "fingerprint", "plotting"},
    "placement": CORE | {"registry", "spec"},
    "": CORE | DISCOVERY | {"spec", "placement"},
    "__main__": {"cli"},
    "backends": {"errors", "exact", "compensated", "rounding", "dtypes", "hookspecs"},
}
# These stand on top: anything below is theirs, and nothing below imports them.
TOP = {
    "verification": {"verification"},
    "integrations": {"integrations"},
    "testing": {"testing", "verification"},
    "audit": {"audit", "verification"},
    "checklog": {"checklog", "verification"},
    "cli": {"cli", "verification", "audit", "checklog"},
}


def modules() -> dict[str, Path]:
    """Every module of the package, named from the package's root: "" is the root itself."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports when it runs, functions included.

    What stands under `if TYPE_CHECKING:` never runs and is left out.
    """
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    known = modules()
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        own = {name.partition(".")[2] for name in names if name.split(".")[0] == "invtime"}
        own &= known.keys()
        found |= own - {""} if len(own) > 1 else own
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_a_room() -> None:
    unknown = {name for name in modules() if name not in MAY_IMPORT and room(name) not in TOP}
    assert {name for name in unknown if room(name) != "backends"} == set()


@pytest.mark.parametrize("module", modules())
def test_imports_run_one_way(module: str) -> None:
    found = imports(modules()[module])
    own = room(module)
    if own in TOP:
        wrong = {name for name in found if room(name) in TOP and room(name) not in TOP[own]}
    elif own == "backends":
        # The package is also the function `invtime.list_backends()`; a backend's file knows `base`.
        more = {
            "backends": {"registry"},
            "backends.base": set(),
            "backends.dask": {"backends.numpy"},
            "backends.numpy": {"backends.base", "backends.numpy_rounding"},
        }.get(module, {"backends.base"})
        wrong = found - MAY_IMPORT["backends"] - more
    else:
        wrong = found - MAY_IMPORT[module]
    assert wrong == set()


# -- the page that says so -------------------------------------------------------------

ARCHITECTURE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text("utf-8")


def test_the_page_has_every_room() -> None:
    first = [line.split("|")[1] for line in ARCHITECTURE.splitlines() if line.startswith("| `")]
    listed = {name for cell in first for name in re.findall(r"`(?:invtime/)?(\w+)", cell)}
    assert listed == {room(module) or "__init__" for module in modules()} - {"__main__"}


def test_what_the_page_calls_a_method_of_a_backend_is_one() -> None:
    from invtime import Backend

    section = ARCHITECTURE.partition("## What a backend is")[2]
    named = re.findall(r"`(\w+)`", section.partition("It never contains the formula")[0])
    assert len(named) > 15
    assert set(named) - set(vars(Backend)) == set()


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
                if room(module) not in TOP:
                    owners.setdefault(framework, set()).add(module)
    assert owners.pop("ml_dtypes", set()) <= {"backends.numpy", "backends.array_api"}
    users = ("numpy", "numpy_rounding", "jax", "tensorflow", "dask", "array_api")
    assert owners.pop("numpy") <= {*(f"backends.{name}" for name in users), "fingerprint"}
    for framework, where in owners.items():
        assert where == {f"backends.{framework}"}


def test_the_lazy_names_say_where_they_live() -> None:
    script = "import invtime, json; print(json.dumps(invtime._LAZY))"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout
    for module in json.loads(out).values():
        assert module.partition(".")[2] in modules()
