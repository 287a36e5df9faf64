"""The pages whose snippets need what people train with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["jax.md", "trainers.md"])
def test_the_snippets_of_a_page_do_what_it_says(page):
    command = [sys.executable, str(DOCS / "run.py"), str(DOCS / page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-4000:]
