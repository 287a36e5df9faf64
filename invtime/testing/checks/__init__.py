"""Every law of a backend as a named check: a function of a loaded backend, or an AssertionError.

values, steps, arrays      the value at every step, and the array that it comes in
modes, gradient            compiled, traced, differentiated
primitives                 what the shared formula is written over
announcement               found by name and by type, and not imported before
"""

from __future__ import annotations

from invtime.testing.checks.announcement import check_announcement, check_lazy_import
from invtime.testing.checks.arrays import (
    check_absent_device,
    check_device,
    check_dtype,
    check_elementwise,
    check_pure,
    check_shape,
    check_threads,
)
from invtime.testing.checks.gradient import check_gradient, check_second_gradient
from invtime.testing.checks.law import Check, law_of, name_of
from invtime.testing.checks.modes import check_modes, check_retracing
from invtime.testing.checks.primitives import (
    check_choose,
    check_conversions,
    check_divide,
    check_head,
    check_override,
    check_quotient,
    check_round_to,
)
from invtime.testing.checks.steps import (
    check_before_the_start,
    check_constants,
    check_float_steps,
    check_kept_values,
    check_nan_and_infinity,
    check_not_numbers,
    check_numbers,
    check_step_dtypes,
)
from invtime.testing.checks.values import (
    check_any_schedule,
    check_huge_steps,
    check_rounding_chain,
    check_staircase_boundaries,
    check_value_bits,
)

_ALL = (
    check_announcement,
    check_lazy_import,
    check_kept_values,
    check_not_numbers,
    check_value_bits,
    check_rounding_chain,
    check_staircase_boundaries,
    check_huge_steps,
    check_before_the_start,
    check_float_steps,
    check_nan_and_infinity,
    check_step_dtypes,
    check_any_schedule,
    check_numbers,
    check_constants,
    check_shape,
    check_dtype,
    check_device,
    check_absent_device,
    check_elementwise,
    check_pure,
    check_threads,
    check_modes,
    check_retracing,
    check_gradient,
    check_second_gradient,
    check_override,
    check_divide,
    check_quotient,
    check_head,
    check_round_to,
    check_choose,
    check_conversions,
)

CHECKS: dict[str, Check] = {name_of(check): check for check in _ALL}
"""The checks by name, in the order in which they are best read."""

__all__ = [
    "CHECKS",
    "check_absent_device",
    "check_announcement",
    "check_any_schedule",
    "check_before_the_start",
    "check_choose",
    "check_constants",
    "check_conversions",
    "check_device",
    "check_divide",
    "check_dtype",
    "check_elementwise",
    "check_float_steps",
    "check_gradient",
    "check_head",
    "check_huge_steps",
    "check_kept_values",
    "check_lazy_import",
    "check_modes",
    "check_nan_and_infinity",
    "check_not_numbers",
    "check_numbers",
    "check_override",
    "check_pure",
    "check_quotient",
    "check_retracing",
    "check_round_to",
    "check_rounding_chain",
    "check_second_gradient",
    "check_shape",
    "check_staircase_boundaries",
    "check_step_dtypes",
    "check_threads",
    "check_value_bits",
    "law_of",
]
