"""Mutants of the core, and the tests that should notice: `python -m reliability.mutation`.

    python -m reliability.mutation FOLDER [COUNT [MINUTES]]

A copy of the package and its tests is laid in FOLDER, where mutmut works, as `[tool.mutmut]` in
pyproject.toml says. COUNT mutants are drawn, always the same ones; all of them without COUNT.
They are tried in batches, each a random sample of its own, until MINUTES have passed. What is
printed is a row for each module, and then the name of each mutant that survived.
"""
# ruff: noqa: T201

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
COPIED = ("invtime", "tests", "pyproject.toml")
FIRST = "invtime.decimals.x_ratio__mutmut_1"  # so that the mutants are made, and one is tried
BATCH = 100
DETECTED = ("killed", "timeout", "segfault")


def mutmut(folder: Path, names: list[str]) -> None:
    """Try the mutants of these names."""
    command = (sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names)
    environment = {**os.environ, "NOX_CURRENT_SESSION": "mutation"}  # the same examples each time
    with (folder / "mutmut.log").open("a") as log:
        subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=False)


def results(folder: Path) -> dict[str, str]:
    """Each mutant by its name, and what became of it."""
    from mutmut.stats import status_by_exit_code

    found = {}
    for path in sorted((folder / "mutants" / "invtime").rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        found.update({name: status_by_exit_code[code] for name, code in codes.items()})
    return found


def table(found: dict[str, str]) -> list[str]:
    """Markdown: the mutants of each module that were tried."""
    tried = {name: what for name, what in found.items() if what != "not checked"}
    lines = ["| module | mutants | tried | detected | of these timeouts | survived | no test |"]
    lines.append("|---|---|---|---|---|---|---|")
    modules = sorted({name.rpartition(".")[0] for name in found})
    for module in (*modules, ""):
        made = [name for name in found if name.startswith(f"{module}." if module else "")]
        count = Counter(tried[name] for name in made if name in tried)
        detected = sum(count[what] for what in DETECTED)
        cells = (len(made), count.total(), detected, count["timeout"])
        rest = (count["survived"], count["no tests"])
        lines.append(f"| {module or 'all'} | {' | '.join(map(str, (*cells, *rest)))} |")
    return lines


def main(arguments: list[str]) -> int:
    """Try the mutants and print what became of them."""
    folder = Path(arguments[0])
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    ended = time.monotonic() + 60 * (float(arguments[2]) if len(arguments) > 2 else 1e6)
    mutmut(folder, [FIRST])
    names = sorted(results(folder))
    count = int(arguments[1]) if len(arguments) > 1 else len(names)
    chosen = Random(0).sample(names, count)
    for start in range(0, count, BATCH):
        if time.monotonic() < ended:
            mutmut(folder, chosen[start : start + BATCH])
    found = results(folder)
    print("\n".join(table(found)))
    print("\n".join(name for name in names if found[name] in ("survived", "no tests")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
