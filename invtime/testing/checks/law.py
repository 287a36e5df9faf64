"""What a failed check says: the law that broke, and the smallest example that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from unittest import SkipTest

from invtime.backends.base import Backend

Check = Callable[[Backend], None]

CHECKS: dict[str, Check] = {}
"""The checks by name, in the order in which they are best read."""


class Broken(Exception):  # noqa: N818 (it becomes an AssertionError)
    """An example that breaks a law: its parts by name, in the order to show them."""

    def __init__(self, **example: object) -> None:
        super().__init__(example)
        self.example = example


class Unsuited(SkipTest):
    """The law says nothing of this backend, which pytest shows as a skip."""


def law(check: Check) -> Check:
    """Enter a check among `CHECKS`; its every failure says the law and the example.

    The law is the first paragraph of the check's docstring, and the name is the function's
    without "check_".
    """

    @wraps(check)
    def checked(backend: Backend) -> None:
        __tracebackhide__ = True
        try:
            check(backend)
            return
        except (SkipTest, AssertionError):
            raise
        except Broken as broken:
            example, cause = broken.example, broken.__cause__
        except Exception as error:  # a framework can raise anything
            example, cause = {"raised": raised(error)}, error
        raise AssertionError(_message(check, backend, example)) from cause

    CHECKS[name_of(check)] = checked
    return checked


def name_of(check: Check) -> str:
    """The name of a check: that of its function, without "check_"."""
    return check.__name__.removeprefix("check_")


def law_of(check: Check) -> str:
    """The law in a sentence, from the docstring's first paragraph."""
    return " ".join((check.__doc__ or "").partition("\n\n")[0].split())


def raised(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _message(check: Check, backend: Backend, example: dict[str, Any]) -> str:
    width = max(map(len, example), default=0)
    lines = [f"  {key:{width}}  {value}" for key, value in example.items()]
    name = getattr(backend, "name", type(backend).__name__)
    return "\n".join(
        [
            f"backend {name!r} breaks the law {name_of(check)!r}:",
            f"  {law_of(check)}",
            "smallest example:",
            *lines,
        ]
    )
