"""A decay as one fraction of integers, and its value in Python integers.

    continuous   lr(n) = L / (1 + R * n / S)          = A / (B + C * n)
    staircase    lr(n) = L / (1 + R * floor(n / S))   = A / (B + C * floor(n * Q / P))

L (`initial_learning_rate`), R (`decay_rate`) and S (`decay_steps`) are fractions, so clearing the
denominators leaves integers A, B and C; S = P / Q in lowest terms. Python's `int / int` is
correctly rounded at any size, so the one division below returns the correctly rounded value.
`evaluate.py` computes the same fraction on tensors.
"""

from __future__ import annotations

from math import gcd, inf
from typing import Any

from invtime.decimals import exact_number


class Form:
    """The integers of lr(n) = A / (B + C * t). Immutable and hashable.

    t is the step n, or for a staircase the stage floor(n * Q / P). The integers are meant for
    backends. They may change between versions, while the values do not.

    >>> import invtime
    >>> invtime.InverseTimeDecay(0.1, 1000, 0.5).form
    Form(200 / (2000 + n))
    >>> invtime.InverseTimeDecay(0.1, 0.3, 2, staircase=True).form
    Form(1 / (10 + 20 * floor(n * 10 / 3)))
    """

    __slots__ = ("A", "B", "C", "P", "Q", "__weakref__", "hash", "key", "numbers", "staircase")

    A: int
    B: int
    C: int
    P: int
    Q: int
    staircase: bool
    hash: int
    key: str
    """The form as text, which `of_key` reads."""

    def __init__(self, A: int, B: int, C: int, P: int, Q: int, staircase: bool) -> None:
        common = gcd(A, B, C)
        period = gcd(P, Q)
        self.A, self.B, self.C = A // common, B // common, C // common
        self.P, self.Q = P // period, Q // period
        self.staircase = staircase
        self.numbers = (self.A, self.B, self.C, self.P, self.Q, staircase)
        self.hash = hash(self.numbers)
        self.key = repr(self.numbers)

    @classmethod
    def of(
        cls,
        initial_learning_rate: int | float,
        decay_steps: int | float,
        decay_rate: int | float,
        staircase: bool,
    ) -> Form:
        """Clear the denominators of L / (1 + R * n / S)."""
        l_num, l_den = exact_number(initial_learning_rate)
        r_num, r_den = exact_number(decay_rate)
        p, q = exact_number(decay_steps)
        if staircase:
            return cls(l_num * r_den, l_den * r_den, l_den * r_num, p, q, True)
        return cls(l_num * r_den * p, l_den * r_den * p, l_den * r_num * q, p, q, False)

    @classmethod
    def constant(cls, numerator: int, denominator: int) -> Form:
        """Return the form of a constant rate."""
        return cls(numerator, denominator, 0, 1, 1, False)

    @classmethod
    def of_key(cls, key: str) -> Form:
        """Return the form with this key."""
        from ast import literal_eval

        return cls(*literal_eval(key))

    def at(self, step: int) -> float:
        """Return the value at an integer step of any size, correctly rounded to binary64."""
        if step < 0:  # noqa: PLR1730  # negative steps count as 0; max() takes twice as long
            step = 0
        if self.staircase:
            if self.Q != 1:  # multiplying by 1 takes a twentieth of the call
                step *= self.Q
            step //= self.P
        return self.A / (self.B + self.C * step)

    def at_real(self, step: Any) -> float:
        """Return the value at a real step: a float, a long double, or a subclass instance."""
        if step != step:
            return float(step)
        if step <= 0:
            return self.A / self.B
        if step == inf:
            return 0.0 if self.C else self.A / self.B
        n, d = self.ratio(*step.as_integer_ratio())
        return n / d

    def ratio(self, n: int, d: int) -> tuple[int, int]:
        """Return the exact value at the step n / d >= 0, as a fraction that is not reduced."""
        if self.staircase:
            n, d = n * self.Q // (d * self.P), 1
        return self.A * d, self.B * d + self.C * n

    def stage(self, step: int) -> int:
        """Return the number of complete periods at an integer step: floor(n * Q / P)."""
        return max(step, 0) * self.Q // self.P

    def first_step(self, stage: int) -> int:
        """Return the first integer step of a stage: ceil(stage * P / Q)."""
        return -(-stage * self.P // self.Q)

    def last_exact_step(self, precision: int) -> int:
        """Return the last integer step at which A and B + C * t fit in `precision` bits.

        Return -1 if there is none, and 2**63 - 1 if every int64 step fits.
        """
        largest = 2**precision
        if largest < self.A or largest < self.B:
            return -1
        if not self.C:
            return 2**63 - 1
        t = (largest - self.B) // self.C
        last = self.first_step(t + 1) - 1 if self.staircase else t
        return min(last, 2**63 - 1)

    def __eq__(self, other: object) -> bool:
        return self.numbers == other.numbers if isinstance(other, Form) else NotImplemented

    def __hash__(self) -> int:
        return self.hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Form, self.numbers

    def __repr__(self) -> str:
        t = "n"
        if self.staircase:
            times = f" * {self.Q}" if self.Q != 1 else ""
            t = f"floor(n{times} / {self.P})" if self.P != 1 else f"n{times}"
        if not self.C:
            return f"Form({self.A} / {self.B})"
        return f"Form({self.A} / ({self.B} + {t if self.C == 1 else f'{self.C} * {t}'}))"
