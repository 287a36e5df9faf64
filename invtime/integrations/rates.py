"""What the learning rate is now, in the optimizer of any framework."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from invtime.errors import shown, typed


def current_rates(
    optimizer: Any, schedule: Callable[[Any], Any] | Mapping[Any, Any] | None = None
) -> list[float]:
    """The rates that the next update will use, exactly as the optimizer holds them.

    Args:
        optimizer: a `torch.optim.Optimizer` or a scheduler of one (a rate for each parameter
            group); a Keras optimizer (its one rate; a step that was compiled before another
            schedule was assigned goes on with the old one); or an optax state, however nested
            (a rate for each schedule or injected `learning_rate` in it, in the order of the
            state, and by sorted label inside an `optax.partition`).
        schedule: for an optax state, which holds the count of a schedule and not the schedule.
            For several labels of an `optax.partition`, a mapping of each label to its schedule.
            Without it only `optax.inject_hyperparams` can be read, whose state holds the rate
            that the *last* update used.

    Returns:
        Python floats; a float32 rate is widened, which is exact. Read from the device, so not
        for use inside a compiled function.

    Raises:
        TypeError: there is no learning rate in it, or the schedules that were passed are not
            one for each count of a schedule in the optax state.
    """
    source = getattr(optimizer, "optimizer", optimizer)  # a scheduler of PyTorch has its own
    if hasattr(source, "param_groups"):
        return [float(group["lr"]) for group in source.param_groups]
    if hasattr(source, "iterations") and hasattr(source, "learning_rate"):
        return [float(source.learning_rate)]
    found = list(_of_optax(source)) if "optax" in sys.modules else []
    if not found:
        raise TypeError(
            f"no learning rate was found in a {type(optimizer).__name__}; pass an optimizer or "
            "a scheduler of PyTorch, a Keras optimizer, or the state of an optax optimizer "
            "whose rate is a schedule or an injected `learning_rate`; where an optax optimizer "
            "counts by itself, as contrib.momo does, call the schedule on optax.tree.get(state, "
            "'count')"
        )
    return _last(found) if schedule is None else _next(found, dict(_given(schedule)))


_Labels = tuple[Any, ...]  # of partitions inside each other, from the outside in


class _Rate(NamedTuple):
    """A rate in an optax state."""

    labels: _Labels
    count: Any
    """Of its schedule; None where it is an injected constant."""
    stored: Any
    """As the last update used it; None where it was not injected."""


def _of_optax(state: Any, labels: _Labels = ()) -> Iterator[_Rate]:
    import jax
    import optax

    injected = optax.InjectStatefulHyperparamsState
    known = optax.ScaleByScheduleState, optax.PartitionState, injected
    for part in jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, known)):
        if isinstance(part, optax.ScaleByScheduleState):
            yield _Rate(labels, part.count, None)
        elif isinstance(part, optax.PartitionState):
            for label in sorted(part.inner_states):  # as JAX does, whatever order it was built in
                yield from _of_optax(part.inner_states[label], (*labels, label))
        elif isinstance(part, injected):
            if "learning_rate" in part.hyperparams:
                own = part.hyperparams_states.get("learning_rate")
                stored = part.hyperparams["learning_rate"]
                yield _Rate(labels, getattr(own, "count", None), stored)
            yield from _of_optax(part.inner_state, labels)


def _given(schedule: Any, labels: _Labels = ()) -> Iterator[tuple[_Labels, Callable[[Any], Any]]]:
    """Each schedule that was passed, and the labels that it stands under."""
    if isinstance(schedule, Mapping):
        for label, each in schedule.items():
            yield from _given(each, (*labels, label))
    elif callable(schedule):
        yield labels, schedule
    else:
        raise TypeError(
            f"{typed(schedule)} is no schedule{_under(labels)}; pass the function of the count "
            "that the optax optimizer was built with, or a mapping of label to schedule"
        )


def _last(found: list[_Rate]) -> list[float]:
    if any(rate.stored is None for rate in found):
        raise TypeError(
            "an optax state holds the count of a schedule and not the schedule; "
            "pass it too: current_rates(state, schedule)"
        )
    return [float(rate.stored) for rate in found]


def _next(found: list[_Rate], given: dict[_Labels, Callable[[Any], Any]]) -> list[float]:
    import jax

    rates = [(r, None if r.count is None else _place(r.labels, given)) for r in found]
    for place in given:
        _check_that_one_has(place, [rate.labels for rate, at in rates if at == place])
    return [
        float(rate.stored if at is None else given[at](jax.numpy.asarray(rate.count)))
        for rate, at in rates
    ]


def _place(labels: _Labels, given: Iterable[_Labels]) -> _Labels:
    """The labels that the schedule of these labels was passed under."""
    for place in given:
        if labels[: len(place)] == place:
            return place
    raise TypeError(
        f"the optax state holds the count of a schedule{_under(labels)}, and no schedule was "
        f"passed for it, only{' and'.join(map(_under, given)) or ' an empty mapping'}; "
        + (
            "pass one for each label that has a schedule"
            if labels
            else "pass this part of the state by itself, with its schedule"
        )
    )


def _check_that_one_has(place: _Labels, users: list[_Labels]) -> None:
    """Whether one count, and no more, is that of the schedule passed under these labels."""
    if not users:
        raise TypeError(
            f"a schedule was passed{_under(place)}, and the optax state holds no count of one "
            "there, only constants if anything; "
            + ("leave the label out" if place else "call current_rates(state) without it")
        )
    if len(users) == 1:
        return
    beneath = [labels[len(place) : len(place) + 1] for labels in users]
    if all(beneath) and len(set(beneath)) == len(users):
        example = ", ".join(f"{shown(label)}: ..." for (label,) in beneath)
        remedy = f"pass the schedule of each label, also where it is the same: {{{example}}}"
    else:
        remedy = (
            "pass the part of the state that each belongs to, with its schedule, such as "
            "current_rates(state[1], schedule) for the second one in an optax.chain"
        )
    raise TypeError(
        f"one schedule was passed{_under(place)}, and the optax state holds the counts of "
        f"{len(users)} there, which may be different ones; {remedy}"
    )


def _under(labels: _Labels) -> str:
    return f" under {' / '.join(map(shown, labels))}" if labels else ""
