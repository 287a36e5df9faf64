"""The installed version of a framework, and whether it is supported."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata


def installed(module: str) -> str:
    """Return the version of the distribution that provides a top-level module, or "unknown"."""
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:  # tensorflow may be installed as tensorflow_cpu
        names = _providers().get(module)
        return metadata.version(names[0]) if names else "unknown"


def too_old(version: str, oldest: str) -> bool:
    """Return whether `version` is older than `oldest`; False for a version without numbers.

    >>> too_old("2.5.1+cpu", "2.6"), too_old("2.6.0", "2.6"), too_old("unknown", "2.6")
    (True, False, False)
    """
    numbers = _numbers(version)
    return bool(numbers) and numbers < _numbers(oldest)


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version: 2, 13, 0 for 2.13.0.dev3+cpu."""
    release = re.match(r"(\d+(?:\.\d+)*)?", version)
    return [int(number) for number in release[0].split(".") if number] if release else []


@cache
def _providers() -> dict[str, list[str]]:
    """Return the distributions that provide each module. Slow: it reads every record."""
    return dict(metadata.packages_distributions())
