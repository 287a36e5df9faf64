"""The Sphinx configuration. `nox -s docs` builds the site with warnings as errors."""

import builtins
import collections.abc
import doctest
import re
import subprocess
from importlib import metadata
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "invtime"
author = "The invtime authors"
project_copyright = author
release = version = metadata.version("invtime")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "tiny"]

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_display_short_literal_types = True

# Sphinx runs only the {doctest} and {testcode} blocks. docs/run.py runs the other blocks, which
# need frameworks.
doctest_default_flags = doctest.ELLIPSIS

# The build does not fetch the inventories of Python and NumPy, so it needs no network. `nitpicky`
# would warn about their names; these patterns ignore those names only.
NAMES = "|".join([*dir(builtins), *collections.abc.__all__, "Any", "Axes", "Executor"])
nitpick_ignore_regex = [
    ("py:(class|exc)", NAMES),
    ("py:.*", r"(collections\.abc|concurrent\.futures|contextlib|decimal|fractions)\..*"),
    ("py:.*", r"(pathlib|typing)\..*"),
    ("py:.*", r"(np|numpy|jax|tf|torch|keras|_pytest|hypothesis)\..*"),
    ("py:.*", r"(invtime\.\w+\.)?(ArrayT|ShapeT|BackendT_co|PieceT|T)"),  # type variables
]


def repository() -> str:
    """Return the web address of this clone's remote, or "" if there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    found = re.fullmatch(r"(?:https://(?:.*@)?|(?:ssh://)?git@)(.+?)(?:\.git)?/?\s*", done.stdout)
    return "https://" + found[1].replace(":", "/") if found else ""


html_theme = "furo"
html_theme_options = {}
if REPOSITORY := repository():
    link = {"name": "Repository", "url": REPOSITORY, "html": "Repository", "class": ""}
    html_theme_options["footer_icons"] = [link]
if re.match("https://(github|gitlab)[.]com/", REPOSITORY):  # Furo can link to these two sites
    html_theme_options |= {
        "source_repository": REPOSITORY,
        "source_branch": "main",
        "source_directory": "docs/",
    }
html_title = f"invtime {release}"
html_static_path = ["_static"]
html_css_files = ["invtime.css"]
html_math_renderer = "mathml"  # browsers render MathML without scripts or network

# The docstring of an attribute is a sentence. Napoleon would read the text before a colon as a
# type. Therefore the docstring is removed before napoleon (priority 500) runs, and restored after.
_sentences: dict[str, list[str]] = {}


def _take(app, what, name, obj, options, lines):
    if what in {"attribute", "property", "data"}:
        _sentences[name] = list(lines)


def _put_back(app, what, name, obj, options, lines):
    if name in _sentences:
        lines[:] = _sentences.pop(name)


def _formula(translator, node):
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _displayed_formula(translator, node):
    formula = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="math">{formula}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_formula, None), (_displayed_formula, None))
    app.connect("autodoc-process-docstring", _take, priority=100)
    app.connect("autodoc-process-docstring", _put_back, priority=900)
