"""The installed plugins of examples/plugins, with a broken one next to them.

`nox -s plugins` installs them, and then runs their own tests too. Elsewhere, plugins that are not
installed are skipped.
"""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FEW = ("--steps", "2000", "--dtype", "float32")
SCHEDULE = ("--initial-learning-rate", "0.1", "--decay-steps", "1000", "--decay-rate", "0.5")


def run(*arguments, status=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture
def name(request):
    """Return the name of a plugin; skip the test if it is not installed."""
    try:
        metadata.version(f"invtime-{request.param}")
    except metadata.PackageNotFoundError:
        pytest.skip(f"invtime-{request.param} is not installed")
    return request.param


each = pytest.mark.parametrize("name", ["mlx", "paddle", "tinygrad", "fused"], indirect=True)


@each
def test_it_is_listed(name):
    done = run("invtime.cli", "backends", "--format", "json")
    rows = {row["backend"]: row for row in json.loads(done.stdout)}
    assert rows[name]["usable"], rows[name]["problem"]
    assert rows[name]["distribution"] == f"invtime-{name} {metadata.version(f'invtime-{name}')}"


@each
@pytest.mark.parametrize("options", [(), ("--decay-steps", "0.3", "--staircase")], ids=str)
def test_it_has_the_bits(name, options):
    run("invtime.cli", "verify", *SCHEDULE, *options, *FEW, "--backend", name)


@pytest.mark.parametrize("name", ["broken"], indirect=True)
def test_the_broken_one_warns_and_all_else_works(name):
    done = run("invtime.cli", "backends", "--format", "json")
    assert done.stderr.count("PluginWarning") == 1
    assert "plugin 'broken' of invtime-broken 0.1.0 cannot be used" in done.stderr
    rows = {row["backend"]: row for row in json.loads(done.stdout)}
    assert rows[name]["distribution"] == "invtime-broken 0.1.0"
    assert rows[name]["problem"] == "RuntimeError: broken on purpose"
    assert rows["numpy"]["usable"]
    verify = run("invtime.cli", "verify", *SCHEDULE, *FEW, "--backend", "numpy")
    assert verify.stderr.count("PluginWarning") == 1
    silent = run("invtime.cli", "backends", INVTIME_DISABLE_PLUGINS="broken")
    assert silent.stderr == ""


@pytest.mark.parametrize("framework", ["mlx", "paddle", "tinygrad"])
def test_what_evaluates_has_never_heard_of_the_framework(framework):
    core = ("form", "stage", "doubleword", "evaluate", "reference")
    modules = ("backends/*", "verification/*", "hookspecs", "plugins", "registry", *core)
    paths = [path for module in modules for path in (ROOT / "invtime").glob(f"{module}.py")]
    assert len(paths) > len(modules)
    assert [path for path in paths if framework in path.read_text("utf-8").lower()] == []
