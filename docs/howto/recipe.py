"""The picture of a recipe with every phase: `python docs/howto/recipe.py` draws recipe.svg."""

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
FORMULAS = {
    "warm-up": "L n / W",
    "stable": "L",
    "decay": "L / (1 + R t / S)",
    "floor": "m",
    "cool-down": "m (1 \u2212 t / K)",
    "end": "0",
}

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, LOW = 66, WIDTH - 14, 96, HEIGHT - 58
LIGHT = "--ink: #1f2328; --faint: #656d76; --line: #0969da; --band: #eaeef2;"
DARK = "--ink: #e6edf3; --faint: #8d96a0; --line: #58a6ff; --band: #21262d;"
# As a part of a page the picture has the colours of its theme; alone, those of the reader.
STYLE = f"""
.recipe {{ {LIGHT} }}
@media (prefers-color-scheme: dark) {{ .recipe {{ {DARK} }} }}
body[data-theme="light"] .recipe {{ {LIGHT} }}
body[data-theme="dark"] .recipe {{ {DARK} }}
"""
STYLE += """
.recipe text { fill: var(--ink); font: 14px system-ui, sans-serif; }
.recipe .title { font-size: 18px; font-weight: 600; }
.recipe .note { fill: var(--faint); font-size: 13px; }
.recipe .band { fill: var(--band); }
.recipe .axis { stroke: var(--faint); fill: none; }
.recipe .level { stroke: var(--faint); fill: none; stroke-dasharray: 2 5; }
.recipe .rate { stroke: var(--line); stroke-width: 3.5; fill: none; stroke-linejoin: round; }
"""


def draw() -> str:
    """The picture, as SVG."""
    head = (
        f'<svg class="recipe" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-labelledby="recipe-title">'
    )
    title = (
        '<title id="recipe-title">The learning rate over the steps of a run: a linear warm-up, '
        "a stable phase, inverse time decay, a floor, and a linear cool-down to 0.</title>"
    )
    parts = [*_phases(), *_axes(), _rate()]
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def _x(step: float) -> float:
    return LEFT + step / LAST * (RIGHT - LEFT)


def _y(rate: float) -> float:
    return LOW - rate / RECIPE.initial_learning_rate * (LOW - TOP - 14)


def _phases() -> Iterator[str]:
    """A band for each phase, with its name and its formula."""
    yield _text(LEFT, 26, "One schedule, the same bits in every framework", "title")
    for i, phase in enumerate(RECIPE.phases):
        start, stop = _x(phase.start), _x(phase.stop or LAST)
        if i % 2 == 0:
            size = f'width="{stop - start:.1f}" height="{LOW - 44}"'
            yield f'<rect class="band" x="{start:.1f}" y="44" {size}/>'
        middle = (start + stop) / 2
        yield _text(middle, 62, phase.name, "", "middle")
        yield _text(middle, 80, FORMULAS[phase.name], "note", "middle")


def _axes() -> Iterator[str]:
    """The steps where a phase begins, and the rates that are parameters."""
    yield f'<path class="axis" d="M{LEFT} {TOP}V{LOW}H{RIGHT}"/>'
    for rate, label in (
        (RECIPE.initial_learning_rate, "L = 6e-4"),
        (RECIPE.minimum_learning_rate, "m = 1.2e-4"),
    ):
        yield f'<path class="level" d="M{LEFT} {_y(rate):.1f}H{RIGHT}"/>'
        name, _, number = label.partition(" = ")
        yield _text(LEFT - 8, _y(rate) - 2, name, "", "end")
        yield _text(LEFT - 8, _y(rate) + 13, number, "note", "end")
    yield _text(LEFT - 8, LOW + 5, "0", "note", "end")
    for phase in RECIPE.phases:
        yield f'<path class="axis" d="M{_x(phase.start):.1f} {LOW}v6"/>'
        yield _text(_x(phase.start), LOW + 23, f"{phase.start:,}", "note", "middle")
    yield _text((LEFT + RIGHT) / 2, HEIGHT - 10, "step n (updates made)", "note", "middle")


def _rate() -> str:
    points = [f"{_x(n):.1f} {_y(RECIPE(n)):.1f}" for n in range(0, LAST + 1, 50)]
    return f'<path class="rate" d="M{"L".join(points)}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
