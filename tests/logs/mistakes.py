"""PyTorch training runs from a seed, each with one mistake: the log, and the intended schedule.

Each mistake is written as people write it, with a real optimizer and scheduler. The
parameters and the logging format are drawn from the seed.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from invtime import InverseTimeDecay
from invtime.checklog import Log

PEAKS = (0.1, 0.2, 0.05, 0.03, 0.01, 0.5, 1e-3, 3e-4)
PERIODS = (40, 50, 64, 100, 120, 200, 250, 391)
RATES = (0.1, 0.2, 0.25, 0.5, 0.75, 1, 1.5, 2)
WRITE = (repr, "{:.6g}".format, "{:.5e}".format, lambda rate: str(np.float32(rate)))


class Made(NamedTuple):
    """A log, the intended schedule, and the expected diagnosis."""

    log: Log
    meant: InverseTimeDecay
    kind: str


class Recipe:
    """The parameters that one run draws, and its decay as a person writes it."""

    def __init__(self, draw: Random, warmup: bool = False, staircase: bool | None = None) -> None:
        self.draw = draw
        self.peak, self.period, self.rate = map(draw.choice, (PEAKS, PERIODS, RATES))
        self.staircase = draw.random() < 0.4 if staircase is None else staircase
        self.warmup = draw.choice((50, 100, 150, 200)) if warmup else 0
        self.updates = self.warmup + draw.randrange(6, 12) * self.period

    def meant(self, **phases):
        return InverseTimeDecay(
            self.peak, self.period, self.rate, self.staircase, warmup_steps=self.warmup, **phases
        )

    def other(self, name, choices):
        """Return the recipe with one changed parameter."""
        found = Recipe.__new__(Recipe)
        found.__dict__ = {**self.__dict__}
        setattr(found, name, self.draw.choice([c for c in choices if c != getattr(self, name)]))
        return found

    def decay(self, n):
        turns = n // self.period if self.staircase else n / self.period
        return 1 / (1 + self.rate * turns)

    def factor(self, n):
        """The decay after its warm-up, as LambdaLR's lambda."""
        return n / self.warmup if n < self.warmup else self.decay(n - self.warmup)


def train(peak, factor, updates, step=lambda scheduler, n: scheduler.step(), before=False):
    """Return the rate of each update."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=peak)
    scheduler = LambdaLR(optimizer, factor)
    optimizer.step()  # without gradients it only prevents a warning of PyTorch
    for n in range(updates):
        if before:
            step(scheduler, n)
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        if not before:
            step(scheduler, n)


def lambda_twice(r):
    """Passes the rate to LambdaLR, which expects a factor."""
    return (
        train(r.peak, lambda n: r.peak * r.factor(n), r.updates),
        r.meant(),
        "initial_learning_rate",
    )


def stepped_each_epoch(r):
    epoch = r.draw.randrange(5, 40)

    def step(scheduler, n):
        if (n + 1) % epoch == 0:
            scheduler.step()

    return train(r.peak, r.factor, epoch * r.period * 2, step), r.meant(), "epochs"


def logged_by_batch(r):
    """The gradients of some batches are accumulated, and the log counts batches."""
    batches = r.draw.choice((2, 4, 8))

    def step(scheduler, n):
        if (n + 1) % batches == 0:
            scheduler.step()

    return train(r.peak, r.factor, batches * r.updates, step), r.meant(), "epochs"


def stepped_by_each_process(r):
    processes = r.draw.choice((2, 4, 8))

    def step(scheduler, n):
        for _ in range(processes):
            scheduler.step()

    return train(r.peak, r.factor, r.updates, step), r.meant(), "processes"


def stepped_before_the_update(r):
    return train(r.peak, r.factor, r.updates, before=True), r.meant(), "shifted"


def resumed_without_the_count(r):
    start = r.draw.randrange(1, r.updates // 2)
    rates = train(r.peak, r.factor, r.updates)
    return {start + n: rate for n, rate in enumerate(rates)}, r.meant(), "shifted"


def continuous_for_a_staircase(r):
    r.staircase = True
    other = r.other("staircase", (True, False))
    return train(r.peak, other.factor, r.updates), r.meant(), "continuous"


def staircase_for_continuous(r):
    r.staircase = False
    other = r.other("staircase", (True, False))
    return train(r.peak, other.factor, r.updates), r.meant(), "staircase"


def another_decay_rate(r):
    other = r.other("rate", RATES)
    return train(r.peak, other.factor, r.updates), r.meant(), "decay_rate"


def another_decay_steps(r):
    other = r.other("period", PERIODS)
    return train(r.peak, other.factor, r.updates), r.meant(), "decay_steps"


def another_peak(r):
    other = r.other("peak", PEAKS)
    return train(other.peak, r.factor, r.updates), r.meant(), "initial_learning_rate"


def compounded(r):
    """Each rate divided by what the first one should be, as with a legacy `decay=`."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=r.peak)
    rates = []
    for n in range(min(r.updates, 500)):
        optimizer.param_groups[0]["lr"] /= 1 + r.rate / r.period * n
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
    return rates, r.meant(), "compounded"


def another_warmup(r):
    other = r.other("warmup", (20, 50, 80, 100, 150, 200, 300))
    return train(r.peak, other.factor, r.updates + 300), r.meant(), "warmup_steps"


def warmup_counted_into_the_decay(r):
    def factor(n):
        return n / r.warmup if n < r.warmup else r.decay(n)

    r.staircase = False
    return train(r.peak, factor, r.updates), r.meant(), "from-zero"


def warmup_left_out(r):
    return train(r.peak, r.decay, r.updates), r.meant(), "left-out"


def floored(r, floor):
    """The factor that a floor leaves after the warm-up."""
    return lambda n: r.factor(n) if n < r.warmup else max(r.factor(n), floor / r.peak)


def floor_not_meant(r):
    floor = float(f"{r.draw.choice((0.25, 0.4, 0.5)) * r.peak:.3g}")
    updates = r.warmup + r.period * int(4 / r.rate + 6)
    return train(r.peak, floored(r, floor), updates), r.meant(), "minimum_learning_rate"


def floor_left_out(r):
    floor = float(f"{0.5 * r.peak:.3g}")
    updates = r.warmup + r.period * int(2 / r.rate + 6)
    return train(r.peak, r.factor, updates), r.meant(minimum_learning_rate=floor), "left-out"


def cooldown_not_meant(r):
    start = r.warmup + r.draw.randrange(2, 5) * r.draw.choice((20, 50, 100))
    steps = r.draw.choice((100, 200, 500))

    def factor(n):
        if n < start:
            return r.factor(n)
        return r.factor(start) * max(0, 1 - (n - start) / steps)

    return train(r.peak, factor, start + steps + 50), r.meant(), "cool-down"


def another_cooldown(r):
    start = r.warmup + r.draw.choice((300, 400, 500))
    steps, meant = r.draw.sample((100, 200, 400), 2)
    final = r.draw.choice((0, 0.1)) * r.peak

    def factor(n):
        if n < start:
            return r.factor(n)
        done = min(1, (n - start) / steps)
        return r.factor(start) * (1 - done) + final / r.peak * done

    schedule = r.meant(
        cooldown_start=start, cooldown_steps=meant, final_learning_rate=float(f"{final:.3g}")
    )
    return train(r.peak, factor, start + steps + 50), schedule, "cool-down"


def never_stepped(r):
    return train(r.peak, r.decay, r.updates, lambda scheduler, n: None), r.meant(), "constant"


def changed_half_way(r):
    other, at = r.other("rate", RATES), r.warmup + 2 * r.period + r.draw.randrange(r.period)
    return (
        train(r.peak, lambda n: (r if n < at else other).factor(n), r.updates),
        r.meant(),
        "from-step",
    )


def restarted_half_way(r):
    at = r.warmup + 2 * r.period + r.draw.randrange(r.period)
    return (
        train(r.peak, lambda n: r.factor(n if n < at else n - at), r.updates),
        r.meant(),
        "from-step",
    )


def stopped_half_way(r):
    at = r.warmup + 2 * r.period + r.draw.randrange(r.period)
    step = lambda scheduler, n: scheduler.step() if n < at else None  # noqa: E731
    return train(r.peak, r.factor, r.updates, step), r.meant(), "stopped"


def late_drop(r):
    """The staircase's division as a product with the float32 reciprocal."""
    r.staircase, r.period, r.warmup = True, r.draw.choice((41, 47, 55, 61, 82, 83, 94, 97)), 0
    reciprocal = np.float32(1) / np.float32(r.period)

    def factor(n):
        return 1 / (1 + r.rate * float(np.floor(np.float32(n) * reciprocal)))

    return train(r.peak, factor, 12 * r.period), r.meant(), "late-drop"


def another_rate_and_a_step_before(r):
    other = r.other("rate", RATES)
    return train(r.peak, other.factor, r.updates, before=True), r.meant(), "decay_rate+shifted"


def another_floor_by_epoch(r):
    floor, meant = (float(f"{part * r.peak:.3g}") for part in r.draw.sample((0.3, 0.5, 0.6), 2))
    updates = r.warmup + r.period * int(3 / r.rate + 6)
    rates = train(
        r.peak, lambda n: r.factor(n) if n < r.warmup else max(r.factor(n), floor / r.peak), updates
    )
    return by_epoch(r, rates), r.meant(minimum_learning_rate=meant), "minimum_learning_rate"


def another_peak_by_epoch(r):
    other = r.other("peak", PEAKS)
    return by_epoch(r, train(other.peak, r.factor, r.updates)), r.meant(), "initial_learning_rate"


def another_warmup_by_epoch(r):
    other = r.other("warmup", (50, 100, 150, 200, 300))
    rates = train(r.peak, other.factor, r.updates + 300)
    return by_epoch(r, rates), r.meant(), "warmup_steps"


def by_epoch(r, rates):
    """The rate that a framework logs for each epoch: the first, the last, or the one after it."""
    rates, epoch, after = list(rates), r.draw.randrange(7, 23), r.draw.choice((0, 1))
    return {"epoch": rates[after * epoch :: epoch]}


def right(r):
    return train(r.peak, r.factor, r.updates), r.meant(), "match"


def right_by_epoch(r):
    return by_epoch(r, train(r.peak, r.factor, r.updates)), r.meant(), "match"


WARMED = (another_warmup, warmup_counted_into_the_decay, warmup_left_out, another_warmup_by_epoch)
CONTINUOUS = (another_peak_by_epoch, another_warmup_by_epoch)
EVERY_STEP = (late_drop, stepped_before_the_update, another_rate_and_a_step_before)  # to be seen
MISTAKES = (
    *(lambda_twice, stepped_each_epoch, logged_by_batch, stepped_by_each_process),
    *(stepped_before_the_update, resumed_without_the_count, continuous_for_a_staircase),
    *(staircase_for_continuous, another_decay_rate, another_decay_steps, another_peak),
    *(compounded, another_warmup, warmup_counted_into_the_decay, warmup_left_out),
    *(floor_not_meant, floor_left_out, cooldown_not_meant, another_cooldown, never_stepped),
    *(changed_half_way, restarted_half_way, stopped_half_way, late_drop),
    *(another_rate_and_a_step_before, another_floor_by_epoch, another_peak_by_epoch),
    another_warmup_by_epoch,
)
# Mistakes that have the same rates: without phases, a stretched decay is another decay_steps or
# decay_rate, also in a log by epochs with a warm-up; a constant rate can be a floor.
STRETCHED = ("decay_rate", "decay_steps", "epochs", "processes", "log-in-epochs")
EQUAL = {
    **dict.fromkeys(STRETCHED, STRETCHED),
    "decay_rate+shifted": ("processes", "log-in-epochs"),
    "warmup_steps": ("decay_rate", "decay_steps"),
    "minimum_learning_rate": ("stopped",),
    "stopped": ("minimum_learning_rate",),
}
RIGHT = (right, right_by_epoch)
SEEN = range(6)
HELD_OUT = range(1000, 1006)  # not used while the diagnosis was written; it named all of them


def run(mistake, seed):
    """Return the log of a run with a mistake."""
    draw = Random(f"{mistake.__name__} {seed}")
    warmup = mistake in WARMED or draw.random() < 0.3
    recipe = Recipe(draw, warmup, False if mistake in CONTINUOUS else None)
    rates, meant, kind = mistake(recipe)
    write = draw.choice(WRITE)
    if isinstance(rates, dict) and "epoch" in rates:
        log = Log.of({e: write(rate) for e, rate in enumerate(rates["epoch"])})
        return Made(replace(log, unit="epoch"), meant, kind)
    rows = rates if isinstance(rates, dict) else dict(enumerate(rates))
    every = draw.choice((1, 1, 1, 5, 10))
    if mistake in (
        late_drop,
        stepped_before_the_update,
        another_rate_and_a_step_before,
    ):  # which other rows may not show
        every = 1
    return Made(Log.of({n: write(rows[n]) for n in rows if n % every == 0}), meant, kind)
