"""The option `pytest --invtime-backend=NAME`, which runs the conformance kit without a test file.

pytest loads this module in every session, so it imports nothing until the option is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from invtime.testing.kit import BoundCheck


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("invtime", "conformance of an invtime backend")
    group.addoption(
        "--invtime-backend",
        metavar="NAME",
        help="run the conformance kit on this backend; other tests run only if their paths are "
        "given",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Reject an unknown name before collection; collect other tests only from given paths."""
    name = config.option.invtime_backend
    if name is None:
        return
    from invtime import InvTimeError, PluginWarning, registry

    try:
        registry.default.plugins.find(name)  # imports no framework
    except (InvTimeError, PluginWarning) as error:  # PluginWarning if warnings are errors
        raise pytest.UsageError(f"--invtime-backend: {error}") from None
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the checks to the collected tests."""
    if session.config.option.invtime_backend is not None:
        items += _checks(session, session.config.option.invtime_backend)


def _checks(session: pytest.Session, backend: str) -> Iterator[pytest.Item]:
    from invtime.testing.checks import CHECKS
    from invtime.testing.kit import BoundCheck

    for name in CHECKS:
        parts = {"name": f"{backend}[{name}]", "nodeid": f"invtime::{backend}[{name}]"}
        yield CheckItem.from_parent(session, check=BoundCheck(backend, name), **parts)


class CheckItem(pytest.Item):
    """One check as a test. A failed check is reported without a traceback."""

    def __init__(self, *, check: BoundCheck, **parts: Any) -> None:
        super().__init__(**parts)
        self.check = check

    def runtest(self) -> None:
        """Run the check."""
        self.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return only the message: the law and the smallest example."""
        if excinfo.errisinstance(AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """Return the location that pytest shows for the test."""
        return "invtime", None, self.name
