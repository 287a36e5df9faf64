"""Broken plugins, each installed next to a correct one, in a new process.

A broken plugin causes one warning or one clear error, and everything else works.
"""

import json
import textwrap

import pytest

# This must work with every broken plugin; each test adds what it expects of the broken one.
WORKS = textwrap.dedent(
    """
    import numpy as np, invtime
    from loopback import Array

    schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
    expected = [schedule(n) for n in range(3)]

    def works():
        assert schedule(np.arange(3)).tolist() == expected
        assert schedule(np.int64(1)) == expected[1]
        assert schedule(Array(range(3))).data.tolist() == expected
        assert schedule.on("loop")(np.arange(3)).data.tolist() == expected

    works()
    """
)
ANNOUNCES = """
import invtime

@invtime.hookimpl
def invtime_backends():
    return [invtime.BackendInfo({name!r}, {modules!r}, {target!r}, "pip install the-framework")]
"""
ANSWERS = """
import invtime

@invtime.hookimpl
def invtime_backend_for(step_type):
    {body}
"""


def announces(name="broken", modules=("absent",), target="invtime_broken:Broken"):
    return ANNOUNCES.format(name=name, modules=modules, target=target)


def answers(body):
    return ANSWERS.format(body=body)


def returns(value):
    return f"import invtime\n@invtime.hookimpl\ndef invtime_backends(): return {value}"


# Faults found when the plugins are loaded: the module, and the text of the warning.
AT_LOADING = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "is no Python": ("def", "SyntaxError"),
    "exits": ("raise SystemExit('good bye')", "SystemExit: good bye"),
    "imports a missing framework": ("import absent", "No module named 'absent'"),
    "has no hook": ("def invtime_backends(): return []", "it has no hook"),
    "has an unknown hook": (
        "import invtime\n@invtime.hookimpl\ndef invtime_backend(): return []",
        "unknown hook 'invtime_backend'",
    ),
    "has a wrong signature": (
        answers("return 'array_api'") + announces().replace("_backends()", "_backends(what)"),
        "PluginValidationError",
    ),
    "announces nothing": (returns(None), "returned no backend"),
    "announces a text": (returns("['broken']"), "'broken' is not a valid BackendInfo"),
    "announces too little": (returns("[('broken', (), 'a:B')]"), "is not a valid BackendInfo"),
    "announces one module as a text": (announces(modules="absent"), "is not a valid BackendInfo"),
    "announces a class": (returns("[('broken', (), invtime, '')]"), "is not a valid BackendInfo"),
    "announces no identifier": (announces(name="not a name"), "is not a valid BackendInfo"),
    "announces no class": (announces(target="invtime_broken"), "is not a valid BackendInfo"),
    "announces a submodule": (announces(modules=("absent.core",)), "is not a valid BackendInfo"),
    "claims every type": (announces(modules=("absent", "builtins")), "is not a valid BackendInfo"),
    "has a built-in's name": (announces(name="numpy"), "itself has a backend named 'numpy'"),
    "raises when it is asked": (
        "import invtime\n@invtime.hookimpl\ndef invtime_backends(): raise OSError('no disk')",
        "OSError: no disk",
    ),
}


@pytest.mark.parametrize("fault", AT_LOADING)
@pytest.mark.usefixtures("loopback")
def test_a_plugin_that_cannot_be_loaded(fault, site):
    source, reason = AT_LOADING[fault]
    site.install("invtime-broken", {"invtime_broken": source}, fault="invtime_broken")
    done = site.run(WORKS)
    assert done.stderr.count("PluginWarning") == 1
    assert "plugin 'fault' of invtime-broken 1.5 cannot be used (" in done.stderr
    assert reason in done.stderr
    assert "INVTIME_DISABLE_PLUGINS=fault" in done.stderr
    assert site.run(WORKS, INVTIME_DISABLE_PLUGINS="other, fault").stderr == ""

    listed = site.run("-W", "ignore", "-m", "invtime.cli", "backends", "--format", "json")
    rows = {row["backend"]: row for row in json.loads(listed.stdout)}
    assert rows["fault"]["distribution"] == "invtime-broken 1.5"
    assert not rows["fault"]["usable"]
    assert reason in rows["fault"]["problem"]
    assert rows["loop"]["distribution"] == "invtime-loop 1.5"
    assert rows["numpy"]["usable"]


@pytest.mark.usefixtures("loopback")
def test_an_entry_point_that_names_nothing(site):
    site.install("invtime-broken", {"invtime_broken": ""}, fault="invtime_broken:absent")
    assert site.run(WORKS).stderr.count("AttributeError") == 1


@pytest.mark.usefixtures("loopback")
def test_where_warnings_are_errors_the_first_call_raises_and_the_next_ones_work(site):
    site.install("invtime-broken", {"invtime_broken": "raise ValueError"}, a_fault="invtime_broken")
    first = """
        try:
            works()
            raise AssertionError
        except invtime.PluginWarning:
            works()
        """
    code = WORKS.replace("\nworks()\n", textwrap.dedent(first))
    site.run("-W", "error::invtime.PluginWarning", "-W", "error", "-c", code)


def test_a_damaged_distribution_of_any_kind_leaves_the_built_ins(site):
    site.install("unrelated", {})
    (site.folder / "unrelated-1.5.dist-info" / "entry_points.txt").write_text("[a]\nno equals sign")
    done = site.run(
        """
        import numpy as np, invtime
        assert invtime.InverseTimeDecay(0.1, 1000, 0.5)(np.arange(3)).shape == (3,)
        """
    )
    assert done.stderr.count("PluginWarning: no plugin can be used") == 1


MISSING = announces() + "\ndef Broken(): import absent"

# Faults found when the backend is used: the module, and the text of the error.
AT_USE = {
    "its framework is missing": (MISSING, "needs 'absent'"),
    "its framework fails": (
        announces(modules=("failing",)) + "\ndef Broken(): import failing",
        "needs 'failing', which failed to import (out of order)",
    ),
    "its module is missing": (
        announces(modules=("json",), target="invtime_broken_backend:Broken"),
        "cannot be loaded: invtime_broken_backend:Broken raised ModuleNotFoundError",
    ),
    "its class is missing": (announces(modules=("json",)), "AttributeError"),
    "its class raises": (
        announces(modules=("json",)) + "\ndef Broken(): raise RuntimeError('no luck')",
        "RuntimeError: no luck",
    ),
    "its class exits": (
        announces(modules=("json",)) + "\ndef Broken(): raise SystemExit('good bye')",
        "SystemExit: good bye",
    ),
    "its class is abstract": (
        announces(modules=("json",)) + "\nclass Broken(invtime.Backend): name = 'broken'",
        "TypeError: Can't instantiate abstract class Broken",
    ),
}


@pytest.mark.parametrize("fault", AT_USE)
@pytest.mark.usefixtures("loopback")
def test_a_backend_that_cannot_be_made(fault, site):
    source, reason = AT_USE[fault]
    modules = {"invtime_broken": source, "failing": "raise ImportError('out of order')"}
    site.install("invtime-broken", modules, fault="invtime_broken")
    done = site.run(
        WORKS
        + textwrap.dedent(
            f"""
            for _ in range(2):
                try:
                    schedule.on("broken")
                    raise AssertionError
                except invtime.BackendUnavailableError as error:
                    assert {reason!r} in str(error), error
            works()
            """
        )
    )
    assert done.stderr == ""
    for framework in ("torch", "jax", "tensorflow", "dask"):  # which take long to import
        (site.folder / f"{framework}.py").write_text("raise ImportError")
    command = ("-m", "invtime.cli", "backends", "--devices", "--format", "json")
    rows = {row["backend"]: row for row in json.loads(site.run(*command).stdout)}
    assert rows["broken"]["distribution"] == "invtime-broken 1.5"
    assert not rows["broken"]["usable"]
    assert rows["loop"]["usable"]


# A hook that failed is not called again, for any type.
HOOKS = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits": ("raise SystemExit('good bye')", "SystemExit: good bye"),
    "imports a missing framework": ("import absent", "No module named 'absent'"),
    "answers nonsense": ("return 42", "no backend is named 42"),
    "answers an unknown name": ("return 'nothing'", "no backend is named 'nothing'"),
    "answers a class": ("return step_type", "no backend is named"),
    "answers a backend that cannot be made": ("return 'broken'", "needs 'absent'"),
    "calls back": (
        "import numpy; invtime.InverseTimeDecay(1, 1, 1)(numpy.arange(3)); return 'loop'",
        "a hook may only inspect the type",
    ),
}


@pytest.mark.parametrize("fault", HOOKS)
@pytest.mark.usefixtures("loopback")
def test_a_hook_that_is_wrong(fault, site):
    body, reason = HOOKS[fault]
    modules = {"invtime_broken": MISSING + answers(body)}
    site.install("invtime-broken", modules, a_fault="invtime_broken")
    done = site.run(WORKS)
    assert done.stderr.count("PluginWarning") == 1
    assert "plugin 'a_fault' of invtime-broken 1.5 failed on type" in done.stderr
    assert "INVTIME_DISABLE_PLUGINS=a_fault" in done.stderr
    assert reason in done.stderr


@pytest.mark.usefixtures("loopback")
def test_a_hook_that_is_wrong_leaves_the_hooks_of_others(site):
    site.install("invtime-broken", {"invtime_broken": answers("raise OSError")}, z="invtime_broken")
    claim = "return 'loop' if step_type.__name__ == 'ndarray' else None"
    site.install("invtime-other", {"invtime_other": answers(claim)}, a="invtime_other")
    done = site.run(
        """
        import numpy as np
        from invtime import registry
        assert registry.default.backend_name_for(np.ndarray) == "loop"
        assert registry.default.backend_name_for(np.int64) == "numpy"
        """
    )
    assert done.stderr.count("PluginWarning") == 1


@pytest.mark.usefixtures("loopback")
def test_the_types_of_another_stay_with_it_and_the_plugin_is_told(site):
    source = announces(modules=("numpy",)) + "\nfrom invtime.backends.numpy import NumpyBackend"
    source = source.replace("broken:Broken", "broken:NumpyBackend")
    site.install("invtime-broken", {"invtime_broken": source}, fault="invtime_broken")
    more = """
        assert invtime.registry.default.backend_name_for(np.ndarray) == "numpy"
        assert schedule.on("broken")(np.arange(3)).tolist() == expected
        """
    done = site.run(WORKS + textwrap.dedent(more))
    assert done.stderr.count("PluginWarning") == 1
    assert "claims the types of 'numpy', which backend 'numpy' of invtime " in done.stderr
    assert "implement invtime_backend_for" in done.stderr


@pytest.mark.usefixtures("loopback")
def test_two_plugins_with_entry_points_of_one_name(site):
    site.install("invtime-broken", {"invtime_broken": announces()}, loop="invtime_broken")
    more = """
states = {state.name: state for state in invtime.list_backends()}
assert states["broken"].problem == "absent is missing"
"""
    assert site.run(WORKS + more).stderr == ""


@pytest.mark.usefixtures("loopback")
def test_a_plugin_that_evaluates_as_it_is_imported_finds_the_built_ins(site):
    early = "import numpy; import invtime; invtime.InverseTimeDecay(1, 1, 1)(numpy.arange(3))"
    module = {"invtime_early": early + answers("return None")}
    site.install("invtime-early", module, a="invtime_early")
    claim = "return 'loop' if step_type.__name__ == 'ndarray' else None"
    site.install("invtime-other", {"invtime_other": answers(claim)}, z="invtime_other")
    done = site.run(
        """
        import numpy as np
        from invtime import registry
        assert registry.default.backend_name_for(np.int64) == "numpy"
        assert registry.default.backend_name_for(np.ndarray) == "loop"  # and not as at that time
        """
    )
    assert done.stderr == ""


OVERRIDE = """
import invtime

@invtime.hookimpl
def invtime_backends():
    return [invtime.BackendInfo({name!r}, ("numpy",), "invtime.backends.numpy:NumpyBackend", "")]

@invtime.hookimpl({order})
def invtime_backend_for(step_type):
    return {name!r} if step_type.__name__ in ("ndarray", "Tensor") else None
"""


@pytest.mark.parametrize(
    ("orders", "winner"),
    [
        (("", ""), "b"),  # as in pluggy, the hook that was registered last is called first
        (("tryfirst=True", ""), "a"),
        (("", "trylast=True"), "a"),
        (("tryfirst=True", "tryfirst=True"), "b"),
    ],
)
def test_plugins_that_want_one_type_are_asked_in_the_order_of_pluggy(orders, winner, site):
    for name, order in zip("ab", orders, strict=True):
        module = {f"invtime_{name}": OVERRIDE.format(name=name, order=order)}
        site.install(f"invtime-{name}", module, **{name: f"invtime_{name}"})
    done = site.run(
        f"""
        import numpy as np
        from invtime import registry
        assert registry.default.backend_name_for(np.ndarray) == {winner!r}
        assert registry.default.backend_name_for(np.float64) == "numpy"
        """
    )
    assert done.stderr == ""


def test_the_tensors_of_torch_can_be_claimed(site):
    pytest.importorskip("torch")
    source = OVERRIDE.format(name="fused", order="tryfirst=True")
    source = source.replace("invtime.backends.numpy:Numpy", "invtime.backends.torch:Torch")
    module = {"invtime_fused": source.replace('("numpy",)', '("torch",)')}
    site.install("invtime-fused", module, fused="invtime_fused")
    done = site.run(
        """
        import torch, invtime
        assert invtime.InverseTimeDecay(0.1, 1000, 0.5)(torch.arange(3)).shape == (3,)
        assert invtime.registry.default.backend_name_for(torch.Tensor) == "fused"
        assert invtime.registry.default.load("torch") is not invtime.registry.default.load("fused")
        """
    )
    assert done.stderr == ""
