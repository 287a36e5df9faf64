"""The package: metadata, typing marker, command, and the statements of the README."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest

import invtime
from invtime.backends import builtin

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")

VERIFY = (
    'python -m pip install ".[cli]" && '
    "invtime verify --initial-learning-rate 0.1 --decay-steps 1000 --decay-rate 0.5"
)
TEST = "python -m pip install nox && nox"


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_version_is_said_once() -> None:
    assert invtime.__version__ == metadata.version("invtime") == project()["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{invtime.__version__}]" in changelog


def test_the_core_needs_two_distributions() -> None:
    required = metadata.requires("invtime") or []
    names = {re.split(r"[^\w-]", line)[0] for line in required if "extra ==" not in line}
    assert names == {"numpy", "pluggy"}


def test_types_are_shipped() -> None:
    assert (resources.files("invtime") / "py.typed").is_file()


def test_the_command_is_installed() -> None:
    (entry,) = metadata.entry_points(group="console_scripts", name="invtime")
    pytest.importorskip("typer")
    assert callable(entry.load())


def test_every_lower_bound_is_tested() -> None:
    """The tasks `nox -s package minimums minimum_torch` test them."""
    requirements = [*project()["dependencies"]]
    extras = project()["optional-dependencies"]
    requirements += [line for name, lines in extras.items() if name != "all" for line in lines]
    lowest = {re.sub(r"\[.*\]", "", name): bound for name, bound in map(split, requirements)}
    lowest["tensorflow-cpu"] = lowest.pop("tensorflow")
    tested: dict[str, set[str]] = {}
    for file in (ROOT / "minimums").iterdir():
        for name, version in pins(file).items():
            tested.setdefault(name, set()).add(version)
    for name, bound in lowest.items():
        oldest = min(map(numbers, tested[name]))
        assert oldest[: len(numbers(bound))] == numbers(bound), name
        assert not any(oldest[len(numbers(bound)) :]), name
        assert numbers(pins("constraints.txt")[name]) >= oldest


def test_a_backend_needs_the_version_that_its_extra_installs() -> None:
    extras = project()["optional-dependencies"]
    for info in builtin.invtime_backends():
        if info.oldest:
            (requirement,) = extras[info.name]
            assert split(requirement)[1] == info.oldest, info.name


def split(requirement: str) -> tuple[str, str]:
    name, bound = requirement.split(">=")
    return name, bound


def pins(file: str | Path) -> dict[str, str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


@pytest.mark.parametrize("command", [VERIFY, TEST])
def test_the_readme_gives_the_command_letter_by_letter(command: str) -> None:
    assert f"\n{command}\n" in README


def test_a_commit_runs_the_tasks_that_ci_runs() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall("(?:repo|entry|rev): (.*)", hooks) == [
        "local",
        "nox --reuse-existing-virtualenvs --sessions lint typecheck",
    ]


def test_ci_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert script.read_text("utf-8").rstrip().endswith(f"\n{TEST}")
    assert os.access(script, os.X_OK)


# -- examples --------------------------------------------------------------------------

(FIRST,) = re.findall(r"^```pycon\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
RECIPE, *BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def needs(block: str) -> list[str]:
    imported = re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE)
    return sorted(set(imported) & {"torch", "jax", "optax", "keras"})


def run(test: doctest.DocTest) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_the_first_example_of_the_readme() -> None:
    run(doctest.DocTestParser().get_doctest(FIRST, {}, "README.md", "README.md", 0))


@pytest.mark.parametrize("block", [pytest.param(b, id="+".join(needs(b)) or "-") for b in BLOCKS])
def test_readme_examples(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A comment after a print shows its output. Each block continues from the recipe."""
    for framework in needs(block):
        pytest.importorskip(framework)
    source = f"{RECIPE}\n{block}"
    exec(compile(source, "README.md", "exec"), {"__name__": "__main__"})
    shown = re.findall(r"^print\(.*\)(?:  |\n)# (.+)$", source, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == shown
    assert len(shown) == 2


def test_readme_has_an_example_for_each_framework() -> None:
    shown = {name for block in BLOCKS for name in needs(block)}
    assert shown == {"torch", "jax", "optax", "keras"}


# Modules that import packages which may be missing.
OPTIONAL = {
    *("torch", "jax", "tensorflow", "keras", "dask", "ml_dtypes"),
    *("typer", "rich", "hypothesis"),
}


MODULES = [m.name for m in pkgutil.walk_packages(invtime.__path__, "invtime.")]


# Except the module whose import runs the command.
@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_docstring_examples(module: str) -> None:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        if not set(re.findall(r"\w+", str(error))) & OPTIONAL:
            raise
        pytest.skip(str(error))
    for test in doctest.DocTestFinder(exclude_empty=True).find(found, module):
        for framework in needs("".join(example.source for example in test.examples)):
            pytest.importorskip(framework)
        run(test)
