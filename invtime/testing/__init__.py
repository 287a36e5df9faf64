"""The conformance kit: the reference value, strategies, and arithmetic that misbehaves.

    oracle      the true value, by fractions and integers alone
    bulk        the same for millions of steps
    strategies  Hypothesis strategies for schedules and steps
    midpoints   schedules whose value nearly ties between two doubles
    modes       every usable backend, eager and compiled, as functions to bits
    hostile     a backend whose compiler takes every liberty that real ones take

Only `strategies` needs Hypothesis: `pip install "invtime[testing]"`.
"""

from invtime.testing.oracle import Reference, ulp_distance

__all__ = ["Reference", "ulp_distance"]
