"""The conformance kit in pytest: one test for each check, and strict expected failures."""

from __future__ import annotations

from collections.abc import Mapping
from unittest import SkipTest

import pytest

from invtime import registry
from invtime.backends.base import Backend
from invtime.errors import shown
from invtime.testing.checks import CHECKS


def parametrize_with_checks(
    backend: str | Backend, expected_failures: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test once for each check, passed as the argument `check`.

    Args:
        backend: the name of an installed backend, or an instance. A named backend is loaded when
            the first check runs, so collecting the tests imports no framework.
        expected_failures: the names of the checks that the framework cannot pass, each with the
            reason. If such a check passes, its test fails.

    Raises:
        TypeError: `backend` is neither a name nor an instance of `invtime.Backend`.
        ValueError: `expected_failures` has a name that no check has, or an empty reason.

    >>> from invtime.testing import parametrize_with_checks
    >>> @parametrize_with_checks("numpy")
    ... def test_conformance(check):
    ...     check()
    """
    waivers = expected_failures or {}
    for name, reason in waivers.items():
        if name not in CHECKS:
            raise ValueError(
                f"no check is named {shown(name)}; available: {', '.join(CHECKS)}; "
                "pass one of these"
            )
        if not reason.strip():
            raise ValueError(
                f"expected_failures has no reason for {shown(name)}; "
                "say why the framework cannot pass this check"
            )
    # An expected failure must be a broken law, not another error.
    marks = {
        name: pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)
        for name, reason in waivers.items()
    }
    parameters = [
        pytest.param(
            BoundCheck(backend, name, name in waivers),
            marks=[marks[name]] if name in waivers else [],
        )
        for name in CHECKS
    ]
    return pytest.mark.parametrize("check", parameters, ids=list(CHECKS))


class BoundCheck:
    """A check of one backend. A call without arguments passes, fails or skips.

    Args:
        backend: the name of a backend, or an instance.
        name: the name of the check.
        waived: whether the check is expected to fail.
    """

    def __init__(self, backend: str | Backend, name: str, waived: bool = False) -> None:
        if not isinstance(backend, str | Backend):
            raise TypeError(
                f"backend is {shown(backend)}; it must be the name of an installed backend, or an "
                "instance of a subclass of invtime.Backend"
            )
        self.backend = backend
        self.name = name
        self.waived = waived

    def __call__(self) -> None:
        """Run the check."""
        __tracebackhide__ = True
        backend: object = self.backend
        backend = registry.default.load(backend) if isinstance(backend, str) else backend
        if not isinstance(backend, Backend):
            message = (
                f"the backend is an instance of {type(backend).__name__}, which is not a subclass "
                "of invtime.Backend; derive its class from invtime.Backend"
            )
            pytest.fail(message, pytrace=False)
        try:
            CHECKS[self.name](backend)
        except SkipTest as reason:
            if self.waived:
                message = (
                    f"expected_failures lists {self.name!r}, but this check does not apply to "
                    f"this backend: {reason}; remove it from expected_failures"
                )
                pytest.fail(message, pytrace=False)
            pytest.skip(str(reason))

    def __repr__(self) -> str:
        return f"BoundCheck({self.backend!r}, {self.name!r})"
