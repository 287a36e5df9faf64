"""Which rational number a parameter means: the one that was written.

`0.1`, `np.float32(0.1)` and a bfloat16 tensor that holds 0.1 are three different
binary numbers, and all three were written as 1/10. An integer-valued number means
that integer; any other float means the decimal with the fewest significant digits
that rounds back to it in its own dtype, the nearest one among those.
"""

# dtype -> (significand bits, exponent of the smallest subnormal), IEEE 754 and bfloat16.
FORMATS = {
    "float64": (53, -1074),
    "float32": (24, -149),
    "float16": (11, -24),
    "bfloat16": (8, -133),
}


def ratio(value: int | float) -> tuple[int, int]:
    """The fraction that a Python number means, as (numerator, denominator), not reduced.

    >>> ratio(0.1), ratio(1000.0), ratio(1e23)
    ((1, 10), (1000, 1), (99999999999999991611392, 1))
    """
    if value == int(value):
        return int(value), 1
    # repr() is the shortest decimal that reads back as the same binary64 number.
    mantissa, _, exponent = float.__repr__(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) - len(fraction)
    # A float with a fractional part is below 2**53 and prints with power < 0.
    return int(whole + fraction), int(10**-power)


def as_written(value: float, dtype: str) -> float:
    """The binary64 number closest to what `value`, read from a `dtype`, was written as.

    >>> as_written(0.10000000149011612, "float32"), as_written(0.10009765625, "bfloat16")
    (0.1, 0.1)
    """
    if dtype == "float64" or value == int(value):
        return value
    digits, power = _shortest(abs(value), *FORMATS[dtype])
    return float(f"{'-' if value < 0 else ''}{digits}e{power}")


def _shortest(value: float, precision: int, smallest: int) -> tuple[int, int]:
    """The shortest decimal, as (digits, power of ten), that rounds back to `value` > 0."""
    from fractions import Fraction  # 8 ms, and only narrow dtypes need it
    from math import frexp

    exact = Fraction(value)
    exponent = max(frexp(value)[1] - precision, smallest)
    significand = exact / Fraction(2) ** exponent
    above = Fraction(2) ** exponent / 2
    # Just above a power of two the spacing below is half as wide.
    lowest = significand == 2 ** (precision - 1) and exponent > smallest
    below = above / 2 if lowest else above
    closed = significand % 2 == 0  # ties round to the even significand

    power = len(str(int(exact))) if exact >= 1 else -int(-frexp(value)[1] * 0.30103)
    power += 1
    while Fraction(10) ** power > exact:  # one digit is 1 to 9 here, or 10 for a carry
        power -= 1
    while True:
        unit = Fraction(10) ** power
        found = []
        for digits in (exact // unit, exact // unit + 1):
            error = digits * unit - exact
            room = above if error > 0 else below
            if digits and (abs(error) < room or (closed and abs(error) == room)):
                found.append((abs(error), digits % 2, digits))
        if found:
            return min(found)[2], power
        power -= 1
