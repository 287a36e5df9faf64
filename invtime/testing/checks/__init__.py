"""The laws of a backend as named checks.

A check takes a loaded backend, and raises AssertionError if the backend breaks the law.

announcement               lookup by name and by array type, and lazy import
values, steps, arrays      the value at every step; the step dtypes; shape, dtype and device
modes, gradient            compiled and traced functions; derivatives
phases                     the phases of a schedule, and the knots between them
operators, primitives      the operations that the shared formula is built from
"""

from importlib import import_module

from invtime.testing.checks.law import CHECKS, law_of

# Each module registers its checks when it is imported. This is the order of `CHECKS`.
for _module in (
    "announcement",
    "values",
    "steps",
    "arrays",
    "modes",
    "gradient",
    "phases",
    "operators",
    "primitives",
):
    import_module(f"{__name__}.{_module}")

__all__ = ["CHECKS", "law_of"]
