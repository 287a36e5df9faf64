"""The type of a dialect, and helpers for several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from invtime.decimals import exact_number, shortest_decimal, unwritable
from invtime.spec import InverseTimeDecay

Parameters = dict[str, Any]


class Dialect(NamedTuple):
    """One library's parameters for the schedule."""

    write: Callable[[InverseTimeDecay], Parameters]
    """Convert a schedule to parameters. Raises ConfigError if they cannot express it."""
    code: Callable[[Parameters], str]
    """Convert parameters to code for the library."""
    read: Callable[[Parameters], InverseTimeDecay] | None = None
    """Convert a full set of parameters to a schedule. None if the dialect can only be written."""
    keys: tuple[str, ...] = ()
    """The parameters that `read` accepts, in the library's order."""
    defaults: Mapping[str, Any] = {}
    """The library's defaults for missing parameters."""
    aliases: Mapping[str, str] = {}
    """Other names of a parameter that the library accepts."""
    phases: bool = False
    """Whether `write` accepts a schedule with phases."""


def fraction(number: int | float) -> Fraction:
    """The exact number that a parameter stands for."""
    return Fraction(*exact_number(number))


def written(key: str, value: Fraction) -> int | float:
    """The number to write for `key` so that it means exactly `value`, or a ConfigError."""
    number = shortest_decimal(value)
    if number is None:
        raise unwritable(key, value, "pass that number yourself if an approximation is acceptable")
    return number


def call(function: str, arguments: Mapping[str, Any]) -> str:
    """The code of a call with keyword arguments."""
    return f"{function}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
