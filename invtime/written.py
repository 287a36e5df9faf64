"""From an exact fraction back to the number that is written for it, where there is one.

The inverse of `decimals.ratio`: conversions between parameters are exact or refused.
"""

from __future__ import annotations

from fractions import Fraction

from invtime.decimals import ratio
from invtime.errors import ConfigError


def fraction(number: int | float) -> Fraction:
    """The number that a parameter means."""
    return Fraction(*ratio(number))


def as_written(value: Fraction) -> int | float | None:
    """The Python number that means exactly `value`, or None where there is none.

    It can only be the binary64 number nearest to the value: whatever reads as a decimal is
    the nearest to it.

    >>> as_written(Fraction(1, 2000)), as_written(Fraction(99)), as_written(Fraction(1, 3))
    (0.0005, 99, None)
    """
    number = value.numerator / value.denominator
    if fraction(number) != value:
        return None
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def refusal(what: str, value: Fraction, remedy: str) -> ConfigError:
    """The error for a parameter that would have to be `value`, and how near it one can get."""
    nearest = value.numerator / value.denominator
    off = float(abs(fraction(nearest) - value) / value)
    return ConfigError(
        f"{what} would have to be {value}, and no binary64 number is written so: the nearest, "
        f"{nearest!r}, is off by {off:.1e} of it; {remedy}"
    )
