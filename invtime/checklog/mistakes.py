"""The list of known mistakes. Each returns an explanation if it explains every rate."""

from __future__ import annotations

from collections.abc import Sequence

from invtime.checklog.cooldown import other_cooldown
from invtime.checklog.explain import Mistake
from invtime.checklog.formulas import compounded, constant, late_drop, other_kind, scaled
from invtime.checklog.numbers import (
    other_decay_rate,
    other_decay_steps,
    other_initial_rate,
    two_parameters,
)
from invtime.checklog.phases import (
    from_zero,
    left_out,
    other_first_rate,
    other_floor,
    other_stable,
    other_warmup,
)
from invtime.checklog.steps import epochs, log_in_epochs, processes, shifted, stopped

# Likeliest first, for logs that several mistakes explain. The structural mistakes have no number
# with many digits that could fit by chance.
STRUCTURAL: Sequence[Mistake] = (late_drop, other_kind, left_out, from_zero, shifted, epochs)
SINGLE: Sequence[Mistake] = (
    constant,
    stopped,
    *STRUCTURAL,
    processes,
    compounded,
    other_decay_rate,
    other_initial_rate,
    other_decay_steps,
    other_warmup,
    other_first_rate,
    other_stable,
    other_floor,
    other_cooldown,
    log_in_epochs,
    two_parameters,
    scaled,
)
