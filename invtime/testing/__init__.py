"""The conformance kit: what a backend must do, as checks that pytest runs one by one.

    from invtime.testing import parametrize_with_checks

    @parametrize_with_checks("numpy")
    def test_conformance(check):
        check()

or, without a file, `pytest --invtime-backend=numpy`. And what the checks are made of:

    checks      the laws, `CHECKS` by name
    kit         the laws in pytest, with waivers
    strategies  Hypothesis strategies for schedules and steps

`pip install "invtime[testing]"` brings pytest and Hypothesis. Every name here is imported when
it is used, for pytest loads this package in every session.
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
