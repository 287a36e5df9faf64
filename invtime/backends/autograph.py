"""What TensorFlow's AutoGraph needs to be told of invtime. It imports no TensorFlow."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def unconverted(subject: T) -> T:
    """Mark a class or a function that AutoGraph calls as it is: it has nothing to convert.

    AutoGraph would rewrite the source of what it finds on its way, and warn where it cannot.
    """
    subject.autograph_info__ = None  # type: ignore[attr-defined]
    return subject
