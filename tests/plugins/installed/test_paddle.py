"""Paddle's own schedule in separate processes, compared with its dialect and the audit.

Paddle 3.3 crashes if it is imported after TensorFlow, so it is installed separately.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from math import ulp

import pytest

from invtime import InverseTimeDecay, dialects
from invtime.audit import audit
from invtime.reference import Reference

pytestmark = pytest.mark.skipif(find_spec("paddle") is None, reason="Paddle is not installed")

CONTINUOUS = InverseTimeDecay(0.1, 1000, 0.5)
STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
STEPS = (0, 1, 40, 41, 42, 999, 1000, 54_321)


def test_the_code_of_its_dialect():
    script = f"""
import json, paddle
scheduler = {dialects.to_code("paddle", CONTINUOUS)}
rates = []
for step in {STEPS}:
    scheduler.step(step)
    rates.append(scheduler())
print(json.dumps(rates))
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    for step, rate in zip(STEPS, json.loads(done.stdout.splitlines()[-1]), strict=True):
        true = Reference(CONTINUOUS).value(step)
        assert abs(rate - true) <= 3 * ulp(true)


def test_it_has_no_staircase_to_audit():
    report = audit([CONTINUOUS, STAIRCASE], peers=["paddle"], steps=500)
    assert [finding.verdict for finding in report.findings] == ["rounding", "skipped"]
