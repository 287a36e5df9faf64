"""Many plugins, threads and calls: the cost is counted, not timed."""

import json

import pytest

MANY = 50

COUNTED = """
import invtime, counted

counted.count("imported {name}")

@invtime.hookimpl
def invtime_backends():
    counted.count("announced {name}")
    target = "invtime_{name}_backend:Backend"
    return [invtime.BackendInfo("{name}", ("framework_{name}",), target, "")]

@invtime.hookimpl
def invtime_backend_for(step_type):
    counted.count("asked {name}")
"""
BACKEND = """
import counted
from invtime.backends.numpy import NumpyBackend

counted.count("backend {name}")

class Backend(NumpyBackend):
    name = "{name}"

    def __init__(self):
        counted.count("made {name}")

    def coerce(self, step, device):
        return super().coerce(step.data, device)
"""
FRAMEWORK = """
class Array:
    def __init__(self, data):
        self.data = data
"""
COUNTER = """
from collections import Counter
counts = Counter()
def count(what):
    counts[what] += 1
"""


@pytest.fixture
def crowd(site):
    site.install("counted", {"counted": COUNTER})
    for name in (f"p{i}" for i in range(MANY)):
        modules = {
            f"invtime_{name}": COUNTED.format(name=name),
            f"invtime_{name}_backend": BACKEND.format(name=name),
            f"framework_{name}": FRAMEWORK,
        }
        site.install(f"invtime-{name}", modules, **{name: f"invtime_{name}"})
    return site


def test_importing_invtime_is_the_same_with_fifty_plugins_as_with_none(crowd):
    code = """
        import sys, invtime, json
        schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
        schedule(7), schedule(7.5), schedule.get_config(), schedule.to_json()
        print(json.dumps(sorted(sys.modules)))
        """
    with_them = json.loads(crowd.run(code).stdout)
    without = json.loads(crowd.run(code, INVTIME_DISABLE_PLUGINS="1", PYTHONPATH="").stdout)
    assert with_them == without
    assert "pluggy" not in with_them
    assert "importlib.metadata" not in with_them


def test_the_first_array_call_announces_each_once_and_makes_none(crowd):
    crowd.run(
        f"""
        import sys, counted, invtime, numpy as np
        names = ["p%d" % i for i in range({MANY})]
        invtime.InverseTimeDecay(0.1, 1000, 0.5)(np.arange(3))
        kinds = ("imported", "announced", "asked")
        assert dict(counted.counts) == {{f"{{k}} {{n}}": 1 for k in kinds for n in names}}
        assert not [m for m in sys.modules if m.endswith("_backend") or m.startswith("framework")]
        assert len(invtime.list_backends()) == len(names) + 6
        """
    )


def test_a_type_that_was_seen_is_one_look_up(crowd):
    crowd.run(
        """
        import counted, invtime, numpy as np
        from invtime import registry
        from framework_p7 import Array
        schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
        schedule(np.arange(3)), schedule(Array(np.arange(3)))
        before = dict(counted.counts)
        assert before["asked p7"] == 2 and before["made p7"] == 1

        class Looked(dict):
            looks = 0
            def __getitem__(self, key):
                self.looks += 1
                return super().__getitem__(key)

        class Untouched:
            def __getattribute__(self, name):
                raise AssertionError(name)
            __enter__ = __exit__ = None

        default = registry.default
        default._names = Looked(default._names)
        default._lock = default._plugins = Untouched()
        for _ in range(5):
            schedule(np.arange(3)), schedule(Array(np.arange(3)))
        assert default._names.looks == 10
        assert dict(counted.counts) == before
        """
    )


def test_many_threads_that_make_the_first_call_at_once_load_each_plugin_once(crowd):
    crowd.run(
        f"""
        import threading, counted, invtime, numpy as np
        from framework_p7 import Array
        schedule = invtime.InverseTimeDecay(0.1, 1000, 0.5)
        expected = [schedule(n) for n in range(3)]
        start, results = threading.Barrier(32), []
        def first_call(wrap):
            start.wait()
            results.append(schedule(wrap(np.arange(3))).tolist())
        threads = [threading.Thread(target=first_call, args=((Array, np.asarray)[i % 2],))
                   for i in range(32)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert results == [expected] * 32
        counts = counted.counts
        assert counts["backend p7"] == counts["made p7"] == 1
        for i in range({MANY}):
            assert counts[f"imported p{{i}}"] == counts[f"announced p{{i}}"] == 1
            assert counts[f"asked p{{i}}"] == 2
        """
    )
