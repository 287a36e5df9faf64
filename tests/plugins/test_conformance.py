"""The conformance kit: all backends pass it, with and without binary64; its use in pytest."""

import os
import subprocess
import sys

# Several host devices, unless JAX has already started in this process.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

import numpy as np
import pytest
from hostile import HostileBackend, Mood
from sound import Sound

from invtime import PlacementError, StepTypeError, registry
from invtime.backends.array_api import ArrayAPIBackend
from invtime.form import Form
from invtime.testing import CHECKS, parametrize_with_checks
from invtime.testing.kit import BoundCheck


@parametrize_with_checks("numpy")
def test_numpy(check):
    check()


@parametrize_with_checks("torch")
def test_torch(check):
    pytest.importorskip("torch", exc_type=ImportError)
    check()


@parametrize_with_checks("jax")
def test_jax(check, monkeypatch):
    """Two of the devices are enough, because XLA compiles for each."""
    pytest.importorskip("jax", exc_type=ImportError)
    devices = registry.default.load("jax").devices()
    monkeypatch.setattr("invtime.backends.jax.JaxBackend.devices", lambda self: devices[:2])
    check()


@parametrize_with_checks("tensorflow")
def test_tensorflow(check):
    pytest.importorskip("tensorflow", exc_type=ImportError)
    check()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns about overflow in threads
@parametrize_with_checks("dask")
def test_dask(check):
    pytest.importorskip("dask.array")
    check()


class StrictArrays(ArrayAPIBackend):
    """The fallback backend, which creates arrays with `array_api_strict`."""

    def coerce(self, step, device):
        import array_api_strict as strict

        if not isinstance(step, strict._array_object.Array):
            step = np.asarray(step)
            if step.dtype.kind not in "iuf" or step.dtype == np.float16:
                raise StepTypeError.refusing(f"an array of dtype {step.dtype}")
            step = strict.asarray(step)
        return super().coerce(step, device)

    def constant(self, value, dtype, like, device):
        import array_api_strict as strict

        device = like.device if device is None and like is not None else device
        return self.round_to(strict.asarray(value, dtype=strict.float64, device=device), dtype)

    def default_dtype(self):
        return "float64"

    def device(self, device):
        import array_api_strict as strict

        if device in (None, *self.devices()):
            return device and strict.Device(device)
        raise PlacementError(f"device {device!r} does not exist; there are {self.devices()}")

    def dtype(self, dtype):
        if dtype in ("float32", "float64"):
            return dtype
        raise PlacementError(f"array_api_strict has no {dtype}; pass float32")

    def devices(self):
        return ["CPU_DEVICE", "device1"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns about overflow
@parametrize_with_checks(StrictArrays())
def test_array_api(check):
    pytest.importorskip("array_api_strict")
    check()


class HostileFloat32(HostileBackend):
    """A device without binary64, whose compiler folds constants and flushes subnormals."""

    def __init__(self):
        super().__init__(Mood(contract=False), words="float32")

    def dtype(self, dtype):
        if dtype in ("float32", "float16"):
            return dtype
        raise PlacementError(f"no {dtype} here; pass float32")

    def choose(self, x, last, exact, otherwise):
        return super().choose(x, last, exact, otherwise) if x.data.size else exact()


class OnePiece(Sound):
    """An override that does not support tables."""

    def evaluate(self, form, x, dtype):
        assert type(form) is Form
        return super().evaluate(form, x, dtype)


@parametrize_with_checks(OnePiece())
def test_an_override_of_single_pieces(check):
    check()


NOT_ANNOUNCED = "it is part of the tests, and no plugin announces it"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns about overflow
@parametrize_with_checks(
    HostileFloat32(),
    {"announcement": NOT_ANNOUNCED, "lazy_import": NOT_ANNOUNCED},
)
def test_a_device_without_binary64(check):
    check()


@pytest.fixture
def narrow_torch(monkeypatch):
    pytest.importorskip("torch", exc_type=ImportError)
    registry.default.load("torch")
    monkeypatch.setattr("invtime.backends.torch.NARROW_DEVICES", {"cpu"})


# These take seconds to compile, and nothing in them depends on the precision.
QUICK = [name for name in CHECKS if "modes" not in name and name != "retracing"]


@pytest.mark.usefixtures("narrow_torch")
@pytest.mark.parametrize("name", QUICK)
def test_torch_without_binary64(name):
    BoundCheck("torch", name)()


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_tensors_that_numpy_does_not_read(framework, name, monkeypatch):
    """As on a GPU, the framework's own operations evaluate the schedule."""
    pytest.importorskip(framework, exc_type=ImportError)
    registry.default.load(framework)
    monkeypatch.setattr(f"invtime.backends.{framework}._in_numpy", lambda x: False)
    BoundCheck(framework, name)()


# -- the kit in pytest -----------------------------------------------------------------

BACKEND = """
from invtime.backends.numpy import NumpyBackend
from invtime.testing import parametrize_with_checks

class Halved(NumpyBackend):
    def divide(self, a, b):
        return a / b / 2

@parametrize_with_checks({backend}, {waivers!r})
def test_conformance(check):
    check()
"""


@pytest.fixture
def run(tmp_path):
    """Run pytest in a separate process on a file with the kit, and return its output."""

    def in_process(backend, waivers, *arguments):
        (tmp_path / "test_it.py").write_text(BACKEND.format(backend=backend, waivers=waivers))
        return pytest_in(tmp_path, *arguments)

    return in_process


def pytest_in(folder, *arguments):
    plugins = "-p", "invtime.testing.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist"
    command = [sys.executable, "-m", "pytest", *plugins, *arguments]
    environment = os.environ | {"COLUMNS": "300"}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_each_check_is_a_test_of_its_own(run):
    out = run('"numpy"', {}, "-v", "-k", "divide or modes")
    assert "test_conformance[divide] PASSED" in out
    assert "test_conformance[modes] SKIPPED (the backend has only the eager mode)" in out


def test_a_waiver_is_an_expected_failure(run):
    out = run("Halved()", {"divide": "it halves"}, "-k", "divide or quotient", "-rx")
    assert "1 passed" in out
    assert "1 xfailed" in out
    assert "it halves" in out


def test_a_waiver_of_a_check_that_passes_fails(run):
    out = run('"numpy"', {"divide": "it is said to fail"}, "-k", "divide")
    assert "[XPASS(strict)] it is said to fail" in out
    assert "1 failed" in out


def test_a_waiver_of_a_check_that_does_not_apply_fails(run):
    out = run('"numpy"', {"modes": "it is said to fail"}, "-k", "modes")
    assert "expected_failures lists 'modes', but this check does not apply" in out
    assert "1 failed" in out


def test_a_waiver_covers_only_a_broken_law(run):
    out = run('"nothing"', {"divide": "it is said to fail"}, "-k", "divide")
    assert "UnknownBackendError: no backend is named 'nothing'" in out
    assert "1 failed" in out


def test_an_unknown_check_or_an_empty_reason_is_an_error_at_once():
    with pytest.raises(ValueError, match=r"no check is named 'speed'; available: announcement,"):
        parametrize_with_checks("numpy", {"speed": "it is slow"})
    with pytest.raises(ValueError, match=r"no reason for 'divide'"):
        parametrize_with_checks("numpy", {"divide": " "})


def test_an_object_that_is_not_a_backend_is_rejected_at_once():
    with pytest.raises(TypeError, match=r"np\.float64|float64.*must be the name of an installed"):
        parametrize_with_checks(np.float64)


def test_a_class_that_is_not_a_subclass_of_backend_is_rejected(monkeypatch):
    monkeypatch.setattr(registry.default._backends, "loop", object(), raising=False)
    with pytest.raises(pytest.fail.Exception, match="instance of object, which is not a subclass"):
        BoundCheck("loop", "divide")()


COLLECT = """
import sys, pytest
status = pytest.main(["-q", "--collect-only", "-p", "invtime.testing.pytest_plugin"])
assert status == 0, status
assert "torch" not in sys.modules
assert "invtime.backends.torch" not in sys.modules
"""


def test_collecting_imports_no_framework(tmp_path):
    pytest.importorskip("torch", exc_type=ImportError)
    (tmp_path / "test_it.py").write_text(BACKEND.format(backend='"torch"', waivers={}))
    subprocess.run([sys.executable, "-c", COLLECT], cwd=tmp_path, check=True)


LIGHT = """
import sys, invtime.testing.pytest_plugin
heavy = {"numpy", "hypothesis", "invtime.registry", "invtime.testing.kit", "invtime.testing.checks"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_the_plugin_that_every_session_loads_is_light():
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_the_option_runs_the_kit_alone(tmp_path):
    (tmp_path / "test_other.py").write_text("def test_other(): pass")
    out = pytest_in(tmp_path, "--invtime-backend=numpy", "-v", "-k", "divide or other")
    assert "numpy[divide] PASSED" in out
    assert "test_other" not in out
    out = pytest_in(
        tmp_path, "--invtime-backend=numpy", "-v", "-k", "divide or other", "test_other.py"
    )
    assert "numpy[divide] PASSED" in out
    assert "test_other.py::test_other PASSED" in out


def test_a_check_can_be_deselected(tmp_path):
    left_out = "--deselect=invtime::numpy[divide]"
    out = pytest_in(tmp_path, "--invtime-backend=numpy", "-k", "divide or quotient", left_out)
    assert "1 passed" in out
    assert "failed" not in out


def test_an_unknown_name_is_refused_at_once(tmp_path):
    out = pytest_in(tmp_path, "--invtime-backend=nothing")
    assert "ERROR: --invtime-backend: no backend is named 'nothing'" in out
    assert "collected" not in out


def test_a_broken_plugin_is_a_line_where_warnings_are_errors(site):
    """pytest versions after 8.2 turn warnings into errors while they configure plugins."""
    site.install("invtime-bad", {"invtime_bad": "1 / 0"}, bad="invtime_bad")
    done = site.run("""
        import warnings
        from types import SimpleNamespace

        import pytest
        from invtime.testing.pytest_plugin import pytest_configure

        warnings.simplefilter("error")
        with pytest.raises(pytest.UsageError) as raised:
            pytest_configure(SimpleNamespace(option=SimpleNamespace(invtime_backend="numpy")))
        print(raised.value)
        """)
    assert done.stdout.startswith("--invtime-backend: plugin 'bad' of invtime-bad 1.5 cannot")


def test_the_public_names_are_there():
    import invtime.testing

    assert all(getattr(invtime.testing, name) is not None for name in invtime.testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = invtime.testing.nothing
