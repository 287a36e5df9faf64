"""Each bad input raises its documented error, which says what was passed and what to do."""

import json
import time
from collections import UserString
from decimal import Decimal
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from math import inf, nan
from types import SimpleNamespace

import numpy as np
import pytest

from invtime import (
    ConfigError,
    InverseTimeDecay,
    InvTimeError,
    PlacementError,
    StepTypeError,
    UnknownBackendError,
)
from invtime.checklog import Log
from invtime.dialects import deepmd, from_dialect, levanter, to_code, to_dialect
from invtime.dtypes import dtype_name
from invtime.errors import cut, shown, typed
from invtime.parameters import PHASES
from invtime.registry import Registry
from invtime.verification import verify

GOOD = InverseTimeDecay(0.1, 1000, 0.5)
CONFIG = {"initial_learning_rate": 0.1, "decay_steps": 1000, "decay_rate": 0.5}

PARAMETERS = {
    "rate nan": ((nan, 1000, 0.5), "initial_learning_rate is nan"),
    "rate inf": ((inf, 1000, 0.5), "initial_learning_rate is inf"),
    "rate negative": ((-0.1, 1000, 0.5), "initial_learning_rate is -0.1"),
    "rate too small": ((1e-61, 1000, 0.5), "1e-60"),
    "rate too large": ((1e61, 1000, 0.5), "1e60"),
    "rate bool": ((True, 1000, 0.5), "initial_learning_rate is True"),
    "rate text": (("0.1", 1000, 0.5), "'0.1' of type str"),
    "rate bytes": ((b"0.1", 1000, 0.5), "of type bytes"),
    "rate None": ((None, 1000, 0.5), "None of type NoneType"),
    "rate complex": ((0.1j, 1000, 0.5), "of type complex"),
    "rate Decimal": ((Decimal("0.1"), 1000, 0.5), "of type Decimal"),
    "rate Fraction": ((Fraction(1, 10), 1000, 0.5), "of type Fraction"),
    "rate list": (([0.1], 1000, 0.5), "of type list"),
    "rate vector": ((np.array([0.1]), 1000, 0.5), r"shape \(1,\)"),
    "rate NumPy bool": ((np.bool_(True), 1000, 0.5), "dtype bool"),
    "rate complex array": ((np.array(0.1j), 1000, 0.5), "dtype complex128"),
    "rate text array": ((np.array("a"), 1000, 0.5), "dtype str"),
    "steps zero": ((0.1, 0, 0.5), "decay_steps is 0"),
    "steps negative": ((0.1, -5, 0.5), "decay_steps is -5"),
    "steps nan": ((0.1, nan, 0.5), "decay_steps is nan"),
    "steps inexact int": ((0.1, 2**53 + 1, 0.5), "binary64 cannot hold"),
    "steps huge int": ((0.1, 10**400, 0.5), "binary64 cannot hold"),
    "steps inexact NumPy int": ((0.1, np.int64(2**53 + 1), 0.5), "binary64 cannot hold"),
    "decay negative": ((0.1, 1000, -0.5), "step 2000"),
    "decay negative staircase": ((0.1, 1000, -0.4, True), "step 3000"),
    "decay inf": ((0.1, 1000, inf), "decay_rate is inf"),
    "decay NumPy nan": ((0.1, 1000, np.float32("nan")), "decay_rate is"),
    "staircase int": ((0.1, 1000, 0.5, 1), "staircase is 1"),
    "staircase NumPy bool": ((0.1, 1000, 0.5, np.bool_(True)), "staircase is"),
    "staircase None": ((0.1, 1000, 0.5, None), "staircase is None"),
    "name int": ((0.1, 1000, 0.5, False, 3), "name is 3"),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters(case):
    arguments, message = PARAMETERS[case]
    with pytest.raises(ConfigError, match=message) as caught:
        InverseTimeDecay(*arguments)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InvTimeError)


CONFIGS = {
    "not a mapping": ([1, 2], "of type list"),
    "None": (None, "None of type NoneType"),
    "unknown key": ({**CONFIG, "power": 2}, "unknown key 'power' with value 2"),
    "a key that is no text": ({**CONFIG, 3: 4}, "unknown key 3"),
    "missing key": ({"decay_steps": 1, "decay_rate": 1}, "lacks the key 'initial_learning_rate'"),
    "empty": ({}, "lacks the key"),
    "unknown dtype": ({**CONFIG, "dtype": "float8"}, "dtype is 'float8'"),
    "dtype null": ({**CONFIG, "dtype": None}, "dtype is None"),
    "dtype unhashable": ({**CONFIG, "dtype": []}, r"dtype is \[\]"),
    "dtype an array": ({**CONFIG, "dtype": np.array(["float32", "x"])}, r"dtype is array"),
    "text for a number": ({**CONFIG, "decay_steps": "1000"}, "decay_steps is '1000'"),
    "null for a number": ({**CONFIG, "decay_rate": None}, "decay_rate is None"),
    "null for staircase": ({**CONFIG, "staircase": None}, "staircase is None"),
    "null for a count": ({**CONFIG, "warmup_steps": None}, "warmup_steps is None"),
    "half a step": ({**CONFIG, "stable_steps": 0.5}, r"stable_steps is 0\.5"),
    "a misspelt phase": ({**CONFIG, "warm_up_steps": 5}, "unknown key 'warm_up_steps' with .* 5"),
    "a start alone": ({**CONFIG, "cooldown_start": 5}, "cooldown_start is 5 and cooldown_steps"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configs(case):
    config, message = CONFIGS[case]
    with pytest.raises(ConfigError, match=message):
        InverseTimeDecay.from_config(config)


def _text(**changes):
    return json.dumps({**CONFIG, **changes})


ENVELOPE = {
    "module": "keras.optimizers.schedules",
    "class_name": "InverseTimeDecay",
    "config": CONFIG,
    "registered_name": None,
}

TEXTS = {
    "not JSON": ("{", "not JSON"),
    "empty": ("", "not JSON"),
    "a number": ("3", "of type int"),
    "null": ("null", "None of type NoneType"),
    "NaN token": (_text(decay_rate=nan), "token NaN"),
    "Infinity token": (_text(decay_rate=inf), "token Infinity"),
    "overflowing number": (_text().replace("0.5", "1e999"), "decay_rate is inf"),
    "overflowing integer": (_text().replace("1000", "1" + "0" * 5000), "decay_steps is inf"),
    "duplicate key": ('{"decay_rate": 1, ' + _text()[1:], "'decay_rate' twice"),
    "another class": (json.dumps({**ENVELOPE, "class_name": "CosineDecay"}), "'CosineDecay'"),
    "another module": (json.dumps({**ENVELOPE, "module": "os"}), "module is 'os'"),
    "envelope without config": (json.dumps({"class_name": "InverseTimeDecay"}), "'config'"),
    "envelope without class": (json.dumps({"config": CONFIG}), "lacks the key 'class_name'"),
    "envelope with more": (json.dumps({**ENVELOPE, "x": 1}), "unknown key 'x'"),
    "envelope around a list": (json.dumps({**ENVELOPE, "config": []}), "of type list"),
    "too deep": ("[" * 100_000, "not JSON"),
    "not text": (3, "of type int"),
    "bad UTF-8": (b"\xff\xfe\xfd", "not JSON"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts(case):
    text, message = TEXTS[case]
    with pytest.raises(ConfigError, match=message):
        InverseTimeDecay.from_json(text)


STEPS = {
    "bool": (True, "True of type bool"),
    "text": ("3", "'3' of type str"),
    "bytes": (b"3", "of type bytes"),
    "complex": (3j, "of type complex"),
    "None": (None, "called without a step"),
    "list": ([1, 2], "of type list"),
    "Decimal": (Decimal(3), "of type Decimal"),
    "object": (object(), "of type object"),
    "NumPy bool": (np.bool_(True), "dtype bool"),
    "NumPy bool array": (np.array([True]), "dtype bool"),
    "NumPy complex": (np.array([1j]), "dtype complex128"),
    "NumPy text": (np.array(["1"]), "dtype <U1"),
    "NumPy objects": (np.array([1, None]), "dtype object"),
    "NumPy dates": (np.array(["2026-01-01"], "M8[D]"), "dtype datetime64"),
    "NumPy durations": (np.array([3], "m8[s]"), "dtype timedelta64"),
    "NumPy records": (np.zeros(2, [("a", int)]), "dtype"),
}


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("placed", [False, True], ids=["schedule", "placed"])
def test_steps(case, placed):
    step, message = STEPS[case]
    with pytest.raises(StepTypeError, match=message) as caught:
        (GOOD.on("numpy") if placed else GOOD)(step)
    assert isinstance(caught.value, TypeError)


PLACEMENTS = {
    "unknown backend": (("nothing",), {}, UnknownBackendError, "'numpy'"),
    "backend not a name": ((3,), {}, UnknownBackendError, "no backend is named 3"),
    "backend unhashable": (([],), {}, UnknownBackendError, r"no backend is named \[\]"),
    "device without a backend": ((), {"device": "cuda"}, PlacementError, "without a backend"),
    "unknown device": (("numpy",), {"device": "gpu"}, PlacementError, r"\['cpu'\]"),
    "integer dtype": (("numpy",), {"dtype": "int32"}, PlacementError, "not a result dtype"),
    "NumPy integer dtype": (("numpy",), {"dtype": np.int32}, PlacementError, "not a result dtype"),
    "dtype not a name": (("numpy",), {"dtype": 3}, PlacementError, "not a result dtype"),
    "float8": (("numpy",), {"dtype": "float8_e4m3fn"}, PlacementError, "not a result dtype"),
    "complex": ((), {"dtype": complex}, PlacementError, "not a result dtype"),
}


@pytest.mark.parametrize("case", PLACEMENTS)
def test_placements(case):
    arguments, keywords, error, message = PLACEMENTS[case]
    with pytest.raises(error, match=message):
        GOOD.on(*arguments, **keywords)


def test_an_unknown_envelope():
    with pytest.raises(ConfigError, match="'xml'"):
        GOOD.to_json(envelope="xml")
    pinned = InverseTimeDecay.from_config({**CONFIG, "dtype": "float16"})
    with pytest.raises(ConfigError, match="'float16'"):
        pinned.to_json(envelope="keras")


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32"), np.dtype(">f4")])
def test_dtypes_by_any_name(dtype):
    assert dtype_name(dtype) == "float32"
    assert dtype_name(float) == "float64"


def test_every_message_says_what_to_do():
    """Each message says what was passed, what is accepted, and, as an imperative, what to do."""
    for arguments, _ in PARAMETERS.values():
        with pytest.raises(ConfigError) as caught:
            InverseTimeDecay(*arguments)
        assert str(caught.value).count(";") >= 1, str(caught.value)


class Raising:
    """An object whose repr raises, and its str, length and iteration too."""

    def __repr__(self):
        raise RuntimeError("no repr")

    __len__ = __iter__ = __repr__


class Number(int):
    pass


HOSTILE = {
    "huge int": 10**5000,
    "huge negative int": -(10**5000),
    "huge int of a subclass": Number(10**5000),
    "list of a huge int": [10**5000],
    "million-element list": [1] * 10**6,
    "many keys": dict.fromkeys(range(10**4)),
    "long text": "x" * 10**6,
    "long text of another kind": UserString("x" * 10**6),
    "long bytes": b"x" * 10**6,
    "raising": Raising(),
    "list of raising": [Raising()] * 1000,
    "named like a module's": type("array", (), {})(),
    "long name": type("x" * 10**4, (), {})(),
    "many lines": np.zeros((9, 9), object),
    "many fields": np.zeros(2, [(f"field{i}", int) for i in range(1000)]),
    "an object array": np.array([10**5000, Raising()], object),
    "a dtype": SimpleNamespace(name="x" * 10**6, dtype="x" * 10**6, shape=()),
}
INSTALLED = [name for name in ("torch", "jax", "tensorflow", "dask") if find_spec(name)]


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_shown_is_short(case):
    begun = time.perf_counter()
    for text in (shown(HOSTILE[case]), typed(HOSTILE[case])):
        assert 0 < len(text) <= 200
        assert "\n" not in text
    assert len(shown(HOSTILE[case])) <= 80
    assert time.perf_counter() - begun < 5


def test_what_is_shown_is_the_repr_where_that_is_short():
    for value in (3, -0.1, "a  b", "it's", b"a", None, [1, "a"], {"a": 1}, (1,), np.float32(0.1)):
        assert shown(value) == repr(value)
    assert shown(10**5000) == "<int of 16610 bits>"
    assert shown(Number(2**256)) == "<Number of 257 bits>"
    assert shown("x" * 81) == f"'{'x' * 37}...{'x' * 38}'"
    assert shown([1] * 7) == "[1, 1, 1, 1, 1, 1, ...]"
    assert cut("x" * 80) == "x" * 80
    assert len(cut("x" * 81)) <= 80


def _entrances():
    """Return each entry point by name: a function of the user's input, and its error."""
    for key in (*CONFIG, "staircase", "name", *PHASES):
        yield f"parameter {key}", partial(lambda key, v: GOOD.replace(**{key: v}), key), ConfigError
        yield f"config {key}", partial(lambda key, v: _read({key: v}), key), ConfigError
    yield "parameter dtype", lambda v: GOOD.replace(dtype=v), PlacementError
    yield "config dtype", lambda v: _read({"dtype": v}), ConfigError
    yield "config", InverseTimeDecay.from_config, ConfigError
    yield "unknown key", lambda v: _read({"x": v}), ConfigError
    yield "text", InverseTimeDecay.from_json, ConfigError
    yield "to_json", lambda v: GOOD.to_json(envelope=v), ConfigError
    for backend in (None, "numpy", *INSTALLED):
        place = partial(lambda name, v: GOOD.on(name)(v), backend)
        yield f"step of {backend}", place, StepTypeError
        device = partial(lambda name, v: GOOD.on(name, device=v), backend)
        yield f"device of {backend}", device, PlacementError
        dtype = partial(lambda name, v: GOOD.on(name, dtype=v), backend)
        yield f"dtype of {backend}", dtype, PlacementError
    yield "backend", GOOD.on, UnknownBackendError
    yield "registry", Registry().load, UnknownBackendError
    yield "step_for", GOOD.step_for, ConfigError
    ends = {"start": 0.1, "end": 0.01, "steps": 100}
    for key in (*ends, "decay_steps", "warmup_steps", "stable_steps", "minimum_learning_rate"):
        made = partial(lambda key, v: InverseTimeDecay.from_endpoints(**{**ends, key: v}), key)
        yield f"from_endpoints {key}", made, ConfigError
    yield "fingerprint values", GOOD.fingerprint, ConfigError
    yield "fingerprint dtype", lambda v: GOOD.fingerprint(3, dtype=v), PlacementError
    yield "fingerprint dtype alone", lambda v: GOOD.fingerprint(dtype=v), ConfigError
    yield "dialect", lambda v: from_dialect(v, CONFIG), ConfigError
    yield "to dialect", lambda v: to_dialect(v, GOOD), ConfigError
    yield "to code", lambda v: to_code(v, GOOD), ConfigError
    known = {"keras": CONFIG, "levanter": levanter.DEFAULTS, "deepmd": deepmd.DEFAULTS}
    for name, keys in known.items():
        yield f"{name}'s parameters", partial(from_dialect, name), ConfigError
        for key in (*keys, "unknown"):
            read = partial(lambda name, key, v: from_dialect(name, {key: v}), name, key)
            yield f"{name}'s {key}", read, ConfigError
    yield "verify steps", lambda v: verify(GOOD, backends=["numpy"], steps=v), ConfigError
    yield "verify backends", lambda v: verify(GOOD, backends=[v], steps=1), UnknownBackendError
    yield "log's rate", lambda v: Log.of({0: v}), InvTimeError
    if find_spec("matplotlib"):
        for key in ("start", "xscale", "yscale"):
            yield f"plot {key}", partial(lambda key, v: GOOD.plot(**{key: v}), key), ConfigError


def _read(changes):
    return InverseTimeDecay.from_config({**CONFIG, **changes})


ENTRANCES = {name: (enter, error) for name, enter, error in _entrances()}
NAMES = ("parameter name", "config name")
COUNTS = ("fingerprint values", "verify steps")  # of any size, which would take long


@pytest.mark.parametrize("name", ENTRANCES)
def test_every_entrance_has_a_short_error(name):
    enter, error = ENTRANCES[name]
    for case, value in HOSTILE.items():
        if (name in NAMES and case == "long text") or (name in COUNTS and isinstance(value, int)):
            continue
        if name.startswith("step of") and isinstance(value, int):
            enter(value)
            continue
        with pytest.raises(error) as caught:
            enter(value)
        assert len(str(caught.value)) <= 600, (case, str(caught.value)[:1000])


LONG_TEXTS = {
    "key": _text()[:-1] + ', "%s": 1}' % ("x" * 10**6),
    "value": _text(x="x" * 10**6),
    "integer": _text().replace("1000", "1" * 10**4),
    "class": json.dumps({**ENVELOPE, "class_name": "x" * 10**6}),
    "module": json.dumps({**ENVELOPE, "module": "x" * 10**6}),
    "twice": '{"%s": 1, "%s": 1}' % (("x" * 10**6,) * 2),
    "no JSON": "x" * 10**6,
}


@pytest.mark.parametrize("case", LONG_TEXTS)
def test_a_long_text_has_a_short_error(case):
    with pytest.raises(ConfigError) as caught:
        InverseTimeDecay.from_json(LONG_TEXTS[case])
    assert len(str(caught.value)) <= 600


def test_a_step_of_a_log_may_be_any_int():
    with pytest.raises(InvTimeError, match="<int of 16610 bits>"):
        Log.of({10**5000: 0.1})


@pytest.mark.parametrize("dtype", ["int2", "uint2", "int4", "uint4", "float4_e2m1fn"])
@pytest.mark.parametrize("backend", [None, "numpy", *INSTALLED])
def test_steps_of_less_than_a_byte_are_refused_by_every_backend(backend, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    step = np.array([0, 1, 1]).astype(getattr(ml_dtypes, dtype))
    for each in (step, step[1]):
        with pytest.raises(StepTypeError, match=dtype):
            GOOD.on(backend)(each)
