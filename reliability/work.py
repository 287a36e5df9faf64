"""What a program does with schedules, done at random, each rate compared with its fraction."""

from __future__ import annotations

import copy
import pickle
from importlib import import_module
from random import Random
from threading import Barrier, Thread
from typing import Any

import numpy as np

from invtime import InverseTimeDecay, registry
from invtime.reference import Reference, bits_of_array

DTYPES = ("float64", "float32", "float16")
RATES = (0.1, 3e-4, 1, 0.05, 1 / 3, 1e-7)
PERIODS = (1000, 41, 1, 0.3, 12.34567890123, 1 / 7, 7813, 1e6)
DECAYS = (0.5, 0, 1 / 7, 96, 1e-4)

# A framework -> how it makes an array of a list of steps.
FRAMEWORKS = {
    "numpy": ("numpy", "asarray"),
    "torch": ("torch", "tensor"),
    "jax": ("jax.numpy", "asarray"),
    "tensorflow": ("tensorflow", "constant"),
    "dask": ("dask.array", "asarray"),
}


class DifferenceError(AssertionError):
    """A result is not the one that the fractions give."""


def drawn(random: Random) -> InverseTimeDecay:
    """A schedule that most likely never was before."""
    rate, period, decay = (random.choice(numbers) for numbers in (RATES, PERIODS, DECAYS))
    if random.random() < 0.9:
        rate = random.randrange(1, 10**6) / 10 ** random.randrange(10)
        period = random.randrange(1, 10**7) / random.choice((1, 1, 10, 3))
    return InverseTimeDecay(rate, period, decay, random.random() < 0.5, str(random.random()))


def drawn_steps(random: Random, count: int) -> list[int]:
    """Steps of every length below 2**31, and one before the start."""
    return [-1, *(random.randrange(2 ** random.randrange(1, 31)) for _ in range(count - 1))]


def check(schedule: InverseTimeDecay, steps: list[int], found: Any, dtype: str) -> None:
    """Raise DifferenceError where bits differ."""
    reference = Reference(schedule)
    expected = [reference.bits(step, dtype) for step in steps]
    if bits_of_array(np.asarray(found), dtype).tolist() != expected:
        raise DifferenceError(f"{schedule!r} at {steps} in {dtype}: {found!r}")


def unit(random: Random) -> None:
    """Build one schedule, use it on the host and in NumPy, copy it, and drop it."""
    schedule = drawn(random)
    steps = drawn_steps(random, 8)
    check(schedule, steps, [schedule(step) for step in steps], "float64")
    dtype = random.choice(DTYPES)
    check(schedule, steps, schedule.on(dtype=dtype)(np.array(steps)), dtype)
    many = schedule(np.arange(steps[1], steps[1] + 5000))
    check(schedule, [steps[1] + 4999], many[-1:], "float64")
    if random.random() < 1 / 16:
        step_of_a_new_type(schedule)
    copies = (
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        InverseTimeDecay.from_json(schedule.to_json()),
        InverseTimeDecay.from_config(schedule.get_config()),
    )
    for again in copies:
        if again != schedule or hash(again) != hash(schedule) or again.name != schedule.name:
            raise DifferenceError(f"{schedule!r} came back as {again!r}")


def step_of_a_new_type(schedule: InverseTimeDecay) -> None:
    """Types come and go too, as in a notebook whose cell is run again."""

    class Step(int):
        pass

    check(schedule, [7], [schedule(Step(7))], "float64")


def framework_unit(name: str, random: Random, schedule: InverseTimeDecay) -> None:
    """Evaluate a schedule at an array of a framework."""
    module, maker = FRAMEWORKS[name]
    steps = drawn_steps(random, 8)
    array = getattr(import_module(module), maker)(steps)
    check(schedule, steps, schedule.on(name, dtype="float64")(array), "float64")


def first_calls(name: str, seed: int, count: int) -> None:
    """`count` threads that make this process's first calls at once, on one framework."""
    import_module(FRAMEWORKS[name][0])
    start, failures, found = Barrier(count), [], []

    def call(number: int) -> None:
        random = Random(seed * count + number)
        schedule = drawn(random)
        start.wait()
        try:
            for _ in range(3):
                framework_unit(name, random, pickle.loads(pickle.dumps(schedule)))
            found.append(registry.default.load(name))
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    if len({id(backend) for backend in found}) != 1:
        raise DifferenceError(f"the backend {name!r} was made more than once")
