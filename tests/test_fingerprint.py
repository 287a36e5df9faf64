"""Fingerprints, compared with a second implementation written from docs/fingerprint.md.

The text of a schedule with phases is parsed: it must have the exact rates at every step, and
the one form that the page describes.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import tracemalloc
from fractions import Fraction
from importlib import resources
from itertools import pairwise, product
from math import gcd, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay, PlacementError, fingerprint, registry
from invtime.fingerprint import canonical
from invtime.reference import FORMATS, Reference, exact_number
from invtime.testing.strategies import decimals, schedules

VECTORS = json.loads(
    (resources.files("invtime.testing") / "vectors" / "fingerprint.json").read_text("utf-8")
)
SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5)
LONG = InverseTimeDecay(1 / 3, 97.7, 1 / 7, staircase=True)
RECIPE = InverseTimeDecay(
    0.1,
    1000,
    0.5,
    warmup_steps=500,
    warmup_learning_rate=0.01,
    stable_steps=2000,
    minimum_learning_rate=0.03,
    cooldown_start=9000,
    cooldown_steps=1000,
    final_learning_rate=0.001,
)
LONG_END = RECIPE.replace(final_learning_rate=1 / 3, staircase=True)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def text_of(schedule) -> str:
    """Steps 1 to 3 of the page, of a schedule without phases."""
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


N = r"(-?\d+)"
TEXTS = {
    "constant": re.compile(rf"{N}/{N}"),
    "line": re.compile(rf"\({N}([+-]\d+)\*n\)/{N}"),
    "decay": re.compile(rf"{N}/\({N}\+{N}\*n\)"),
    "staircase": re.compile(rf"{N}/\({N}\+{N}\*floor\((?:n|\(n-{N}\))\*{N}/{N}\)\)"),
}


class Piece:
    """A parsed piece of a text: where it begins, its kind, and its integers."""

    def __init__(self, text: str) -> None:
        start, _, own = text.rpartition(":")
        self.start = Fraction(start or 0)
        assert str(self.start) == (start or "0")
        ((self.kind, match),) = ((k, m) for k, p in TEXTS.items() if (m := p.fullmatch(own)))
        self.integers = [int(number or 0) for number in match.groups()]

    def at(self, n: Fraction) -> Fraction:
        match self.kind, self.integers:
            case "constant", (a, b):
                return Fraction(a, b)
            case "line", (p, s, d):
                return (p + s * n) / d
            case "decay", (a, b, c):
                return a / (b + c * n)
            case "staircase", (a, b, c, origin, q, p):
                return Fraction(a, b + c * ((n - origin) * q // p))
        raise AssertionError(self.kind)

    def check(self, end: Fraction | float) -> None:
        """Its integers are in lowest terms, with the signs that the page defines."""
        match self.kind, self.integers:
            case "constant", (a, b):
                assert a >= 0 < b
                assert gcd(a, b) == 1
            case "line", (p, s, d):
                assert s != 0 < d
                assert gcd(p, s, d) == 1
            case "decay", (a, _, c):
                assert a > 0 < c
                assert gcd(*self.integers) == 1
            case "staircase", (a, b, c, origin, q, p):
                assert min(a, b, c, q, p) > 0
                assert gcd(a, b, c) == gcd(q, p) == 1
                assert origin == self.start
                if end != inf:  # at its last drop, of two or more
                    drops = (end - origin) * q / p
                    assert drops.denominator == 1 < drops


def check_text(text: str, schedule) -> None:
    """The text has the form that the page defines, and the rates of the schedule."""
    pieces = [Piece(part) for part in text.split(";")]
    assert (":" in text) is (len(pieces) > 1)
    starts = [piece.start for piece in pieces]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    ends = [*starts[1:], inf]
    for piece, end in zip(pieces, ends, strict=True):
        piece.check(end)
    for one, other in pairwise(pieces):
        assert (one.kind, one.integers) != (other.kind, other.integers)
        assert one.kind != "staircase" or other.kind == "constant"
    for kinds in zip(*([p.kind for p in pieces[i:]] for i in range(3)), strict=False):
        assert kinds != ("constant",) * 3  # two drops are a staircase
        assert kinds != ("staircase", "constant", "constant")  # one drop more
    reference = Reference(schedule)
    marks = {*starts, *map(Fraction, reference.knots), *(s + reference.period for s in starts)}
    marks |= {reference.start + k * reference.period for k in (1, 2, 3, 10)}
    near = (0, Fraction(1, 2), Fraction(-1, 2), Fraction(1, 10**9), Fraction(-1, 10**9))
    points = {mark + offset for mark in marks for offset in near}
    source = random.Random(text)
    for start, end in zip(starts, ends, strict=True):
        length = 10 ** source.randint(0, 30) if end == inf else end - start
        points |= {start + length * Fraction(source.random()) for _ in range(3)}
    for n in points:
        if n >= 0:
            (*_, piece) = (piece for piece in pieces if piece.start <= n)
            assert piece.at(n) == reference.exact(n), (n, piece.kind)


def of_values(schedule, count: int, dtype: str) -> str:
    reference, width = Reference(schedule), FORMATS[dtype].width // 8
    bits = (reference.bits(n, dtype).to_bytes(width, "little") for n in range(count))
    return f"itd1-{dtype}-{count}-{digest(b''.join(bits))}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["text"])
def test_the_vectors(vector):
    schedule = InverseTimeDecay.from_config(vector["config"])
    if Reference(schedule).phased:
        check_text(vector["text"], schedule)
    else:
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


@given(schedules(phases=False))
def test_the_meaning_is_that_of_the_page(schedule):
    assert schedule.fingerprint() == "itd1-" + digest(text_of(schedule).encode("ascii"))


def test_phases_at_their_defaults_leave_the_old_fingerprint():
    defaults = {"warmup_steps": 0, "stable_steps": 0.0, "cooldown_start": None}
    assert SCHEDULE.replace(**defaults, minimum_learning_rate=0).fingerprint() == (
        "itd1-a4047c4ebefeb79a"
    )


@given(schedules(phases=True))
def test_the_meaning_of_phases_is_that_of_the_page(schedule):
    text = canonical(schedule.form)
    check_text(text, schedule)
    assert schedule.fingerprint() == "itd1-" + digest(text.encode("ascii"))


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
    """(L, S, R) and (L, k S, k R) have the same fingerprint, except as staircases."""
    for staircase, warmup in product((False, True), (0, 7)):
        one = InverseTimeDecay(rate, steps, decay, staircase, warmup_steps=warmup)
        other = one.replace(decay_steps=steps * factor, decay_rate=decay * factor)
        assert (one.fingerprint() == other.fingerprint()) is not staircase


# -- phases: parameters that mean the same, and others ---------------------------------------

COOLED = {"cooldown_start": 1150, "cooldown_steps": 100}
STAIRS = InverseTimeDecay(0.1, 500, 0.5, staircase=True)


@pytest.mark.parametrize(
    "schedules",
    [
        pytest.param(
            [
                InverseTimeDecay(0.1, 1, 0),
                InverseTimeDecay(0.1, 7, 0, True, stable_steps=9),
                InverseTimeDecay(0.1, 7, 3, minimum_learning_rate=0.1),
                InverseTimeDecay(0.1, 7, 0, warmup_steps=5, warmup_learning_rate=0.1),
                InverseTimeDecay(
                    0.1, 7, 3, cooldown_start=0, cooldown_steps=9, final_learning_rate=0.1
                ),
            ],
            id="constant",
        ),
        pytest.param(
            [
                SCHEDULE.replace(stable_steps=9),
                SCHEDULE.replace(warmup_steps=9, warmup_learning_rate=0.1),
                SCHEDULE.replace(warmup_steps=4, warmup_learning_rate=0.1, stable_steps=5),
            ],
            id="a warm-up at the peak",
        ),
        pytest.param(
            [
                SCHEDULE.replace(cooldown_start=1200, cooldown_steps=9),  # from 0.0625 on
                SCHEDULE.replace(
                    cooldown_start=1200, cooldown_steps=9, minimum_learning_rate=0.0625
                ),
                SCHEDULE.replace(
                    cooldown_start=1200, cooldown_steps=9, minimum_learning_rate=1e-60
                ),
            ],
            id="a floor that never comes",
        ),
        pytest.param(
            [
                SCHEDULE.replace(minimum_learning_rate=0.05),
                SCHEDULE.replace(
                    minimum_learning_rate=0.05,
                    cooldown_start=2000,
                    cooldown_steps=5,
                    final_learning_rate=0.05,
                ),
            ],
            id="from the floor to the floor",
        ),
        pytest.param(
            [
                STAIRS.replace(stable_steps=200, **COOLED),  # at 700; 1200 is too late
                STAIRS.replace(stable_steps=100, decay_steps=600, **COOLED),
                STAIRS.replace(stable_steps=0, decay_steps=700, **COOLED),
            ],
            id="one drop",
        ),
        pytest.param(
            [
                STAIRS.replace(stable_steps=800, **COOLED),
                STAIRS.replace(stable_steps=1100, decay_steps=100.5, **COOLED),
                InverseTimeDecay(0.1, 1, 0, **COOLED),
            ],
            id="no drop",
        ),
        pytest.param(
            [
                STAIRS.replace(**COOLED),  # drops at 500 and 1000, to 0.05
                STAIRS.replace(**COOLED, minimum_learning_rate=0.05),
                STAIRS.replace(**COOLED, minimum_learning_rate=0.04),
            ],
            id="a floor that is a plateau",
        ),
        pytest.param(
            [
                STAIRS.replace(minimum_learning_rate=0.05),
                STAIRS.replace(**COOLED, final_learning_rate=0.05),
                STAIRS.replace(cooldown_start=1000, cooldown_steps=1, final_learning_rate=0.05),
            ],
            id="a plateau that lasts",
        ),
        pytest.param(
            [
                InverseTimeDecay(1, 1, 0, warmup_steps=10, stable_steps=3),
                InverseTimeDecay(
                    0.5,
                    9,
                    4,
                    warmup_steps=5,
                    cooldown_start=5,
                    cooldown_steps=5,
                    final_learning_rate=1,
                ),
            ],
            id="a line that goes on",
        ),
    ],
)
def test_phases_that_mean_the_same(schedules):
    assert len({*schedules}) == len(schedules)
    assert len({schedule.fingerprint() for schedule in schedules}) == 1
    assert len({schedule.fingerprint(1500) for schedule in schedules}) == 1


def test_phases_that_mean_something_else():
    others = [
        RECIPE.replace(staircase=True),
        RECIPE.replace(decay_rate=0.51),
        RECIPE.replace(warmup_steps=499, stable_steps=2001),
        RECIPE.replace(warmup_learning_rate=0.010000000000000002),
        RECIPE.replace(stable_steps=2001),
        RECIPE.replace(minimum_learning_rate=0.03000000000000001),
        RECIPE.replace(cooldown_start=9001),
        RECIPE.replace(cooldown_steps=1001),
        RECIPE.replace(final_learning_rate=0.0010000000000000002),
        STAIRS.replace(**COOLED),
        STAIRS.replace(stable_steps=100, decay_steps=400, **COOLED),  # drops at 500, and at 900
        STAIRS.replace(stable_steps=199, **COOLED),
        STAIRS.replace(stable_steps=200, **{**COOLED, "cooldown_start": 1151}),
    ]
    assert len({one.fingerprint() for one in (RECIPE, *others)}) == len(others) + 1


# All knots lie at half steps before step 16. Two of these functions are equal if they are equal at
# the quarters of every half step: two pieces meet in two points at most.
SMALL = {
    "initial_learning_rate": (1, 2),
    "decay_steps": (0.5, 1, 1.5, 2),
    "decay_rate": (0, 1),
    "staircase": (False, True),
    "warmup_steps": (0, 1, 2),
    "warmup_learning_rate": (0, 1, 2),
    "stable_steps": (0, 1, 2),
    "minimum_learning_rate": (0, 0.5, 1),
    "cooldown_start": (None, *range(6)),
    "cooldown_steps": (1, 2),
    "final_learning_rate": (0, 0.5, 1, 2),
}
GRID = [n / 8 for n in range(130)]


def small_schedule(source: random.Random) -> InverseTimeDecay:
    config = {key: source.choice(values) for key, values in SMALL.items()}
    start = config["cooldown_start"]
    if not config["warmup_steps"]:
        del config["warmup_learning_rate"]
    if start is None:
        del config["cooldown_steps"], config["final_learning_rate"]
    else:
        config["cooldown_start"] = max(start, config["warmup_steps"])
    return InverseTimeDecay(**config)


def test_texts_are_equal_exactly_where_the_rates_are():
    source, count = random.Random(11), 3000
    texts = {}
    for _ in range(count):
        schedule = small_schedule(source)
        rates = tuple(map(Reference(schedule).exact, GRID))
        text = canonical(schedule.form)
        if rates not in texts:
            check_text(text, schedule)
        assert texts.setdefault(rates, text) == text, schedule
    assert len(set(texts.values())) == len(texts)
    assert 500 < len(texts) < count - 500  # many of each


def test_values_take_the_pinned_dtype_or_float64():
    pinned = InverseTimeDecay(np.array(0.1, "float16"), 1000, 0.5)
    assert pinned.fingerprint(7) == SCHEDULE.fingerprint(7, "float16")
    assert SCHEDULE.fingerprint(7) == SCHEDULE.fingerprint(7, "float64")
    assert SCHEDULE.fingerprint(7, np.float32) == SCHEDULE.fingerprint(7, "float32")


@pytest.mark.parametrize("schedule", [SCHEDULE, LONG, RECIPE, LONG_END], ids=repr)
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


@pytest.mark.parametrize(
    ("schedule", "values", "arrays"),
    [
        (SCHEDULE, 100, 1),
        (LONG, 100, 0),
        (RECIPE, 11_000, 1),
        (RECIPE.replace(warmup_learning_rate=1 / 3), 11_000, 0),
        (LONG_END, 9000, 1),
        (LONG_END, 9001, 0),
        (SCHEDULE.replace(minimum_learning_rate=1 / 31), 3000, 1),  # the floor comes at 4200
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value),
)
def test_arrays_are_asked_only_where_they_are_exact_by_proof(schedule, values, arrays, monkeypatch):
    """Others may be wrong within 2**-98 of a boundary: no digest may depend on that."""
    asked = []
    evaluate = registry.default.evaluate
    monkeypatch.setattr(
        registry.default, "evaluate", lambda *a, **k: [asked.append(a), evaluate(*a, **k)][1]
    )
    assert schedule.fingerprint(values) == of_values(schedule, values, "float64")
    assert len(asked) == arrays


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
    with pytest.raises(ConfigError, match="dtype needs values"):
        SCHEDULE.fingerprint(dtype="float32")
