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
from math import frexp, gcd, inf, prod
from random import Random
from typing import NamedTuple

from invtime import InverseTimeDecay
from invtime.reference import Reference, bits_of_fraction, fraction_of_bits


class NearMidpoint(NamedTuple):
    """A schedule, and a step where its value is nearly a tie between two doubles."""

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
    62 bits, so no operation is exact.
    """
    while True:
        case = _attempt(random, wanted, staircase)
        if case is not None and case.closeness == wanted:
            return case


def long_near_midpoint(random: Random) -> tuple[InverseTimeDecay, int]:
    """A case nearer than 2**-100 whose denominator has 105 bits: L / (1 + n / S) near L - 1/2.

    They are equal where n * (2 * L - 1) = S.
    """
    rate, period = (random.randrange(2**52, 2**53) | 1 for _ in range(2))
    period <<= 52
    return InverseTimeDecay(rate, period, 1), round(Fraction(period, 2 * rate - 1))


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
    """Make one attempt: the size of L, and so the exact closeness, is random."""
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
    rate <<= random.choice((0, 40))  # values of up to 2**53, or beyond
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


class Tie(NamedTuple):
    """A schedule, and a step where its value is the middle between two doubles."""

    schedule: InverseTimeDecay
    step: int


def tie(random: Random, kind: str | None = None) -> Tie:
    """A tie in a "decay", continuous or a "staircase", or on a "line" up or down."""
    makers = {"decay": _tie_of_decay, "staircase": _tie_of_staircase, "line": _tie_on_line}
    make = makers[kind or random.choice(("decay", *makers))]
    while True:
        found = make(random)
        if found is not None and closeness(Reference(found[0]).exact(found[1])) == inf:
            return Tie(*found)


def _odd(random: Random, low: int, high: int) -> int:
    return random.randrange(low, max(high, low + 1)) | 1


def _tie_of_decay(random: Random) -> tuple[InverseTimeDecay, int] | None:
    """L = w * q / 2**k, S + R * n = w * 2**j: the value is q * S over a power of two."""
    q, w = (_odd(random, 1, 2 ** random.randrange(1, 30)) for _ in range(2))
    s = _odd(random, -(-(2**53) // q), min(2**54 // q, 2**53))
    n = random.randrange(1, 2 ** random.randrange(1, 60))
    whole = w << random.randrange(40, 110)
    s += (whole - s) % n
    r = (whole - s) // n
    rate = w * q / 2 ** random.randrange(12)
    if not (0 < r == float(r) and s % 2 and s < 2**53 <= q * s < 2**54 and rate < 10**15):
        return None
    return InverseTimeDecay(rate, s, r), n


def _tie_of_staircase(random: Random) -> tuple[InverseTimeDecay, int] | None:
    """R = x / 10**a, 10**a + x * t = w * 2**j: the value is q * 5**a over a power of two."""
    a, w = random.randrange(3, 17), _odd(random, 1, 2 ** random.randrange(1, 20))
    q = _odd(random, -(-(2**53) // 5**a), 2**54 // 5**a)
    rest = (w << random.randrange(20, 90)) - 10**a
    t = random.choice((1, 3, 7, 9, 11, 13, 27, 33, 99))
    x, left = divmod(rest, t)
    if left or not 0 < x < 10**15 or w * q >= 2**53:
        return None
    period = random.choice((1, 3, 1000, 7.7, 12.5))
    schedule = InverseTimeDecay(float(w * q), period, x / 10**a, staircase=True)
    return schedule, Reference(schedule).first_step(t)


def _tie_on_line(random: Random) -> tuple[InverseTimeDecay, int] | None:
    """From 0 to L = q / 2**k in w * 2**j steps, at step w * i: the value is q * i over 2**(j + k).

    A cool-down to 0 is the same backwards.
    """
    w, j = _odd(random, 1, 2 ** random.randrange(1, 16)), random.randrange(14, 38)
    q = _odd(random, 2**53 >> j, 2 ** random.randrange(54 - j, 53))
    i = _odd(random, -(-(2**53) // q), min(2**54 // q, 2**j))
    steps, n = w << j, w * i
    if not (2**53 <= q * i < 2**54 and n < steps <= 2**53):
        return None
    level = InverseTimeDecay(q / 2 ** random.randrange(6), 1, 0)
    if random.randrange(2):
        return level.replace(cooldown_start=7, cooldown_steps=steps), 7 + steps - n
    return level.replace(warmup_steps=steps), n


PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)


def tied_often(random: Random, most: int = 200) -> tuple[InverseTimeDecay, list[int]]:
    """A schedule and steps at which its value is a tie: L * S / (S + n) with R = 1.

    L and S have small divisors alone. Each odd one of L * S with 54 bits is an M for which
    S + n = L * S * 2**j / M.
    """
    primes = random.choices(PRIMES, k=26)  # the first half gives L, the second half S
    rate, period = prod(primes[:13]), prod(primes[13:])
    if max(rate, period) >= 2**53:
        return tied_often(random, most)
    steps = set()
    for _ in range(2 * most):
        middle = 1
        for prime in random.sample(primes, len(primes)):
            middle *= prime
            if middle >= 2**53:
                break
        n = (rate * period << random.randrange(random.choice((8, 60)))) // middle - period
        if 2**53 <= middle < 2**54 and 0 < n < 2**63:
            steps.add(n)
    return InverseTimeDecay(rate << random.randrange(9), period, 1), sorted(steps)[:most]
