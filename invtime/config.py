"""The config as JSON text, its JSON Schema (2020-12), and the envelope that Keras writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invtime.dtypes import DTYPES
from invtime.errors import ConfigError, shown, typed
from invtime.parameters import PHASES

NUMBERS = ("initial_learning_rate", "decay_steps", "decay_rate")
KEYS = (*NUMBERS, "staircase", "name", *PHASES, "dtype")
ENVELOPE = ("module", "class_name", "config", "registered_name")


def check_keys(config: Any) -> None:
    """Raise a ConfigError if the config is not a mapping, or its keys are wrong."""
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"the config is {typed(config)}; it must be a dict or "
            f"a JSON object; pass one with the keys {', '.join(NUMBERS)}"
        )
    for key in config:
        if key not in KEYS:
            raise ConfigError(
                f"the config has the unknown key {shown(key)} with value {shown(config[key])}; "
                f"accepted keys are {', '.join(KEYS)}; remove it"
            )
    for key in NUMBERS:
        if key not in config:
            raise ConfigError(f"the config {shown(dict(config))} lacks the key {key!r}; add it")
    dtype = config.get("dtype", "float64")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ConfigError(
            f"dtype is {shown(dtype)}; accepted are {', '.join(DTYPES)}; "
            "use one of these, or remove the key to get the framework's default"
        )


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the configs that `from_config` accepts.

    JSON numbers are read as binary64. The schema lacks two rules, because JSON Schema cannot
    compare two numbers: minimum_learning_rate <= initial_learning_rate, and
    cooldown_start >= warmup_steps.

    >>> from invtime import config_schema
    >>> config_schema()["required"]
    ['initial_learning_rate', 'decay_steps', 'decay_rate']
    """
    magnitude = {"minimum": 1e-60, "maximum": 1e60}
    some = {"minimum": 1}
    count = {"type": "integer", "minimum": 0, "maximum": 2**53}

    def number(description: str, zero: bool) -> dict[str, Any]:
        allowed = {"anyOf": [{"const": 0}, magnitude]} if zero else magnitude
        return {"type": "number", "description": description, **allowed}

    def needs(key: str, present: dict[str, Any], other: str, wanted: dict[str, Any]) -> Any:
        given = {"properties": {key: present}, "required": [key]}
        return {"if": given, "then": {"properties": {other: wanted}, "required": [other]}}

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "InverseTimeDecay",
        "description": "lr(n) = L / (1 + R * n / S), or with floor(n / S) for a staircase; "
        "phases around it are optional.",
        "type": "object",
        "properties": {
            "initial_learning_rate": number("L, the rate at step 0.", zero=True),
            "decay_steps": number("S, the steps in which n / S grows by one.", zero=False),
            "decay_rate": number("R, what each n / S adds to the denominator.", zero=True),
            "staircase": {"type": "boolean", "default": False},
            "name": {"type": ["string", "null"], "default": "InverseTimeDecay"},
            "warmup_steps": {**count, "default": 0, "description": "W, of a linear warm-up."},
            "warmup_learning_rate": {**number("w, the rate at step 0.", zero=True), "default": 0},
            "stable_steps": {**count, "default": 0, "description": "H, the steps at L after it."},
            "minimum_learning_rate": {
                **number("m, the floor of the decay, at most L.", zero=True),
                "default": 0,
            },
            "cooldown_start": {
                **count,
                "type": ["integer", "null"],
                "default": None,
                "description": "X, the first step of a linear cool-down, W or more.",
            },
            "cooldown_steps": {**count, "default": 0, "description": "K, its steps."},
            "final_learning_rate": {**number("f, the rate after it.", zero=True), "default": 0},
            "dtype": {
                "enum": list(DTYPES),
                "description": "The result dtype, where a tensor's dtype pinned it.",
            },
        },
        "required": list(NUMBERS),
        "additionalProperties": False,
        "allOf": [
            needs("warmup_learning_rate", {"exclusiveMinimum": 0}, "warmup_steps", some),
            needs("final_learning_rate", {"exclusiveMinimum": 0}, "cooldown_steps", some),
            needs("cooldown_start", {"type": "integer"}, "cooldown_steps", some),
            needs("cooldown_steps", some, "cooldown_start", {"type": "integer"}),
        ],
    }


def dumps(config: dict[str, Any], envelope: Any) -> str:
    """Return the config as JSON text, bare or in Keras's envelope."""
    import json

    if envelope is not None and not (isinstance(envelope, str) and envelope == "keras"):
        raise ConfigError(
            f"envelope is {shown(envelope)}; accepted are None (the bare config) and 'keras'; "
            "pass one of these"
        )
    if envelope == "keras":
        if "dtype" in config:
            raise ConfigError(
                f"dtype is {shown(config['dtype'])}; Keras's InverseTimeDecay has no key for it; "
                "to write Keras's envelope, build the schedule from plain numbers and without "
                "dtype"
            )
        own = all(key not in config for key in PHASES)  # Keras's class has no phases
        config = {
            "module": "keras.optimizers.schedules" if own else "invtime.integrations.keras",
            "class_name": "InverseTimeDecay",
            "config": config,
            "registered_name": None if own else "invtime>InverseTimeDecay",
        }
    return json.dumps(config)


def loads(text: str | bytes) -> Any:
    """Return the config in a JSON text, without Keras's envelope if there is one."""
    import json

    if not isinstance(text, str | bytes | bytearray):
        raise ConfigError(
            f"the JSON is {typed(text)}; it must be text, as str or bytes; pass the text, "
            "or call from_config for a dict"
        )
    try:
        config = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_read_int,
        )
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the text is not JSON ({error}); fix the JSON there") from error
    if isinstance(config, dict) and ("class_name" in config or "config" in config):
        return _open_envelope(config)
    return config


def _open_envelope(envelope: dict[str, Any]) -> Any:
    """Return the inner config. The names in the envelope are compared, never imported."""
    for key, value in envelope.items():
        if key not in (*ENVELOPE, "build_config"):
            raise ConfigError(
                f"the Keras envelope has the unknown key {shown(key)} with value {shown(value)}; "
                f"accepted keys are {', '.join(ENVELOPE)}; remove it"
            )
    for key in ("class_name", "config"):
        if key not in envelope:
            raise ConfigError(f"the Keras envelope lacks the key {key!r}; add it")
    found = envelope["class_name"]
    if found != "InverseTimeDecay":
        raise ConfigError(
            f"class_name is {shown(found)}; it must be 'InverseTimeDecay'; "
            "pass the JSON of such a schedule"
        )
    module = envelope.get("module")
    known = ("keras", "tf_keras", "tensorflow", "invtime")
    if module is not None and not str(module).startswith(known):
        raise ConfigError(
            f"module is {shown(module)}; only the InverseTimeDecay of Keras or of invtime is "
            "accepted; pass the inner config, without the envelope"
        )
    return envelope["config"]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(
                f"the JSON has the key {shown(key)} twice, with the values {shown(found[key])} "
                f"and {shown(value)}; keep one"
            )
        found[key] = value
    return found


def _no_constant(token: str) -> float:
    raise ConfigError(f"the JSON has the token {token}, which is not a JSON number; use a number")


def _read_int(token: str) -> int | float:
    """Read a JSON integer as binary64, because most JSON readers do: all must agree."""
    number = float(token)
    return int(number) if abs(number) <= 1e60 else number
