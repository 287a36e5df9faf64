"""Fingerprints, against a second implementation written from docs/fingerprint.md."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from importlib import resources
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay, PlacementError, fingerprint
from invtime.reference import FORMATS, Reference, exact_number
from invtime.testing.strategies import decimals, schedules

VECTORS = json.loads(
    (resources.files("invtime.testing") / "vectors" / "fingerprint.json").read_text("utf-8")
)
SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
LONG = InverseTimeDecay(1 / 3, 97.7, 1 / 7, staircase=True)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def text_of(schedule) -> str:
    """Steps 1 to 3 of the page."""
    keys = ("initial_learning_rate", "decay_rate", "decay_steps")
    rate, decay, period = (exact_number(getattr(schedule, key)) for key in keys)
    p, q = period.numerator, period.denominator
    a, b, c = (
        rate.numerator * decay.denominator,
        rate.denominator * decay.denominator,
        rate.denominator * decay.numerator,
    )
    if not schedule.staircase:
        a, b, c = a * p, b * p, c * q
    common = gcd(a, b, c)
    a, b, c = a // common, b // common, c // common
    if a == 0:
        return "0/1"
    if c == 0:
        return f"{a}/{b}"
    return f"{a}/({b}+{c}*{f'floor(n*{q}/{p})' if schedule.staircase else 'n'})"


def of_values(schedule, count: int, dtype: str) -> str:
    reference, width = Reference(schedule), FORMATS[dtype].width // 8
    bits = (reference.bits(n, dtype).to_bytes(width, "little") for n in range(count))
    return f"itd1-{dtype}-{count}-{digest(b''.join(bits))}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["text"])
def test_the_vectors(vector):
    schedule = InverseTimeDecay.from_config(vector["config"])
    assert vector["text"] == text_of(schedule)
    assert vector["fingerprint"] == "itd1-" + digest(vector["text"].encode("ascii"))
    assert schedule.fingerprint() == vector["fingerprint"]
    for expected in vector["values"]:
        _, dtype, count, _ = expected.split("-")
        assert schedule.fingerprint(int(count), dtype) == expected
        assert of_values(schedule, int(count), dtype) == expected


def test_the_vectors_reach_the_ends_of_the_formats():
    reached = set()
    for vector in VECTORS:
        reference = Reference(InverseTimeDecay.from_config(vector["config"]))
        for dtype, kind in FORMATS.items():
            bits = reference.bits(999, dtype)
            reached.add("infinite" if bits == kind.infinity else "finite")
            reached.add("zero" if not bits else "subnormal" if bits < kind.smallest_normal else "")
    assert {"infinite", "zero", "subnormal"} <= reached


@given(schedules())
def test_the_meaning_is_that_of_the_page(schedule):
    assert schedule.fingerprint() == "itd1-" + digest(text_of(schedule).encode("ascii"))


@given(schedules(), st.integers(1, 50), st.sampled_from(sorted(FORMATS)))
def test_the_values_are_those_of_the_page(schedule, count, dtype):
    assert schedule.fingerprint(count, dtype) == of_values(schedule, count, dtype)


SAME = [
    InverseTimeDecay(0.1, 1000.0, 0.5),
    InverseTimeDecay(np.float32(0.1), np.int64(1000), np.float16(0.5), name="other"),
    InverseTimeDecay(np.array(0.1, "float32"), 1000, 0.5),
    InverseTimeDecay(0.1, 2000, 1.0),
    InverseTimeDecay(0.1, 1, 0.0005),
    InverseTimeDecay.from_json(
        '{"decay_rate": 5e-1, "decay_steps": 1e3, "initial_learning_rate": 0.10}'
    ),
]
OTHER = [
    InverseTimeDecay(0.1, 1000, 0.5, staircase=True),
    InverseTimeDecay(0.1, 2000, 1.0, staircase=True),
    InverseTimeDecay(0.1, 1000, 0.51),
    InverseTimeDecay(0.10000000000000002, 1000, 0.5),
    InverseTimeDecay(0.1, 1001, 0.5),
    InverseTimeDecay(0.2, 1000, 0.5),
    InverseTimeDecay(0.1, 1, 0.0005, staircase=True),
]


@pytest.mark.parametrize("schedule", SAME, ids=repr)
def test_what_means_the_same_is_equal(schedule):
    assert schedule.fingerprint() == SCHEDULE.fingerprint()
    assert schedule.fingerprint(100, "float32") == SCHEDULE.fingerprint(100, "float32")


def test_what_means_something_else_is_not():
    assert len({schedule.fingerprint() for schedule in (SCHEDULE, *OTHER)}) == len(OTHER) + 1


@given(decimals(), st.integers(1, 10**9), st.integers(1, 10**9), st.integers(2, 10**6))
def test_only_the_quotient_of_a_continuous_schedule_counts(rate, steps, decay, factor):
    """(L, S, R) and (L, k S, k R) have one fingerprint, as staircases they have two."""
    for staircase in (False, True):
        one = InverseTimeDecay(rate, steps, decay, staircase)
        other = InverseTimeDecay(rate, steps * factor, decay * factor, staircase)
        assert (one.fingerprint() == other.fingerprint()) is not staircase


def test_values_take_the_pinned_dtype_or_float64():
    pinned = InverseTimeDecay(np.array(0.1, "float16"), 1000, 0.5)
    assert pinned.fingerprint(7) == SCHEDULE.fingerprint(7, "float16")
    assert SCHEDULE.fingerprint(7) == SCHEDULE.fingerprint(7, "float64")
    assert SCHEDULE.fingerprint(7, np.float32) == SCHEDULE.fingerprint(7, "float32")


@pytest.mark.parametrize("schedule", [SCHEDULE, LONG], ids=repr)
def test_chunks_make_no_difference(schedule, monkeypatch):
    whole = schedule.fingerprint(5000, "float32")
    monkeypatch.setattr(fingerprint, "CHUNK", 7)
    done = []
    assert (
        fingerprint.fingerprint(schedule.form, 5000, "float32", lambda *at: done.append(at))
        == whole
    )
    assert done[:2] == [(7, 5000), (14, 5000)]
    assert done[-1] == (5000, 5000)


def test_long_parameters_are_evaluated_on_the_host(monkeypatch):
    # Arrays are right but for values within 2**-98 of a boundary; no digest may depend on that.
    monkeypatch.setattr(InverseTimeDecay, "on", None)
    assert LONG.fingerprint(100) == of_values(LONG, 100, "float64")


def test_memory_does_not_grow_with_the_values():
    def peak(values):
        tracemalloc.start()
        SCHEDULE.fingerprint(values, "bfloat16")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(3_000_000) < 1.5 * peak(200_000)


@pytest.mark.parametrize("values", [0, -1, 1.0, "5", True])
def test_a_number_of_values_that_is_none_is_refused(values):
    with pytest.raises(ConfigError, match="values is"):
        SCHEDULE.fingerprint(values)


def test_a_dtype_that_is_none_is_refused():
    with pytest.raises(PlacementError, match="int8"):
        SCHEDULE.fingerprint(5, "int8")
    with pytest.raises(ConfigError, match="only values have a dtype"):
        SCHEDULE.fingerprint(dtype="float32")
