"""Marks for TensorFlow's AutoGraph. This module does not import TensorFlow."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def unconverted(subject: T) -> T:
    """Mark a class or function that AutoGraph calls without conversion.

    Otherwise AutoGraph would rewrite the source of each function it reaches, and warn if it cannot.
    """
    subject.autograph_info__ = None  # type: ignore[attr-defined]
    return subject
