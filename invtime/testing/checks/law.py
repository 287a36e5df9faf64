"""What a failed check says: the law that broke, and the smallest example that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from textwrap import indent
from typing import Any
from unittest import SkipTest

from invtime.backends.base import Backend

Check = Callable[[Backend], None]

LINES = 30  # of a framework's message, which may be a compiler's

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
        raise AssertionError(_message(check, backend, example, cause)) from cause

    CHECKS[name_of(check)] = checked
    return checked


@contextmanager
def asking(**example: object) -> Iterator[None]:
    """What a framework raises in here breaks the law, with this example."""
    try:
        yield
    except (Broken, SkipTest, AssertionError):
        raise
    except Exception as error:  # a framework can raise anything
        true = {"true": example.pop("true")} if "true" in example else {}
        raise Broken(**example, raised=raised(error), **true) from error


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


def _said(error: BaseException) -> str:
    """The whole message of an exception, of a process that failed, and of what caused it."""
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
    if "\n" in said:  # the first line is in the example
        lines += ["what was raised:", indent(said, "  ")]
    name = getattr(backend, "name", type(backend).__name__)
    return "\n".join(
        [
            f"backend {name!r} breaks the law {name_of(check)!r}:",
            f"  {law_of(check)}",
            "smallest example:",
            *lines,
        ]
    )
