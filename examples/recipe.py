"""Define the training recipe that the scripts in this folder share.

The model has one hidden layer, tanh(x @ w1 + b1) @ w2 + b2. The loss is the
mean squared error. Each script trains the model in one framework, from the
same weights and on the same batches.
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
    """Yield the inputs and targets of each update, in a fixed order.

    A batch has 32 examples: float32 arrays of shapes (32, 8) and (32, 1).
    """
    for update in range(UPDATES):
        rows = np.arange(update * 32, (update + 1) * 32) % len(INPUTS)
        yield INPUTS[rows], TARGETS[rows]


def report(
    framework: str,
    rates: list[float],
    losses: list[float],
) -> None:
    """Print and save a run, and compare it with runs of other frameworks.

    `rates` and `losses` have one number for each update. The rates are
    printed, saved and compared as float32. The exit status is 1 if a rate
    differs in any bit.
    """
    RUNS.mkdir(exist_ok=True)
    singles = np.array(rates, np.float32)
    bits = [rate.tobytes().hex() for rate in singles]
    run = {"rates": bits, "losses": losses}
    (RUNS / f"{framework}.json").write_text(json.dumps(run))
    change = f"loss {losses[0]:.6f} to {losses[-1]:.6f}"
    print(f"{framework}: {len(rates)} updates, {change}")
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
            f"  against {path.stem}: {equal} of {len(pairs)} learning rates "
            "are equal bit for bit, the losses drifted by at most "
            f"{drift:.1e} of their value"
        )
        if equal != len(pairs):
            raise SystemExit(1)
