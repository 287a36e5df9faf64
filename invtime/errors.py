"""What can go wrong, each also the builtin exception that a user would catch."""

from __future__ import annotations


class InvTimeError(Exception):
    """The root of every exception that invtime raises on purpose."""


class ConfigError(InvTimeError, ValueError):
    """A parameter, a config or a JSON text does not describe a schedule."""


class StepTypeError(InvTimeError, TypeError):
    """What was passed as the step is not a real number or an array of real numbers."""

    @classmethod
    def refusing(cls, what: str) -> StepTypeError:
        """The error for a step that is `what`, with what is accepted and what to do."""
        return cls(
            f"a step cannot be {what}; it must be an int, a float, or an array or tensor "
            "of integers or floats; convert it first"
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
