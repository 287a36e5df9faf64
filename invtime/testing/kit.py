"""The conformance kit in pytest: each check a test of its own, and waivers that are strict."""

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
    """A decorator that calls a test once for each check, as its argument `check`.

    Args:
        backend: the name of an installed backend, loaded when the first check runs, so that
            collecting the tests imports no framework; or an instance.
        expected_failures: the checks that the framework cannot pass, each with the reason.
            A check that passes in spite of that fails the test.

    Raises:
        ValueError: no check has a name in `expected_failures`, or a reason is empty.

    >>> from invtime.testing import parametrize_with_checks
    >>> @parametrize_with_checks("numpy")
    ... def test_conformance(check):
    ...     check()
    """
    waivers = expected_failures or {}
    for name, reason in waivers.items():
        if name not in CHECKS:
            raise ValueError(f"no check is named {shown(name)}; there are {', '.join(CHECKS)}")
        if not reason.strip():
            raise ValueError(f"the waiver of {shown(name)} has no reason; say why it cannot pass")
    # A waived check must fail, by its law and by nothing else.
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
    """A check of one backend; called without arguments it passes, fails or skips.

    Args:
        backend: a name or an instance.
        name: of the check.
        waived: whether it is expected to fail.
    """

    def __init__(self, backend: str | Backend, name: str, waived: bool = False) -> None:
        if not isinstance(backend, str | Backend):
            raise TypeError(
                f"backend is {shown(backend)}; it must be the name of an installed backend, or an "
                "instance of a class that derives from invtime.Backend"
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
            message = f"a {type(backend).__name__} does not derive from invtime.Backend"
            pytest.fail(message, pytrace=False)
        try:
            CHECKS[self.name](backend)
        except SkipTest as reason:
            if self.waived:
                message = f"{self.name!r} is waived, and says nothing of this backend: {reason}"
                pytest.fail(message, pytrace=False)
            pytest.skip(str(reason))

    def __repr__(self) -> str:
        return f"BoundCheck({self.backend!r}, {self.name!r})"
