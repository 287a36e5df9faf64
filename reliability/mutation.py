"""Break the code in one place, and see whether a test fails: `python -m reliability.mutation`.

    python -m reliability.mutation FOLDER [--count 660] [--seed 0] [--group NAME...]
                                          [--again [--tests FILE...]]

COUNT mutants are drawn at random, in the shares that `mutation_groups.py` gives to the groups of
modules. The package and its tests are copied to FOLDER. A process for each group imports the
group's framework. For each mutant it writes the changed module and forks; the fork runs the
tests that call the changed function, the quick ones first, until one fails. The results are kept
in FOLDER. A run that was interrupted continues there. `--again` tries the mutants that were not
detected once more, and `--tests` limits that to some test files, such as new ones.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reliability.mutants import Mutant, mutants_of, source
from reliability.mutation_groups import FRAMEWORKS, GROUPS, Group

ROOT = Path(__file__).parents[1]
SECONDS = 15  # for the tests of one mutant, by the times they took while calls were noted
LIMIT = 60  # seconds, after which the tests of a mutant are ended
FIRST = 25  # tests that are run before the others: they are in few files, which are read faster
PASSED = ("survived", "no test")


class Quick:
    """A plugin of pytest: fewer examples than in the tests, always the same, and none shrunk."""

    def pytest_sessionstart(self) -> None:
        """Replace the profile that the tests loaded."""
        from hypothesis import Phase, settings  # not before pytest, which rewrites its modules

        fixed = {"max_examples": 40, "derandomize": True, "database": None, "deadline": None}
        settings.register_profile("mutation", **fixed, phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutation")


class Recorder(Quick):
    """A plugin of pytest: what each test calls in the package, and how long it takes."""

    def __init__(self) -> None:
        self.codes: set[Any] = set()
        self.tests: dict[str, tuple[float, list[str]]] = {}

    def note(self, frame: Any, event: str, _: object) -> None:
        """Note a call."""
        if event == "call":
            self.codes.add(frame.f_code)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Begin."""
        self.codes.clear()
        self.started = time.perf_counter()
        threading.setprofile(self.note)
        sys.setprofile(self.note)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        """Keep what was noted where the test passes."""
        try:
            result = yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        names = {(code.co_filename, code.co_qualname) for code in self.codes}
        called = [f"{file}:{name}" for file, name in names if "/invtime/" in file]
        self.tests[item.nodeid] = (time.perf_counter() - self.started, called)
        return result


class Chosen(Quick):
    """A plugin of pytest: only these tests, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self.order = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the others out."""
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])


def run_pytest(arguments: list[str], plugin: object, limit: int = 0) -> int:
    """Run pytest in a fork of this process; what ended it, a signal being negative."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        log = os.open("pytest.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal.alarm(limit)
        code = 70
        try:
            code = pytest.main(["-q", "-pno:cacheprovider", *arguments], [plugin])
            if isinstance(plugin, Recorder):
                Path("tests.json").write_text(json.dumps(plugin.tests))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        os.killpg(child, signal.SIGKILL)  # what its tests started
    except ProcessLookupError:
        pass
    return code


def tests_by_function(tests: dict[str, tuple[float, list[str]]]) -> dict[str, list[str]]:
    """The tests that call each function, the quick ones first, and no more than SECONDS of them."""
    found = defaultdict(list)
    for test, (seconds, called) in sorted(tests.items(), key=lambda one: one[1][0]):
        for name in {place.partition(".<locals>")[0] for place in called}:
            before = sum(tests[other][0] for other in found[name])
            if not found[name] or before + seconds < SECONDS:
                found[name].append(test)
    return found


def outcome(mutant: Mutant, tests: list[str]) -> str:
    """What the tests say of a mutant."""
    path = Path(f"invtime/{mutant.module}.py")
    code = 0
    path.write_text(mutant.text(), "utf-8")
    try:
        for some in filter(None, (tests[:FIRST], tests[FIRST:])):
            files = {test.partition("::")[0]: None for test in some}
            code = code or run_pytest(["-x", *files], Chosen(some), LIMIT)
    finally:
        path.write_text(source(mutant.module), "utf-8")
    if code < 0:
        return "did not end" if code == -signal.SIGALRM else "crashed"
    assert code not in (5, 70), f"pytest ended with status {code}, see pytest.log"
    return "test failed" if code else "survived"


def run_group(
    folder: Path, group: Group, files: list[str], chosen: list[Mutant], noted: str
) -> None:
    """Try these mutants of a group, in a process of its own, and write down what became of them."""
    os.chdir(folder)
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in set(FRAMEWORKS).difference(group.frameworks):
        sys.modules[name] = None  # type: ignore[assignment]  # not to be imported
    for name in group.frameworks:
        import_module(name)
    sys.dont_write_bytecode = False
    if not Path(noted).exists():
        run_pytest(["-k", f"not ({group.without})", *files], Recorder())
        Path("tests.json").rename(noted)
    recorded = json.loads(Path(noted).read_text())
    tests = tests_by_function(recorded)
    quick = sorted({test for calling in tests.values() for test in calling})
    code = run_pytest(files, Chosen(quick))
    assert code == 0, f"a test fails without a mutant ({code}), see pytest.log"
    # What is compiled now belongs to the unchanged modules, by their times, and is read again.
    sys.dont_write_bytecode = True
    for mutant in chosen:
        started = time.perf_counter()
        calling = tests[str(folder / "invtime" / f"{mutant.module}.py:{mutant.function}")]
        what = outcome(mutant, calling) if calling else "no test"
        with Path("results.jsonl").open("a") as results:
            row = (*mutant, what, round(time.perf_counter() - started, 1))
            results.write(f"{json.dumps(row)}\n")


def drawn(group: Group, count: int, seed: int) -> list[Mutant]:
    """The mutants of a group that are tried: always the same of a seed, whatever the others are."""
    every = [mutant for module in group.modules for mutant in mutants_of(module)]
    return Random(seed).sample(every, min(count, len(every)))


def results_in(folder: Path) -> dict[Mutant, str]:
    """What became of each mutant at the last try."""
    rows = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    return {Mutant(*mutant): what for *mutant, what, _ in rows}


def table(groups: dict[str, Group], found: dict[Mutant, str]) -> list[str]:
    """Markdown: what became of the mutants of each module, and of all."""
    lines = ["| module | mutants | tried | detected | of these by time | survived | no test |"]
    lines.append("|---|---|---|---|---|---|---|")
    modules = [module for group in groups.values() for module in group.modules]
    for module in (*sorted(modules), "all"):
        chosen = modules if module == "all" else [module]
        made = sum(len(mutants_of(one)) for one in chosen)
        count = Counter(what for mutant, what in found.items() if mutant.module in chosen)
        survived, untested = (count[what] for what in PASSED)
        tried, detected = count.total(), count.total() - survived - untested
        cells = (made, tried, detected, count["did not end"], survived, untested)
        lines.append(f"| `{module}` | {' | '.join(map(str, cells))} |")
    return lines


def main() -> int:
    """Try the mutants and print what became of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=660)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--group", choices=GROUPS, nargs="+", default=list(GROUPS))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--tests", nargs="+", default=[], help="in tests/, with --again")
    options = parser.parse_args()
    folder = options.folder.resolve()
    groups = {name: GROUPS[name] for name in options.group}
    shares = sum(group.share for group in GROUPS.values())
    for name in ("invtime", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "results.jsonl").touch()
    for name, group in groups.items():
        found = results_in(folder)
        chosen = drawn(group, options.count * group.share // shares, options.seed)
        noted = f"tests of {name}.json"  # what each calls, for a run that continues
        if options.again:
            (folder / noted).unlink(missing_ok=True)
            chosen = [one for one in chosen if found.get(one) in PASSED]
        else:
            chosen = [one for one in chosen if one not in found]
        if not chosen:
            continue
        files = [f"tests/{test}" for test in options.tests or group.tests]
        process = multiprocessing.get_context("spawn").Process(
            target=run_group, args=(folder, group, files, chosen, noted)
        )
        process.start()
        process.join()
    found = results_in(folder)
    print("\n".join(table(groups, found)))
    for mutant, what in found.items():
        if what in PASSED:
            print(f"\n{mutant.module} {mutant.function} {mutant.number}: {what}\n{mutant.lines()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
