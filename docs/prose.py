"""Find phrases to avoid in the texts of the project: `python docs/prose.py FILE...`.

docs/words.txt has the phrases, as regular expressions, each with what to write instead. The exit
status is 1 if one is found.
"""
# ruff: noqa: T201

from __future__ import annotations

import re
import sys
from pathlib import Path

LINES = Path(__file__).with_name("words.txt").read_text("utf-8").splitlines()
PAIRS = [line.split(" -> ") for line in LINES if not line.startswith("#")]
PHRASES = [(re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE), say) for phrase, say in PAIRS]


def main(files: list[str]) -> int:
    """Print each phrase that is found, with its place."""
    found = [
        f"{file}:{number}: {match[0]!r}: write {say!r}"
        for file in files
        for number, line in enumerate(Path(file).read_text("utf-8").splitlines(), 1)
        for phrase, say in PHRASES
        for match in phrase.finditer(line)
    ]
    print("\n".join(found) or f"{len(files)} files have no phrase to avoid")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
