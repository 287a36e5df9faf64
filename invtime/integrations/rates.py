"""What the learning rate is now, in the optimizer of any framework."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any


def current_rates(optimizer: Any, schedule: Callable[[Any], Any] | None = None) -> list[float]:
    """The rates that the next update will use, exactly as the optimizer holds them.

    Args:
        optimizer: a `torch.optim.Optimizer` or a scheduler of one (a rate for each parameter
            group); a Keras optimizer (its one rate; a step that was compiled before another
            schedule was assigned goes on with the old one); or an optax state, however nested
            (a rate for each schedule or injected `learning_rate` in it).
        schedule: for an optax state, which holds the count and not the schedule. Without it
            only `optax.inject_hyperparams` can be read, whose state holds the rate that the
            *last* update used.

    Returns:
        Python floats; a float32 rate is widened, which is exact. Read from the device, so not
        for use inside a compiled function.

    Raises:
        TypeError: there is no learning rate in it, or an optax state needs the schedule.
    """
    source = getattr(optimizer, "optimizer", optimizer)  # a scheduler of PyTorch has its own
    if hasattr(source, "param_groups"):
        return [float(group["lr"]) for group in source.param_groups]
    if hasattr(source, "iterations") and hasattr(source, "learning_rate"):
        return [float(source.learning_rate)]
    rates = list(_of_optax(source, schedule)) if "optax" in sys.modules else []
    if not rates:
        raise TypeError(
            f"no learning rate was found in a {type(optimizer).__name__}; pass an optimizer or "
            "a scheduler of PyTorch, a Keras optimizer, or the state of an optax optimizer "
            "whose rate is a schedule or an injected hyperparameter"
        )
    return rates


def _of_optax(state: Any, schedule: Callable[[Any], Any] | None) -> Iterator[float]:
    import jax
    import optax

    injected = optax.InjectHyperparamsState, optax.InjectStatefulHyperparamsState
    known = *injected, optax.ScaleByScheduleState

    for part in jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, known)):
        if isinstance(part, injected) and "learning_rate" not in part.hyperparams:
            continue
        if isinstance(part, known) and schedule is not None:
            yield float(schedule(jax.numpy.asarray(part.count)))
        elif isinstance(part, injected):
            yield float(part.hyperparams["learning_rate"])
        elif isinstance(part, known):
            raise TypeError(
                "an optax state holds the count of a schedule and not the schedule; "
                "pass it too: current_rates(state, schedule)"
            )
