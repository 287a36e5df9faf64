"""Why a target is missed, as far as it is known: a pattern of the row's name, and the reason."""

import re

REASONS = {
    r"host, |past the exact form": (
        "Python's integer arithmetic. The values are exact, and the peer's are not."
    ),
    r"tf\.Variable": "TensorFlow's operation that reads the variable takes longer than the rest.",
    r"TensorFlow, eager, 1e6": (
        "The computation is in float64 and the peer's in float32, so each pass moves twice the "
        "memory. NumPy would be faster, and copying its result would cost more than that."
    ),
    r"torch, eager": (
        "One core computes in float64, and the peer uses all cores in float32. The peer's results "
        "are not the correctly rounded ones."
    ),
    r"^1e7 int64": "The largest step of each block is read first, to choose the form.",
    r"1e7 int64": (
        'The steps are read twice, to choose the form. The rows against "one more reading" are '
        "within 2 % of that floor."
    ),
    r"XLA .*1e7 int32": "The computation is in float64, and the peer's in float32.",
    r"1e4 int64 steps, .*long decimals": (
        "Two divisions and about twenty passes, for correctly rounded values."
    ),
    r"group": "Each step also checks whether another scheduler has changed the rates.",
    r"first tensorflow array": (
        "Triton, where it is installed, is imported before TensorFlow: the other order ends the "
        "process (tensorflow/tensorflow#124205)."
    ),
}


def reason(what: str) -> str:
    """The reason why the row of this name misses its target."""
    found = (text for pattern, text in REASONS.items() if re.search(pattern, what))
    return next(found, "No reason is known.")
