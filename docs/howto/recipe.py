"""Draw a recipe with every phase: `python docs/howto/recipe.py` writes recipe.svg.

The picture is as wide as a phone, so that its labels stay readable there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from invtime import InverseTimeDecay

PICTURE = Path(__file__).with_suffix(".svg")
RECIPE = InverseTimeDecay(
    6e-4,
    decay_steps=1000,
    decay_rate=1,
    warmup_steps=1500,
    stable_steps=2500,
    minimum_learning_rate=1.2e-4,
    cooldown_start=9000,
    cooldown_steps=1500,
)
LAST = 11_500
# The rate in each phase, and the parameters that set it.
LEGEND = {
    "warm-up": ("L n / W", "warm-up steps W = 1500"),
    "stable": ("L", "peak rate L = 0.0006"),
    "decay": ("L / (1 + R t / S)", "rate R = 1, steps S = 1000"),
    "floor": ("m", "lowest rate m = 0.00012"),
    "cool-down": ("m (1 \u2212 t / K)", "cool-down steps K = 1500"),
    "end": ("0", ""),
}

WIDTH, HEIGHT = 400, 452
LEFT, RIGHT, TOP, LOW = 70, WIDTH - 12, 66, 230
TICKS, TABLE, ROW = LOW + 22, 318, 21
LIGHT = "--ink: #1f2328; --faint: #59636e; --line: #0969da; --band: #eaeef2;"
DARK = "--ink: #e6edf3; --faint: #9198a1; --line: #58a6ff; --band: #21262d;"
# In a page the picture has the colours of the page's theme; by itself, those of the system.
STYLE = f"""
.recipe {{ {LIGHT} max-width: 32rem; margin: 0 auto; }}
@media (prefers-color-scheme: dark) {{ .recipe {{ {DARK} }} }}
body[data-theme="light"] .recipe {{ {LIGHT} }}
body[data-theme="dark"] .recipe {{ {DARK} }}
"""
STYLE += """
.recipe text { fill: var(--ink); font: 13.5px system-ui, sans-serif; }
.recipe .title { font-weight: 600; }
.recipe .note { fill: var(--faint); font-size: 13px; }
.recipe .band { fill: var(--band); }
.recipe .axis { stroke: var(--faint); fill: none; }
.recipe .level { stroke: var(--faint); fill: none; stroke-dasharray: 2 5; }
.recipe .rate { stroke: var(--line); stroke-width: 3; fill: none; stroke-linejoin: round; }
"""


def draw() -> str:
    """Return the picture as SVG."""
    head = (
        f'<svg class="recipe" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-labelledby="recipe-title">'
    )
    title = (
        '<title id="recipe-title">The learning rate at each step of a run: it rises linearly in '
        "the warm-up, stays at its peak in the stable phase, falls by inverse time decay to its "
        "floor, and falls linearly to 0 in the cool-down.</title>"
    )
    parts = [*_phases(), *_axes(), _rate(), *_legend()]
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def _x(step: float) -> float:
    return LEFT + step / LAST * (RIGHT - LEFT)


def _y(rate: float) -> float:
    return LOW - rate / RECIPE.initial_learning_rate * (LOW - TOP - 14)


def _phases() -> Iterator[str]:
    """Draw a band for each phase, with its number."""
    for i, phase in enumerate(RECIPE.phases):
        start, stop = _x(phase.start), _x(phase.stop or LAST)
        if i % 2 == 0:
            size = f'width="{stop - start:.1f}" height="{LOW - 40}"'
            yield f'<rect class="band" x="{start:.1f}" y="40" {size}/>'
        yield _text((start + stop) / 2, 57, str(i + 1), "title", "middle")


def _axes() -> Iterator[str]:
    """Draw the axes with arrows, the rates that are parameters, and the starts of the phases."""
    yield _text(8, 24, "learning rate \u2191", "title")
    arrows = f"M{LEFT} 34v{LOW - 34}H{RIGHT + 8}m-6 -4l6 4l-6 4M{LEFT - 4} 40l4 -6l4 6"
    yield f'<path class="axis" d="{arrows}"/>'
    for name, rate in (
        ("L", RECIPE.initial_learning_rate),
        ("m", RECIPE.minimum_learning_rate),
    ):
        yield f'<path class="level" d="M{LEFT} {_y(rate):.1f}H{RIGHT}"/>'
        yield _text(LEFT - 7, _y(rate) - 3, name, "", "end")
        yield _text(LEFT - 7, _y(rate) + 12, f"{rate:.5f}".rstrip("0"), "note", "end")
    yield _text(LEFT - 7, LOW + 5, "0", "note", "end")
    # The labels alternate between two lines, since the phases 4 and 5 are short.
    for i, phase in enumerate(RECIPE.phases):
        down = 18 * (i % 2)
        yield f'<path class="axis" d="M{_x(phase.start):.1f} {LOW}v{7 + down}"/>'
        yield _text(_x(phase.start), TICKS + down, str(phase.start), "note", "middle")
    yield _text(RIGHT + 4, TICKS + 39, "step n, the updates so far \u2192", "title", "end")


def _rate() -> str:
    points = [f"{_x(n):.1f} {_y(RECIPE(n)):.1f}" for n in range(0, LAST + 1, 50)]
    return f'<path class="rate" d="M{"L".join(points)}"/>'


def _legend() -> Iterator[str]:
    """Write the number, the name, the rate and the parameters of each phase."""
    for i, (name, (formula, parameters)) in enumerate(LEGEND.items()):
        y = TABLE + ROW * i
        yield _text(8, y, str(i + 1), "title")
        yield _text(26, y, name, "")
        yield _text(104, y, formula, "")
        yield _text(220, y, parameters, "note")
    yield _text(8, TABLE + ROW * len(LEGEND) + 2, "t: steps since the phase began", "note")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
