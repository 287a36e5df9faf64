"""Random units of work with schedules. Each rate is compared with the exact fraction."""

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

# For each framework: the module and the function that convert a list of steps to an array.
FRAMEWORKS = {
    "numpy": ("numpy", "asarray"),
    "torch": ("torch", "tensor"),
    "jax": ("jax.numpy", "asarray"),
    "tensorflow": ("tensorflow", "constant"),
    "dask": ("dask.array", "asarray"),
}


class DifferenceError(AssertionError):
    """A result differs from the exact value."""


def drawn(random: Random) -> InverseTimeDecay:
    """Return a random schedule, most likely a new one."""
    rate, period, decay = (random.choice(numbers) for numbers in (RATES, PERIODS, DECAYS))
    if random.random() < 0.9:
        rate = random.randrange(1, 10**6) / 10 ** random.randrange(10)
        period = random.randrange(1, 10**7) / random.choice((1, 1, 10, 3))
    return InverseTimeDecay(rate, period, decay, random.random() < 0.5, str(random.random()))


def drawn_steps(random: Random, count: int) -> list[int]:
    """Return -1 and random steps below 2**30, evenly spread over bit lengths."""
    return [-1, *(random.randrange(2 ** random.randrange(1, 31)) for _ in range(count - 1))]


def check(schedule: InverseTimeDecay, steps: list[int], found: Any, dtype: str) -> None:
    """Raise DifferenceError if a result differs from the exact value in any bit."""
    reference = Reference(schedule)
    expected = [reference.bits(step, dtype) for step in steps]
    if bits_of_array(np.asarray(found), dtype).tolist() != expected:
        raise DifferenceError(f"{schedule!r} at steps {steps} in {dtype}: wrong result {found!r}")


def unit(random: Random) -> None:
    """Build a schedule, evaluate it at Python ints and in NumPy, copy it, and drop it."""
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
            raise DifferenceError(f"a copy of {schedule!r} differs: {again!r}")


def step_of_a_new_type(schedule: InverseTimeDecay) -> None:
    """Evaluate at a step of a new type, such as a notebook cell defines each time it runs."""

    class Step(int):
        pass

    check(schedule, [7], [schedule(Step(7))], "float64")


def framework_unit(name: str, random: Random, schedule: InverseTimeDecay) -> None:
    """Evaluate a schedule at an array of steps of a framework."""
    module, maker = FRAMEWORKS[name]
    steps = drawn_steps(random, 8)
    array = getattr(import_module(module), maker)(steps)
    check(schedule, steps, schedule.on(name, dtype="float64")(array), "float64")


def first_calls(name: str, seed: int, count: int) -> None:
    """Make the first calls of this process with one framework in `count` threads at once."""
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
        raise DifferenceError(f"the backend {name!r} was created more than once")
