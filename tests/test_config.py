"""Reading and writing JSON: bare, and in the envelope of Keras."""

import json
import sys
from pathlib import Path

import pytest

from invtime import InverseTimeDecay, config_schema

SCHEDULE = InverseTimeDecay(0.1, 1000, 0.5, staircase=True, name="mine")
RECIPE = SCHEDULE.replace(
    warmup_steps=500,
    stable_steps=2000,
    minimum_learning_rate=0.01,
    cooldown_start=9000,
    cooldown_steps=1000,
)


def test_round_trip():
    again = InverseTimeDecay.from_json(SCHEDULE.to_json())
    assert (again, again.name) == (SCHEDULE, "mine")
    assert InverseTimeDecay.from_json(SCHEDULE.to_json().encode()) == SCHEDULE
    assert type(again.decay_steps) is int


def test_the_defaults_may_be_left_out():
    text = '{"initial_learning_rate": 1, "decay_steps": 2, "decay_rate": 3, "name": null}'
    schedule = InverseTimeDecay.from_json(text)
    assert (schedule.staircase, schedule.name) == (False, "InverseTimeDecay")


def test_json_numbers_are_read_as_binary64():
    text = '{"initial_learning_rate": 1, "decay_steps": 9007199254740993, "decay_rate": 3}'
    assert InverseTimeDecay.from_json(text).decay_steps == 2**53


def test_keras_envelope_round_trip():
    text = SCHEDULE.to_json(envelope="keras")
    assert json.loads(text)["class_name"] == "InverseTimeDecay"
    again = InverseTimeDecay.from_json(text)
    assert (again, again.name) == (SCHEDULE, "mine")


def test_phases_round_trip():
    again = InverseTimeDecay.from_json(RECIPE.to_json())
    assert (again, again.name) == (RECIPE, "mine")
    assert json.loads(RECIPE.to_json()) == {
        **SCHEDULE.get_config(),
        "warmup_steps": 500,
        "stable_steps": 2000,
        "minimum_learning_rate": 0.01,
        "cooldown_start": 9000,
        "cooldown_steps": 1000,
    }


def test_phases_at_their_defaults_may_be_written():
    defaults = (
        '"warmup_steps": 0, "warmup_learning_rate": 0.0, "stable_steps": 0, "cooldown_steps": 0, '
        '"minimum_learning_rate": 0, "cooldown_start": null, "final_learning_rate": 0'
    )
    assert InverseTimeDecay.from_json(f"{SCHEDULE.to_json()[:-1]}, {defaults}}}") == SCHEDULE


def test_counts_of_json_may_have_a_point():
    text = RECIPE.to_json().replace("500", "5e2").replace("9000", "9000.0")
    again = InverseTimeDecay.from_json(text)
    assert again == RECIPE
    assert type(again.warmup_steps) is type(again.cooldown_start) is int


def test_the_envelope_with_phases_is_our_own():
    envelope = json.loads(RECIPE.to_json(envelope="keras"))
    assert envelope == {
        "module": "invtime.integrations.keras",
        "class_name": "InverseTimeDecay",
        "config": RECIPE.get_config(),
        "registered_name": "invtime>InverseTimeDecay",
    }
    assert InverseTimeDecay.from_json(json.dumps(envelope)) == RECIPE
    bare = json.loads(SCHEDULE.to_json(envelope="keras"))
    assert bare["module"] == "keras.optimizers.schedules"
    assert bare["registered_name"] is None


def test_an_envelope_imports_nothing():
    envelope = json.loads(SCHEDULE.to_json(envelope="keras"))
    before = set(sys.modules)
    for package in ("keras", "keras.src.antigravity", "tf_keras", "tensorflow.keras"):
        module = f"{package}.optimizers.schedules"
        InverseTimeDecay.from_json(json.dumps({**envelope, "module": module}))
    assert set(sys.modules) == before


def test_keras_reads_ours_and_we_read_keras():
    keras = pytest.importorskip("keras", exc_type=ImportError)
    schedules = keras.optimizers.schedules
    loaded = schedules.deserialize(json.loads(SCHEDULE.to_json(envelope="keras")))
    assert type(loaded) is schedules.InverseTimeDecay
    assert loaded.get_config() == SCHEDULE.get_config()
    theirs = json.dumps(schedules.serialize(loaded))
    assert InverseTimeDecay.from_json(theirs) == SCHEDULE
    assert InverseTimeDecay.from_config(loaded.get_config()) == SCHEDULE


def test_text_of_another_type_is_kept_as_plain_text():
    class Text(str):
        def __str__(self):
            return "something else"

    config = {**SCHEDULE.get_config(), "name": Text("mine"), "dtype": Text("float16")}
    again = InverseTimeDecay.from_config(config).get_config()
    assert again == config
    assert {type(again["name"]), type(again["dtype"])} == {str}


def test_the_schema_is_a_schema():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(config_schema())
    validator = jsonschema.Draft202012Validator(config_schema())
    for schedule in (SCHEDULE, RECIPE):
        validator.validate(schedule.get_config())
    assert json.loads(json.dumps(config_schema())) == config_schema()


def test_the_schema_is_the_one_that_was_published():
    """Editors and services keep copies of the schema, with its descriptions and defaults."""
    published = Path(__file__).with_name("config_schema.json").read_text("utf-8")
    assert config_schema() == json.loads(published)


def test_an_envelope_of_keras_may_lack_its_module_and_have_a_build_config():
    envelope = {"class_name": "InverseTimeDecay", "config": SCHEDULE.get_config()}
    for more in ({}, {"module": None}, {"build_config": {}}, {"module": "tensorflow.keras"}):
        assert InverseTimeDecay.from_json(json.dumps({**envelope, **more})) == SCHEDULE


def test_the_largest_integer_of_json_is_an_int():
    for text, kind in (("1" + "0" * 60, int), ("1" + "0" * 16, int)):
        config = f'{{"initial_learning_rate": 1, "decay_steps": {text}, "decay_rate": 3}}'
        assert type(InverseTimeDecay.from_json(config).decay_steps) is kind
