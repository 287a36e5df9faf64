"""The conformance kit: checks of what a backend must do, each a separate test in pytest.

    from invtime.testing import parametrize_with_checks

    @parametrize_with_checks("numpy")
    def test_conformance(check):
        check()

Without a test file, run `pytest --invtime-backend=numpy`. The modules are:

    checks      the checks; `CHECKS` maps names to them
    kit         the checks as pytest tests, and expected failures
    strategies  Hypothesis strategies for schedules and steps

`pip install "invtime[testing]"` installs pytest and Hypothesis. Names are imported when they are
used, because pytest loads this package in every session.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invtime.reference import Reference, ulp_distance
    from invtime.testing.checks import CHECKS
    from invtime.testing.kit import parametrize_with_checks
    from invtime.testing.strategies import float_steps, schedules, steps

__all__ = [
    "CHECKS",
    "Reference",
    "float_steps",
    "parametrize_with_checks",
    "schedules",
    "steps",
    "ulp_distance",
]

_LAZY = {
    "CHECKS": "invtime.testing.checks",
    "Reference": "invtime.reference",
    "float_steps": "invtime.testing.strategies",
    "parametrize_with_checks": "invtime.testing.kit",
    "schedules": "invtime.testing.strategies",
    "steps": "invtime.testing.strategies",
    "ulp_distance": "invtime.reference",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'invtime.testing' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
