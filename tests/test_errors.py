"""Each bad input has its documented error, which names what was passed and what to do."""

import json
from decimal import Decimal
from fractions import Fraction
from math import inf, nan

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
from invtime.dtypes import dtype_name

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
    """Each has a remedy: after what was passed and what is accepted comes an imperative."""
    for arguments, _ in PARAMETERS.values():
        with pytest.raises(ConfigError) as caught:
            InverseTimeDecay(*arguments)
        assert str(caught.value).count(";") >= 1, str(caught.value)
