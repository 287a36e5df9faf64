"""What is written on the command line: numbers, dtypes, and the names that a shell completes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import typer

from invtime import registry
from invtime.errors import shown


class Dtype(StrEnum):
    """The dtypes of a result, those of `invtime.dtypes`."""

    float64 = "float64"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


DTYPES = ", ".join(Dtype)


def read_number(text: str) -> Any:
    """A number as it was written: an int, else a float, else the text for others to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def whole(least: int | None = None) -> Callable[[str], int]:
    """What reads a whole number, such as 1000, 1e6 or 1_000_000, not below `least`."""

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
    """What completes a name in a shell."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def backends_here() -> list[str]:
    """The names of the backends that are announced."""
    return [state.name for state in registry.list_backends()]
