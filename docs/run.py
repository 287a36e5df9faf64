"""Run every snippet of a page, in order: `python docs/run.py docs/keras.md ...`.

The blocks of a page share one namespace and one temporary folder, which contains copies of
examples/ and tests/logs/:

    ```python     is executed
    ```pycon      is executed, and its output is compared, as in doctest
    ```console    each line after `$ ` is a command; the lines below it are its output on stdout.
                  A command may fail only if the next one is `echo $?`

In an output, `...` matches anything, and each run of blanks matches any other.
`<!-- not run: REASON -->` excludes the next block.
Sphinx runs the `{doctest}` and `{testcode}` blocks. The exit status is 77 if a module that a page
imports is not installed.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = 77
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
KINDS = ("python", "pycon", "console")
IMPORT = re.compile(r"^ *(?:(?:>>>|\.\.\.) )? *(?:import|from) (\w+)", re.MULTILINE)


class Block(NamedTuple):
    """A block of a page that can be run."""

    kind: str
    code: str
    line: int
    """The line of the page before the code."""
    reason: str | None
    """Why the block is not run, or None."""


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page, from top to bottom."""
    lines = text.splitlines()
    reason, i = None, 0
    while i < len(lines):
        fence = re.match(r" *(`{3,})(.*)$", lines[i])
        marker = re.match(r" *<!-- not run: (.+) -->$", lines[i])
        i += 1
        if fence:
            start = i
            while lines[i].strip() != fence[1]:
                i += 1
            if fence[2] in KINDS:
                code = textwrap.dedent("\n".join(lines[start:i])) + "\n"
                yield Block(fence[2], code, start, reason)
            i += 1
        if fence or (lines[i - 1].strip() and not marker):
            reason = None
        if marker:
            reason = marker[1]


def modules(todo: list[Block]) -> set[str]:
    """Return the modules that the blocks import, and the ones that the command needs."""
    found = {name for block in todo for name in IMPORT.findall(block.code)}
    return found | {"typer" for block in todo if block.kind == "console"}


def run(page: Path) -> None:
    """Run a page in the current folder; raise at the first block that fails."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page.read_text("utf-8")):
        if block.reason is not None:
            continue
        if block.kind == "console":
            _console(block, page)
        elif block.kind == "pycon":
            _doctest(block, names, page)
        else:
            exec(compile("\n" * block.line + block.code, str(page), "exec"), names)


def _doctest(block: Block, names: dict[str, Any], page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(block.code, {}, page.name, str(page), block.line)
    test.globs = names
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=report.append, clear_globs=False)
    if runner.failures:
        raise AssertionError("".join(report))


def _console(block: Block, page: Path) -> None:
    if not block.code.startswith("$ "):
        raise AssertionError(f"{page}:{block.line}: a console block must begin with '$ '")
    # Commands that are installed for this Python come first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    status = 0
    sessions = [session.partition("\n") for session in block.code[2:-1].split("\n$ ")]
    for i, (command, _, shown) in enumerate(sessions):
        done = subprocess.run(
            ["bash", "-c", f"(exit {status}); {command}"],
            check=False,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "PATH": path},
        )
        status = done.returncode
        asked = i + 1 < len(sessions) and sessions[i + 1][0] == "echo $?"
        same = doctest.OutputChecker().check_output(shown, done.stdout, FLAGS)
        if not same or (status and not asked):
            raise AssertionError(
                f"{page}:{block.line}: $ {command}\nexits with status {status} and prints\n"
                f"{done.stdout}{done.stderr[-2000:]}"
            )


def main(pages: list[str]) -> int:
    """Run pages, each in a separate folder."""
    for name in pages:
        page = Path(name).resolve()
        todo = [b for b in blocks(page.read_text("utf-8")) if b.reason is None]
        missing = sorted(name for name in modules(todo) if find_spec(name) is None)
        if missing:
            sys.stdout.write(f"{page.name} needs {', '.join(missing)}\n")
            return SKIPPED
        if {"keras", "torch"} <= modules(todo):  # see invtime/backends/tensorflow.py
            with suppress(ImportError):
                import_module("triton")
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for part in ("tests/logs", "examples"):
                shutil.copytree(ROOT / part, part, ignore=shutil.ignore_patterns("runs"))
            try:
                run(page)
            except Exception:
                traceback.print_exc()
                return 1
            finally:
                os.chdir(ROOT)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
