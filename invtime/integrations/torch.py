"""The schedule as a learning-rate scheduler of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from invtime.decimals import read_number
from invtime.errors import ConfigError, shown, typed
from invtime.spec import InverseTimeDecay


class InverseTimeLR(LRScheduler):  # type: ignore[misc]  # mypy does not look into torch
    r"""Set the learning rate of each parameter group to its schedule's value.

    .. math::
        \mathrm{lr}_{n} = \frac{L}{1 + R\,n / S}
        \qquad\text{or, as a staircase,}\qquad
        \mathrm{lr}_{n} = \frac{L}{1 + R\,\lfloor n / S \rfloor}

    L is the group's own rate, and n is `last_epoch`: the number of calls of `step()` so far.
    Called once after each `optimizer.step()`, update number k (the first is 1) has the rate of
    step k - 1.

    With phases L is the peak. The other rates of the phases are absolute and the same for each
    group; `from_schedule` takes a schedule for each. A warm-up starts when the scheduler is
    built: it sets the groups' rates to `warmup_learning_rate`, which the first update has.

    A float rate becomes exactly `schedule(last_epoch)`. A tensor rate (a capturable or compiled
    optimizer, a CUDA graph) is filled in place with that value, rounded to its dtype: the host
    does not wait for the device, and nothing is compiled again.

    The rate is set, not multiplied: in a `ChainedScheduler` this one comes first. One made by
    the constructor reads a group's `initial_lr` where another scheduler has left it.

    Args:
        optimizer: its groups' rates, read as the numbers that were written, are L.
        decay_steps: S, in calls of `step()`, above 0.
        decay_rate: R, at least 0.
        staircase: whether the rate drops only at multiples of `decay_steps`.
        last_epoch: the count that a resumed optimizer has reached; -1 starts anew.
        warmup_steps: the steps of a linear warm-up before the decay.
        warmup_learning_rate: the rate at step 0 where there is a warm-up.
        stable_steps: the steps at L between the warm-up and the decay.
        minimum_learning_rate: the floor of the decay, at most the rate of each group.
        cooldown_start: the step from which a linear cool-down takes over; None for none.
        cooldown_steps: its number of steps.
        final_learning_rate: the rate at the end of the cool-down and after it.

    Raises:
        ConfigError: (a ValueError) a parameter or a group's rate is out of range, or the two do
            not go together.
        KeyError: `last_epoch` is given and a group has no `initial_lr`, as PyTorch has it.
        TypeError: `optimizer` is none of PyTorch's.

    Source: the arguments and the methods are those of `torch.optim.lr_scheduler.LRScheduler`.

    >>> import torch
    >>> from invtime.integrations.torch import InverseTimeLR
    >>> weight = torch.nn.Parameter(torch.zeros(3))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> scheduler = InverseTimeLR(optimizer, decay_steps=1000, decay_rate=0.5)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.09995002498750624]
    """

    schedules: tuple[InverseTimeDecay, ...]
    """The schedule of each parameter group."""

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        last_epoch: int = -1,
        *,
        warmup_steps: Any = 0,
        warmup_learning_rate: Any = 0,
        stable_steps: Any = 0,
        minimum_learning_rate: Any = 0,
        cooldown_start: Any = None,
        cooldown_steps: Any = 0,
        final_learning_rate: Any = 0,
    ) -> None:
        of_rate = partial(
            InverseTimeDecay,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            staircase=staircase,
            warmup_steps=warmup_steps,
            warmup_learning_rate=warmup_learning_rate,
            stable_steps=stable_steps,
            minimum_learning_rate=minimum_learning_rate,
            cooldown_start=cooldown_start,
            cooldown_steps=cooldown_steps,
            final_learning_rate=final_learning_rate,
        )
        self.schedules = tuple(_of_rates(_groups(optimizer), of_rate))
        super().__init__(optimizer, last_epoch)

    @classmethod
    def from_schedule(
        cls,
        optimizer: Optimizer,
        schedule: InverseTimeDecay | Iterable[InverseTimeDecay],
        last_epoch: int = -1,
    ) -> InverseTimeLR:
        """The scheduler of a schedule for all parameter groups, or of one for each.

        A group's `initial_lr` becomes its schedule's `initial_learning_rate`; the rate that
        the optimizer was made with plays no part.

        Raises:
            ConfigError: (a ValueError) there are not as many schedules as groups, or one of
                them is not an `invtime.InverseTimeDecay`.
            TypeError: `optimizer` is none of PyTorch's.
        """
        groups = _groups(optimizer)
        self = cls.__new__(cls)
        self.schedules = _one_for_each(groups, schedule)
        for group, own in zip(groups, self.schedules, strict=True):
            group["initial_lr"] = own.initial_learning_rate
        LRScheduler.__init__(self, optimizer, last_epoch)
        return self

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of each group at `last_epoch`, as Python floats."""
        if len(self.schedules) != len(self.optimizer.param_groups):
            raise ConfigError(_count(len(self.schedules), len(self.optimizer.param_groups)))
        step = self.last_epoch
        return [schedule(step) for schedule in self.schedules]

    def state_dict(self) -> dict[str, Any]:
        """The count, the last rates and the schedules' configs, all of them plain values.

        Reads the rates from the device where they are tensors.
        """
        return {
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "_last_lr": [float(rate) for rate in self._last_lr],
            "schedules": [schedule.get_config() for schedule in self.schedules],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()` of the same schedules.

        The optimizer's rates are in its own state, which is to be loaded too, as with every
        scheduler of PyTorch.

        Raises:
            ConfigError: (a ValueError) it is the state of another class, or of other schedules.
        """
        if not state_dict.keys() >= {"last_epoch", "_step_count", "_last_lr", "schedules"}:
            raise ConfigError(
                f"the state has the keys {sorted(state_dict)}, which are not InverseTimeLR's; "
                "load what its state_dict() returned, or build a scheduler of the class "
                "that the state is from"
            )
        saved = tuple(map(InverseTimeDecay.from_config, state_dict["schedules"]))
        if saved != self.schedules:
            raise ConfigError(
                f"the state is from the schedules {list(saved)}, and this scheduler has "
                f"{list(self.schedules)}; build it with those of the state, or start anew "
                "without loading it (last_epoch= sets the count)"
            )
        self.last_epoch = state_dict["last_epoch"]
        self._step_count = state_dict["_step_count"]
        self._last_lr = list(state_dict["_last_lr"])


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    if isinstance(optimizer, Optimizer):
        groups: list[dict[str, Any]] = optimizer.param_groups
        return groups
    raise TypeError(
        f"{typed(optimizer)} is not a torch.optim.Optimizer; "
        "pass the optimizer first, then the schedule or its parameters"
    )


def _of_rates(
    groups: list[dict[str, Any]], of_rate: Callable[[int | float], InverseTimeDecay]
) -> Iterator[InverseTimeDecay]:
    """The schedule of each group, whose initial rate is the number that was written."""
    for index, group in enumerate(groups):
        given = group.get("initial_lr", group["lr"])
        rate, _ = read_number(f"the rate of parameter group {index}", given)
        try:
            yield of_rate(rate)
        except ConfigError as error:
            raise ConfigError(
                f"parameter group {index} has the rate {shown(rate)}: {error}"
            ) from error


def _one_for_each(
    groups: list[Any], given: InverseTimeDecay | Iterable[InverseTimeDecay]
) -> tuple[InverseTimeDecay, ...]:
    """The schedule of each group, without a pinned dtype: a Python number has none."""
    schedules = [given] * len(groups) if isinstance(given, InverseTimeDecay) else list(given)
    for schedule in schedules:
        if not isinstance(schedule, InverseTimeDecay):
            raise ConfigError(
                f"{typed(schedule)} is no schedule; "
                "pass an invtime.InverseTimeDecay, or one for each parameter group"
            )
    if len(schedules) != len(groups):
        raise ConfigError(_count(len(schedules), len(groups)))
    return tuple(schedule.replace(dtype=None) for schedule in schedules)


def _count(schedules: int, groups: int) -> str:
    return (
        f"there are {schedules} schedules and {groups} parameter groups; pass one schedule for "
        "all, or as many as the optimizer has groups when the scheduler is built"
    )
