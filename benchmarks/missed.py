"""The known reasons for missed targets, by a pattern of the row's name."""

import re

REASONS = {
    r"^Python int, |^(continuous|staircase), long decimals": (
        "These use Python's integer arithmetic. The rates are exact, those of the peer are not."
    ),
    r"tf\.Variable": (
        "Reading the variable is a TensorFlow operation that takes longer than the rest."
    ),
    r"TensorFlow, eager, 1e6": (
        "invtime computes in float64 and the peer in float32, so each pass moves twice as much "
        "memory. Computing in NumPy would be faster, but copying its result would cost more."
    ),
    r"torch, eager": (
        "invtime uses one core and float64. The peer uses all cores and float32, and its rates "
        "are not correctly rounded."
    ),
    r"^1e7 int64": "invtime first reads the largest step of each block, to choose the form.",
    r"1e7 int64": (
        "invtime reads the steps twice, to choose the form. Compared with a plain expression that "
        "reads them twice, it is within 2 %."
    ),
    r"XLA .*1e7 int32": "invtime computes in float64, the peer in float32.",
    r"1e4 int64 steps, .*long decimals": (
        "Correctly rounded rates take two divisions and about twenty passes here."
    ),
    r"group": "Each step also checks whether another scheduler changed the rates.",
    r"first jax array": (
        "JAX traces and compiles for half of this time, which is longer on a slow machine."
    ),
    r"first tensorflow array": (
        "If Triton is installed, it is imported before TensorFlow, since the other order crashes "
        "the process (tensorflow/tensorflow#124205)."
    ),
}


def reason(what: str) -> str:
    """Return the reason why the row of this name misses its target."""
    found = (text for pattern, text in REASONS.items() if re.search(pattern, what))
    return next(found, "The reason is not known.")
