"""Coverage-guided fuzzing: `python -m reliability.fuzz TARGET [CORPUS...] [libFuzzer options]`.

TARGETS lists the targets. A target takes bytes, ignores documented exceptions, and asserts
properties of the result. Any other exception, or an input that takes more than a second, ends the
run. libFuzzer then writes the input to a file.
"""

from __future__ import annotations

import copy
import pickle
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["invtime", "tensorboard.compat.tensorflow_stub"]):
    from invtime import ConfigError, InverseTimeDecay
    from invtime.checklog import Log, LogError, diagnose, read
    from invtime.dialects import DIALECTS, from_dialect, to_dialect
from invtime.config import ENVELOPE, KEYS
from invtime.reference import Reference

SECONDS = 1.0  # processor time for one input of at most 4 KiB
DTYPES = (
    "float16",
    "float32",
    "float64",
    "longdouble",
    "int8",
    "uint64",
    "bool",
    "complex64",
    "U3",
)
SPELLINGS = tuple(sorted({key for dialect in DIALECTS.values() for key in dialect.keys}))
# Parameters that inputs start from. Dialects without an entry in `RECIPES` start from `BARE`.
BARE = {"initial_learning_rate": 0.1, "decay_steps": 1000, "decay_rate": 0.5}
RECIPES: dict[str, dict[Any, Any]] = {
    "levanter": {"lr_schedule": "inv", "num_train_steps": 1000, "decay": 0.2},
    "deepmd": {"type": "wsd", "start_lr": 0.1, "stop_lr": 0.01, "numb_steps": 1000},
}
SCHEDULE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)


def json(data: bytes) -> None:
    """Fuzz `from_json` with bytes and text."""
    text = data if data[:1] == b"{" else data.decode("utf-8", "replace")
    try:
        schedule = InverseTimeDecay.from_json(text)
    except ConfigError:
        return
    comes_back(schedule)


def config(data: bytes) -> None:
    """Fuzz `from_config` with mappings generated from the bytes."""
    source = atheris.FuzzedDataProvider(data)
    given = parameters(source, KEYS, BARE)
    try:
        schedule = InverseTimeDecay.from_config(given)
    except ConfigError:
        return
    comes_back(schedule)
    step = source.ConsumeInt(8)
    assert schedule(step) == Reference(schedule).value(step)


def logs(data: bytes) -> None:
    """Fuzz the readers of text formats, and the diagnosis of the log."""
    columns = (None, "step", "lr", "epoch", "")
    choice = data[-1] if data else 0
    run = (None, "1", "a")[choice // 25 % 3]
    try:
        log = read(data, columns[choice % 5], columns[choice // 5 % 5], run)
    except LogError:
        return
    assert_log(log)


def events(data: bytes) -> None:
    """Fuzz the reader of event files, with correctly framed records and with arbitrary bytes."""
    content = data[1:]
    if data[:1] != b"0":
        content = b"".join(record(part) for part in content.split(b"\n--\n"))
    with tempfile.NamedTemporaryFile(suffix=".tfevents") as file:
        Path(file.name).write_bytes(content)
        try:
            log = read(file.name)
        except LogError:
            return
    assert_log(log)


def convert(data: bytes) -> None:
    """Fuzz `from_dialect` with the parameters of any dialect, and convert the schedule back."""
    source = atheris.FuzzedDataProvider(data)
    name = source.PickValueInList(list(DIALECTS))
    try:
        keys = DIALECTS[name].keys if name in RECIPES else (*KEYS, *SPELLINGS)
        schedule = from_dialect(name, parameters(source, keys, RECIPES.get(name, BARE)))
    except ConfigError:
        return
    comes_back(schedule)
    try:
        converted = to_dialect(name, schedule)
    except ConfigError:
        return
    assert from_dialect(name, converted).fingerprint() == schedule.fingerprint()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "json": json,
    "config": config,
    "logs": logs,
    "events": events,
    "dialects": convert,
}


def parameters(source: Any, keys: tuple[str, ...], start: dict[Any, Any]) -> Any:
    """Return a mapping, mostly with known keys; rarely a value of another type."""
    kind = source.ConsumeIntInRange(0, 15)
    if kind == 0:
        return value(source)
    found: dict[Any, Any] = {}
    if kind > 3:
        found = dict(start)
    for _ in range(source.ConsumeIntInRange(0, 6)):
        known = source.ConsumeIntInRange(0, 15)
        key = source.PickValueInList(list(keys)) if known else hashable(source)
        found[key] = value(source)
    return found


def hashable(source: Any) -> Any:
    """Return an unknown key, an envelope key, or a key of a wrong type."""
    return source.PickValueInList([None, 3, b"name", "", "\ud800", (), 0.1, *ENVELOPE])


def value(source: Any) -> Any:
    """Return a value of any type that a caller may pass."""
    kinds: tuple[Callable[[], Any], ...] = (
        source.ConsumeFloat,
        source.ConsumeRegularFloat,
        lambda: source.ConsumeInt(source.ConsumeIntInRange(1, 40)),
        lambda: source.PickValueInList([None, True, False, "float32", "linear", 1e60, object()]),
        lambda: source.ConsumeUnicode(20),
        lambda: source.ConsumeBytes(20),
        lambda: of_numpy(source),
        lambda: of_numpy(source)[()],
        lambda: Decimal(source.ConsumeInt(12)),
        lambda: Fraction(source.ConsumeInt(12), 7),
        lambda: complex(source.ConsumeFloat(), source.ConsumeFloat()),
        lambda: [value(source) for _ in range(source.ConsumeIntInRange(0, 3))],
        lambda: {source.ConsumeUnicode(5): source.ConsumeInt(4)},
        lambda: SimpleNamespace(
            dtype=source.PickValueInList(["float32", "int64", "bfloat16", "", None, 3]),
            shape=source.PickValueInList([(), (3,), "x"]),
        ),
    )
    return kinds[source.ConsumeIntInRange(0, len(kinds) - 1)]()


def of_numpy(source: Any) -> Any:
    """Return a 0-d array of arbitrary bits."""
    dtype = np.dtype(source.PickValueInList(list(DTYPES)))
    content = source.ConsumeBytes(dtype.itemsize).ljust(dtype.itemsize, b"\0")
    if dtype.kind == "U":  # arbitrary bits are not valid text
        return np.array("0.1", dtype)
    return np.frombuffer(content, dtype).reshape(())


def record(payload: bytes) -> bytes:
    """Return a record of an event file, with correct checksums."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    length = struct.pack("<Q", len(payload))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, payload))
    return length + next(sums) + payload + next(sums)


def comes_back(schedule: InverseTimeDecay) -> None:
    """Assert that config, JSON, pickle and copy keep a schedule, and that it is exact at step 0."""
    ways = (
        InverseTimeDecay.from_config(schedule.get_config()),
        InverseTimeDecay.from_json(schedule.to_json()),
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
    )
    for again in ways:
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert repr(again.get_config()) == repr(schedule.get_config())
    assert schedule(0) == Reference(schedule).value(0)


def assert_log(log: Log) -> None:
    """Assert that a log is valid and that its diagnosis is not empty.

    A log has ascending integer steps, and one finite rate of 0 or more for each.
    """
    assert list(log.steps) == sorted(set(log.steps))
    assert len(log.steps) == len(log.rates)
    assert all(type(step) is int for step in log.steps)
    assert all(rate >= 0 and rate.is_finite() for rate in log.rates)
    diagnosis = diagnose(log, SCHEDULE)
    assert list(diagnosis.lines())
    assert diagnosis.to_json()


def main(arguments: list[str]) -> None:
    """Fuzz the target that the first argument names. Pass the other arguments to libFuzzer."""
    target = TARGETS[arguments[1]]

    def timed(data: bytes) -> None:
        started = time.process_time()
        target(data)
        spent = time.process_time() - started
        assert spent < SECONDS or len(data) > 4096, (
            f"the input took {spent:.1f} s; the limit is {SECONDS} s"
        )

    atheris.Setup([arguments[0], *arguments[2:], "-max_len=4096"], timed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
