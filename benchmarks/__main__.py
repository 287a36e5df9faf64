"""Print the whole table as Markdown: `python -m benchmarks [host arrays compiled ...]`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import import_module, metadata

from benchmarks.measure import HEADER

MODULES = (
    *("imports", "host", "arrays", "compiled", "scalars"),
    *("torch_scheduler", "optax_step", "keras_fit"),
)
VERSIONS = ("numpy", "torch", "jax", "tensorflow-cpu", "keras", "optax")


def main(chosen: list[str]) -> None:
    """Run the chosen modules, or all; each row is printed as soon as it is measured."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors; {versions}\n")
    print(HEADER, flush=True)
    for name in chosen or MODULES:
        if name in ("scalars", "keras_fit"):  # Keras has one backend in a process
            for backend in ("tensorflow", "jax", "torch"):
                subprocess.run([sys.executable, "-m", f"benchmarks.{name}", backend], check=True)
            continue
        for row in import_module(f"benchmarks.{name}").rows():
            print(row.markdown(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
