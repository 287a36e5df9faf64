"""Which version of a framework is installed, and whether it is one that is known to work."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata


def installed(module: str) -> str:
    """The version of the distribution that brings a top-level module, or "unknown"."""
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:  # tensorflow may come as tensorflow_cpu
        names = _providers().get(module)
        return metadata.version(names[0]) if names else "unknown"


def too_old(version: str, oldest: str) -> bool:
    """Whether `version` comes before `oldest`; never so for one that has no numbers.

    >>> too_old("2.5.1+cpu", "2.6"), too_old("2.6.0", "2.6"), too_old("unknown", "2.6")
    (True, False, False)
    """
    numbers = _numbers(version)
    return bool(numbers) and numbers < _numbers(oldest)


def _numbers(version: str) -> list[int]:
    """The numbers that the version begins with: 2.13.0 of 2.13.0.dev3+cpu."""
    release = re.match(r"(\d+(?:\.\d+)*)?", version)
    return [int(number) for number in release[0].split(".") if number] if release else []


@cache
def _providers() -> dict[str, list[str]]:
    """The distributions that bring each module; it takes the reading of all their records."""
    return dict(metadata.packages_distributions())
