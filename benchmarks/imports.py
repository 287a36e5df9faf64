"""What importing costs: whole processes, against importing NumPy and nothing at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.measure import Row, compare


def rows() -> Iterator[Row]:
    """`import invtime` and a first value, against `import numpy` and the bare interpreter."""
    value = "import invtime; invtime.InverseTimeDecay(0.1, 1000, 0.5)(7)"
    for peer, against in (("import numpy", "`import numpy`"), ("pass", "the bare interpreter")):
        yield compare(
            "process: import, build, first value", _run(value), _run(peer), "", against=against
        )


def _run(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)
