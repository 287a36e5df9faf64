"""The diagnosis of training runs with seeded mistakes, and of correct runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch")

from invtime.checklog import diagnose

SEEDED = runpy.run_path(str(Path(__file__).parent / "logs" / "mistakes.py"))
SEEDS = [*SEEDED["SEEN"], *SEEDED["HELD_OUT"]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mistake", SEEDED["MISTAKES"], ids=lambda each: each.__name__)
def test_a_mistake_is_named_first(mistake, seed):
    """If another mistake has the same rates, the diagnosis may name that one."""
    log, meant, kind = SEEDED["run"](mistake, seed)
    diagnosis = diagnose(log, meant)
    named = [explanation.kind for explanation in diagnosis.explanations]
    assert diagnosis.status == 1
    assert kind in named
    assert named[0] == kind or named[0] in SEEDED["EQUAL"][kind]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("run", SEEDED["RIGHT"], ids=lambda each: each.__name__)
def test_a_correct_run_is_never_called_a_mistake(run, seed):
    log, meant, _ = SEEDED["run"](run, seed)
    diagnosis = diagnose(log, meant)
    assert (diagnosis.status, diagnosis.explanations) == (0, ())
