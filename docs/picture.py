"""Measure and draw the picture of the landing page: the errors of four frameworks.

python docs/picture.py --measure   call the frameworks, write docs/picture.json, and draw
python docs/picture.py             draw docs/picture.svg from docs/picture.json

The frameworks are called as in `invtime audit`. `invtime verify` checks the row of invtime.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_suffix(".json")
PICTURE = Path(__file__).with_suffix(".svg")

RECIPE = {"initial_learning_rate": 0.1, "decay_steps": 1000, "decay_rate": 0.5}
STAIRCASE = {"initial_learning_rate": 0.1, "decay_steps": 41, "decay_rate": 0.5, "staircase": True}
STEPS = range(2000, 2100)
AROUND = range(37, 46)
# peer and mode of `invtime audit`, and the label
ROWS = (
    ("numpy", "eager", "NumPy"),
    ("torch", "eager", "PyTorch"),
    ("jax", "jit", "JAX, compiled"),
    ("keras-tensorflow", "function", "Keras, compiled"),
)
LATE = ("keras-tensorflow", "function")


def measure(peer: str, mode: str) -> dict[str, Any]:
    """Return the errors of a peer's float32 rates in ULP, and its rates around step 41."""
    import numpy as np

    from invtime import InverseTimeDecay
    from invtime.audit.peers import PEERS

    (found,) = [m for m in PEERS[peer].modes() if m.name == mode]

    def rates(config: dict[str, Any], steps: range) -> tuple[Any, Any]:
        schedule = InverseTimeDecay(**config)
        call = found.prepare(schedule)
        n = np.array(steps)
        theirs = [float(call(i)) for i in n] if found.one_by_one else call(n)
        return np.asarray(theirs, np.float32), schedule.on(dtype="float32")(n)

    theirs, true = rates(RECIPE, STEPS)
    around, _ = rates(STAIRCASE, AROUND)
    ulps = theirs.view(np.int32) - true.view(np.int32)
    return {"ulps": ulps.tolist(), "around": [float(str(rate)) for rate in around]}


def check() -> None:
    """Check the last row: invtime is exact in every mode of every framework."""
    from invtime import InverseTimeDecay
    from invtime.verification import verify

    backends = ["numpy", "torch", "jax", "tensorflow"]
    for recipe in (RECIPE, STAIRCASE):
        report = verify(
            InverseTimeDecay(**recipe), backends=backends, dtypes=["float32"], steps=STEPS.stop
        )
        if not report.ok:
            raise SystemExit(report.to_json())


def measure_all() -> None:
    """Measure each peer in a separate process, since Keras has one backend per process."""
    from invtime.audit.peers import PEERS
    from invtime.audit.runner import ON_THE_CPU

    rows = []
    for peer, mode, label in ROWS:
        command = [sys.executable, __file__, "--peer", peer, mode]
        environment = {**os.environ, **ON_THE_CPU, **PEERS[peer].environment}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        rows.append({"peer": peer, "mode": mode, "label": label, **json.loads(done.stdout)})
    lines = ",\n".join(json.dumps(row) for row in rows)
    DATA.write_text(f"[\n{lines}\n]\n", "utf-8")


# -- drawing ---------------------------------------------------------------------------

WIDTH, LEFT, TOP, ROW = 420, 124, 92, 34
ULP = 7  # the height of a bar of one ULP
CELL = (WIDTH - LEFT - 8) / len(STEPS)
LIGHT = "--ink: #1f2328; --faint: #656d76; --off: #0969da; --far: #cf222e;"
DARK = "--ink: #e6edf3; --faint: #8d96a0; --off: #58a6ff; --far: #ff7b72;"
# Inside a page, the picture uses the theme of the page. Elsewhere it uses the reader's setting.
STYLE = f"""
.picture {{ {LIGHT} }}
@media (prefers-color-scheme: dark) {{ .picture {{ {DARK} }} }}
body[data-theme="light"] .picture {{ {LIGHT} }}
body[data-theme="dark"] .picture {{ {DARK} }}
"""
STYLE += """
.picture text { fill: var(--ink); font: 13.5px system-ui, sans-serif; }
.picture .title { font-size: 15px; font-weight: 600; }
.picture .note { fill: var(--faint); font-size: 12.5px; }
.picture .off { fill: var(--off); } .picture .far { fill: var(--far); }
.picture .axis { stroke: var(--faint); fill: none; }
.picture .true { stroke: var(--off); stroke-width: 2.5; fill: none; }
.picture .late { stroke: var(--far); stroke-width: 2.5; fill: none; stroke-dasharray: 6 4; }
"""


def draw() -> str:
    """Return the picture as SVG."""
    rows = json.loads(DATA.read_text("utf-8"))
    middle = TOP + ROW * (len(rows) + 1) + 30
    (late,) = [row for row in rows if (row["peer"], row["mode"]) == LATE]
    parts = [*_bars(rows), *_drop(late["around"], middle)]
    height = middle + 188
    head = (
        f'<svg class="picture" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'role="img" aria-labelledby="picture-title">'
    )
    title = (
        '<title id="picture-title">Errors of one schedule in four frameworks, in ULP: each '
        "framework errs at different steps, and invtime never does. With a staircase, compiled "
        "Keras drops one step late, at step 42 instead of 41.</title>"
    )
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def _bars(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Draw a line for each framework, with a bar at each step whose float32 rate is wrong."""
    yield _text(8, 20, "Errors of 0.1 / (1 + 0.5 n / 1000) in float32", "title")
    yield _text(8, 40, "Each bar is a step n with a wrong rate: up if too high,", "note")
    yield _text(8, 57, "down if too low. No bars means no errors.", "note")
    yield _text(8, 77, "Height of a bar:", "note")
    for x, ulp in ((LEFT, 1), (LEFT + 68, 2)):
        yield f'<path class="off" d="M{x} {77}v{-ULP * ulp}h{CELL - 0.8:.1f}v{ULP * ulp}z"/>'
        yield _text(x + 8, 77, f"{ulp} ULP", "note")
    for i, row in enumerate([*rows, {"label": "invtime, in each", "ulps": [0] * len(STEPS)}]):
        y = TOP + ROW * i
        yield _text(8, y + 22, row["label"], "")
        yield f'<path class="axis" d="M{LEFT} {y + 17.5}H{WIDTH - 8}"/>'
        bars = [
            f"M{LEFT + CELL * n:.1f} {y + 17.5}v{-ULP * ulp}h{CELL - 0.8:.1f}v{ULP * ulp}z"
            for n, ulp in enumerate(row["ulps"])
            if ulp
        ]
        if bars:
            yield f'<path class="off" d="{"".join(bars)}"/>'
    y = TOP + ROW * (len(rows) + 1) + 6
    yield _text(LEFT, y, f"n = {STEPS[0]}", "note")
    yield _text((LEFT + WIDTH - 8) / 2, y, "step n", "note", "middle")
    yield _text(WIDTH - 8, y, f"n = {STEPS[-1]}", "note", "end")


def _drop(late: list[float], top: int) -> Iterator[str]:
    """Draw the staircase around step 41: its exact drop, and that of compiled Keras."""
    yield _text(8, top + 20, "A staircase with decay_steps=41: first drop", "title")
    yield _text(8, top + 40, "learning rate", "note")
    left, right, high, low = 60, WIDTH - 14, top + 62, top + 132
    wide = (right - left) / (len(AROUND) - 1)

    def y(rate: float) -> float:
        return high + (0.1 - rate) / (0.1 - 0.1 / 1.5) * (low - high)

    def stairs(rates: list[float]) -> str:
        path = f"M{left} {y(rates[0]):.1f}"
        for i, rate in enumerate(rates[1:], 1):
            path += f"H{left + wide * i:.1f}V{y(rate):.1f}"
        return path

    true = [0.1 if n < 41 else 0.1 / 1.5 for n in AROUND]
    yield f'<path class="late" d="{stairs(late)}"/>'
    yield f'<path class="true" d="{stairs(true)}"/>'
    yield _text(left - 8, high + 4, "0.1", "note", "end")
    yield _text(left - 8, low + 4, "0.0667", "note", "end")
    drop = left + wide * (41 - AROUND[0])
    yield _text(drop - 8, high + 34, "invtime", "off", "end")
    yield _text(drop - 8, high + 51, "drops at step 41", "off", "end")
    yield _text(drop + wide + 8, high + 34, "compiled Keras", "far")
    yield _text(drop + wide + 8, high + 51, "drops at step 42", "far")
    yield f'<path class="axis" d="M{left} {low + 18.5}H{right}"/>'
    for i, n in enumerate(AROUND):
        yield _text(left + wide * i, low + 36, str(n), "note", "middle")
    yield _text((left + right) / 2, low + 53, "step n", "note", "middle")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        sys.stdout.write(json.dumps(measure(*sys.argv[2:])))
    else:
        if sys.argv[1:] == ["--measure"]:
            check()
            measure_all()
        PICTURE.write_text(draw(), "utf-8")
