"""How much is drawn, and what must not be missing or skipped.

INVTIME_REQUIRE_BACKENDS   comma-separated backends; the session fails if one is not usable
INVTIME_REQUIRE_MODULES    comma-separated modules; the session fails if one is not installed,
                           and a test that is skipped fails, but for the reasons in MAY_SKIP
INVTIME_MAY_SKIP           one more such reason, a regular expression
INVTIME_PROFILE            "thorough" draws 5000 examples, others each time; the same as pytest's
                           own --hypothesis-profile=thorough. "brief" draws 10, and of each test
                           runs the cases that have a new parameter. The default draws 100, and
                           50 in a task of nox
"""

import os
import re
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

import invtime
from invtime import registry

# A task of nox draws the same examples each time, so that a failure is the change's; pytest by
# itself draws others, and so does the task that looks for failures, `nox -s property`.
FIXED = "NOX_CURRENT_SESSION" in os.environ
COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
COUNT = 50 if FIXED else 100  # the same examples each time need not be many
settings.register_profile("invtime", max_examples=COUNT, derandomize=FIXED, **COMMON)
settings.register_profile("thorough", max_examples=5000, **COMMON)
settings.register_profile("brief", max_examples=10, derandomize=FIXED, **COMMON)
PROFILE = os.environ.get("INVTIME_PROFILE", "invtime")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(config, items):
    """In the profile "brief", each value of each parameter of a test once, not each combination."""
    if PROFILE != "brief":
        return
    kept, left_out, seen = [], [], set()
    for item in items:
        indices = item.callspec.indices.items() if hasattr(item, "callspec") else ()
        values = {(item.parent.nodeid, item.originalname, *value) for value in indices}
        (left_out if values and values <= seen else kept).append(item)
        seen |= values
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def required(what: str) -> list[str]:
    """The names in the environment variable INVTIME_REQUIRE_..."""
    return [name for name in os.environ.get(f"INVTIME_REQUIRE_{what}", "").split(",") if name]


def missing_backends() -> list[str]:
    """The required backends that cannot be loaded, each with its reason."""
    missing = []
    for name in required("BACKENDS"):
        try:
            registry.default.load(name)
        except (invtime.InvTimeError, ImportError) as error:
            missing.append(f"{name}: {error}")
    return missing


def pytest_sessionstart() -> None:
    """Fail at once where a framework that was promised is not there."""
    absent = [name for name in required("MODULES") if find_spec(name) is None]
    if missing := missing_backends() + absent:
        pytest.exit("required and missing: " + "; ".join(missing), returncode=3)


# What no machine of CI has, or not on each Python, and checks that say nothing of a backend.
MAY_SKIP = re.compile(
    "needs a CUDA device|copy.replace came with Python 3.13"
    "|the backend has no mode but eager|`evaluate` is not overridden"
    "|the backend says that it is not differentiable"
)


def failing_if_skipped(report):
    """The report, failed where it is of a skip that no task may have."""
    if required("MODULES") and report.skipped and not hasattr(report, "wasxfail"):
        path, line, reason = report.longrepr
        more = os.environ.get("INVTIME_MAY_SKIP")
        if not (MAY_SKIP.search(reason) or (more and re.search(more, reason))):
            report.outcome = "failed"
            report.longrepr = f"{path}:{line}: a task that requires modules skips nothing: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return failing_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return failing_if_skipped((yield))
