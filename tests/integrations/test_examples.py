"""The scripts in examples/, run as their docstrings describe."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from invtime.reference import values

EXAMPLES = Path(__file__).parents[2] / "examples"
# The requirements of each script, and the earlier runs that must exist.
SCRIPTS = {
    "numpy": ("numpy", []),
    "torch": ("torch", ["numpy"]),
    "jax": ("optax", ["numpy"]),
    "tensorflow": ("tensorflow", ["numpy"]),
    "keras": ("keras", ["numpy"]),
}
RECIPE = runpy.run_path(str(EXAMPLES / "recipe.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy, so that runs do not leave files behind or see earlier ones."""
    return shutil.copytree(
        EXAMPLES, tmp_path_factory.mktemp("examples") / "examples", ignore=lambda *_: {"runs"}
    )


def run(folder, script):
    command = [sys.executable, str(folder / f"train_{script}.py")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment
    )


def true_rates():
    """Return the lines with rates that each script must print."""
    rates = np.array(values(RECIPE["SCHEDULE"], range(130), "float32"), np.float32)
    texts = [str(rate) for rate in rates]
    return [f"{step:5}: " + " ".join(texts[step : step + 10]) for step in range(0, 130, 10)]


def test_the_recipe_goes_through_every_phase():
    phases = RECIPE["SCHEDULE"].phases
    assert [phase.name for phase in phases] == [
        *("warm-up", "stable", "decay", "floor", "cool-down", "end")
    ]
    assert phases[-1].start < RECIPE["UPDATES"] == 130


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_rate_is_equal_bit_for_bit(folder, script):
    needed, before = SCRIPTS[script]
    pytest.importorskip(needed)
    done = run(folder, script)
    assert done.returncode == 0, done.stderr[-2000:]
    first, *lines = done.stdout.splitlines()
    assert first.startswith(script)
    assert ": 130 updates" in first
    printed, others = lines[:13], lines[13:]
    assert printed == true_rates()  # the same digits from every framework
    for name in before:
        assert any(
            line.startswith(f"  against {name}: 130 of 130 learning rates are equal bit for bit")
            for line in others
        )


def test_a_rate_that_differs_in_its_last_bit_is_seen(folder):
    assert run(folder, "numpy").returncode == 0
    path = folder / "runs" / "other.json"
    other = json.loads((folder / "runs" / "numpy.json").read_text())
    first = int.from_bytes(bytes.fromhex(other["rates"][0]), "little")
    other["rates"][0] = (first ^ 1).to_bytes(4, "little").hex()
    path.write_text(json.dumps(other))
    done = run(folder, "numpy")
    path.unlink()
    assert "against other: 129 of 130" in done.stdout
    assert done.returncode == 1


def test_every_script_is_run():
    assert {path.stem for path in EXAMPLES.glob("train_*.py")} == {f"train_{s}" for s in SCRIPTS}
