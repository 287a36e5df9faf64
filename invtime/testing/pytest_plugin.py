"""`pytest --invtime-backend=NAME`: the conformance kit on an installed backend, without a file.

pytest loads this in every session, so nothing is imported here until the option is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from invtime.testing.kit import BoundCheck


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("invtime", "conformance of an invtime backend")
    group.addoption(
        "--invtime-backend",
        metavar="NAME",
        help="run the conformance kit on this backend, and of the tests only those whose "
        "paths are given",
    )
    group.addoption(
        "--invtime-waive",
        metavar="CHECK=REASON",
        action="append",
        default=[],
        help="expect this check to fail; may be given more than once",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a wrong option at once, and collect nothing but what was asked for."""
    if config.option.invtime_backend is None:
        if config.option.invtime_waive:
            raise pytest.UsageError("--invtime-waive needs --invtime-backend")
        return
    config.stash[WAIVERS] = _waivers(config.option.invtime_waive)
    _find(config.option.invtime_backend)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the checks to what was collected."""
    if session.config.option.invtime_backend is not None:
        items += _checks(session, session.config.option.invtime_backend)


WAIVERS = pytest.StashKey[dict[str, str]]()


def _waivers(options: list[str]) -> dict[str, str]:
    from invtime.testing.kit import checked_waivers

    pairs = (option.partition("=") for option in options)
    try:
        return checked_waivers({check: reason for check, _, reason in pairs})
    except ValueError as error:
        raise pytest.UsageError(f"--invtime-waive: {error}") from None


def _find(name: str) -> None:
    """Refuse a name that no plugin announced; imports no framework."""
    from invtime import InvTimeError, registry

    try:
        registry.default.plugins.find(name)
    except InvTimeError as error:
        raise pytest.UsageError(f"--invtime-backend: {error}") from None


def _checks(session: pytest.Session, backend: str) -> Iterator[pytest.Item]:
    from invtime.testing.checks import CHECKS
    from invtime.testing.kit import BoundCheck, waiver_marks

    waivers = session.config.stash[WAIVERS]
    for name in CHECKS:
        check = BoundCheck(backend, name, name in waivers)
        parts = {"name": f"{backend}[{name}]", "nodeid": f"invtime::{backend}[{name}]"}
        item = CheckItem.from_parent(session, check=check, **parts)
        for mark in waiver_marks(waivers.get(name)):
            item.add_marker(mark)
        yield item


class CheckItem(pytest.Item):
    """One check as a test; a broken law is reported without a traceback."""

    def __init__(self, *, check: BoundCheck, **parts: Any) -> None:
        super().__init__(**parts)
        self.check = check

    def runtest(self) -> None:
        """Run the check."""
        self.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The law and the smallest example alone."""
        if excinfo.errisinstance(AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """Where it is said to stand."""
        return "invtime", None, self.name
