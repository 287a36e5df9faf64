"""Entry points and answers of plugins, in this process: what `test_isolation.py` sees of others."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from crooked import Crooked, CrookedBackend

from invtime import BackendInfo, InverseTimeDecay, hookimpl, registry, versions
from invtime.backends.numpy import NumpyBackend
from invtime.errors import BackendUnavailableError, PluginWarning, StepTypeError
from invtime.plugins import Plugin, metadata
from invtime.registry import FALLBACK, KERAS, MANY_TYPES, NUMBER, Registry, _unavailable

INFO = BackendInfo("loop", ("loopback",), "invtime_loop:Loop", "pip install loopback")
GOOD = InverseTimeDecay(0.1, 1000, 0.5)


def plugin(*infos, answer=None):
    module = ModuleType("invtime_loop")
    if infos:
        module.invtime_backends = hookimpl(lambda: list(infos))
    if answer is not None:

        def invtime_backend_for(step_type):
            return answer(step_type)

        module.invtime_backend_for = hookimpl(invtime_backend_for)
    return module


def point(name, loaded, value="invtime_loop", distribution=("Invtime-Loop", "1.5")):
    def load():
        if isinstance(loaded, BaseException):
            raise loaded
        return loaded

    about = dict(zip(("Name", "Version"), distribution or (), strict=False))
    dist = SimpleNamespace(metadata=about) if distribution else None
    return SimpleNamespace(name=name, value=value, dist=dist, load=load)


@pytest.fixture
def installed(monkeypatch):
    """A registry that finds these entry points, and the warnings that it gives."""

    def find(*points, switch=""):
        if switch is None:
            monkeypatch.delenv("INVTIME_DISABLE_PLUGINS", raising=False)
        else:
            monkeypatch.setenv("INVTIME_DISABLE_PLUGINS", switch)
        groups = {"invtime": points}
        monkeypatch.setattr(metadata, "entry_points", lambda group: groups[group])
        return Registry()

    return find


def states(found):
    return {state.name: state for state in found.list_backends()}


def test_an_entry_point_is_registered_with_its_distribution(installed):
    state = states(installed(point("a", plugin(INFO))))["loop"]
    assert state.distribution == "Invtime-Loop 1.5"
    assert state.install == "pip install loopback"
    found = installed(point("a", plugin(INFO), distribution=None))
    assert states(found)["loop"].distribution == "an unknown distribution"


@pytest.mark.parametrize(
    ("switch", "there"),
    [
        (None, {"first", "second"}),
        ("", {"first", "second"}),
        ("1", set()),
        ("a", {"second"}),
        ("a,b", set()),
        (" b , c", {"first"}),
        ("c", {"first", "second"}),
    ],
)
def test_the_switch_names_plugins(installed, switch, there):
    points = [
        point("b", plugin(INFO._replace(name="second", modules=("other",)))),
        point("a", plugin(INFO._replace(name="first"))),
    ]
    found = states(installed(*points, switch=switch))
    assert {"first", "second"} & found.keys() == there
    assert "numpy" in found


def test_a_broken_plugin_is_a_row_and_a_warning(installed):
    points = [point("b", RuntimeError("no\nidea")), point("a", plugin(INFO))]
    found = installed(*points)
    with pytest.warns(PluginWarning) as caught:
        rows = states(found)
    assert str(caught[0].message) == (
        "plugin 'b' of Invtime-Loop 1.5 cannot be used (RuntimeError: no idea); fix or uninstall "
        "it, or set INVTIME_DISABLE_PLUGINS=b"
    )
    assert len(caught) == 1
    assert rows["b"] == ("b", "Invtime-Loop 1.5", None, "", "RuntimeError: no idea")
    assert rows["loop"].problem == "loopback is missing"


def test_an_exit_of_a_plugin_is_a_warning_and_an_interrupt_is_not(installed):
    with pytest.warns(PluginWarning, match="SystemExit: 3"):
        installed(point("a", SystemExit(3))).list_backends()
    found = installed(point("a", KeyboardInterrupt()))
    for _ in range(2):  # the second call begins anew
        with pytest.raises(KeyboardInterrupt):
            found.list_backends()


def test_entry_points_that_cannot_be_read(monkeypatch):
    def broken(group):
        raise ValueError("a damaged\nrecord")

    monkeypatch.setattr(metadata, "entry_points", broken)
    with pytest.warns(PluginWarning) as caught:
        found = states(Registry())
    assert str(caught[0].message) == (
        "no plugin can be used: the entry points cannot be read (ValueError: a damaged record)"
    )
    assert "numpy" in found


def test_plugins_are_loaded_in_the_order_of_their_names(installed):
    """Two of one name by their value, so that the order of the installation plays no part."""
    points = [
        point("b", plugin(INFO._replace()), "x", ("third", "1")),
        point("a", plugin(INFO._replace()), "y", ("second", "1")),
        point("a", plugin(INFO), "x", ("first", "1")),
    ]
    found = installed(*points).plugins
    assert found.announced["loop"].distribution == "first 1"
    assert found.conflicts == {
        "loop": "two plugins announce a backend named 'loop': first 1 and third 1; uninstall one, "
        "or set INVTIME_DISABLE_PLUGINS=b"
    }


def test_a_plugin_that_is_refused_leaves_nothing(installed):
    found = installed()
    bad = plugin(INFO, INFO._replace(name="torch"), answer=lambda _: "numpy")
    with pytest.raises(Exception, match="itself"):
        found.register(bad, "mine")
    assert "loop" not in states(found)
    assert found.backend_name_for(SimpleNamespace) is None
    found.register(plugin(INFO), "mine")
    assert "loop" in states(found)


def test_a_claim_of_another_plugins_types_is_a_warning_unless_it_answers(installed):
    found = installed()
    found.register(plugin(INFO), "first")
    second = INFO._replace(name="second", modules=("own", "loopback"))
    with pytest.warns(PluginWarning, match=r"'loopback', which backend 'loop' of this"):
        found.register(plugin(second), "second")
    third = INFO._replace(name="third", modules=("loopback",))
    found.register(plugin(third, answer=lambda _: None), "third")
    assert found.plugins.owner("own") == "second"
    assert found.plugins.owner("loopback") == "loop"
    assert found.plugins.owner("nothing") is None


# -- from a type to a backend --------------------------------------------------------------


def made(module, base=object, **attributes):
    return type("Made", (base,), {"__module__": module, **attributes})


def test_whose_a_type_is(installed):
    found = installed()
    asks = {
        "keras": [made("keras.src.variables", value=3), made("mine", made("keras", value=1))],
        "array_api": [made("odd", __array_namespace__=None)],
        "numpy": [np.ndarray, np.float32, made("mine", np.ndarray)],
        "number": [int, float, made("mine", int)],
        None: [bool, str, bytes, complex, made("keras.src.layers"), made("mine"), type(None)],
    }
    wanted = {"keras": KERAS, "array_api": FALLBACK, "number": NUMBER}
    for name, types in asks.items():
        for each in types:
            assert found.backend_name_for(each) == wanted.get(name, name), each
    assert found.backend_name_for(made("mine", float)) == NUMBER


def test_a_variable_of_keras_is_evaluated_by_its_value():
    variable = made("keras.src.variables", value=500)()
    assert registry.default.evaluate(GOOD.form, variable) == GOOD(500)
    assert GOOD.on("numpy", dtype="float32")(variable) == np.float32(GOOD(500))
    array = made("keras.src.variables", value=np.arange(3))()
    assert GOOD.on(dtype="float32")(array).dtype == np.float32


def test_the_first_answer_decides_and_types_are_forgotten_when_there_are_many(installed):
    found = installed()
    asked = []
    found.register(plugin(answer=asked.append), "mine")
    first = made("mine")
    for _ in range(2):
        assert found.backend_name_for(first) is None
    assert asked == [first]
    for _ in range(MANY_TYPES - 1):
        found.backend_name_for(made("mine"))
    assert len(found._names) == MANY_TYPES
    found.backend_name_for(made("mine"))
    assert len(found._names) == 1
    found.register(plugin(answer=lambda kind: "numpy"), "other")
    assert found.backend_name_for(first) == "numpy"


def test_a_hook_that_fails_is_asked_no_more(installed):
    found = installed()
    asked = []

    def fails(kind):
        asked.append(kind)
        raise SystemExit("no")

    found.register(plugin(answer=fails), "mine")
    with pytest.warns(PluginWarning, match=r"failed on type Made \(SystemExit: no\)"):
        assert found.backend_name_for(made("mine")) is None
    found.backend_name_for(made("mine"))
    assert len(asked) == 1
    found.register(plugin(answer=lambda _: "nothing"), "another")
    with pytest.warns(PluginWarning, match="UnknownBackendError"):
        found.backend_name_for(made("mine"))


def test_a_dtype_is_named_by_the_backend_of_its_framework(installed):
    found = installed()
    assert found.dtype_name("float32") == "float32"
    assert found.dtype_name(made("mine", __name__="odd")()) == "odd"
    kind = made("loopback.dtypes", __name__="single")
    own = type("Loop", (NumpyBackend,), {"dtype_name": lambda self, dtype: "float32"})
    found.register(plugin(INFO), "mine")
    found._backends.loop = own()
    assert found.dtype_name(kind()) == "float32"
    assert found.dtype_name(3) == "3"


# -- states and faults ---------------------------------------------------------------------


def test_a_framework_is_missing_where_it_is_neither_imported_nor_found(installed, monkeypatch):
    found = installed(point("a", plugin(INFO)))
    assert states(found)["loop"].problem == "loopback is missing"
    assert states(found)["loop"].version is None
    module = ModuleType("loopback")
    monkeypatch.setitem(sys.modules, "loopback", module)  # without a spec, as a test's own
    assert states(found)["loop"].problem is None
    assert states(found)["loop"].version == "unknown"
    module.__spec__ = ModuleSpec("loopback", None)
    monkeypatch.setitem(sys.modules, "loopback", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert states(found)["loop"].problem == "loopback is missing"


def test_a_conflict_is_said_before_anything_else(installed):
    for modules in ((), ("numpy",)):
        infos = [INFO._replace(modules=modules, install=install) for install in "xy"]
        points = [point(info.install, plugin(info, answer=lambda _: None)) for info in infos]
        assert_conflict(installed(*points))


def assert_conflict(found):
    assert states(found)["loop"].problem.startswith("two plugins announce")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("invtime_loop", True),
        ("invtime_loop.inner", True),
        ("loopback", False),
        ("invtime_loop_more", False),
        (None, False),
    ],
)
def test_whose_fault_an_import_is(name, own):
    announced = registry.Announced(INFO._replace(target="invtime_loop.backend:Loop"), "It 1")
    text = str(_unavailable(announced, ImportError("no", name=name)))
    assert ("of It 1 cannot be loaded" in text) == own
    assert ("needs 'loopback', which failed to import (no)" in text) != own


def test_a_framework_that_is_too_old_is_not_loaded(installed, monkeypatch):
    monkeypatch.setattr(versions, "installed", lambda name: "1.5" if name == "numpy" else "9")
    info = INFO._replace(modules=("numpy",), oldest="1.6")
    found = installed()
    with pytest.warns(PluginWarning):
        found.register(plugin(info), "mine")
    with pytest.raises(BackendUnavailableError) as caught:
        found.load("loop")
    assert str(caught.value) == (
        "backend 'loop' needs numpy 1.6 or later, and 1.5 is installed; run: pip install loopback"
    )
    assert states(found)["loop"].problem.startswith("backend 'loop' needs numpy 1.6")


def test_the_version_of_a_module_of_another_distribution(monkeypatch):
    def version(name):
        if name != "a_dist":
            raise metadata.PackageNotFoundError
        return "3.1"

    monkeypatch.setattr(versions.metadata, "version", version)
    monkeypatch.setattr(versions, "_providers", lambda: {"a": ["a_dist", "b_dist"]})
    assert versions.installed("a") == "3.1"
    assert versions.installed("b") == "unknown"


def test_numbers_of_a_named_backend_are_arrays_of_it():
    found = registry.default.evaluate(GOOD.form, 500, "numpy", None, "float16")
    assert (type(found), found) == (np.float16, np.float16(GOOD(500)))
    assert type(registry.default.evaluate(GOOD.form, 500, "numpy")) is np.float64
    with pytest.raises(StepTypeError):
        registry.default.evaluate(GOOD.form, [1])


def test_a_plugin_has_its_name_in_messages():
    assert str(Plugin("a", "B 1")) == "plugin 'a' of B 1"


def test_primitives_of_a_subclass_take_operands_too():
    class Doubling(CrookedBackend):
        def floor(self, x):
            assert type(x) is Crooked
            return Crooked(np.floor(x.data) * 2)

        def none(self, mask):
            assert type(mask) is Crooked
            return not mask.data.any()

    backend = Doubling()
    found = backend.floor(backend.operand(Crooked([1.5])))
    assert backend.plain(found).data.tolist() == [2]
    assert found.backend is backend
    assert backend.none(backend.operand(Crooked([False]))) is True
    number = backend.where(backend.operand(Crooked([True])), 3.0, backend.operand(Crooked([1.0])))
    assert backend.plain(number).data.tolist() == [3]
