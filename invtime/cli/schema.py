"""`invtime schema`."""

from __future__ import annotations

import json

from invtime.cli.output import emit
from invtime.config import config_schema


def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of a config.

    Example: `invtime schema > inverse-time-decay.schema.json`

    Exit status: 0.
    """
    emit([json.dumps(config_schema(), indent=2)])
