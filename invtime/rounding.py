"""Round a fraction to a float of fewer bits, on the host."""


def nearest(numerator: int, denominator: int, precision: int) -> float:
    """The float of `precision` significand bits nearest to a fraction, ties to even.

    >>> nearest(1, 10, 24)
    0.10000000149011612
    """
    sign = -1 if numerator < 0 else 1
    numerator = abs(numerator)
    if not numerator:
        return 0.0
    shift = precision + 1 - (numerator.bit_length() - denominator.bit_length())
    scaled, rest = divmod(numerator << max(0, shift), denominator << max(0, -shift))
    extra = scaled.bit_length() - precision
    sticky = (scaled << 1) | bool(rest)
    half = 1 << extra
    kept, tail = divmod(sticky, half << 1)
    kept += tail > half or (tail == half and kept & 1)
    exponent = extra - shift
    return sign * float(kept) * (2.0**exponent if exponent > -1075 else 0.0)
