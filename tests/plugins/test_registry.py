"""Plugins found by entry points: used, isolated and blocked, each in a separate process."""

import gc
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest

import invtime
from invtime import BackendUnavailableError, InverseTimeDecay, registry, versions
from invtime.registry import Registry

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)

PLUGIN = """
import invtime

@invtime.hookimpl
def invtime_backends():
    return [invtime.BackendInfo({name!r}, ("loopback",), "{module}_backend:Loop", "pip install it")]
"""

# NumPy under another name: the shared formula in a backend of a plugin.
BACKEND = """
from loopback import Array
from invtime.backends.numpy import NumpyBackend

class Loop:
    name = "loop"
    inner = NumpyBackend()

    def __call__(self, form, step, dtype=None, device=None):
        return Array(self.inner(form, step.data, dtype, device))

    def device(self, device):
        return device

    def dtype(self, dtype):
        return dtype
"""

FRAMEWORK = """
class Array:
    def __init__(self, data):
        self.data = data
"""


@pytest.fixture
def install(tmp_path):
    """Write the modules and the metadata of a distribution, as an installer does."""

    def lay(distribution, entry_point, source, name="loop"):
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source.format(name=name, module=module))
        (tmp_path / f"{module}_backend.py").write_text(BACKEND)
        (tmp_path / "loopback.py").write_text(FRAMEWORK)
        info = tmp_path / f"{module}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n"
        )
        (info / "entry_points.txt").write_text(f"[invtime]\n{entry_point} = {module}\n")

    return lay


@pytest.fixture
def run(tmp_path, monkeypatch):
    def in_process(code, **environment):
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        command = [sys.executable, "-c", textwrap.dedent(code)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    return in_process


USE = """
import numpy as np, invtime
from loopback import Array
schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
assert schedule(Array(np.arange(3))).data.tolist() == schedule(np.arange(3)).tolist()
state = {s.name: s for s in invtime.list_backends()}["loop"]
assert state.distribution == "invtime-loop 1.5", state
"""


def test_a_plugin_is_found_by_its_entry_point(install, run):
    install("invtime-loop", "loop", PLUGIN)
    assert run(USE).stderr == ""


def test_a_plugin_may_claim_a_type_that_a_built_in_knows(install, run):
    source = PLUGIN + textwrap.dedent(
        """
        import sys
        @invtime.hookimpl
        def invtime_backend_for(step_type):
            return "loop" if step_type.__name__ == "ndarray" else None
        """
    )
    install("invtime-loop", "loop", source)
    run(
        """
        import numpy as np, invtime
        invtime.list_backends()
        assert invtime.registry.default.backend_name_for(np.ndarray) == "loop"
        assert invtime.registry.default.backend_name_for(np.int64) == "numpy"
        """
    )


BROKEN = {
    "raises": "raise RuntimeError('no luck')",
    "misses a module": "import a_framework_that_is_missing",
    "announces nonsense": PLUGIN.replace("invtime.BackendInfo({name!r}", "tuple, ({name!r}"),
    "has a wrong hook signature": PLUGIN.replace("invtime_backends()", "invtime_backends(what)"),
    "announces a bad name": PLUGIN.replace("{name!r}", "'not a name'"),
    "announces no class": PLUGIN.replace("_backend:Loop", "_backend"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_warns_once_and_leaves_the_others_working(fault, install, run):
    install("invtime-broken", "broken", BROKEN[fault])
    install("invtime-loop", "loop", PLUGIN)
    done = run(USE)
    assert done.stderr.count("PluginWarning") == 1
    assert "'broken' of invtime-broken 1.5" in done.stderr
    assert "INVTIME_DISABLE_PLUGINS=broken" in done.stderr
    assert run(USE, INVTIME_DISABLE_PLUGINS="broken").stderr == ""


def test_a_hook_that_raises_is_passed_over(install, run):
    source = PLUGIN + textwrap.dedent(
        """
        @invtime.hookimpl
        def invtime_backend_for(step_type):
            raise RuntimeError("no luck")
        """
    )
    install("invtime-loop", "loop", source)
    assert "PluginWarning" in run(USE).stderr


def test_two_plugins_of_one_name_are_an_error_that_names_both(install, run):
    install("invtime-loop", "loop", PLUGIN)
    install("invtime-other", "other", PLUGIN)
    run(
        """
        import numpy as np, invtime, pytest
        schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
        assert schedule(np.arange(3)).shape == (3,)
        with pytest.raises(invtime.BackendConflictError) as caught:
            schedule.on("loop")
        assert "invtime-loop 1.5" in str(caught.value)
        assert "invtime-other 1.5" in str(caught.value)
        """
    )


@pytest.mark.parametrize("value", ["1", "loop", "first,loop"])
def test_the_switch_blocks(value, install, run):
    install("invtime-loop", "loop", PLUGIN)
    run(
        """
        import invtime
        assert "loop" not in [state.name for state in invtime.list_backends()]
        """,
        INVTIME_DISABLE_PLUGINS=value,
    )


def test_a_missing_framework_says_how_to_install_it(run, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('not for this machine')")
    run(
        """
        import invtime, pytest
        with pytest.raises(invtime.BackendUnavailableError, match=r"invtime\\[torch\\]"):
            invtime.InverseTimeDecay(0.1, 1000, 0.5).on("torch")
        """
    )


def test_the_state_of_a_missing_framework(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(registry, "default", Registry())
    monkeypatch.delitem(sys.modules, "invtime.backends.torch", raising=False)
    state = {state.name: state for state in invtime.list_backends()}["torch"]
    assert state.version is None
    assert "missing" in state.problem
    with pytest.raises(BackendUnavailableError, match="pip install"):
        SCHEDULE.on("torch")


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow", "dask"])
def test_a_framework_that_is_too_old(name, monkeypatch):
    monkeypatch.setattr(versions, "installed", lambda module: "0.1.2+cpu")
    fresh = Registry()
    with pytest.raises(BackendUnavailableError) as raised:
        fresh.load(name)
    oldest = fresh.plugins.announced[name].info.oldest
    assert str(raised.value) == (
        f"backend '{name}' needs {name} {oldest} or later, and 0.1.2+cpu is installed; "
        f'run: python -m pip install "invtime[{name}]"'
    )


def test_the_state_of_a_framework_that_is_too_old(monkeypatch):
    info = invtime.BackendInfo("old", ("pytest",), "no:where", "pip install pytest", "1000.2")

    class Old:
        @invtime.hookimpl
        def invtime_backends(self):
            return [info]

    fresh = Registry()
    fresh.register(Old(), "old")
    state = {state.name: state for state in fresh.list_backends()}["old"]
    assert state.version == pytest.__version__
    assert state.install == "pip install pytest"
    assert state.problem == (
        f"backend 'old' needs pytest 1000.2 or later, and {pytest.__version__} is installed"
    )


@pytest.mark.parametrize(
    ("version", "oldest", "wanted"),
    [
        *[("2.5.1", "2.6", True), ("2.6.0a0+git1", "2.6", False), ("2.10", "2.6", False)],
        *[("0.7.1", "0.7.2", True), ("0.7.2", "0.7.2", False), ("1", "0.7.2", False)],
        *[("unknown", "2.6", False), ("", "2.6", False), ("2.6.0", "", False)],
    ],
)
def test_which_version_is_too_old(version, oldest, wanted):
    assert versions.too_old(version, oldest) is wanted


def test_the_state_of_an_installed_framework():
    state = {state.name: state for state in invtime.list_backends()}["numpy"]
    assert (state.version, state.problem) == (np.__version__, None)
    assert state.distribution.startswith("invtime ")


def test_a_registry_that_takes_the_place_of_the_default_one_is_asked(monkeypatch):
    SCHEDULE(np.arange(3))
    fresh = Registry()
    monkeypatch.setattr(registry, "default", fresh)
    SCHEDULE(np.arange(3))
    assert fresh._names == {np.ndarray: "numpy"}


def test_a_subclass_is_evaluated_by_its_base(monkeypatch):
    class Steps(np.ndarray):
        pass

    assert registry.default.backend_name_for(Steps) == "numpy"
    assert SCHEDULE(np.arange(3).view(Steps)).tolist() == SCHEDULE(np.arange(3)).tolist()


def test_many_threads_may_make_the_first_call_at_once(run):
    run(
        """
        import threading, numpy as np, invtime
        schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
        start, results = threading.Barrier(32), []
        def first_call():
            start.wait()
            results.append(schedule(np.arange(3)).tolist())
        threads = [threading.Thread(target=first_call) for _ in range(32)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(results) == 32 and all(r == results[0] for r in results)
        """
    )


def test_threads_that_name_a_backend_at_once_share_one(monkeypatch):
    fresh = Registry()
    missed, make = threading.Barrier(2), fresh._make

    def when_both_have_missed(name):
        missed.wait(10)
        return make(name)

    monkeypatch.setattr(fresh, "_make", when_both_have_missed)
    found = []
    threads = [threading.Thread(target=lambda: found.append(fresh.load("numpy"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]


def test_types_that_come_and_go_are_not_kept():
    def evaluated():
        class Step(int):
            pass

        SCHEDULE(Step(7))
        return weakref.ref(Step)

    first = evaluated()
    for _ in range(registry.MANY_TYPES):
        evaluated()
    gc.collect()
    assert first() is None


def test_dispatch_on_a_known_type_takes_no_lock():
    SCHEDULE(np.arange(3))
    done = threading.Event()

    def call():
        SCHEDULE(np.arange(3))
        done.set()

    with registry.default._lock:
        thread = threading.Thread(target=call)
        thread.start()
        assert done.wait(10)
    thread.join()


class Loop:
    """A plugin that is an object in this program."""

    @invtime.hookimpl
    def invtime_backends(self):
        target = "invtime.backends.numpy:NumpyBackend"
        return [invtime.BackendInfo("loop", ("loopback",), target, "nothing to install")]


def test_a_plugin_of_the_program_itself(monkeypatch):
    monkeypatch.setattr(registry, "default", Registry())
    registry.default.register(Loop(), "mine")
    state = {state.name: state for state in invtime.list_backends()}["loop"]
    assert (state.distribution, state.problem) == ("this program", "loopback is missing")
    assert SCHEDULE.on("loop")(1000) == SCHEDULE(1000)
    with pytest.raises(invtime.InvTimeError, match="has no hook"):
        registry.default.register(object(), "another")
    monkeypatch.undo()
    assert "loop" not in {state.name for state in invtime.list_backends()}
