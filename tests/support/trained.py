"""The schedules for the tests of all trainers, and the updates after which a run is resumed."""

from invtime import InverseTimeDecay

STAIRCASE = InverseTimeDecay(0.1, 41, 0.5, staircase=True)
SHORT = InverseTimeDecay(0.1, 3, 0.5, staircase=True)
RECIPE = InverseTimeDecay(  # every phase, in 100 updates
    0.1,
    20.5,
    0.5,
    warmup_steps=10,
    stable_steps=20,
    minimum_learning_rate=0.06,
    cooldown_start=80,
    cooldown_steps=15,
    final_learning_rate=0.001,
)
SCHEDULES = {
    "staircase": STAIRCASE,
    "continuous": InverseTimeDecay(0.1, 1000, 0.5),
    "phases": RECIPE,
}
RESUMED = [*((STAIRCASE, n) for n in (40, 41, 42)), *((RECIPE, n) for n in (1, 10, 81))]
