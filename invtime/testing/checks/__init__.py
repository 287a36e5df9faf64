"""Every law of a backend as a named check: a function of a loaded backend, or an AssertionError.

announcement               found by name and by type, and not imported before
values, steps, arrays      the value at every step, and the array that it comes in
modes, gradient            compiled, traced, differentiated
phases                     the pieces of a schedule, and the knots between them
operators, primitives      what the shared formula is written over
"""

from importlib import import_module

from invtime.testing.checks.law import CHECKS, law_of

# Each module enters its checks, in this order, as it is imported.
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
