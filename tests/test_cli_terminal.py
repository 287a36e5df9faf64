"""The command in a real terminal of 80 or 200 columns, and in a pipe."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("typer")
pytest.importorskip("fcntl")  # Windows has none

import fcntl
import pty
import termios

from commands import command
from distributions import install
from typer.main import get_command

from invtime import InverseTimeDecay
from invtime.audit.peers import PEERS
from invtime.cli.app import app
from invtime.cli.verify import _lines as report_lines
from invtime.verification.report import Missing, Report

SCHEDULE = ["--lr", "0.1", "-S", "1000", "-R", "0.5"]
COMMANDS = sorted(get_command(app).commands)
CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # control sequences, which have no width

# A distribution with a backend that differs by one ULP at step 777, and one that raises. Each
# writes to stderr like C++ code. Only its folder is on the path.
PLUGIN = """
    import os

    import invtime
    import numpy as np
    from invtime.backends.numpy import NumpyBackend

    class Off(NumpyBackend):
        name = "a_backend_of_long_name"

        def evaluate(self, form, x, dtype):
            os.write(2, b"noise of a framework\\n")
            out = super().evaluate(form, x, dtype)
            return np.where(x == 777, np.nextafter(out, np.array(np.inf, out.dtype)), out)

    class Raising(NumpyBackend):
        name = "raising"

        def evaluate(self, form, x, dtype):
            raise RuntimeError("no such kernel, " * 10)

    @invtime.hookimpl
    def invtime_backends():
        yield invtime.BackendInfo(Off.name, ("numpy",), "invtime_noisy:Off", "pip")
        yield invtime.BackendInfo(Raising.name, ("numpy",), "invtime_noisy:Raising", "pip")

    @invtime.hookimpl
    def invtime_backend_for(step_type):
        return None
"""
ONLY = [f"--backend={name}" for name in ("numpy", "a_backend_of_long_name", "raising")]
VERIFY = ["verify", *SCHEDULE, *ONLY, "--steps", "1000", "--dtype", "float64"]


@pytest.fixture
def environment(tmp_path):
    install(tmp_path, "invtime_noisy", PLUGIN)
    found = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "TERM"):
        found.pop(name, None)
    return {**found, "TERM": "xterm"}


def raw_screen(line, columns, env):
    """Return everything that a process writes to a terminal, on stdout and stderr."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, env=env) as running:
        os.close(slave)
        parts = []
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # Linux signals the end like this
                break
            if not part:
                break
            parts.append(part)
        running.wait(timeout=60)
    os.close(master)
    return b"".join(parts).decode()


def screen(line, columns, env):
    """Return the lines that remain visible on a terminal."""
    text = CURSOR.sub("", raw_screen(line, columns, env)).replace("\r\n", "\n")
    return [row.rpartition("\r")[2].rstrip() for row in text.split("\n")]


def piped(line, env):
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=60, check=False)
    return done.stdout.splitlines()


def rule_of(lines):
    (rule,) = (line for line in lines if line and not line.strip("-"))
    return rule


# -- tables ----------------------------------------------------------------------------------


def test_a_terminal_has_every_row_whole_and_its_note_below(environment):
    lines = screen(command(*VERIFY), 80, environment)
    assert max(map(len, lines)) <= 80
    assert "mode: eager, device: cpu, dtype: float64" in lines
    table = lines[lines.index(rule_of(lines)) - 1 :]
    assert table[0].split() == ["backend", "points", "mismatches", "worst", "ULP"]
    assert len(table[1]) == max(map(len, table[:3]))  # the rule is as wide as the table
    first = next(i for i, line in enumerate(table) if line.startswith("a_backend_of_long_name "))
    assert re.fullmatch(r"a_backend_of_long_name \S+ +\d+ +9 +1", table[first])
    assert table[first + 1].startswith("    first at int64 step 777: expected 0.0720")
    assert all(line.startswith("    ") for line in table[first + 1 : first + 3])
    raising = table.index(next(line for line in table if line.startswith("raising")))
    assert re.fullmatch(r"raising \S+", table[raising])  # nothing was compared: no `0 0 0`
    assert table[raising + 1].startswith("    failed: at int64 steps: RuntimeError: no such kernel")


def test_a_wide_terminal_has_the_notes_in_the_rows(environment):
    only = [option for option in VERIFY if option != "--backend=raising"]
    lines = screen(command(*only), 200, environment)
    (row,) = (line for line in lines if line.startswith("a_backend"))
    assert row.endswith(")")
    assert "first at int64 step 777" in row
    assert len(rule_of(lines)) == len(row) < 200


def test_a_pipe_has_aligned_columns_and_no_rule(environment):
    lines = piped(command(*VERIFY), environment)
    header = next(line for line in lines if line.startswith("backend"))
    rows = lines[lines.index(header) + 1 :][:3]
    assert "-----" not in "".join(lines)
    assert [row.split()[0] for row in rows] == ["numpy", "a_backend_of_long_name", "raising"]
    points = header.index("points") + len("points")
    assert re.fullmatch(r".* \d+", rows[0][:points])  # aligned with the end of the header
    note = header.index("note")
    assert [row[note - 1 : note + 6] for row in rows] == ["", " first ", " failed"]


def test_the_backends_fit_80_columns(environment):
    lines = screen(command("backends"), 80, environment)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("a_backend_of_long_name ") for line in lines)


def test_a_command_to_copy_is_on_one_line(monkeypatch):
    monkeypatch.setattr("invtime.cli.output.width", lambda: 40)
    absent = Missing("torch", 'python -m pip install "invtime[torch]"', "torch is missing")
    report = Report(InverseTimeDecay(0.1, 10, 0.5), 9, (), (absent,))
    run = 'run: python -m pip install "invtime[torch]"'
    assert f"not compared: torch (torch is missing); {run}" in list(report_lines(report))


def test_a_terminal_of_few_columns_has_a_note_too(environment):
    assert "    framework" in screen(command("backends"), 4, environment)  # one word per line


def test_an_audit_fits_80_columns(environment):
    """Every peer in the longest mode, with late and early drops, and a failed peer."""
    code = f"""
        import sys
        from invtime import InverseTimeDecay
        from invtime.audit.report import Audit, Finding, Shift, Skipped
        from invtime.cli.audit import _lines
        schedule = InverseTimeDecay(0.1, 41, 0.5, staircase=True, warmup_steps=10000,
            warmup_learning_rate=0.001, minimum_learning_rate=0.0001)
        shifts = (Shift(41, 1, True), Shift(82, 1, False))
        found = dict(version="2.21.0", dtype="float32", points=100000, drops=2439, late=1234,
            early=1234, shifts=shifts, differing=12345, worst_ulp=176)
        names = {list(PEERS)}
        findings = [Finding(schedule, name, "function-xla", **found) for name in names]
        findings.append(Finding(schedule, "numpy", "x", "2", error="RuntimeError: " + "why " * 30))
        findings.append(Finding(schedule, "keras-jax", "jit", "2", skipped="it has no phases"))
        skipped = (Skipped("paddle", "paddle is not installed"),)
        report = Audit((schedule,), 0, 100000, tuple(findings), skipped)
        print(*_lines(report, "table"), sep="\\n")
    """
    lines = screen([sys.executable, "-c", textwrap.dedent(code)], 80, environment)
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if "function-xla" in line and "affected" in line]
    counts = ["float32", "100000", "1234", "1234", "12345", "176", "affected"]
    assert rows == [[name, "function-xla", *counts] for name in PEERS]


# -- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_page_fits_80_columns_and_has_every_option_whole(name, environment):
    lines = screen(command(name, "-h"), 80, environment)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    for parameter in get_command(app).commands[name].params:
        for option in parameter.opts:
            assert not option.startswith("-") or re.search(rf"[ ,]{option}[ ,]", text), option


def test_what_a_framework_writes_is_not_on_the_screen(environment):
    text = raw_screen(command(*VERIFY), 80, environment)
    assert "mode: eager" in text
    assert "noise of a framework" not in text


# The command in a process where the numbers of a fingerprint take longer than usual.
SLOW = """
    import sys
    import time
    from invtime import fingerprint
    from invtime.cli import main, output

    output.SOON = float(sys.argv.pop(1))
    make = fingerprint.fingerprint

    def slow(form, values, dtype, progress):
        time.sleep(0.5)
        return make(form, values, dtype, progress)

    fingerprint.fingerprint = slow
    main()
"""


@pytest.mark.parametrize(("soon", "shown"), [("0", True), ("60", False)])
def test_a_bar_is_shown_where_work_takes_its_time(environment, soon, shown):
    line = [sys.executable, "-c", textwrap.dedent(SLOW), soon, "fingerprint", *SCHEDULE]
    text = raw_screen(line, 80, environment)
    assert ("fingerprint \x1b" in text) is shown
    (digest,) = piped(line, environment)
    assert text.endswith(f"{digest}\r\n")
    assert (f"\x1b[2K{digest}" in text) is shown  # its line is erased at the end
