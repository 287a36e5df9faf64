"""Sphinx configuration: `nox -s docs` builds with each warning an error."""

import builtins
import collections.abc
import doctest
from importlib import metadata

project = "invtime"
author = "The invtime authors"
project_copyright = author
release = version = metadata.version("invtime")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_display_short_literal_types = True

# Only blocks marked as examples: the others show frameworks that may not be installed.
doctest_default_flags = doctest.ELLIPSIS
doctest_global_setup = "import numpy as np\nfrom invtime import InverseTimeDecay"

# The inventories of Python and NumPy are not fetched, so that the build needs no network;
# `nitpicky` then asks about their names, which are let through here, and about no other.
NAMES = "|".join([*dir(builtins), *collections.abc.__all__, "Any", "Axes", "Executor"])
nitpick_ignore_regex = [
    ("py:(class|exc)", NAMES),
    ("py:.*", r"(collections\.abc|concurrent\.futures|contextlib|typing)\..*"),
    ("py:.*", r"(numpy|jax|tf|torch|keras|_pytest)\..*"),
]

html_theme = "furo"
html_title = f"invtime {release}"

# An attribute's docstring is a sentence; napoleon would read what stands before a colon in it
# as a type. So it is taken before napoleon (500) sees it, and put back afterwards.
_sentences: dict[str, list[str]] = {}


def _take(app, what, name, obj, options, lines):
    if what in {"attribute", "property", "data"}:
        _sentences[name] = list(lines)


def _put_back(app, what, name, obj, options, lines):
    if name in _sentences:
        lines[:] = _sentences.pop(name)


def setup(app):
    app.connect("autodoc-process-docstring", _take, priority=100)
    app.connect("autodoc-process-docstring", _put_back, priority=900)
