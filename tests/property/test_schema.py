"""`config_schema()` accepts exactly the configs that `from_config` accepts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invtime import ConfigError, InverseTimeDecay, config_schema
from invtime.reference import FORMATS
from invtime.testing import strategies

jsonschema = pytest.importorskip("jsonschema")
VALIDATOR = jsonschema.Draft202012Validator(config_schema())

NUMBERS = ("initial_learning_rate", "decay_steps", "decay_rate")
KEYS = (*NUMBERS, "staircase", "name", "dtype")

# JSON numbers are binary64: an integer that binary64 cannot hold is no value of JSON here.
EDGES = (0, 0.0, -0.0, -1, 1, 1.0, 1e-60, -1e-60, 9.99e-61, 1e-61, 5e-324)
LARGE_EDGES = (1e60, -1e60, int(1e60), 1.1e60, 1e61, 10**22, 2**53, -(2**53), 1.7e308)
edges = st.sampled_from((*EDGES, *LARGE_EDGES))
numbers = edges | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
texts = st.sampled_from(("", "InverseTimeDecay", "0.1", "true", *FORMATS, "float8")) | st.text()
others = st.none() | st.booleans() | texts | st.lists(numbers, max_size=2) | st.just({})
anything = numbers | others


@st.composite
def nearly_valid(draw):
    """A valid config with up to two of its entries replaced, dropped or added."""
    config = draw(strategies.schedules()).get_config()
    if draw(st.booleans()):
        config["dtype"] = draw(st.sampled_from(tuple(FORMATS)))
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(KEYS) | texts)
        change = draw(st.sampled_from(("replace", "drop")))
        if change == "drop":
            config.pop(key, None)
        else:
            config[key] = draw(numbers if key in NUMBERS and draw(st.booleans()) else anything)
    return config


def accepted(read, config):
    """Whether reading the config gives a schedule."""
    try:
        read(config)
    except ConfigError:
        return False
    return True


@given(nearly_valid() | others)
def test_the_schema_accepts_what_from_config_accepts(config):
    """valid(config) if and only if from_config(config) gives a schedule."""
    assert VALIDATOR.is_valid(config) == accepted(InverseTimeDecay.from_config, config)


@given(nearly_valid())
def test_the_schema_accepts_what_from_json_accepts(config):
    """The same through JSON text, read by a parser that knows nothing of invtime."""
    text = json.dumps(config)
    valid = VALIDATOR.is_valid(json.loads(text))
    if not {"class_name", "config"} & config.keys():  # those make it a Keras envelope
        assert valid == accepted(InverseTimeDecay.from_json, text)


@given(strategies.schedules())
def test_every_config_is_valid(schedule):
    """get_config() of any schedule satisfies the schema."""
    VALIDATOR.validate(schedule.get_config())


def test_the_schema_is_one():
    """The schema is itself valid against the draft it names, and JSON."""
    jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(config_schema())))


@pytest.mark.parametrize("key", KEYS)
@given(value=anything)
def test_each_key_by_itself(key, value):
    """For each key the schema and from_config refuse the same values."""
    base = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}
    config = base | {key: value}
    assert VALIDATOR.is_valid(config) == accepted(InverseTimeDecay.from_config, config)
