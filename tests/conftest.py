"""The Hypothesis profiles, and the rules about missing packages and skipped tests.

INVTIME_REQUIRE_BACKENDS   comma-separated backends; the session fails if one is not usable
INVTIME_REQUIRE_MODULES    comma-separated modules; the session fails if one is not installed,
                           and a skipped test fails, except for the reasons in MAY_SKIP
INVTIME_MAY_SKIP           a regular expression for one more allowed reason
INVTIME_PROFILE            "thorough" draws 5000 new examples each time, like pytest's
                           --hypothesis-profile=thorough. "brief" draws 10, and runs each value
                           of a test's parameters once, not each combination. The default draws
                           100, and 50 in a nox task
"""

import os
import re
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

import invtime
from invtime import registry

# A nox task draws the same examples each time, so a failure comes from the change under test.
# Plain pytest draws new ones, and so does `nox -s property`, which searches for failures.
FIXED = "NOX_CURRENT_SESSION" in os.environ
COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
COUNT = 50 if FIXED else 100  # fixed examples find nothing new, so fewer are enough
settings.register_profile("invtime", max_examples=COUNT, derandomize=FIXED, **COMMON)
settings.register_profile("thorough", max_examples=5000, **COMMON)
settings.register_profile("brief", max_examples=10, derandomize=FIXED, **COMMON)
PROFILE = os.environ.get("INVTIME_PROFILE", "invtime")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(config, items):
    """In the profile "brief", run each value of a test's parameters once, not each combination."""
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
    """Return the names in the environment variable INVTIME_REQUIRE_{what}."""
    return [name for name in os.environ.get(f"INVTIME_REQUIRE_{what}", "").split(",") if name]


def missing_backends() -> list[str]:
    """Return the required backends that cannot be loaded, each with the reason."""
    missing = []
    for name in required("BACKENDS"):
        try:
            registry.default.load(name)
        except (invtime.InvTimeError, ImportError) as error:
            missing.append(f"{name}: {error}")
    return missing


def pytest_sessionstart() -> None:
    """Fail at once if a required framework is missing."""
    absent = [name for name in required("MODULES") if find_spec(name) is None]
    if missing := missing_backends() + absent:
        pytest.exit("required and missing: " + "; ".join(missing), returncode=3)


# Hardware or a Python that CI does not have, and checks that do not apply to a backend.
MAY_SKIP = re.compile(
    "needs a CUDA device|copy.replace came with Python 3.13"
    "|the backend has only the eager mode|the backend does not override `evaluate`"
    "|the backend is not differentiable"
)


def failing_if_skipped(report):
    """Return the report, as a failure if the test was skipped for a reason that is not allowed."""
    if required("MODULES") and report.skipped and not hasattr(report, "wasxfail"):
        path, line, reason = report.longrepr
        more = os.environ.get("INVTIME_MAY_SKIP")
        if not (MAY_SKIP.search(reason) or (more and re.search(more, reason))):
            report.outcome = "failed"
            report.longrepr = (
                f"{path}:{line}: skipped, but INVTIME_REQUIRE_MODULES allows no skips: {reason}"
            )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return failing_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return failing_if_skipped((yield))
