"""The exceptions and the warning of invtime, and how values are shown in messages.

Each exception is also a subclass of the builtin exception that fits it.
"""

from __future__ import annotations

from reprlib import Repr  # costs nothing: `typing` already imports it

WIDTH = 80


class _Short(Repr):
    """A repr that reads only the first few elements, and handles elements whose repr raises."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = self.maxlong = WIDTH

    def repr_instance(self, x: object, level: int) -> str:
        if isinstance(x, int) and x.bit_length() > 256:  # repr raises from 4301 digits on
            return f"<{type(x).__name__} of {x.bit_length()} bits>"
        return super().repr_instance(x, level)

    repr_int = repr_instance
    repr_bytes = repr_bytearray = Repr.repr_str


def shown(value: object) -> str:
    """Return `repr(value)` for a message: on one line, cut to 80 characters.

    >>> shown([1] * 1_000_000), shown(10**5000)
    ('[1, 1, 1, 1, 1, 1, ...]', '<int of 16610 bits>')
    """
    try:
        text = _Short().repr(value)
    except Exception:  # reprlib goes by the class name; this class only shares the name
        text = object.__repr__(value)
    return cut(" ".join(text.split()) if "\n" in text else text)


def typed(value: object) -> str:
    """Return `shown(value)` and the name of its type."""
    return f"{shown(value)} of type {cut(type(value).__name__)}"


def cut(text: str) -> str:
    """Return the text, with its middle removed if it is longer than 80 characters."""
    half = (WIDTH - 3) // 2
    return text if len(text) <= WIDTH else f"{text[:half]}...{text[-half:]}"


class InvTimeError(Exception):
    """The base class of all invtime exceptions."""


class ConfigError(InvTimeError, ValueError):
    """A parameter, a config or a JSON text does not describe a schedule."""


class StepTypeError(InvTimeError, TypeError):
    """The step is not a real number or an array of real numbers."""

    @classmethod
    def refusing(cls, what: str, remedy: str = "convert it first") -> StepTypeError:
        """Return the error for a step that is `what`; `remedy` says what to do."""
        return cls(
            f"a step cannot be {what}; it must be an int, a float, or an array or tensor "
            f"of integers or floats; {remedy}"
        )


class PlacementError(InvTimeError, ValueError):
    """The backend does not have the requested device or dtype."""


class UnknownBackendError(InvTimeError, LookupError):
    """No installed backend has the requested name."""


class BackendUnavailableError(InvTimeError, ImportError):
    """The backend exists, but its framework is missing, too old, or fails to import."""


class BackendConflictError(InvTimeError, RuntimeError):
    """Two installed distributions provide a backend with the same name."""


class PluginWarning(UserWarning):
    """A plugin failed to load. The other backends still work."""
