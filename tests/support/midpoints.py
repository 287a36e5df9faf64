"""Schedules whose value lies as close to a rounding boundary as asked, and not on it.

A boundary of binary64 is M / 2**j with M odd and of 54 bits. The value of
L / (1 + k * n), k = num / den, lies beside it when

    L * den * 2**j - M * (den + num * n) = residue

for a small integer residue: given M, j and k that is one congruence for n, modulo
den * 2**j, and L follows. The relative distance is residue / (M * (den + num * n)).

The value of a line from 0 is L * n / W, and lies beside M / 2**j when L * n * 2**j - M * W =
residue: given L, W and j a congruence for n, modulo W, and M follows.
"""

from __future__ import annotations

from fractions import Fraction
from math import frexp, gcd, inf
from random import Random
from typing import NamedTuple

from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_fraction, fraction_of_bits


class NearMidpoint(NamedTuple):
    """A schedule, and a step where its value nearly ties between two doubles."""

    schedule: InverseTimeDecay
    step: int
    closeness: float
    """The x for which the relative distance from the tie is in [2**-x, 2**(1 - x))."""


def closeness(value: Fraction) -> float:
    """The whole x for which |value - nearest tie| / value is in [2**-x, 2**(1 - x)).

    Infinity on a tie itself.
    """
    low = bits_of_fraction(value, "float64")
    nearest = fraction_of_bits(low, "float64")
    other = low + 1 if value > nearest else low - 1
    middle = (nearest + fraction_of_bits(other, "float64")) / 2
    distance = abs(value - middle) / value
    return 1 - frexp(distance)[1] if distance else inf


def near_midpoint(random: Random, wanted: int, staircase: bool = False) -> NearMidpoint:
    """A case whose closeness is `wanted`, from about 60 to about 108.

    k = decay_rate / decay_steps has an infinite binary expansion, and the step has up to
    62 bits, so that nothing in the arithmetic comes out even.
    """
    while True:
        case = _attempt(random, wanted, staircase)
        if case is not None and case.closeness == wanted:
            return case


def near_midpoint_on_line(random: Random, wanted: int, cooldown: bool = False) -> NearMidpoint:
    """A case in a warm-up, or in a cool-down, whose integers do not fit binary64."""
    while True:
        steps = random.randrange(2**51, 2**53) | 1
        rate = random.randrange(2**20, 2**40) | 1
        j = 54 - rate.bit_length()
        if gcd(rate, steps) > 1:
            continue
        residue = random.choice((-1, 1)) * max(1, random.randrange(2 ** (106 - wanted)))
        n = residue * pow(rate << j, -1, steps) % steps
        if cooldown:
            level = InverseTimeDecay(rate, 1, 0)
            schedule, step = level.replace(cooldown_start=7, cooldown_steps=steps), 7 + steps - n
        else:
            schedule, step = InverseTimeDecay(rate, 1, 0, warmup_steps=steps), n
        value = Reference(schedule).exact(step)
        if value and closeness(value) == wanted:
            return NearMidpoint(schedule, step, wanted)


def _attempt(random: Random, wanted: int, staircase: bool) -> NearMidpoint | None:
    """One try: the congruence leaves the size of L, and so the exact closeness, to chance."""
    den = 10**11 if staircase else random.randrange(10**10, 10**12) | 1
    num = random.choice((1, 3, 7, 9))
    j = random.randrange(14, 20)
    middle = random.randrange(2**53, 2**54) | 1
    modulus = den << j
    if gcd(middle * num, modulus) > 1:
        return None
    # den + num * n is likely about half of its largest value.
    size = middle * modulus * num >> (wanted + 1)
    residue = random.choice((-1, 1)) * random.randrange(size // 2 + 1, size * 2 + 2)
    n = -(middle * den + residue) * pow(middle * num, -1, modulus) % modulus
    rate = (middle * (den + num * n) + residue) // modulus
    if not 0 < rate < 2**53:
        return None
    if staircase:
        period = random.choice((1, 3, 7.7, 12.5))
        schedule = InverseTimeDecay(rate, period, num / den, staircase=True)
    else:
        schedule = InverseTimeDecay(rate, den, num)
    reference = Reference(schedule)
    step = reference.first_step(n) if staircase else n
    value = reference.exact(step)
    if not value:
        return None
    return NearMidpoint(schedule, step, closeness(value))
