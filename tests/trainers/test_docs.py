"""The pages whose snippets need trainers."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TRAINERS = (DOCS / "trainers.md").read_text("utf-8")
blocks = runpy.run_path(str(DOCS / "run.py"))["blocks"]

IN_TWO_PROCESSES = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SECTIONS = {
    "Lightning": (["lightning", "jsonargparse"], []),
    "Hugging Face Trainer": (["transformers", "accelerate"], []),
    "accelerate": (["accelerate"], []),
    "DistributedDataParallel": (["torch"], IN_TWO_PROCESSES),
}


def test_the_snippets_of_a_page_do_what_it_says():
    command = [sys.executable, str(DOCS / "run.py"), str(DOCS / "jax.md")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("title", SECTIONS)
def test_the_blocks_of_a_section_are_a_program(title, tmp_path):
    modules, launcher = SECTIONS[title]
    for module in modules:
        pytest.importorskip(module)
    section = TRAINERS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    program = tmp_path / "train.py"
    program.write_text("".join(block.code for block in blocks(section) if block.kind == "python"))
    command = [sys.executable, *launcher, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]


def test_nothing_is_hidden_in_the_sections():
    assert {block.kind for block in blocks(TRAINERS)} == {"python"}
