"""The trainers' logs in tests/logs come from real runs: a new run is read the same way."""

import subprocess
import sys
from pathlib import Path

import pytest

from invtime.checklog import read

LOGS = Path(__file__).parents[1] / "logs"
MAKERS = ("lightning", "lightning_by_epoch", "lightning_epochs")
MAKERS += ("transformers", "transformers_output", "transformers_epochs_output")


@pytest.mark.parametrize("maker", MAKERS)
def test_a_fresh_run_is_read_the_same(maker, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip(maker.split("_")[0])
    command = [sys.executable, LOGS / "make.py", tmp_path, maker]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = tmp_path.iterdir()
    assert read(made) == read(LOGS / made.name)
