"""Read any optimizer's current learning rate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from invtime.errors import shown, typed


def current_rates(
    optimizer: Any, schedule: Callable[[Any], Any] | Mapping[Any, Any] | None = None
) -> list[float]:
    """Return the rates that the next update will use, exactly as the optimizer holds them.

    Supported are:

    - a `torch.optim.Optimizer` or a PyTorch scheduler: one rate per parameter group;
    - a Keras optimizer: its one rate. After another schedule is assigned, a train step that was
      compiled earlier still uses the old one;
    - an optax state, also nested: one rate per schedule or injected `learning_rate`, in the order
      of the state, and sorted by label inside an `optax.partition`.

    Args:
        optimizer: the optimizer, scheduler or optax state.
        schedule: the schedule of an optax state, since the state holds only its count. For an
            `optax.partition` with several schedules, a mapping from label to schedule. Without
            it, only `optax.inject_hyperparams` can be read, whose state holds the rate that the
            *last* update used.

    Returns:
        A list of Python floats. A float32 rate is widened, which is exact. Rates are read from
        the device, so do not call this inside a compiled function.

    Raises:
        TypeError: no learning rate is found, or the schedules passed do not match the counts in
            the optax state one to one.

    >>> import torch
    >>> from invtime.integrations import current_rates
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(3))], lr=0.1)
    >>> current_rates(optimizer)
    [0.1]
    """
    source = getattr(optimizer, "optimizer", optimizer)  # PyTorch schedulers have an optimizer
    if hasattr(source, "param_groups"):
        return [float(group["lr"]) for group in source.param_groups]
    if hasattr(source, "iterations") and hasattr(source, "learning_rate"):
        return [float(source.learning_rate)]
    found = list(_of_optax(source)) if "optax" in sys.modules else []
    if not found:
        raise TypeError(
            f"no learning rate was found in an object of type {type(optimizer).__name__}; "
            "pass a PyTorch optimizer or scheduler, a Keras optimizer, or the state of an optax "
            "optimizer whose rate is a schedule or an injected `learning_rate`; for an optax "
            "optimizer with its own count, such as contrib.momo, call the schedule with "
            "optax.tree.get(state, 'count')"
        )
    return _last(found) if schedule is None else _next(found, dict(_given(schedule)))


_Labels = tuple[Any, ...]  # of nested partitions, outermost first


class _Rate(NamedTuple):
    """A rate in an optax state."""

    labels: _Labels
    count: Any
    """The count of its schedule; None for an injected constant."""
    stored: Any
    """The rate that the last update used; None if it was not injected."""


def _of_optax(state: Any, labels: _Labels = ()) -> Iterator[_Rate]:
    import jax
    import optax

    injected = optax.InjectStatefulHyperparamsState
    known = optax.ScaleByScheduleState, optax.PartitionState, injected
    for part in jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, known)):
        if isinstance(part, optax.ScaleByScheduleState):
            yield _Rate(labels, part.count, None)
        elif isinstance(part, optax.PartitionState):
            for label in sorted(part.inner_states):  # JAX's order; the dict's may differ
                yield from _of_optax(part.inner_states[label], (*labels, label))
        elif isinstance(part, injected):
            if "learning_rate" in part.hyperparams:
                own = part.hyperparams_states.get("learning_rate")
                stored = part.hyperparams["learning_rate"]
                yield _Rate(labels, getattr(own, "count", None), stored)
            yield from _of_optax(part.inner_state, labels)


def _given(schedule: Any, labels: _Labels = ()) -> Iterator[tuple[_Labels, Callable[[Any], Any]]]:
    """Yield each schedule that was passed, with its labels."""
    if isinstance(schedule, Mapping):
        for label, each in schedule.items():
            yield from _given(each, (*labels, label))
    elif callable(schedule):
        yield labels, schedule
    else:
        raise TypeError(
            f"{typed(schedule)} is not a schedule{_under(labels)}; pass the schedule function "
            "that the optax optimizer was built with, or a mapping from label to schedule"
        )


def _last(found: list[_Rate]) -> list[float]:
    if any(rate.stored is None for rate in found):
        raise TypeError(
            "an optax state holds the count of a schedule but not the schedule; "
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
    """Return the labels under which the schedule of these labels was passed."""
    for place in given:
        if labels[: len(place)] == place:
            return place
    raise TypeError(
        f"the optax state holds the count of a schedule{_under(labels)}, and no schedule was "
        f"passed for it, only{' and'.join(map(_under, given)) or ' an empty mapping'}; "
        + (
            "pass a schedule for each label that has one"
            if labels
            else "pass this part of the state by itself, with its schedule"
        )
    )


def _check_that_one_has(place: _Labels, users: list[_Labels]) -> None:
    """Raise a TypeError unless exactly one count uses the schedule passed under these labels."""
    if not users:
        raise TypeError(
            f"a schedule was passed{_under(place)}, but the optax state holds no count of a "
            "schedule there, at most only constants; "
            + ("leave the label out" if place else "call current_rates(state) without it")
        )
    if len(users) == 1:
        return
    beneath = [labels[len(place) : len(place) + 1] for labels in users]
    if all(beneath) and len(set(beneath)) == len(users):
        example = ", ".join(f"{shown(label)}: ..." for (label,) in beneath)
        remedy = f"pass a schedule for each label, even if they are the same: {{{example}}}"
    else:
        remedy = (
            "pass each part of the state with its own schedule, such as "
            "current_rates(state[1], schedule) for the second part of an optax.chain"
        )
    raise TypeError(
        f"one schedule was passed{_under(place)}, but the optax state holds the counts of "
        f"{len(users)} there, whose schedules may differ; {remedy}"
    )


def _under(labels: _Labels) -> str:
    return f" under {' / '.join(map(shown, labels))}" if labels else ""
