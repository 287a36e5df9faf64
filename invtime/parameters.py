"""From whatever was passed as a parameter to the plain number it means, or a ConfigError."""

from __future__ import annotations

from typing import Any

from invtime.decimals import FORMATS, as_written
from invtime.errors import ConfigError

SMALLEST, LARGEST = 1e-60, 1e60


def read_number(key: str, value: Any) -> tuple[int | float, str | None]:
    """The int or float that `value` means, and the dtype it pins if it is a float array.

    Takes Python numbers, NumPy scalars, 0-d arrays and concrete scalar tensors; the range
    is |x| in [1e-60, 1e60] or zero.
    """
    number, pinned = _plain(key, value)
    if number != number or not (number == 0 or SMALLEST <= abs(number) <= LARGEST):
        raise ConfigError(
            f"{key} is {value!r}; it must be finite and, unless zero, between 1e-60 and 1e60 "
            "in magnitude; use a value in that range"
        )
    return number or abs(number), pinned  # -0.0 is 0.0


def _plain(key: str, value: Any) -> tuple[int | float, str | None]:
    if isinstance(value, bool | str | bytes):
        raise _not_a_number(key, value)
    if isinstance(value, int):
        return _exact_int(key, int(value)), None
    if isinstance(value, float):
        return float(value), None
    while any(c.__module__.partition(".")[0] == "keras" for c in type(value).__mro__):
        value = value.value  # a keras.Variable, on every Keras backend
    return _scalar(key, value)


def _scalar(key: str, value: Any) -> tuple[int | float, str | None]:
    """A NumPy scalar, a 0-d array or a scalar tensor."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise _not_a_number(key, value)
    dtype = str(getattr(value.dtype, "name", value.dtype)).rpartition(".")[2].lower()
    try:
        shape = tuple(value.shape)
    except ValueError:  # a TensorFlow shape of unknown rank
        shape = (-1,)
    if shape:
        raise ConfigError(
            f"{key} has shape {shape}; a schedule has one scalar for each parameter; "
            "pass one element, and build one schedule for each"
        )
    integer = dtype.startswith(("int", "uint"))
    if not integer and dtype not in FORMATS:
        raise ConfigError(
            f"{key} has dtype {dtype}; accepted are the integer dtypes and "
            f"{', '.join(FORMATS)}; convert it to float64 yourself if the rounding is meant"
        )
    if hasattr(value, "detach"):  # torch warns where a tensor that requires grad is read
        value = value.detach()
    try:
        number = int(value) if integer else float(value)
    except Exception as error:  # each framework has its own error for a tensor without a value
        raise ConfigError(
            f"{key} is a {type(value).__name__} without a value at this point (traced, symbolic "
            "or 'meta'); a parameter must be known when the schedule is built; pass a number"
        ) from error
    if integer:
        return _exact_int(key, int(number)), None
    scalar = any(c.__module__ == "numpy" and c.__name__ == "generic" for c in type(value).__mro__)
    if number - number == 0:  # finite
        number = as_written(number, dtype)
    return number, None if scalar else dtype


def _exact_int(key: str, value: int) -> int:
    try:
        exact = int(float(value)) == value
    except OverflowError:
        exact = False
    if not exact:
        raise ConfigError(
            f"{key} is {value}, an integer that binary64 cannot hold exactly, so it would not "
            f"survive JSON; pass one that it can, such as float({key})"
        )
    return value


def _not_a_number(key: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{key} is {value!r} of type {type(value).__name__}; accepted are int, float, a NumPy "
        "scalar, or a scalar tensor of integers or floats; convert it to one of these"
    )
