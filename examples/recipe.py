"""One training recipe, shared by the scripts beside this file: data, model, schedule, report.

The model is a network of one hidden layer, tanh(x @ w1 + b1) @ w2 + b2, with a mean squared
error. Each script trains it in its framework, from the same weights, on the same batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from invtime import InverseTimeDecay

SCHEDULE = InverseTimeDecay(
    0.1,
    decay_steps=25,
    decay_rate=0.5,
    warmup_steps=10,
    warmup_learning_rate=0.01,
    stable_steps=20,
    minimum_learning_rate=0.06,
    cooldown_start=100,
    cooldown_steps=25,
    final_learning_rate=0.001,
)
UPDATES = 130
RUNS = Path(__file__).parent / "runs"

_random = np.random.default_rng(0)
INPUTS = _random.standard_normal((512, 8)).astype(np.float32)
TARGETS = np.sin(INPUTS.sum(axis=1, keepdims=True)).astype(np.float32)
WEIGHTS = {
    "w1": (_random.standard_normal((8, 16)) / 3).astype(np.float32),
    "b1": np.zeros(16, np.float32),
    "w2": (_random.standard_normal((16, 1)) / 4).astype(np.float32),
    "b2": np.zeros(1, np.float32),
}


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The inputs and targets of each update, 32 of them, always in the same order."""
    for update in range(UPDATES):
        rows = np.arange(update * 32, (update + 1) * 32) % len(INPUTS)
        yield INPUTS[rows], TARGETS[rows]


def report(framework: str, rates: list[float], losses: list[float]) -> None:
    """Print and save what this run saw, and compare it with the runs of the other frameworks.

    The rates, one for each update, are compared as the bits of float32. Each is printed with the
    digits that tell it from the float32 beside it.
    """
    RUNS.mkdir(exist_ok=True)
    singles = np.array(rates, np.float32)
    run = {"rates": [rate.tobytes().hex() for rate in singles], "losses": losses}
    (RUNS / f"{framework}.json").write_text(json.dumps(run))
    print(f"{framework}: {len(rates)} updates, loss {losses[0]:.6f} to {losses[-1]:.6f}")
    for step in range(0, len(singles), 10):
        print(f"{step:5}:", *singles[step : step + 10])
    for path in sorted(RUNS.glob("*.json")):
        if path.stem == framework:
            continue
        other = json.loads(path.read_text())
        pairs = list(zip(run["rates"], other["rates"], strict=True))
        equal = sum(mine == theirs for mine, theirs in pairs)
        drift = max(
            abs(mine - theirs) / theirs
            for mine, theirs in zip(losses, other["losses"], strict=True)
        )
        print(
            f"  against {path.stem}: {equal} of {len(pairs)} learning rates are equal bit for "
            f"bit, the losses drifted by at most {drift:.1e} of their value"
        )
        if equal != len(pairs):
            raise SystemExit(1)
