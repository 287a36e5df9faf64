"""What a dialect is, and what several of them need."""

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
    """From a schedule to the parameters; raises ConfigError where they cannot express it."""
    code: Callable[[Parameters], str]
    """From the parameters to the library's code."""
    read: Callable[[Parameters], InverseTimeDecay] | None = None
    """From every parameter to the schedule; None for code, which is only converted to."""
    keys: tuple[str, ...] = ()
    """The parameters that `read` knows, in the library's order."""
    defaults: Mapping[str, Any] = {}
    """What the library takes for a parameter that is left out."""
    aliases: Mapping[str, str] = {}
    """Other names that the library takes for a parameter."""
    phases: bool = False
    """Whether `write` takes a schedule with phases."""


def fraction(number: int | float) -> Fraction:
    """The number that a parameter means."""
    return Fraction(*exact_number(number))


def written(key: str, value: Fraction) -> int | float:
    """The parameter `key` that means exactly `value`; a ConfigError where there is none."""
    number = shortest_decimal(value)
    if number is None:
        raise unwritable(key, value, "pass that number yourself if an approximation is acceptable")
    return number


def call(function: str, arguments: Mapping[str, Any]) -> str:
    """The code of a call with keyword arguments."""
    return f"{function}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
