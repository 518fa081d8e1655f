"""Tests that are documents: Markdown files in ``tests/cases/<stage>``, one ``##`` heading a case.

A case is its fenced blocks. The first word after the fence says what the block is: a language
identifier (the code), ``raw`` (what the model writes) or ``expect`` (what must come out). Further
words are options of the block, ``name`` or ``name=value``; what a stage knows stands at its test.

In the code, ``‸`` marks the cursor: a proofreader's mark that no programming language uses
(``<caret>`` is a JSX element and ``$0`` is shell). What cannot be seen is written so that it can
be, in every block: ``→`` is a tab and ``␍`` a carriage return. A block's last line has no line
ending; code that ends with one has an empty last line.

``pytest --update`` writes what came out into the ``expect`` blocks; read the diff.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from dsc_lsp.document import Cursor, Document, Position

CASES = Path(__file__).parent / "cases"
CARET = "‸"
_VISIBLE = {"\t": "→", "\r": "␍"}
_FENCE = re.compile(r"(`{3,})(\w+.*)")


@dataclass(frozen=True)
class Block:
    """A fenced block and the lines of the file that are in it: ``start`` up to before ``end``."""

    kind: str
    options: dict[str, str]
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Case:
    """One ``##`` heading of a file and the blocks below it."""

    path: Path
    heading: str
    blocks: tuple[Block, ...]

    @property
    def code(self) -> Block:
        """The first block, which is the code."""
        return self.blocks[0]

    def block(self, kind: str) -> Block:
        """Return the one block of a kind."""
        (block,) = (block for block in self.blocks if block.kind == kind)
        return block

    def cursor(self) -> Cursor:
        """Return the cursor at the caret of the code."""
        return cursor_in(self.code.text, language=self.code.kind)

    def check(self, actual: str, *, update: bool) -> None:
        """Compare with the ``expect`` block, or write it there."""
        expected = self.block("expect")
        if actual == expected.text:
            return
        if update:
            self._write(actual)
            return
        difference = difflib.unified_diff(
            visible(expected.text).split("\n"),
            visible(actual).split("\n"),
            "expected",
            "actual",
            lineterm="",
            n=99,
        )
        pytest.fail(f"{self.path.name}: {self.heading}\n" + "\n".join(difference), pytrace=False)

    def _write(self, actual: str) -> None:
        # Earlier cases may have changed the file, so that the lines have moved.
        now = next(case for case in read_cases(self.path) if case.heading == self.heading)
        block = now.block("expect")
        lines = self.path.read_text(encoding="utf-8").split("\n")
        lines[block.start : block.end] = visible(actual).split("\n") if actual else []
        self.path.write_text("\n".join(lines), encoding="utf-8")


def cursor_in(marked: str, *, language: str = "", uri: str = "") -> Cursor:
    """Return the cursor at the caret in a text."""
    before, after = marked.split(CARET)
    lines = Document.of(before).lines
    position = Position(len(lines) - 1, len(lines[-1]))
    return Cursor(Document.of(before + after, uri=uri, language=language), position)


def visible(text: str) -> str:
    """Return the text with signs for what cannot be seen."""
    return text.translate(str.maketrans(_VISIBLE))


def cases(stage: str) -> list[ParameterSet]:
    """Return the cases of a stage for ``parametrize``, named by file and heading."""
    return [
        pytest.param(case, id=f"{path.stem}: {case.heading}")
        for path in sorted((CASES / stage).glob("*.md"))
        for case in read_cases(path)
    ]


def read_cases(path: Path) -> list[Case]:
    """Read the cases of a file."""
    found: list[Case] = []
    heading: str | None = None
    blocks: list[Block] = []
    lines = path.read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith("## "):
            if heading is not None:
                found.append(Case(path, heading, tuple(blocks)))
            heading, blocks = line.removeprefix("## "), []
        elif fence := _FENCE.fullmatch(line):
            end = lines.index(fence[1], number)
            blocks.append(_block(fence[2], lines, number + 1, end))
            number = end
        number += 1
    assert heading is not None, f"{path} has no case"
    return [*found, Case(path, heading, tuple(blocks))]


def _block(info: str, lines: list[str], start: int, end: int) -> Block:
    kind, *options = info.split()
    pairs = (option.partition("=") for option in options)
    shown = str.maketrans({sign: character for character, sign in _VISIBLE.items()})
    text = "\n".join(lines[start:end]).translate(shown)
    return Block(kind, {name: value for name, _, value in pairs}, text, start, end)
