"""Convert between parameters and the rational numbers that they mean.

`0.1`, `np.float32(0.1)` and a bfloat16 tensor that holds 0.1 are three different binary numbers,
but each was written as 0.1, so each means 1/10. An integer-valued number means that integer. Any
other float means the shortest decimal (fewest significant digits) that rounds back to it in its
dtype; among several, the nearest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from invtime.dtypes import DTYPES, bare_name
from invtime.errors import ConfigError, cut, shown, typed

if TYPE_CHECKING:
    from fractions import Fraction  # takes 8 ms to import, and plain numbers do not need it

DtypeName: TypeAlias = Callable[[Any], str]
"""A function that returns the name of a framework's dtype."""

SMALLEST, LARGEST = 1e-60, 1e60


def exact_number(value: int | float) -> tuple[int, int]:
    """Return the number that a parameter means, as (numerator, denominator), not reduced.

    >>> exact_number(0.1), exact_number(1000.0), exact_number(1e23)
    ((1, 10), (1000, 1), (99999999999999991611392, 1))
    """
    if value == int(value):
        return int(value), 1
    # repr() is the shortest decimal that reads back as the same binary64 number.
    mantissa, _, exponent = float.__repr__(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) - len(fraction)
    # A float with a fractional part is below 2**53 and prints with power < 0.
    return int(whole + fraction), int(10**-power)


def shortest_decimal(value: Fraction) -> int | float | None:
    """Return the parameter that means exactly `value`, or None if there is none.

    The only candidate is the binary64 number nearest to `value`, since a parameter is the
    binary64 number nearest to the decimal that it means.

    >>> from fractions import Fraction
    >>> shortest_decimal(Fraction(1, 2000)), shortest_decimal(Fraction(99))
    (0.0005, 99)
    >>> shortest_decimal(Fraction(1, 3)) is None
    True
    """
    number = value.numerator / value.denominator
    numerator, denominator = exact_number(number)
    if numerator * value.denominator != value.numerator * denominator:
        return None
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def unwritable(what: str, value: Fraction, remedy: str) -> ConfigError:
    """Return the error for a parameter that no float can express; it names the nearest float."""
    nearest = value.numerator / value.denominator
    numerator, denominator = exact_number(nearest)
    off = float(abs(numerator - value * denominator) / (value * denominator))
    return ConfigError(
        f"{what} would have to be {cut(str(value))}, which cannot be written exactly as a float; "
        f"the nearest, {nearest!r}, has a relative error of {off:.1e}; {remedy}"
    )


def read_number(
    key: str, value: Any, name_of: DtypeName = bare_name
) -> tuple[int | float, str | None]:
    """Return the int or float that the parameter `key` means, and the dtype it pins, or None.

    `value` may be a Python number, a NumPy scalar, a 0-d array or a concrete scalar tensor. A 0-d
    array or tensor with a float dtype pins that dtype. |x| must be 0 or in [1e-60, 1e60].

    Raises:
        ConfigError: the value has another type, is not a scalar, has no value yet (a traced
            tensor), or is out of range.
    """
    number, pinned = _plain(key, value, name_of)
    if number != number or not (number == 0 or SMALLEST <= abs(number) <= LARGEST):
        raise ConfigError(
            f"{key} is {shown(value)}; it must be finite and, unless zero, between 1e-60 and 1e60 "
            "in magnitude; pass a value in that range"
        )
    return number or abs(number), pinned  # -0.0 becomes 0.0


def read_count(key: str, value: Any, name_of: DtypeName = bare_name) -> int:
    """Return the number of steps that the parameter `key` means: an integer from 0 to 2**53.

    Raises:
        ConfigError: the value is not a number, not whole, or out of range.

    >>> read_count("warmup_steps", 1000.0)
    1000
    """
    number, _ = read_number(key, value, name_of)
    if number != int(number) or not 0 <= number <= 2**53:
        raise ConfigError(
            f"{key} is {shown(number)}; it must be a whole number of steps from 0 to 2**53; "
            "pass an int in that range"
        )
    return int(number)


def _plain(key: str, value: Any, name_of: DtypeName) -> tuple[int | float, str | None]:
    if isinstance(value, bool | str | bytes):
        raise _not_a_number(key, value)
    if isinstance(value, int):
        return _exact_int(key, int(value)), None
    if isinstance(value, float):
        return float(value), None
    while any(c.__module__.partition(".")[0] == "keras" for c in type(value).__mro__):
        value = value.value  # a keras.Variable, on every Keras backend
    return _scalar(key, value, name_of)


def _scalar(key: str, value: Any, name_of: DtypeName) -> tuple[int | float, str | None]:
    """Read a NumPy scalar, a 0-d array or a scalar tensor."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise _not_a_number(key, value)
    dtype = name_of(value.dtype)
    try:
        shape = tuple(value.shape)
    except ValueError:  # a TensorFlow shape of unknown rank
        shape = (-1,)
    if shape:
        raise ConfigError(
            f"{key} has shape {shape}; each parameter must be a scalar; "
            "pass one element, or build one schedule for each element"
        )
    integer = dtype.startswith(("int", "uint"))
    if not integer and dtype not in DTYPES:
        raise ConfigError(
            f"{key} has dtype {cut(dtype)}; accepted are the integer dtypes and "
            f"{', '.join(DTYPES)}; convert it to one of these, such as float64"
        )
    if hasattr(value, "detach"):  # torch warns if a tensor that requires grad is read
        value = value.detach()
    try:
        number = _concrete(value, int if integer else float)
    except Exception as error:  # each framework raises another error for a tensor without a value
        raise ConfigError(
            f"{key} is a {type(value).__name__} that has no value yet (traced, symbolic "
            "or 'meta'); parameters must be known when the schedule is built; pass a number"
        ) from error
    if integer:
        return _exact_int(key, int(number)), None
    scalar = any(c.__module__ == "numpy" and c.__name__ == "generic" for c in type(value).__mro__)
    if number - number == 0:  # finite
        number = as_binary64(number, dtype)
    return number, None if scalar else dtype


def _concrete(value: Any, kind: type[int | float]) -> int | float:
    """Return the number in a 0-d array, which may lack `__float__`."""
    try:
        return kind(value)
    except TypeError:
        if not hasattr(value, "numpy"):
            raise
        return kind(value.numpy())


def _exact_int(key: str, value: int) -> int:
    try:
        exact = int(float(value)) == value
    except OverflowError:
        exact = False
    if not exact:
        raise ConfigError(
            f"{key} is {shown(value)}, an integer that binary64 cannot hold exactly, so JSON "
            f"would change it; pass one that binary64 can hold, such as float({key})"
        )
    return value


def _not_a_number(key: str, value: Any) -> ConfigError:
    if isinstance(value, str):
        return ConfigError(
            f"{key} is {typed(value)}; it must be a number; pass one without quotes, such as "
            "0.1 or 1000"
        )
    return ConfigError(
        f"{key} is {typed(value)}; accepted are int, float, a NumPy "
        "scalar, or a scalar tensor of integers or floats; convert it to one of these"
    )


def as_binary64(value: float, dtype: str) -> float:
    """Return the binary64 number nearest to the decimal that a value of `dtype` means.

    >>> as_binary64(0.10000000149011612, "float32"), as_binary64(0.10009765625, "bfloat16")
    (0.1, 0.1)
    """
    if dtype == "float64" or value == int(value):
        return value
    digits, power = _shortest(abs(value), *DTYPES[dtype])
    return float(f"{'-' if value < 0 else ''}{digits}e{power}")


def _shortest(value: float, precision: int, smallest: int) -> tuple[int, int]:
    """Return the shortest decimal that rounds back to `value` > 0, as (digits, power of ten)."""
    from fractions import Fraction  # takes 8 ms to import, and only narrow dtypes need it
    from math import frexp

    exact = Fraction(value)
    exponent = max(frexp(value)[1] - precision, smallest)
    significand = exact / Fraction(2) ** exponent
    above = Fraction(2) ** exponent / 2
    # At a power of two, the spacing below is half the spacing above.
    lowest = significand == 2 ** (precision - 1) and exponent > smallest
    below = above / 2 if lowest else above
    closed = significand % 2 == 0  # ties round to the even significand

    power = len(str(int(exact))) if exact >= 1 else -int(-frexp(value)[1] * 0.30103)
    power += 1
    while Fraction(10) ** power > exact:  # one digit is 1 to 9 here, or 10 for a carry
        power -= 1
    while True:
        unit = Fraction(10) ** power
        found = []
        for digits in (exact // unit, exact // unit + 1):
            error = digits * unit - exact
            room = above if error > 0 else below
            if digits and (abs(error) < room or (closed and abs(error) == room)):
                found.append((abs(error), digits % 2, digits))
        if found:
            return min(found)[2], power
        power -= 1
