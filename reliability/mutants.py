"""The mutants of a module: mutmut's, each as a whole text of the module."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[1] / "invtime"


class Mutant(NamedTuple):
    """One change of one function: the module, the function, and which of the module's changes."""

    module: str  # as a path in the package, without .py
    function: str  # of a method, Class.method
    number: int

    def text(self) -> str:
        """The module with the change."""
        from mutmut.mutation.file_mutation import deep_replace

        tree, changes = changes_of(self.module)
        change = changes[self.number]
        text: str = deep_replace(tree, change.original_node, change.mutated_node).code
        return text

    def lines(self) -> str:
        """The lines that differ, as in a diff."""
        before, after = source(self.module).splitlines(), self.text().splitlines()
        lines = difflib.unified_diff(before, after, lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def source(module: str) -> str:
    """The text of a module as it is."""
    return (PACKAGE / f"{module}.py").read_text("utf-8")


@cache
def changes_of(module: str) -> tuple[Any, list[Any]]:
    """The syntax tree of a module, and mutmut's changes in it."""
    from mutmut.mutation.file_mutation import create_mutations

    tree, changes, *_ = create_mutations(module, source(module))
    return tree, changes


def mutants_of(module: str) -> list[Mutant]:
    """Every mutant of a module."""
    from libcst import ClassDef, FunctionDef

    tree, changes = changes_of(module)
    names = {}
    for node in tree.body:
        if isinstance(node, FunctionDef):
            names[node] = node.name.value
        elif isinstance(node, ClassDef):
            methods = (inner for inner in node.body.body if isinstance(inner, FunctionDef))
            names.update({inner: f"{node.name.value}.{inner.name.value}" for inner in methods})
    places = (names.get(change.contained_by_top_level_function) for change in changes)
    return [Mutant(module, name, number) for number, name in enumerate(places) if name]
