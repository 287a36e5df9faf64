"""The pages: every snippet runs, every link has a target, every public name is documented."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RUN = runpy.run_path(str(DOCS / "run.py"))
WRITTEN = [page for page in DOCS.rglob("*.md") if "_build" not in page.parts]
# Pages written by commands that take minutes or hours.
MEASURED = {DOCS / f"{name}.md" for name in ("audit", "benchmarks", "gpu", "reliability")}
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in WRITTEN
    if page not in MEASURED and list(RUN["blocks"](page.read_text("utf-8")))
)
# These need the packages of the task `trainers`: tests/trainers/test_docs.py runs them.
TRAINED = {"docs/jax.md", "docs/trainers.md"}
# The task `frameworks` installs everything that the other pages need.
INSTALLED = {
    *("torch", "jax", "tensorflow", "keras", "tf_keras", "optax", "tensorboard"),
    *("numpy", "invtime", "typer"),
}


def run(*pages: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python docs/run.py` on these pages."""
    return subprocess.run(
        [sys.executable, str(DOCS / "run.py"), *pages],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def check(*pages: str, **environment: str) -> None:
    done = run(*(str(ROOT / page) for page in pages), **environment)
    if done.returncode == RUN["SKIPPED"]:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-4000:]


FRAMEWORKS = ("torch", "jax", "tensorflow", "keras", "tf_keras")
# Pages that need the same frameworks share a process, which imports them once.
TOGETHER: dict[str, list[str]] = {}
for _page in PAGES:
    if _page not in TRAINED:
        _needs = RUN["modules"](list(RUN["blocks"]((ROOT / _page).read_text("utf-8"))))
        _key = "+".join(name for name in FRAMEWORKS if name in _needs) or "numpy"
        TOGETHER.setdefault(_key, []).append(_page)


@pytest.mark.parametrize("frameworks", TOGETHER)
def test_the_snippets_of_the_pages_do_what_they_say(frameworks):
    check(*TOGETHER[frameworks])


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_tutorial_of_keras_is_right_on_its_other_backends(backend):
    check("docs/tutorials/keras.md", KERAS_BACKEND=backend)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in TRAINED])
def test_no_page_is_skipped_where_every_framework_is(page):
    blocks = [b for b in RUN["blocks"]((ROOT / page).read_text("utf-8")) if b.reason is None]
    standard = {name for name in RUN["modules"](blocks) if name in sys.stdlib_module_names}
    assert RUN["modules"](blocks) - standard <= INSTALLED


def test_few_blocks_are_not_run():
    """Each exception has a reason in the page; this test makes a new one deliberate."""
    left_out = Counter(
        page
        for page in PAGES
        for block in RUN["blocks"]((ROOT / page).read_text("utf-8"))
        if block.reason
    )
    assert left_out == {
        "docs/command.md": 3,
        "docs/conformance.md": 1,
        "docs/install.md": 1,
        "docs/writing-a-backend.md": 4,
    }


def test_every_block_of_code_is_of_a_kind_that_is_run():
    shown = {"text", "toml", "yaml"}
    for page in {*WRITTEN} - MEASURED:
        for line in page.read_text("utf-8").splitlines():
            kind = re.fullmatch(r" *`{3,}([^`{]+)", line)
            assert not kind or kind[1] in {*shown, *RUN["KINDS"]}, f"{page.name}: {line}"


@pytest.mark.parametrize("page", [*WRITTEN, ROOT / "README.md"], ids=lambda page: page.name)
def test_code_fits_in_80_columns(page):
    """Code and commands; an output is as wide as it is."""
    blocks = re.findall(
        r"^ *`{3,}(python|pycon|\{doctest\}|\{testcode\}|console)\n(.*?)^ *`{3,}$",
        page.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    prompts = {"pycon": (">>> ", "... "), "{doctest}": (">>> ", "... "), "console": ("$ ",)}
    for kind, code in blocks:
        wide = [line for line in code.splitlines() if len(line) > 80]
        assert not [line for line in wide if line.lstrip().startswith(prompts.get(kind, ""))]


# -- the runner itself -----------------------------------------------------------------

WRONG = {
    "an exception": "```python\n1 / 0\n```\n",
    "another output": "```pycon\n>>> 1 + 1\n3\n```\n",
    "a name of another page": "```python\nschedule(0)\n```\n",
    "another output of a command": "```console\n$ echo 2\n3\n```\n",
    "a command that fails": "```console\n$ false\n```\n",
    "another status": "```console\n$ false\n$ echo $?\n2\n```\n",
    "a command without its prompt": "```console\ntrue\n```\n",
    "an indented block": "- x\n\n  ```python\n  1 / 0\n  ```\n",
    "a marker of another block": "<!-- not run: y -->\nx\n\n```python\n1 / 0\n```\n",
}
RIGHT = {
    "shared names": "```python\nx = 1\n```\n\n```pycon\n>>> x\n1\n```\n",
    "a status": "```console\n$ false\n$ echo $?\n1\n```\n",
    "an ellipsis": "```console\n$ echo 2; echo 3\n...\n3\n```\n",
    "a marker": "<!-- not run: y -->\n```python\n1 / 0\n```\n",
    "a file": "```python\nopen('x', 'w').close()\n```\n\n```console\n$ ls x\nx\n```\n",
}


@pytest.mark.parametrize(
    ("page", "status"),
    [
        *(pytest.param(page, 1, id=f"wrong: {name}") for name, page in WRONG.items()),
        *(pytest.param(page, 0, id=f"right: {name}") for name, page in RIGHT.items()),
    ],
)
def test_the_runner_finds_what_is_wrong_and_nothing_else(page, status, tmp_path):
    pytest.importorskip("typer")  # the requirements of a console block
    (tmp_path / "page.md").write_text(page)
    done = run(str(tmp_path / "page.md"))
    assert done.returncode == status, done.stderr


def test_a_page_of_a_missing_framework_is_skipped_and_named(tmp_path):
    (tmp_path / "page.md").write_text("```python\nimport no_such_framework\n```\n")
    done = run(str(tmp_path / "page.md"))
    assert (done.returncode, done.stdout) == (77, "page.md needs no_such_framework\n")


# -- links -----------------------------------------------------------------------------

# Sphinx also checks links between pages; only this test checks those of the other files.
LINKED = [*WRITTEN, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]


def without_blocks(page: Path) -> str:
    text = page.read_text("utf-8")
    return re.sub(r"^( *)(`{3,}).*?^ *\2$", "", text, flags=re.MULTILINE | re.DOTALL)


def targets(page: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", without_blocks(page))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:href|src)="([^"]+)"', text)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and MyST give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in targets(page):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), target
            continue
        there = (page.parent / parts.path).resolve() if parts.path else page
        assert there.exists(), target
        assert not parts.fragment or parts.fragment in anchors(there), target


def test_every_page_is_in_the_table_of_contents_once():
    entries = []
    for index in (DOCS / "index.md", DOCS / "api" / "index.md"):
        text = index.read_text("utf-8")
        trees = re.findall(r"^```{toctree}$(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        names = re.findall(r"^[\w/-]+$", "\n".join(trees), re.MULTILINE)
        entries += [(index.parent / name).relative_to(DOCS) for name in names]
    pages = [page.relative_to(DOCS).with_suffix("") for page in WRITTEN]
    assert sorted(entries) == sorted(page for page in pages if page != Path("index"))


# -- the picture -----------------------------------------------------------------------

PICTURE = runpy.run_path(str(DOCS / "picture.py"))


def test_the_picture_is_drawn_from_what_was_measured():
    assert PICTURE["PICTURE"].read_text("utf-8") == PICTURE["draw"]()


def test_the_first_row_of_the_picture_is_numpys_still():
    row = json.loads(PICTURE["DATA"].read_text("utf-8"))[0]
    assert row["peer"] == "numpy"
    found = PICTURE["measure"](row["peer"], row["mode"])
    assert found == {"ulps": row["ulps"], "around": row["around"]}


RECIPE = runpy.run_path(str(DOCS / "howto" / "recipe.py"))


def test_the_picture_of_a_recipe_is_drawn_from_the_schedule():
    assert RECIPE["PICTURE"].read_text("utf-8") == RECIPE["draw"]()


# -- the reference ---------------------------------------------------------------------

NAMES = {
    "invtime": None,
    "invtime.audit": None,
    "invtime.checklog": None,
    "invtime.dialects": {"from_dialect", "to_dialect", "to_code"},
    "invtime.integrations": None,
    "invtime.integrations.keras": {"InverseTimeDecay"},
    "invtime.integrations.torch": {"InverseTimeLR"},
    "invtime.testing": None,
    "invtime.verification": None,
}


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_is_in_the_reference(module):
    names = NAMES[module] or importlib.import_module(module).__all__
    pages = [*(DOCS / "api").glob("*.md"), DOCS / "dialects.md"]
    reference = "\n".join(page.read_text("utf-8") for page in pages)
    described = {line.split("::")[1].strip().removesuffix("()") for line in _directives(reference)}
    assert {f"{module}.{name}" for name in names} <= described


def _directives(text: str) -> list[str]:
    kinds = "class|function|exception|data"
    return re.findall(rf"^\.\. (?:auto|py:)(?:{kinds}):: \S+$", text, re.MULTILINE)
