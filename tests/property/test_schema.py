"""`config_schema()` accepts exactly the configs that `from_config` accepts.

The exceptions are two comparisons that JSON Schema cannot express: minimum_learning_rate <=
initial_learning_rate, and cooldown_start >= warmup_steps.
"""

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
RATES = ("warmup_learning_rate", "minimum_learning_rate", "final_learning_rate")
COUNTS = ("warmup_steps", "stable_steps", "cooldown_start", "cooldown_steps")
KEYS = (*NUMBERS, "staircase", "name", "dtype", *RATES, *COUNTS)

# JSON numbers are binary64, so integers that binary64 cannot hold are not drawn.
EDGES = (0, 0.0, -0.0, -1, 1, 1.0, 1e-60, -1e-60, 9.99e-61, 1e-61, 5e-324)
LARGE_EDGES = (1e60, -1e60, int(1e60), 1.1e60, 1e61, 10**22, 2**53, -(2**53), 1.7e308)
STEP_EDGES = (2.0, 2.5, 2**53 - 1, 2.0**53, 2**53 + 2, 1e16)
edges = st.sampled_from((*EDGES, *LARGE_EDGES, *STEP_EDGES))
numbers = edges | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
texts = st.sampled_from(("", "InverseTimeDecay", "0.1", "true", *FORMATS, "float8")) | st.text()
others = st.none() | st.booleans() | texts | st.lists(numbers, max_size=2) | st.just({})
anything = numbers | others


@st.composite
def nearly_valid(draw):
    """Draw a valid config, with up to two entries replaced, removed or added."""
    config = draw(strategies.schedules()).get_config()
    if draw(st.booleans()):
        config["dtype"] = draw(st.sampled_from(tuple(FORMATS)))
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(KEYS) | texts)
        change = draw(st.sampled_from(("replace", "drop")))
        if change == "drop":
            config.pop(key, None)
        else:
            few = key not in ("staircase", "name", "dtype") and draw(st.booleans())
            config[key] = draw(numbers if few else anything)
    return config


def in_order(config):
    """Return whether the two comparisons hold; they apply only to numbers."""
    pairs = (
        ("minimum_learning_rate", "initial_learning_rate"),
        ("warmup_steps", "cooldown_start"),
    )
    for low, high in pairs:
        numbers = config.get(low, 0), config.get(high)
        if all(type(number) in (int, float) for number in numbers) and numbers[0] > numbers[1]:
            return False
    return True


def accepted(read, config):
    """Return whether from_config accepts the config."""
    try:
        read(config)
    except ConfigError:
        return False
    return True


@given(nearly_valid() | others)
def test_the_schema_accepts_what_from_config_accepts(config):
    """from_config accepts a config exactly when it is valid and both comparisons hold."""
    valid = VALIDATOR.is_valid(config) and in_order(config)
    assert valid == accepted(InverseTimeDecay.from_config, config)


@given(nearly_valid())
def test_the_schema_accepts_what_from_json_accepts(config):
    """The same through JSON text that an independent parser reads."""
    text = json.dumps(config)
    valid = VALIDATOR.is_valid(json.loads(text)) and in_order(config)
    if not {"class_name", "config"} & config.keys():  # those make it a Keras envelope
        assert valid == accepted(InverseTimeDecay.from_json, text)


@given(strategies.schedules())
def test_every_config_is_valid(schedule):
    """get_config() of any schedule satisfies the schema."""
    VALIDATOR.validate(schedule.get_config())


def test_the_schema_is_one():
    """The schema is itself valid against the draft it names, and JSON."""
    jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(config_schema())))


# The other keys that a key requires.
BESIDE = {
    "warmup_learning_rate": {"warmup_steps": 5},
    "minimum_learning_rate": {"initial_learning_rate": 1e60},
    "cooldown_start": {"cooldown_steps": 5},
    "cooldown_steps": {"cooldown_start": 5},
    "final_learning_rate": {"cooldown_start": 5, "cooldown_steps": 5},
}


@pytest.mark.parametrize("key", KEYS)
@given(value=anything, beside=st.booleans())
def test_each_key_by_itself(key, value, beside):
    """For each key the schema and from_config reject the same values."""
    base = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}
    config = base | (BESIDE.get(key, {}) if beside else {}) | {key: value}
    valid = VALIDATOR.is_valid(config) and in_order(config)
    assert valid == accepted(InverseTimeDecay.from_config, config)


@pytest.mark.parametrize(
    "phases",
    [
        {"minimum_learning_rate": 0.2},
        {"warmup_steps": 6, "cooldown_start": 5, "cooldown_steps": 1},
    ],
    ids=lambda phases: next(iter(phases)),
)
def test_the_two_comparisons_are_beyond_the_schema(phases):
    """The schema's docstring names everything that the schema cannot express."""
    config = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5, **phases}
    assert VALIDATOR.is_valid(config)
    assert not accepted(InverseTimeDecay.from_config, config)
