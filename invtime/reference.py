"""The reference: the exact value at each step, and the other results that the contract allows.

    parameters -> fractions -> v(step) -> bits of float64 -> of float32 -> of float16, bfloat16

It uses only fractions and integers, and none of the code under test. `verify`, the conformance
kit, audits and the tests all use it. A schedule is any object with `initial_learning_rate`,
`decay_steps`, `decay_rate` (plain Python numbers) and `staircase`, and optionally the parameters
of the phases. Bits are integers; every NaN of a dtype has the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, inf, nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Steps = npt.NDArray[Any]

# Correct rounding is guaranteed everywhere for denominators below LONG and numerators below
# LONG_ABOVE. For larger ones it is guaranteed on a tie, and farther than 2**-NEAREST, relatively,
# from every tie.
LONG, LONG_ABOVE, NEAREST = 2**104, 2**156, 96
# precision -> x: within 2**-x of a boundary between stages, either stage is allowed.
BOUNDARY = {53: 50, 24: 30}


class Format(NamedTuple):
    """A binary interchange format: the numbers needed for rounding to it."""

    width: int  # total number of bits
    precision: int  # bits of the significand, including the leading one
    smallest: int  # the exponent of the smallest subnormal, 2**smallest
    overflow: int  # the exponent of the first power of two that is too large
    infinity: int  # the bits of infinity
    nan: int  # the bits used for every NaN

    @property
    def smallest_normal(self) -> int:
        """The bits of the smallest normal number."""
        return 1 << (self.precision - 1)

    def hex(self, bits: int) -> str:
        """Return bits in hexadecimal, such as '0x3dcccccd' for a float32 0.1."""
        return f"{bits:#0{self.width // 4 + 2}x}"


FORMATS = {
    "float64": Format(64, 53, -1074, 1024, 0x7FF0000000000000, 0x7FF8000000000000),
    "float32": Format(32, 24, -149, 128, 0x7F800000, 0x7FC00000),
    "float16": Format(16, 11, -24, 16, 0x7C00, 0x7E00),
    "bfloat16": Format(16, 8, -133, 128, 0x7F80, 0x7FC0),
}

# The dtypes to which an exact value is rounded, one after the other, to reach a dtype.
CHAINS = {
    "float64": ("float64",),
    "float32": ("float64", "float32"),
    "float16": ("float64", "float32", "float16"),
    "bfloat16": ("float64", "float32", "bfloat16"),
}


def exact_number(parameter: int | float) -> Fraction:
    """Return the number that a parameter means: its integer, or its shortest decimal.

    >>> from invtime.reference import exact_number
    >>> exact_number(0.1), exact_number(1e23) == 10**23
    (Fraction(1, 10), False)
    """
    if parameter == int(parameter):
        return Fraction(int(parameter))
    return Fraction(float.__repr__(float(parameter)))


def _divided(n: int, d: int, precision: int, smallest: int) -> tuple[int, int, int, int]:
    """Return q, r, e, u with n / d = (q + r / e) * 2**u; q has `precision` bits if u > smallest."""
    magnitude = n.bit_length() - d.bit_length()
    if n << max(0, -magnitude) < d << max(0, magnitude):
        magnitude -= 1  # now 2**magnitude <= n / d < 2**(magnitude + 1)
    unit = max(magnitude - precision + 1, smallest)
    divisor = d << max(0, unit)
    return *divmod(n << max(0, -unit), divisor), divisor, unit


def bits_of_fraction(value: Fraction, dtype: str) -> int:
    """Return the bits of a non-negative fraction, rounded once, ties to even.

    >>> from fractions import Fraction
    >>> from invtime.reference import bits_of_fraction
    >>> hex(bits_of_fraction(Fraction(1, 10), "float32"))
    '0x3dcccccd'
    """
    if not value:
        return 0
    kind = FORMATS[dtype]
    ratio = value.numerator, value.denominator
    significand, rest, divisor, unit = _divided(*ratio, kind.precision, kind.smallest)
    if 2 * rest > divisor or (2 * rest == divisor and significand % 2):
        significand += 1
    # The leading bit of a normal significand, and a carry out of it, increment the exponent.
    bits = significand + ((unit - kind.smallest) << (kind.precision - 1))
    return min(bits, kind.infinity)


def chained(value: Fraction, dtype: str) -> int:
    """Return the bits of a non-negative fraction, rounded along the chain to `dtype`."""
    bits = 0
    for link in CHAINS[dtype]:
        bits = bits_of_fraction(value, link)
        if bits == FORMATS[link].infinity:
            return FORMATS[dtype].infinity
        value = fraction_of_bits(bits, link)
    return bits


def fraction_of_bits(bits: int, dtype: str) -> Fraction:
    """Return the exact value of the bits of a non-negative finite number."""
    kind = FORMATS[dtype]
    if not 0 <= bits < kind.infinity:
        raise ValueError(f"{bits:#x} is not a non-negative finite {dtype}")
    exponent, significand = divmod(bits, kind.smallest_normal)
    if exponent:
        significand += kind.smallest_normal
    return significand * Fraction(2) ** (max(exponent, 1) - 1 + kind.smallest)


def float_of_bits(bits: int, dtype: str) -> float:
    """Return the Python float with the value of the bits.

    >>> from invtime.reference import float_of_bits
    >>> float_of_bits(0x3C00, "float16"), float_of_bits(0xFF80, "bfloat16")
    (1.0, -inf)
    """
    kind = FORMATS[dtype]
    negative, magnitude = divmod(bits, 1 << (kind.width - 1))
    if magnitude > kind.infinity:
        return nan
    value = inf if magnitude == kind.infinity else float(fraction_of_bits(magnitude, dtype))
    return -value if negative else value


def _twos(n: int) -> int:
    """Return the largest power of two that divides n > 0; in a denominator it is ignored."""
    return n & -n


def near_tie(n: int, d: int) -> bool:
    """Return whether n / d is within 2**-96, relatively, of a midpoint of doubles, not on it."""
    kind = FORMATS["float64"]
    halves, rest, divisor, _ = _divided(n, d, kind.precision + 1, kind.smallest - 1)
    distance = rest if halves % 2 else divisor - rest  # from an odd number of half units
    return 0 < distance << NEAREST < halves * divisor + rest


def bits_of_array(array: Any, dtype: str) -> Bits:
    """Return the bits of a NumPy array of `dtype`; bfloat16 may be widened to float32."""
    array = np.asarray(array)
    if dtype == "bfloat16" and array.dtype == np.float32:
        wide = array.view(np.uint32)
        if (wide & 0xFFFF)[array == array].any():
            raise ValueError("the float32 values are not widened bfloat16; round them first")
        bits = wide >> 16
    elif array.dtype.name == dtype:
        bits = array.view(f"u{array.dtype.itemsize}")
    else:
        raise ValueError(f"expected an array of {dtype}, got {array.dtype}")
    return np.where(array == array, bits.astype(np.uint64), np.uint64(FORMATS[dtype].nan))


def rounded(doubles: Floats, dtype: str) -> Bits:
    """Return the bits of binary64 values rounded along the chain to `dtype`, ties to even.

    >>> import numpy as np
    >>> from invtime.reference import rounded
    >>> hex(rounded(np.array([0.1]), "bfloat16")[0])
    '0x3dcd'
    """
    if dtype == "float64":
        return bits_of_array(doubles, dtype)
    with np.errstate(over="ignore", under="ignore"):
        single = doubles.astype(np.float32)
        if dtype != "bfloat16":
            return bits_of_array(single.astype(dtype), dtype)
    # NumPy lacks bfloat16, which is the upper half of a float32. Add half a unit minus one, and
    # one more if the kept part is odd, so that ties round to even.
    wide = bits_of_array(single, "float32")
    return np.asarray((wide + np.uint64(0x7FFF) + (wide >> np.uint64(16) & 1)) >> np.uint64(16))


def ulp_distances(first: Bits, second: Bits, dtype: str) -> Bits:
    """Return the elementwise `ulp_distance` of two arrays of bits; NaN counts as above infinity."""
    half = np.uint64(FORMATS[dtype].width - 1)
    sizes = [bits & ((np.uint64(1) << half) - np.uint64(1)) for bits in (first, second)]
    apart = np.maximum(*sizes) - np.minimum(*sizes)
    return np.where(first >> half == second >> half, apart, sizes[0] + sizes[1])


def ulp_distance(first: int, second: int, dtype: str = "float64") -> int:
    """Return how many representable numbers apart two bit patterns of `dtype` are.

    Raises:
        ValueError: one of them is a NaN.

    >>> from invtime.testing import ulp_distance
    >>> ulp_distance(0x3C00, 0x3C02, "float16"), ulp_distance(0x8001, 0x0001, "float16")
    (2, 2)
    """
    if any(value != value for value in (float_of_bits(bits, dtype) for bits in (first, second))):
        raise ValueError("the distance to a NaN is undefined; pass bits of two numbers")
    return int(ulp_distances(np.array([first], "u8"), np.array([second], "u8"), dtype)[0])


def _between(doubles: Floats, found: Bits, dtype: str, precision: int) -> Mask:
    """Return which bits are between the float below a value and the one above, as `dtype`."""
    kind = np.dtype("float64" if precision == 53 else "float32").type
    with np.errstate(over="ignore", under="ignore"):
        words = doubles.astype(kind)
        below, above = np.nextafter(words, kind(0)), np.nextafter(words, kind(inf))
    low, high = (rounded(end.astype(np.float64), dtype) for end in (below, above))
    return np.asarray((low <= found) & (found <= high))


class _Line:
    """(p + s * t) / d: the line from one value to another in a number of steps."""

    def __init__(self, begin: Fraction, end: Fraction, steps: int) -> None:
        self.d = begin.denominator * end.denominator * max(steps, 1)
        self.p = int(begin * self.d)
        self.s = int((end - begin) * self.d) // max(steps, 1)
        largest = max(self.p, self.p + self.s * steps)
        self.long = largest >= LONG_ABOVE or self.d >= LONG * _twos(self.d)


class Reference:
    """The exact values of one schedule.

    Args:
        schedule: an `InverseTimeDecay`, or any object with its parameters as attributes.

    >>> import invtime
    >>> import numpy as np
    >>> from invtime.testing import Reference
    >>> reference = Reference(invtime.InverseTimeDecay(0.1, 1000, 0.5))
    >>> reference.exact(1000), reference.value(1000), hex(reference.bits(1000, "bfloat16"))
    (Fraction(1, 15), 0.06666666666666667, '0x3d89')
    >>> reference.doubles(np.array([0, 1000, -1]))
    array([0.1       , 0.06666667, 0.1       ])
    """

    def __init__(self, schedule: Any) -> None:
        self.initial = exact_number(schedule.initial_learning_rate)
        self.period = exact_number(schedule.decay_steps)
        self.decay = exact_number(schedule.decay_rate)
        self.staircase = bool(schedule.staircase)
        # L / (1 + k * t) = a / (b + c * t), where t is the step, or the stage of a staircase.
        k = self.decay if self.staircase else self.decay / self.period
        a = self.initial.numerator * k.denominator
        b = self.initial.denominator * k.denominator
        c = self.initial.denominator * k.numerator
        common = gcd(a, b, c)
        self._a, self._b, self._c = a // common, b // common, c // common
        self.warmup: int = getattr(schedule, "warmup_steps", 0)
        self.first = exact_number(getattr(schedule, "warmup_learning_rate", 0))
        self.start: int = self.warmup + getattr(schedule, "stable_steps", 0)
        self.floor = exact_number(getattr(schedule, "minimum_learning_rate", 0))
        self.cooldown: int | None = getattr(schedule, "cooldown_start", None)
        self.cooling: int = getattr(schedule, "cooldown_steps", 0)
        self.final = exact_number(getattr(schedule, "final_learning_rate", 0))
        self.phased = bool(self.start or self.floor or self.cooldown is not None)
        if self.phased:
            self._lines = (
                _Line(self.first, self.initial, self.warmup),
                _Line(self._uncooled(Fraction(self.cooldown or 0)), self.final, self.cooling),
            )
            ends = self.initial, self.floor, self.final
            self._ends = tuple(end.numerator / end.denominator for end in ends)

    def exact(self, step: Any) -> Fraction | None:
        """Return the exact value at an int or a float of any kind; None for NaN."""
        if step != step:
            return None
        if step == inf:
            if self.cooldown is not None:
                return self.final
            return self.floor if self.decay else self.initial
        n = Fraction(*step.as_integer_ratio()) if step > 0 else Fraction(0)
        if self.cooldown is None or n < self.cooldown:
            return self._uncooled(n)
        if n >= self.cooldown + self.cooling:
            return self.final
        begin = self._uncooled(Fraction(self.cooldown))
        return begin + (self.final - begin) * (n - self.cooldown) / self.cooling

    def _uncooled(self, n: Fraction) -> Fraction:
        """Return the value at n >= 0 without the cool-down."""
        if n < self.warmup:
            return self.first + (self.initial - self.first) * n / self.warmup
        if n < self.start:
            return self.initial
        turns = (n - self.start) / self.period
        if self.staircase:
            turns = Fraction(turns.numerator // turns.denominator)
        return max(self.floor, self.initial / (1 + self.decay * turns))

    @property
    def floor_met(self) -> Fraction | None:
        """The step, maybe a fraction, at which the decay reaches its floor; None if it does not."""
        if not self.floor or not self.decay:
            return None
        turns = (self.initial / self.floor - 1) / self.decay
        return self.start + (Fraction(-(-turns // 1)) if self.staircase else turns) * self.period

    @property
    def knots(self) -> list[int]:
        """The first integer step of each phase after the first, in order."""
        found = {self.warmup, self.start}
        if self.floor_met is not None:
            found.add(int(-(-self.floor_met // 1)))
        if self.cooldown is not None:
            found = {n for n in found if n < self.cooldown}
            found |= {self.cooldown, self.cooldown + self.cooling}
        return sorted(found - {0})

    def bits(self, step: Any, dtype: str = "float64") -> int:
        """Return the bits of the value, rounded along the chain to `dtype`."""
        value = self.exact(step)
        return FORMATS[dtype].nan if value is None else chained(value, dtype)

    def value(self, step: Any, dtype: str = "float64") -> float:
        """Return the value rounded along the chain to `dtype`, as a Python float."""
        return float_of_bits(self.bits(step, dtype), dtype)

    def stage(self, step: Any) -> int:
        """Return the stage of the decay at a finite step; 0 before its start."""
        return int(max(Fraction(step) - self.start, Fraction(0)) // self.period)

    def first_step(self, stage: int) -> int:
        """Return the first integer step of a stage."""
        return self.start + int(-(-stage * self.period // 1))

    def last_exact_step(self) -> int:
        """Return the last int64 step up to which A and B + C * t fit a significand, or -1.

        The values up to this step and after it are computed in two ways. Test both separately.
        """
        a, b, c = self._a, self._b, self._c
        if max(a, b) > 2**53:
            return -1
        if c == 0:
            return 2**63 - 1
        t = (2**53 - b) // c
        last = self.first_step(t + 1) - 1 if self.staircase else self.start + t
        return min(last, 2**63 - 1)

    def doubles(self, steps: Steps) -> Floats:
        """Return the value at each step of an array of any dtype, correctly rounded to binary64."""
        steps = _widened(steps)
        exact = _is_exact(steps)
        found = np.array([self.value(n) for n in steps[~exact].tolist()], np.float64)
        whole = _whole(steps[exact])
        # Python's `int / int` is correctly rounded at any size, so one division gives the double.
        quotients: Iterable[float]
        if self.phased:
            quotients = map(self._double, whole)
        else:
            a, b, c = self._a, self._b, self._c
            quotients = (a / (b + c * t) for t in self._turns(whole))
        plain = np.fromiter(quotients, np.float64, len(whole))
        if not found.size:
            return plain
        result = np.empty(steps.shape)
        result[exact], result[~exact] = plain, found
        return result

    def _double(self, n: int) -> float:
        """Return the value at an integer n >= 0, correctly rounded to binary64."""
        peak, floor, final = self._ends
        warmup, cooldown = self._lines
        if self.cooldown is not None and n >= self.cooldown:
            t = n - self.cooldown
            return final if t >= self.cooling else (cooldown.p + cooldown.s * t) / cooldown.d
        if n < self.warmup:
            return (warmup.p + warmup.s * n) / warmup.d
        t = n - self.start
        if t < 0:
            return peak
        (t,) = self._turns([t])
        return max(floor, self._a / (self._b + self._c * t))  # rounding is monotonic

    def scales(self, steps: Steps) -> Floats:
        """Return, at integer steps, the scale of the rounding errors of another implementation.

        This is the value. On a line and after it, it is the larger end of the line: if the line
        ends at a small rate, its two terms nearly cancel, but their rounding errors remain.
        """
        found = self.doubles(steps)
        whole = np.maximum(steps, 0)
        if self.warmup:
            found[whole < self.warmup] = float(max(self.first, self.initial))
        if self.cooldown is not None:
            begin = self._uncooled(Fraction(self.cooldown))
            found[whole >= self.cooldown] = float(max(begin, self.final))
        return found

    def near_ties(self, steps: Steps) -> list[bool]:
        """Return for each integer step whether its fraction is long and nearly a tie."""
        whole = _whole(_widened(steps))
        a, b, c = self._a, self._b, self._c
        long = 0 if a >= LONG_ABOVE else LONG * _twos(b | c)
        if not self.phased:
            return [b + c * t >= long and near_tie(a, b + c * t) for t in self._turns(whole)]
        last = self._turns([max(whole, default=0)])[0]
        if b + c * last < long and not any(line.long for line in self._lines):
            return [False] * len(whole)
        values = [self.exact(n) or Fraction(0) for n in whole]
        return [bool(v) and near_tie(v.numerator, v.denominator) for v in values]

    def _turns(self, steps: list[int]) -> list[int]:
        """Return the steps, counted from the start of the decay, or their stages."""
        if not self.staircase:
            return steps
        p, q = self.period.numerator, self.period.denominator
        return [n * q // p for n in steps]

    def at(self, steps: Steps) -> Truth:
        """Return the exact values at an array of steps of any shape and dtype."""
        return Truth(self, steps)


class Truth:
    """The exact values at an array of steps, flattened, and the other results allowed there."""

    def __init__(self, reference: Reference, steps: Steps) -> None:
        self.reference = reference
        self.steps = np.ravel(steps)
        self.doubles = reference.doubles(self.steps)
        self._bits: dict[str, Bits] = {}
        period, decay = reference.period, reference.decay
        self._past_binary32 = max(period, decay / period) >= 2**96

    def bits(self, dtype: str) -> Bits:
        """Return the bits of the values, rounded along the chain to `dtype`."""
        if dtype not in self._bits:
            self._bits[dtype] = rounded(self.doubles, dtype)
        return self._bits[dtype]

    def allowed(self, found: Bits, dtype: str, precision: int = 53) -> Mask:
        """Return for each step whether the contract allows the bits found there.

        The exact bits are always allowed. Other bits are allowed in the following cases, where
        `precision` is that of the widest float of the device, 53 or 24:

        - Zero is allowed for a subnormal number of `dtype`.
        - A neighbour of the binary64 value, rounded along the chain, is allowed at a float step
          above 0 that is not an integer below 2**53. It is also allowed at any step whose value
          is within 2**-96 of a tie, but not on it, if its denominator is 2**104 or more or its
          numerator 2**156 or more. Without binary64 (precision 24), a neighbour of the float32
          value, rounded likewise, is allowed at every step.
        - The value of either stage, or a neighbour, is allowed at a non-integer float step within
          2**-50 (2**-30 at precision 24) of a boundary of fractional `decay_steps`. The same
          applies to any float step from 2**64 on if the decay starts after step 0.
        - Subnormal float steps may count as 0.
        - Any value is allowed from stage 2**63 of a staircase on. Without binary64, any value is
          allowed at a float step below 2**-60, and if S or R / S is 2**96 or more, which exceeds
          the range of binary32.
        """
        true = self.bits(dtype)
        right = np.asarray(found == true)
        if right.all():  # the usual case
            return right
        right |= (found == 0) & (true < FORMATS[dtype].smallest_normal)
        off = np.flatnonzero(~right)
        steps, found = _widened(self.steps[off]), found[off]
        beside = _between(self.doubles[off], found, dtype, precision)
        finite, exact = steps < inf, _is_exact(steps)
        if precision == 53:
            tied = beside & exact
            beside &= finite
            beside[tied] = self.reference.near_ties(steps[tied])
        elif steps.dtype.kind == "f":
            beside |= (steps > 0) & finite & (self._past_binary32 | (steps < 2.0**-60))
        subnormal = (steps > 0) & (steps < 2.0**-1022)
        if subnormal.any():
            beside |= subnormal & (found == np.uint64(self.reference.bits(0, dtype)))
        if self.reference.staircase:
            unbounded = self.reference.first_step(2**63)
            beside |= finite & np.array([n >= unbounded for n in steps.tolist()], np.bool_)
            far = (steps >= 2.0**64) & bool(self.reference.start)
            either = far | (np.floor(steps) != steps)
            for at in np.flatnonzero(~beside & ~exact & finite & either):
                beside[at] = self._of_either_stage(steps[at], found[at : at + 1], dtype, precision)
        right[off] = beside
        return right

    def _of_either_stage(self, step: float, found: Bits, dtype: str, precision: int) -> bool:
        """Return whether the bits at a step close to a boundary are those of either stage."""
        origin, period = self.reference.start, self.reference.period
        turns = (Fraction(step) - origin) / period
        stage = round(turns)
        if turns >= 2**63 or (period.denominator == 1 and step < 2.0**64):
            return turns >= 2**63
        if turns <= 0 or abs(turns - stage) > turns / 2 ** BOUNDARY[precision]:
            return False
        starts = (origin + stage * period, origin + (stage - 1) * period)
        sides = np.array([self.reference.value(start) for start in starts])
        return bool(_between(sides, found, dtype, precision).any())


def _widened(steps: Steps) -> Steps:
    """Return steps as a flat array of binary64, or of integers, which may be Python ints."""
    steps = np.ravel(steps)
    return steps if steps.dtype.kind in "iuO" else steps.astype(np.float64)


def _whole(steps: Steps) -> list[int]:
    """Return integer-valued steps as Python ints; negative steps count as 0."""
    held = np.maximum(steps, 0)
    found: list[int] = (held if held.dtype.kind in "iuO" else held.astype(np.int64)).tolist()
    return found


def _is_exact(steps: Steps) -> Mask:
    """Return which steps count as integers: integer-valued below 2**53, or not above 0."""
    if steps.dtype.kind in "iuO":
        return np.ones(steps.shape, np.bool_)
    return np.asarray((steps <= 0) | ((np.floor(steps) == steps) & (steps < 2.0**53)))


def values(schedule: Any, steps: Iterable[Any], dtype: str = "float64") -> list[float]:
    """Return the value at each step, rounded along the chain to `dtype`."""
    reference = Reference(schedule)
    return [reference.value(step, dtype) for step in steps]
