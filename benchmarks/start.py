"""Import, first value and memory.

Each row compares two whole processes. Rows with "in the process" measure inside the process, after
the framework is imported.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import Row, compare_processes

VALUE = "import invtime; invtime.InverseTimeDecay(0.1, 1000, 0.5)(7)"
ARRAYS = {
    "numpy": "import numpy; n = numpy.arange(3)",
    "torch": "import torch; n = torch.arange(3)",
    "jax": "import jax; n = jax.numpy.arange(3)",
    "tensorflow": "import tensorflow as tf; n = tf.cast(tf.range(3), tf.float32)",
}
TIMED = (
    "{setup}; import time; start = time.perf_counter(); {code}; print(time.perf_counter()-start)"
)
OURS = "import invtime; invtime.InverseTimeDecay(0.1, 1000, 0.5)(n)"
PLAIN = "0.1 / (1 + 0.5 * n / 1000)"
# Each setup compiles another function first, because the first compilation starts the compiler.
COMPILED = {
    "torch.compile": (
        "import os, tempfile; cache = tempfile.TemporaryDirectory(); "
        "os.environ['TORCHINDUCTOR_CACHE_DIR'] = cache.name; import torch, invtime; "
        "n = torch.tensor(7.0); jit = torch.compile; jit(lambda n: n * 2)(n)"
    ),
    "jax.jit": (
        "import jax, invtime; n = jax.numpy.float32(7); "
        "jit = lambda f: (lambda n: jax.jit(f)(n).block_until_ready()); jit(lambda n: n * 2)(n)"
    ),
    "tf.function with XLA": (
        "import tensorflow as tf, invtime; n = tf.constant(7.0); "
        "jit = lambda f: tf.function(f, jit_compile=True); jit(lambda n: n * 2)(n)"
    ),
}
RECIPE = (
    "invtime.InverseTimeDecay(0.1, 1000, 0.5, warmup_steps=500, minimum_learning_rate=0.01, "
    "cooldown_start=20_000, cooldown_steps=2000)"
)
# The peak memory of the process in MiB; Linux counts in KiB.
PEAK = "import resource as r; print(r.getrusage(r.RUSAGE_SELF).ru_maxrss / 1024)"
MANY = "import numpy; n = numpy.arange(50_000_000)"


def rows() -> Iterator[Row]:
    bare = compare_processes("`import invtime`", "import invtime", "pass", against="bare Python")
    yield bare.at_most_more(0.025)
    for code, rounds in (
        ("pass", 7),
        ("import numpy", 7),
        ("import optax", 3),
        ("import keras", 3),
    ):
        against = "bare Python" if code == "pass" else f"`{code}`"
        yield compare_processes(
            "import, build, first value", VALUE, code, against=against, rounds=rounds
        )
    for name, setup in ARRAYS.items():
        ours = TIMED.format(setup=setup, code=OURS)
        plain = TIMED.format(setup=setup, code=PLAIN)
        row = compare_processes(
            f"in the process: import invtime, first {name} array", ours, plain,
            against="the plain expression, first array", rounds=3,
        )  # fmt: skip
        yield row.at_most(0.060)
    for name, setup in COMPILED.items():
        ours = TIMED.format(setup=setup, code=f"jit({RECIPE})(n)")
        plain = TIMED.format(setup=setup, code=f"jit(lambda n: {PLAIN})(n)")
        yield compare_processes(
            f"in the process: first call of `{name}`, a recipe at a float32 step", ours, plain,
            against="the plain expression without phases", rounds=3,
        )  # fmt: skip
    memory = {"unit": "MiB", "rounds": 3}
    for code, against in (("pass", "bare Python"), ("import numpy", "`import numpy`")):
        yield compare_processes(
            "memory: import, build, first value", f"{VALUE}; {PEAK}", f"{code}; {PEAK}",
            against=against, **memory,
        )  # fmt: skip
    yield compare_processes(
        "memory: 5e7 int64 steps in NumPy", f"{MANY}; {OURS}; {PEAK}", f"{MANY}; {PLAIN}; {PEAK}",
        against="the plain expression", **memory,
    )  # fmt: skip
