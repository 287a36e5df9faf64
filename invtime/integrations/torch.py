"""`InverseTimeLR`, the schedule as a PyTorch learning-rate scheduler."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any, Literal, overload
from weakref import WeakKeyDictionary, WeakSet, ref

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from invtime.arrays import Scalar
from invtime.decimals import read_count, read_number
from invtime.errors import ConfigError, shown, typed
from invtime.parameters import DEFAULTS
from invtime.spec import InverseTimeDecay

# Where a group that is added later gets its schedule: the one of all groups, one built from its
# own rate, or nowhere until `add_schedule` is called.
_OfNewGroups = Literal["the same", "of its rate", "none"]


class InverseTimeLR(LRScheduler):  # type: ignore[misc]  # mypy does not look into torch
    r"""Set the learning rate of each parameter group to its schedule's value.

    .. math::
        \mathrm{lr}_{n} = \frac{L}{1 + R\,n / S}
        \qquad\text{or, as a staircase,}\qquad
        \mathrm{lr}_{n} = \frac{L}{1 + R\,\lfloor n / S \rfloor}

    L is the group's own rate. n is `last_epoch`, the number of calls of `step()` so far. Call
    `scheduler.step()` once after each `optimizer.step()`: then update k, counted from 1, uses the
    rate of step k - 1.

    With phases, L is the peak rate. The other rates of the phases are absolute and the same for
    each group; pass a list of schedules to set them per group. A warm-up starts when the scheduler
    is built: the groups' rates become `warmup_learning_rate`, and the first update uses it.

    A float rate is set to exactly `schedule(last_epoch)`. A tensor rate (for a capturable or
    compiled optimizer, or a CUDA graph) is filled in place with this value, rounded to its dtype.
    This neither makes the host wait for the device nor triggers a recompilation.

    The rate is set, not multiplied. Each `step()` overwrites changes by another scheduler or by
    the training loop, and warns once. It does not check tensor rates, so there is no warning for
    these. A rate written into `base_lrs` is the group's L from the next `step()` on.

    A group added by `optimizer.add_param_group` uses the same count, from its next update on. If a
    single schedule was passed, the group uses it. If `decay_steps` and `decay_rate` were passed, L
    is the group's own rate. If a list of schedules was passed, call `add_schedule`.

    Args:
        optimizer: a `torch.optim.Optimizer`. L of each group is its `initial_lr`, if another
            scheduler or a loaded state has set one, else its `lr`, as the decimal number that was
            written.
        decay_steps: S, in calls of `step()`; above 0. Or a schedule, or an iterable with one
            schedule per group, instead of L and all parameters: see `from_schedule`.
        decay_rate: R; 0 or more.
        staircase: if True, the rate drops only at multiples of `decay_steps`.
        last_epoch: as in PyTorch's schedulers. The constructor makes one step, so the next update
            uses the rate of step `last_epoch + 1`; -1 starts from step 0.
        step: the number of updates already made, instead of `last_epoch`. The next update uses
            the rate of this step, even if the optimizer loads its state later.
        keep_count: if True, `load_state_dict` also accepts the state of other schedules or of
            another scheduler class. It then loads only the count and keeps the schedules given
            here.
        warmup_steps: the number of steps of a linear warm-up before the decay.
        warmup_learning_rate: the rate at step 0 if there is a warm-up.
        stable_steps: the number of steps at L between the warm-up and the decay.
        minimum_learning_rate: the floor of the decay; at most the rate of each group.
        cooldown_start: the first step of a linear cool-down; None for no cool-down.
        cooldown_steps: the number of steps of the cool-down.
        final_learning_rate: the rate at the end of the cool-down and after it.

    Raises:
        ConfigError: (a ValueError) a parameter or a group's rate is out of range, two arguments
            contradict each other, or the number of schedules differs from that of the groups.
        KeyError: `last_epoch` is given and a group has no `initial_lr`, as in PyTorch.
        TypeError: `optimizer` is not a `torch.optim.Optimizer`.

    The arguments and methods follow `torch.optim.lr_scheduler.LRScheduler`.

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
        decay_steps: Scalar,
        decay_rate: Scalar,
        staircase: bool = False,
        last_epoch: int = -1,
        *,
        step: int | None = None,
        keep_count: bool = False,
        warmup_steps: Scalar = 0,
        warmup_learning_rate: Scalar = 0,
        stable_steps: Scalar = 0,
        minimum_learning_rate: Scalar = 0,
        cooldown_start: Scalar | None = None,
        cooldown_steps: Scalar = 0,
        final_learning_rate: Scalar = 0,
    ) -> None: ...

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: Any,
        decay_rate: Scalar | None = None,
        staircase: bool = False,
        last_epoch: int = -1,
        *,
        step: int | None = None,
        keep_count: bool = False,
        warmup_steps: Scalar = 0,
        warmup_learning_rate: Scalar = 0,
        stable_steps: Scalar = 0,
        minimum_learning_rate: Scalar = 0,
        cooldown_start: Scalar | None = None,
        cooldown_steps: Scalar = 0,
        final_learning_rate: Scalar = 0,
    ) -> None:
        parameters: dict[str, Any] = {
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
        """Build the scheduler from one schedule for all parameter groups, or one per group.

        Equivalent to `InverseTimeLR(optimizer, schedule)`. Each group's `initial_lr` becomes its
        schedule's `initial_learning_rate`; the optimizer's own rate is ignored. A single schedule
        also applies to groups that are added later. With an iterable, call `add_schedule` for
        each group that is added later.

        Args:
            optimizer: a `torch.optim.Optimizer`.
            schedule: an `invtime.InverseTimeDecay`, or an iterable with one per group.
            last_epoch: as in the constructor.
            step: as in the constructor.
            keep_count: as in the constructor.

        Raises:
            ConfigError: (a ValueError) the number of schedules differs from that of the groups,
                one of them is not an `invtime.InverseTimeDecay`, or `step` and `last_epoch` are
                out of range or both given.
            TypeError: `optimizer` is not a `torch.optim.Optimizer`.

        >>> import torch
        >>> from invtime import InverseTimeDecay
        >>> from invtime.integrations.torch import InverseTimeLR
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(3))], lr=0.1)
        >>> schedule = InverseTimeDecay(0.01, decay_steps=1000, decay_rate=0.5)
        >>> InverseTimeLR.from_schedule(optimizer, schedule).get_last_lr()
        [0.01]
        """
        return cls(optimizer, schedule, last_epoch=last_epoch, step=step, keep_count=keep_count)

    def add_schedule(self, schedule: InverseTimeDecay) -> None:
        """Set the schedule of a newly added parameter group, and its rate for the next update.

        Needed only if the scheduler was built from a list of schedules. Call it after each
        `optimizer.add_param_group` and before the next `step()`.

        Args:
            schedule: the `invtime.InverseTimeDecay` of the new group.

        Raises:
            ConfigError: (a ValueError) every group already has a schedule, or `schedule` is not
                an `invtime.InverseTimeDecay`.
        """
        groups = self.optimizer.param_groups
        self._take_new_groups()
        if len(self.schedules) == len(groups):
            raise ConfigError(
                f"each of the {len(groups)} parameter groups already has a schedule; call "
                "optimizer.add_param_group first; to set schedules per group, build the scheduler "
                "from a list of schedules"
            )
        group = groups[len(self.schedules)]
        (own,) = _one_for_each([group], schedule)
        group["initial_lr"] = own.initial_learning_rate
        self._take(group, own)
        self._set_new_rates(len(self.schedules) - 1)

    def step(self, epoch: int | None = None) -> None:
        """Advance by one step, or to step `epoch`, as PyTorch's schedulers do.

        Emits one UserWarning if a rate differs from the one that this scheduler has set.
        """
        self._follow_groups()  # before the count advances
        if not self._warned and self._step_count and self.last_epoch >= 0 and epoch is None:
            self._warn_of_others()
        super().step(epoch)
        self._sets_loaded_rates = False

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the rate of each group at `last_epoch`: a float, or a tensor for a tensor rate."""
        self._follow_groups()
        step = self.last_epoch
        rates = [schedule(step) for schedule in self.schedules]
        if self._get_lr_called_within_step:  # PyTorch's step() fills the tensors with these
            return rates
        groups = self.optimizer.param_groups
        return [_like(group["lr"], rate) for group, rate in zip(groups, rates, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return the count, the last rates and the schedules (as JSON), all as plain values.

        The state includes attributes set by a subclass or a user, as in PyTorch's schedulers.
        Tensor rates are read from the device.
        """
        self._take_new_rates()
        self._take_new_groups()
        own = self._own_attributes
        return {
            **{key: value for key, value in self.__dict__.items() if key not in own},
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "_last_lr": [float(rate) for rate in self._last_lr],
            # As text: torch.distributed.checkpoint loads only the keys of a dict that the
            # scheduler already has, so it would drop the phases of another schedule.
            "schedules": [schedule.to_json() for schedule in self.schedules],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict()` of the same schedules.

        Load the optimizer's state too, which holds its rates, as with every PyTorch scheduler.

        With `keep_count=True`, the state may also be that of other schedules or of another
        PyTorch scheduler. Only its count, `last_epoch`, is used. The next update uses the rate of
        this scheduler's schedules at that step, whether the optimizer's state is loaded before
        or after.

        Raises:
            ConfigError: (a ValueError) the state is from other schedules or another class and
                `keep_count` is not set, or the state has no count.
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
                f"{list(self.schedules)}; build the scheduler with the schedules of the state; or "
                "pass keep_count=True, to continue with its own from the count of the state; or "
                "start anew without loading the state"
            )
        else:
            raise ConfigError(
                f"the state has the keys {sorted(state_dict)}, which are not InverseTimeLR's; "
                "load a state that InverseTimeLR.state_dict() returned, or build the scheduler "
                "class that the state is from; if the state has a last_epoch, build InverseTimeLR "
                "with keep_count=True to continue from it"
            )
        if ours:
            own = self._own_attributes
            self.__dict__.update({k: v for k, v in state_dict.items() if k not in own})
        if self._sets_loaded_rates:
            self._set_rates()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state of a copy, and watch the copy's own optimizer."""
        self.__dict__.update(state)
        _watch(self)

    def _take(self, group: dict[str, Any], schedule: InverseTimeDecay) -> None:
        self.schedules += (schedule,)
        self.base_lrs.append(_copied(group["initial_lr"]))
        self._read_base_lrs.append(self.base_lrs[-1])

    def _follow_groups(self) -> None:
        """Match the schedules to the optimizer's current groups, or raise a ConfigError."""
        groups = self.optimizer.param_groups
        if len(self.schedules) != len(groups) or self.base_lrs != self._read_base_lrs:
            self._take_new_rates()
            self._take_new_groups()
            if len(self.schedules) != len(groups):
                raise ConfigError(
                    _count(len(self.schedules), len(groups))
                    + "; for a group that was added later, call scheduler.add_schedule(...)"
                )

    def _take_new_rates(self) -> None:
        """Use rates that were written into `base_lrs` as L of their groups, as `LambdaLR` does."""
        schedules = list(self.schedules)
        for index, (rate, read) in enumerate(zip(self.base_lrs, self._read_base_lrs, strict=False)):
            if rate is not read:
                schedules[index] = _of_rate(index, rate, schedules[index].replace)
                self.optimizer.param_groups[index]["initial_lr"] = _copied(rate)
        self.schedules = tuple(schedules)
        self._read_base_lrs = list(self.base_lrs)

    def _take_new_groups(self) -> None:
        """Add the schedules of groups that were added to the optimizer, if they are known."""
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
                    # A shared tensor has been overwritten: its rate is no longer the initial one.
                    if isinstance(group["lr"], torch.Tensor) and group["lr"] is other["lr"]:
                        group.setdefault("initial_lr", _copied(other["initial_lr"]))
                schedule = _of_rate(index, _initial(group), self.schedules[0].replace)
                group.setdefault("initial_lr", _copied(group["lr"]))
            self._take(group, schedule)

    def _set_rates(self, first: int = 0) -> None:
        """Set the rates of the groups from index `first` on, if the count has started."""
        if self.last_epoch < 0:  # a SequentialLR has not reached this scheduler yet
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
        """Do the same, unless something else has changed the groups' rates."""
        if self._changed_by_others() is None:
            self._set_rates(first)

    def _changed_by_others(self) -> tuple[int, Any, Any] | None:
        """Find the first group whose rate was changed: its index, its rate, and the rate set."""
        groups = self.optimizer.param_groups
        for index, last in enumerate(self._last_lr):
            rate = groups[index]["lr"]
            # Reading a tensor would make the host wait for the device.
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
            f"to {shown(last)}: another scheduler (such as ReduceLROnPlateau, or LinearLR in a "
            "ChainedScheduler), a callback or the training loop has changed it, or only one of "
            "optimizer and scheduler has loaded its state. InverseTimeLR sets the rate at each "
            "step(), so the change is lost now. Let only InverseTimeLR set the rate; for a "
            "warm-up, a floor or a cool-down, pass it the arguments of its phases",
            UserWarning,
            stacklevel=3,
        )


_WATCHED: WeakKeyDictionary[Any, WeakSet[InverseTimeLR]] = WeakKeyDictionary()


def _watch(scheduler: InverseTimeLR) -> None:
    """Notify the scheduler when its optimizer gets a new group or loads a state.

    This replaces two methods of the optimizer, as PyTorch does with `optimizer.step`. PyTorch has
    no hook for `add_param_group`, and optimizer wrappers lack the hooks for `load_state_dict`.
    """
    optimizer = scheduler.optimizer
    if optimizer not in _WATCHED:
        _WATCHED[optimizer] = WeakSet()
        _after(optimizer, "add_param_group", _set_rates_of_new_groups)
        _after(optimizer, "load_state_dict", _set_loaded_rates)
    _WATCHED[optimizer].add(scheduler)


def _after(optimizer: Any, name: str, then: Callable[[InverseTimeLR], None]) -> None:
    """Call `then` for each scheduler after this method of the optimizer."""
    method = getattr(optimizer, name)
    # Hold no reference to the optimizer: in a cycle it would live until garbage collection.
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
        "pass the optimizer first, then a schedule or its parameters"
    )


def _count_before(step: int | None, last_epoch: int) -> int:
    """Return PyTorch's `last_epoch`: the count before the step that the constructor makes."""
    if step is None:
        return last_epoch
    if last_epoch != -1:
        raise ConfigError(
            f"step is {shown(step)} and last_epoch is {shown(last_epoch)}; pass one of them: "
            "step is the number of updates already made, and last_epoch is one less"
        )
    return read_count("step", step) - 1


def _initial(group: dict[str, Any]) -> Any:
    return group.get("initial_lr", group["lr"])


def _of_rate(index: int, given: Any, of_rate: Callable[..., InverseTimeDecay]) -> InverseTimeDecay:
    """Build the schedule of a group from its initial rate, read as the decimal written."""
    if isinstance(given, torch.Tensor) and given.numel() == 1:
        given = given.reshape(())  # optimizers accept a rate of shape (1,) too
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
                f"{key} is {shown(value)}, but a schedule was passed, which has its own "
                f"parameters; pass schedule.replace({key}=...), or pass decay_steps and "
                "decay_rate as numbers"
            )


def _one_for_each(groups: list[Any], given: Any) -> tuple[InverseTimeDecay, ...]:
    """Return the schedule of each group, without a pinned dtype: rates are Python floats."""
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
                f"{typed(schedule)} is not a schedule; pass an invtime.InverseTimeDecay, or one "
                "for each parameter group, or both decay_steps and decay_rate"
            )
    if len(schedules) != len(groups):
        raise ConfigError(_count(len(schedules), len(groups)))
    return tuple(schedule.replace(dtype=None) for schedule in schedules)


def _count(schedules: int, groups: int) -> str:
    return (
        f"there are {schedules} schedules and {groups} parameter groups; pass one schedule for "
        "all groups, or one for each group that the optimizer has now"
    )


def _like(rate: Any, value: float) -> Any:
    """Return the value as a tensor if the group's rate is a tensor."""
    if isinstance(rate, torch.Tensor):
        return torch.full((), value, dtype=rate.dtype, device=rate.device)
    return value


def _copied(rate: Any) -> Any:
    """Copy a rate to keep: a tensor rate is overwritten in place later."""
    return rate.clone() if isinstance(rate, torch.Tensor) else rate
