"""A recipe that has every phase, with rates that are not exact in binary."""

from invtime import InverseTimeDecay

RECIPE = InverseTimeDecay(
    0.3,
    1000,
    0.7,
    warmup_steps=100,
    warmup_learning_rate=0.01,
    stable_steps=50,
    minimum_learning_rate=0.1,
    cooldown_start=9000,
    cooldown_steps=1000,
    final_learning_rate=0.001,
)
