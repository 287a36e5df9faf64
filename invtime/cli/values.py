"""Values on the command line: numbers, dtypes, and names for shell completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import typer

from invtime import registry
from invtime.errors import shown


class Dtype(StrEnum):
    """The dtypes of a result: the names in `invtime.dtypes`."""

    float64 = "float64"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


DTYPES = ", ".join(Dtype)


def read_number(text: str) -> Any:
    """Parse an int, else a float. Return other text unchanged, for the caller to reject."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def whole(least: int | None = None) -> Callable[[str], int]:
    """A parser of integers such as 1000, 1e6 or 1_000_000 that rejects numbers below `least`."""

    def parse(text: str) -> int:
        number = read_number(text)
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if not isinstance(number, int) or (least is not None and number < least):
            bound = "" if least is None else f" of {least} or more"
            raise typer.BadParameter(
                f"{shown(text)} is not a whole number{bound}; "
                "pass one such as 1000, 1e6 or 1_000_000"
            )
        return number

    return parse


def completes(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """A shell-completion function for these names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def backends_here() -> list[str]:
    """The names of the known backends, installed or not."""
    return [state.name for state in registry.list_backends()]
