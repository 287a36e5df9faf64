"""The schedule as a learning-rate scheduler of PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any, Literal, overload
from weakref import WeakKeyDictionary, WeakSet, ref

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from invtime.decimals import read_count, read_number
from invtime.errors import ConfigError, shown, typed
from invtime.parameters import DEFAULTS
from invtime.spec import InverseTimeDecay

# The schedule of a group that joins later: the same as all have, one of the group's rate, or none.
_OfNewGroups = Literal["the same", "of its rate", "none"]


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
    group; a list of schedules has other ones for each. A warm-up starts when the scheduler is
    built: it sets the groups' rates to `warmup_learning_rate`, which the first update has.

    A float rate becomes exactly `schedule(last_epoch)`. A tensor rate (a capturable or compiled
    optimizer, a CUDA graph) is filled in place with that value, rounded to its dtype: the host
    does not wait for the device, and nothing is compiled again.

    The rate is set, not multiplied: what another scheduler or the loop has made of it is lost at
    the next `step()`, which warns of it, once. A tensor rate is not compared, so there is no
    warning. A rate that is written into `base_lrs` is the group's L from the next `step()` on.

    A group that `optimizer.add_param_group` adds goes by the common count, from its next update
    on. Its schedule is the one for all groups, where there is one; else its rate is its L.

    Args:
        optimizer: its groups' rates, read as the numbers that were written, are L; a group's
            `initial_lr` where another scheduler or a loaded state has left it, else its `lr`.
        decay_steps: S, in calls of `step()`, above 0. A schedule, or an iterable of one for each
            group, takes the place of L and of all parameters: see `from_schedule`.
        decay_rate: R, at least 0.
        staircase: whether the rate drops only at multiples of `decay_steps`.
        last_epoch: PyTorch's own argument. Building a scheduler makes one step, so the next
            update has the rate of step `last_epoch + 1`; -1 starts anew.
        step: the number of updates already made: the next one has the rate of this step, even
            if the optimizer loads its state after this. It takes the place of `last_epoch`.
        keep_count: whether `load_state_dict` takes the count alone from the state of other
            schedules, or of another class, and goes on with the schedules given here.
        warmup_steps: the steps of a linear warm-up before the decay.
        warmup_learning_rate: the rate at step 0 where there is a warm-up.
        stable_steps: the steps at L between the warm-up and the decay.
        minimum_learning_rate: the floor of the decay, at most the rate of each group.
        cooldown_start: the step from which a linear cool-down takes over; None for none.
        cooldown_steps: its number of steps.
        final_learning_rate: the rate at the end of the cool-down and after it.

    Raises:
        ConfigError: (a ValueError) a parameter or a group's rate is out of range, two arguments
            do not go together, or there are not as many schedules as groups.
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

    @overload
    def __init__(
        self,
        optimizer: Optimizer,
        schedule: InverseTimeDecay | Iterable[InverseTimeDecay],
        /,
        *,
        last_epoch: int = -1,
        step: int | None = None,
        keep_count: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        last_epoch: int = -1,
        *,
        step: int | None = None,
        keep_count: bool = False,
        warmup_steps: Any = 0,
        warmup_learning_rate: Any = 0,
        stable_steps: Any = 0,
        minimum_learning_rate: Any = 0,
        cooldown_start: Any = None,
        cooldown_steps: Any = 0,
        final_learning_rate: Any = 0,
    ) -> None: ...

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: Any,
        decay_rate: Any = None,
        staircase: bool = False,
        last_epoch: int = -1,
        *,
        step: int | None = None,
        keep_count: bool = False,
        warmup_steps: Any = 0,
        warmup_learning_rate: Any = 0,
        stable_steps: Any = 0,
        minimum_learning_rate: Any = 0,
        cooldown_start: Any = None,
        cooldown_steps: Any = 0,
        final_learning_rate: Any = 0,
    ) -> None:
        parameters = {
            "staircase": staircase,
            "warmup_steps": warmup_steps,
            "warmup_learning_rate": warmup_learning_rate,
            "stable_steps": stable_steps,
            "minimum_learning_rate": minimum_learning_rate,
            "cooldown_start": cooldown_start,
            "cooldown_steps": cooldown_steps,
            "final_learning_rate": final_learning_rate,
        }
        groups = _groups(optimizer)
        before = _count_before(step, last_epoch)
        foreign = set(self.__dict__)  # of a subclass
        if decay_rate is None or isinstance(decay_steps, InverseTimeDecay):
            _refuse_beside_a_schedule({"decay_rate": decay_rate, **parameters})
            self.schedules = _one_for_each(groups, decay_steps)
            for_all = isinstance(decay_steps, InverseTimeDecay)
            self._of_new_groups: _OfNewGroups = "the same" if for_all else "none"
            for group, schedule in zip(groups, self.schedules, strict=True):
                group["initial_lr"] = schedule.initial_learning_rate
        else:
            of_rate = partial(
                InverseTimeDecay, decay_steps=decay_steps, decay_rate=decay_rate, **parameters
            )
            self.schedules = tuple(
                _of_rate(index, _initial(group), of_rate) for index, group in enumerate(groups)
            )
            self._of_new_groups = "of its rate"
            if step is not None:  # PyTorch would raise a KeyError from a count of 0 on
                for group in groups:
                    group.setdefault("initial_lr", _copied(group["lr"]))
        self._keeps_count = keep_count
        self._warned = False
        self._read_base_lrs: list[Any] = []
        super().__init__(optimizer, before)
        self._read_base_lrs = list(self.base_lrs)
        self._sets_loaded_rates = step is not None  # after the step of the constructor
        self._own_attributes = frozenset(self.__dict__) - foreign | {"_own_attributes"}
        _watch(self)

    @classmethod
    def from_schedule(
        cls,
        optimizer: Optimizer,
        schedule: InverseTimeDecay | Iterable[InverseTimeDecay],
        last_epoch: int = -1,
        *,
        step: int | None = None,
        keep_count: bool = False,
    ) -> InverseTimeLR:
        """The scheduler of a schedule for all parameter groups, or of one for each.

        The same as `InverseTimeLR(optimizer, schedule)`. A group's `initial_lr` becomes its
        schedule's `initial_learning_rate`; the rate that the optimizer was made with plays no
        part. One schedule is that of the groups that are added later too. With an iterable,
        `add_schedule` gives each of those its own.

        Raises:
            ConfigError: (a ValueError) there are not as many schedules as groups, one of them
                is not an `invtime.InverseTimeDecay`, or the counts are out of range.
            TypeError: `optimizer` is none of PyTorch's.
        """
        return cls(optimizer, schedule, last_epoch=last_epoch, step=step, keep_count=keep_count)

    def add_schedule(self, schedule: InverseTimeDecay) -> None:
        """Give a parameter group that has joined its schedule, and the rate of the next update.

        For a scheduler that was built from a list of schedules, after each
        `optimizer.add_param_group` and before the next `step()`. The others know the schedule
        of a new group.

        Raises:
            ConfigError: (a ValueError) each group has its schedule, or this is none.
        """
        groups = self.optimizer.param_groups
        self._take_new_groups()
        if len(self.schedules) == len(groups):
            raise ConfigError(
                f"each of the {len(groups)} parameter groups has its schedule; call "
                "optimizer.add_param_group first, and build a scheduler whose groups are to have "
                "schedules of their own from a list of them"
            )
        group = groups[len(self.schedules)]
        (own,) = _one_for_each([group], schedule)
        group["initial_lr"] = own.initial_learning_rate
        self._take(group, own)
        self._set_new_rates(len(self.schedules) - 1)

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step, or to the step `epoch`, as PyTorch's schedulers do.

        Warns once, with a UserWarning, where a rate is not what this scheduler has set.
        """
        self._follow_groups()  # before the count goes on
        if not self._warned and self._step_count and self.last_epoch >= 0 and epoch is None:
            self._warn_of_others()
        super().step(epoch)
        self._sets_loaded_rates = False

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of each group at `last_epoch`: a float, or a tensor where its rate is one."""
        self._follow_groups()
        step = self.last_epoch
        rates = [schedule(step) for schedule in self.schedules]
        if self._get_lr_called_within_step:  # which fills the tensors with them
            return rates
        groups = self.optimizer.param_groups
        return [_like(group["lr"], rate) for group, rate in zip(groups, rates, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The count, the last rates and the schedules as JSON, all of them plain values.

        The attributes of a subclass, or of a user, are there too, as in PyTorch's schedulers.
        Reads the rates from the device where they are tensors.
        """
        self._take_new_rates()
        self._take_new_groups()
        own = self._own_attributes
        return {
            **{key: value for key, value in self.__dict__.items() if key not in own},
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "_last_lr": [float(rate) for rate in self._last_lr],
            # As text: of dicts, torch.distributed.checkpoint loads those keys only that the
            # scheduler has already, so that the phases of the other would not be seen.
            "schedules": [schedule.to_json() for schedule in self.schedules],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()` of the same schedules.

        The optimizer's rates are in its own state, which is to be loaded too, as with every
        scheduler of PyTorch.

        With `keep_count=True` the state may be that of other schedules, or of another scheduler
        of PyTorch: its `last_epoch` is the count, and the next update has the rate of this
        scheduler's schedules there, whether the optimizer's state is loaded before or after.

        Raises:
            ConfigError: (a ValueError) it is the state of another class, or of other schedules,
                and `keep_count` is not set; or it has no count.
        """
        self._take_new_groups()
        ours = state_dict.keys() >= {"last_epoch", "_step_count", "_last_lr", "schedules"}
        saved = tuple(map(InverseTimeDecay.from_json, state_dict["schedules"])) if ours else ()
        if saved == self.schedules:
            self.last_epoch = state_dict["last_epoch"]
            self._step_count = state_dict["_step_count"]
            last = zip(self.optimizer.param_groups, state_dict["_last_lr"], strict=False)
            self._last_lr = [_like(group["lr"], rate) for group, rate in last]
        elif self._keeps_count and "last_epoch" in state_dict:
            self.last_epoch = state_dict["last_epoch"]
            self._step_count = self.last_epoch + 1
            self._sets_loaded_rates = True
        elif ours:
            raise ConfigError(
                f"the state is from the schedules {list(saved)}, and this scheduler has "
                f"{list(self.schedules)}; build it with those of the state; or with "
                "keep_count=True, to go on with these from the count of the state; or start anew "
                "without loading it"
            )
        else:
            raise ConfigError(
                f"the state has the keys {sorted(state_dict)}, which are not InverseTimeLR's; "
                "load what its state_dict() returned, or build a scheduler of the class that the "
                "state is from; where the state has a last_epoch, keep_count=True goes on from it"
            )
        if ours:
            own = self._own_attributes
            self.__dict__.update({k: v for k, v in state_dict.items() if k not in own})
        if self._sets_loaded_rates:
            self._set_rates()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy watches its own optimizer."""
        self.__dict__.update(state)
        _watch(self)

    def _take(self, group: dict[str, Any], schedule: InverseTimeDecay) -> None:
        self.schedules += (schedule,)
        self.base_lrs.append(_copied(group["initial_lr"]))
        self._read_base_lrs.append(self.base_lrs[-1])

    def _follow_groups(self) -> None:
        """The schedules of the groups as they are now, or a ConfigError."""
        groups = self.optimizer.param_groups
        if len(self.schedules) != len(groups) or self.base_lrs != self._read_base_lrs:
            self._take_new_rates()
            self._take_new_groups()
            if len(self.schedules) != len(groups):
                raise ConfigError(
                    _count(len(self.schedules), len(groups))
                    + "; give a group that has joined since its own by scheduler.add_schedule(...)"
                )

    def _take_new_rates(self) -> None:
        """A rate that was written into `base_lrs` becomes that of its group, as in `LambdaLR`."""
        schedules = list(self.schedules)
        for index, (rate, read) in enumerate(zip(self.base_lrs, self._read_base_lrs, strict=False)):
            if rate is not read:
                schedules[index] = _of_rate(index, rate, schedules[index].replace)
                self.optimizer.param_groups[index]["initial_lr"] = _copied(rate)
        self.schedules = tuple(schedules)
        self._read_base_lrs = list(self.base_lrs)

    def _take_new_groups(self) -> None:
        """The schedules of the groups that have joined, as far as they are known."""
        groups = self.optimizer.param_groups
        for index in range(len(self.schedules), len(groups)):
            group = groups[index]
            if self._of_new_groups == "none":
                return
            if self._of_new_groups == "the same":
                schedule = self.schedules[0]
                group["initial_lr"] = schedule.initial_learning_rate
            else:
                for other in groups[:index]:
                    # One tensor has one rate, which is no longer the one that was written.
                    if isinstance(group["lr"], torch.Tensor) and group["lr"] is other["lr"]:
                        group.setdefault("initial_lr", _copied(other["initial_lr"]))
                schedule = _of_rate(index, _initial(group), self.schedules[0].replace)
                group.setdefault("initial_lr", _copied(group["lr"]))
            self._take(group, schedule)

    def _set_rates(self, first: int = 0) -> None:
        """Set the groups from the first on to the rates of the count, if there is one yet."""
        if self.last_epoch < 0:  # the turn of this scheduler has not come in a SequentialLR
            return
        groups = self.optimizer.param_groups
        for index in range(first, min(len(groups), len(self.schedules))):
            group = groups[index]
            group["initial_lr"] = _copied(self.base_lrs[index])
            rate = self.schedules[index](self.last_epoch)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._last_lr = [_copied(group["lr"]) for group in groups]

    def _set_new_rates(self, first: int) -> None:
        """The same where the groups are in the hands of this scheduler, and of no other."""
        if self._changed_by_others() is None:
            self._set_rates(first)

    def _changed_by_others(self) -> tuple[int, Any, Any] | None:
        """The first group whose rate is not what was set last, that rate, and what was set."""
        groups = self.optimizer.param_groups
        for index, last in enumerate(self._last_lr):
            rate = groups[index]["lr"]
            # To look into a tensor, the host would have to wait for its device.
            if rate is not last and not isinstance(rate, torch.Tensor) and rate != last:
                return index, rate, last
        return None

    def _warn_of_others(self) -> None:
        if not (found := self._changed_by_others()):
            return
        self._warned = True
        index, rate, last = found
        warnings.warn(
            f"the rate of parameter group {index} is {shown(rate)}, and InverseTimeLR had set it "
            f"to {shown(last)}: another scheduler (ReduceLROnPlateau beside it, LinearLR in a "
            "ChainedScheduler), a callback or the loop has changed it, or only one of optimizer "
            "and scheduler has loaded its state. InverseTimeLR sets the rate at each step(), so "
            "the change is lost now. Leave one of the two out; for a warm-up, a floor or a "
            "cool-down pass InverseTimeLR the arguments of its phases",
            UserWarning,
            stacklevel=3,
        )


_WATCHED: WeakKeyDictionary[Any, WeakSet[InverseTimeLR]] = WeakKeyDictionary()


def _watch(scheduler: InverseTimeLR) -> None:
    """Let the scheduler know when its optimizer is given a group, or loads a state.

    As PyTorch does with `optimizer.step`, the methods of the optimizer are replaced: there is
    no hook for the one, and wrappers of optimizers do not have the hooks of the other.
    """
    optimizer = scheduler.optimizer
    if optimizer not in _WATCHED:
        _WATCHED[optimizer] = WeakSet()
        _after(optimizer, "add_param_group", _set_rates_of_new_groups)
        _after(optimizer, "load_state_dict", _set_loaded_rates)
    _WATCHED[optimizer].add(scheduler)


def _after(optimizer: Any, name: str, then: Callable[[InverseTimeLR], None]) -> None:
    """Have `then` called for each scheduler after this method of the optimizer."""
    method = getattr(optimizer, name)
    # Without a reference to the optimizer, which would live until the garbage is collected.
    function = getattr(method, "__func__", None) or (lambda _, *args, **kw: method(*args, **kw))
    there = ref(optimizer)

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        optimizer = there()
        result = function(optimizer, *args, **kwargs)
        for scheduler in tuple(_WATCHED[optimizer]):
            then(scheduler)
        return result

    setattr(optimizer, name, wrapper)


def _set_rates_of_new_groups(scheduler: InverseTimeLR) -> None:
    first = len(scheduler.schedules)
    scheduler._take_new_groups()
    scheduler._set_new_rates(first)


def _set_loaded_rates(scheduler: InverseTimeLR) -> None:
    if scheduler._sets_loaded_rates:
        scheduler._set_rates()


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    if isinstance(optimizer, Optimizer):
        groups: list[dict[str, Any]] = optimizer.param_groups
        return groups
    raise TypeError(
        f"{typed(optimizer)} is not a torch.optim.Optimizer; "
        "pass the optimizer first, then the schedule or its parameters"
    )


def _count_before(step: int | None, last_epoch: int) -> int:
    """What PyTorch calls `last_epoch`: the count before the step that the constructor makes."""
    if step is None:
        return last_epoch
    if last_epoch != -1:
        raise ConfigError(
            f"step is {shown(step)} and last_epoch is {shown(last_epoch)}; pass one of them: "
            "step, the number of updates made, or last_epoch, which is one less"
        )
    return read_count("step", step) - 1


def _initial(group: dict[str, Any]) -> Any:
    return group.get("initial_lr", group["lr"])


def _of_rate(index: int, given: Any, of_rate: Callable[..., InverseTimeDecay]) -> InverseTimeDecay:
    """The schedule of a group, whose initial rate is the number that was written."""
    if isinstance(given, torch.Tensor) and given.numel() == 1:
        given = given.reshape(())  # optimizers take a rate of shape (1,) too
    rate, _ = read_number(f"the rate of parameter group {index}", given)
    try:
        return of_rate(initial_learning_rate=rate)
    except ConfigError as error:
        raise ConfigError(f"parameter group {index} has the rate {shown(rate)}: {error}") from error


def _refuse_beside_a_schedule(parameters: dict[str, Any]) -> None:
    defaults = {"decay_rate": None, "staircase": False, **DEFAULTS}
    for key, value in parameters.items():
        if value is not defaults[key]:
            raise ConfigError(
                f"{key} is {shown(value)} beside a schedule, which has parameters of its own; "
                f"pass schedule.replace({key}=...), or decay_steps and decay_rate as numbers"
            )


def _one_for_each(groups: list[Any], given: Any) -> tuple[InverseTimeDecay, ...]:
    """The schedule of each group, without a pinned dtype: a Python number has none."""
    if isinstance(given, InverseTimeDecay):
        schedules = [given] * len(groups)
    else:
        try:
            schedules = list(given)
        except TypeError:
            schedules = [given]
    for schedule in schedules:
        if not isinstance(schedule, InverseTimeDecay):
            raise ConfigError(
                f"{typed(schedule)} is no schedule; pass an invtime.InverseTimeDecay, or one for "
                "each parameter group, or both decay_steps and decay_rate"
            )
    if len(schedules) != len(groups):
        raise ConfigError(_count(len(schedules), len(groups)))
    return tuple(schedule.replace(dtype=None) for schedule in schedules)


def _count(schedules: int, groups: int) -> str:
    return (
        f"there are {schedules} schedules and {groups} parameter groups; pass one schedule for "
        "all, or as many as the optimizer has groups when the scheduler is built"
    )


def _like(rate: Any, value: float) -> Any:
    """The value as a tensor where the rate of its group is one."""
    if isinstance(rate, torch.Tensor):
        return torch.full((), value, dtype=rate.dtype, device=rate.device)
    return value


def _copied(rate: Any) -> Any:
    """A tensor that is filled in place later is no memory of what it was."""
    return rate.clone() if isinstance(rate, torch.Tensor) else rate
