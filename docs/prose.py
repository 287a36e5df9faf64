"""Find words to avoid, and repeated lines, in the texts of the project: `python docs/prose.py`.

docs/words.txt has the words. The texts are the Markdown pages without their code, and the comments
and strings of the Python files: docstrings, messages and help among them. A line that ends in
`prose: ignore` is left out. In a page, no long line may occur twice within thirty lines.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOLERATED = "prose: ignore"
LONG, NEAR = 60, 30
CODE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2|``.+?``|`[^`\n]+`", re.MULTILINE | re.DOTALL)
KINDS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def words() -> list[tuple[re.Pattern[str], str]]:
    """The patterns of docs/words.txt, each with its advice. A space matches a line break too."""
    lines = (ROOT / "docs" / "words.txt").read_text("utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(re.compile(p.replace(" ", r"\s+"), re.IGNORECASE), advice) for p, advice in pairs]


PATTERNS = words()


def texts(name: str, source: str) -> Iterator[tuple[int, str]]:
    """The texts in a file, each with the number of its first line."""
    if name.endswith(".md"):
        # Code becomes as many blank lines, so that the numbers stay.
        yield 1, CODE.sub(lambda code: "\n" * code[0].count("\n"), source)
        return
    for token in tokenize.tokenize(BytesIO(source.encode()).readline):
        if token.type in KINDS:
            yield token.start[0], token.string


def findings(name: str, source: str) -> Iterator[str]:
    """`FILE:LINE: what was found, and what to write` for each finding."""
    lines = source.splitlines()
    for first, text in texts(name, source):
        for pattern, advice in PATTERNS:
            for found in pattern.finditer(text):
                number = first + text.count("\n", 0, found.start())
                if not lines[number - 1].endswith(TOLERATED):
                    yield f"{name}:{number}: {' '.join(found[0].split())!r}; write: {advice}"


def repeated(name: str, source: str) -> Iterator[str]:
    """`FILE:LINE: ...` for each long line of a page that also stands a few lines above."""
    last_at: dict[str, int] = {}
    ((_, text),) = texts(name, source)
    for number, line in enumerate(text.splitlines(), 1):
        last = last_at.get(line, -NEAR)
        if len(line) >= LONG and number - last < NEAR and not line.startswith("|"):  # a table's row
            yield f"{name}:{number}: the same as line {last}; remove one"
        last_at[line] = number


def main() -> int:
    """Print the findings in every tracked file; the exit status is 1 if there are any."""
    command = ["git", "ls-files", "*.md", "*.py"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    status = 0
    for name in tracked.stdout.splitlines():
        source = (ROOT / name).read_text("utf-8")
        found = [*findings(name, source), *(repeated(name, source) if name.endswith(".md") else ())]
        for finding in found:
            sys.stdout.write(f"{finding}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
