"""What can go wrong, each also the builtin exception that a user would catch."""

from __future__ import annotations

from reprlib import Repr  # no cost: `typing` has imported it

WIDTH = 80


class _Short(Repr):
    """A repr that looks at the first few elements only, and survives one that raises."""

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
    """`repr(value)` for a message: on one line, and at most 80 characters of it.

    >>> shown([1] * 1_000_000), shown(10**5000)
    ('[1, 1, 1, 1, 1, 1, ...]', '<int of 16610 bits>')
    """
    try:
        text = _Short().repr(value)
    except Exception:  # a class that looks like one of the standard library's, and is none
        text = object.__repr__(value)
    return cut(" ".join(text.split()) if "\n" in text else text)


def typed(value: object) -> str:
    """`shown(value)` and its type."""
    return f"{shown(value)} of type {cut(type(value).__name__)}"


def cut(text: str) -> str:
    """The text, without its middle where it is longer than 80 characters."""
    half = (WIDTH - 3) // 2
    return text if len(text) <= WIDTH else f"{text[:half]}...{text[-half:]}"


class InvTimeError(Exception):
    """The root of every exception that invtime raises on purpose."""


class ConfigError(InvTimeError, ValueError):
    """A parameter, a config or a JSON text does not describe a schedule."""


class StepTypeError(InvTimeError, TypeError):
    """What was passed as the step is not a real number or an array of real numbers."""

    @classmethod
    def refusing(cls, what: str, remedy: str = "convert it first") -> StepTypeError:
        """The error for a step that is `what`, with what is accepted and what to do."""
        return cls(
            f"a step cannot be {what}; it must be an int, a float, or an array or tensor "
            f"of integers or floats; {remedy}"
        )


class PlacementError(InvTimeError, ValueError):
    """The device or the dtype asked for does not exist in that backend."""


class UnknownBackendError(InvTimeError, LookupError):
    """No installed backend has the name asked for."""


class BackendUnavailableError(InvTimeError, ImportError):
    """The backend is known, but its framework is not installed, too old, or does not import."""


class BackendConflictError(InvTimeError, RuntimeError):
    """Two installed distributions announce a backend of the same name."""


class PluginWarning(UserWarning):
    """A plugin could not be used; the others go on working."""
