"""Checks and their failure messages: the law, and the smallest example that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from textwrap import indent
from typing import Any
from unittest import SkipTest

from invtime.backends.base import Backend

Check = Callable[[Backend], None]

LINES = 30  # the number of lines shown of a framework's message, which can be a compiler log

CHECKS: dict[str, Check] = {}
"""The checks by name, in the order of the documentation."""


class Broken(Exception):  # noqa: N818 (it becomes an AssertionError)
    """An example that breaks a law, as named parts in the order of the message."""

    def __init__(self, **example: object) -> None:
        super().__init__(example)
        self.example = example


class Unsuited(SkipTest):
    """The check does not apply to this backend; pytest shows it as skipped."""


def law(check: Check) -> Check:
    """Register a check in `CHECKS`; its failure messages show the law and the example.

    The law is the first paragraph of the check's docstring. The name of the check is the name of
    the function without "check_".
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
        raise AssertionError(_message(check, backend, example, cause)) from cause

    CHECKS[name_of(check)] = checked
    return checked


@contextmanager
def asking(**example: object) -> Iterator[None]:
    """Turn an exception in the block into `Broken`, with this example."""
    try:
        yield
    except (Broken, SkipTest, AssertionError):
        raise
    except Exception as error:  # a framework can raise anything
        expected = {"expected": example.pop("expected")} if "expected" in example else {}
        raise Broken(**example, raised=raised(error), **expected) from error


def name_of(check: Check) -> str:
    """Return the name of a check: the name of its function without "check_"."""
    return check.__name__.removeprefix("check_")


def law_of(check: Check) -> str:
    """Return the law of a check: the first paragraph of its docstring."""
    return " ".join((check.__doc__ or "").partition("\n\n")[0].split())


def raised(error: BaseException) -> str:
    """Return the type and the first line of an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _said(error: BaseException) -> str:
    """Return the message of an exception, with the output of a failed process and the cause."""
    parts = [str(error), getattr(error, "stderr", None) or getattr(error, "output", None) or ""]
    parts = [part.decode(errors="replace") if isinstance(part, bytes) else part for part in parts]
    cause = error.__cause__ or error.__context__
    parts += [] if cause is None else [f"after {raised(cause)}"]
    lines = "\n".join(part.strip() for part in parts if part.strip()).splitlines()
    return "\n".join([*lines[:LINES], *(["..."] if len(lines) > LINES else [])])


def _message(
    check: Check, backend: Backend, example: dict[str, Any], cause: BaseException | None
) -> str:
    width = max(map(len, example), default=0)
    lines = [f"  {key:{width}}  {value}" for key, value in example.items()]
    said = "" if cause is None else _said(cause)
    if "\n" in said:  # the example shows only the first line
        lines += ["full error message:", indent(said, "  ")]
    name = getattr(backend, "name", type(backend).__name__)
    return "\n".join(
        [
            f"backend {name!r} breaks the law {name_of(check)!r}:",
            f"  {law_of(check)}",
            "smallest example:",
            *lines,
        ]
    )
