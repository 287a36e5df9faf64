"""The conformance kit: what a backend must do, as checks that pytest runs one by one.

    from invtime.testing import parametrize_with_checks

    @parametrize_with_checks("numpy")
    def test_conformance(check):
        check()

or, without a file, `pytest --invtime-backend=numpy`. And what the checks are made of:

    checks      the laws, `CHECKS` by name
    kit         the laws in pytest, with waivers
    oracle      the true value, by fractions and integers alone
    bulk        the same for millions of steps
    strategies  Hypothesis strategies for schedules and steps
    midpoints   schedules whose value nearly ties between two doubles
    modes       every usable backend, eager and compiled, as functions to bits
    hostile     a backend whose compiler takes every liberty that real ones take

`pip install "invtime[testing]"` brings pytest and Hypothesis. Every name here is imported when
it is used, for pytest loads this package in every session.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invtime.testing.checks import CHECKS
    from invtime.testing.kit import parametrize_with_checks
    from invtime.testing.oracle import Reference, ulp_distance
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
    "CHECKS": "checks",
    "Reference": "oracle",
    "float_steps": "strategies",
    "parametrize_with_checks": "kit",
    "schedules": "strategies",
    "steps": "strategies",
    "ulp_distance": "oracle",
}


def __getattr__(name: str) -> Any:
    module = "checks" if name.startswith("check_") else _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'invtime.testing' has no attribute {name!r}")
    try:
        return getattr(import_module(f"invtime.testing.{module}"), name)
    except AttributeError:
        raise AttributeError(f"module 'invtime.testing' has no attribute {name!r}") from None
