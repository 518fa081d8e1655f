"""Frozen text: documents, cursors in them, and edits that make new documents.

Lines end where the protocol says they do (``\\n``, ``\\r\\n`` or ``\\r`` and nothing else: LSP
3.18, "Text Documents"); ``str.splitlines`` knows eight more breaks and would drift.
Columns are code points from 0; ``convert`` knows the encodings of the protocol.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")


class Position(NamedTuple):
    """A place in a document: line and column from 0, the column in code points."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """One version of a text, as lines that keep their line endings; there is always a last line.

    ``language`` is the identifier that the editor gave (``python``, ``typescriptreact`` …).
    """

    uri: str
    language: str
    version: int
    lines: tuple[str, ...]

    @staticmethod
    def of(text: str, *, uri: str = "", language: str = "", version: int = 0) -> "Document":
        """Return the document that holds ``text``."""
        return Document(uri, language, version, split_lines(text))

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)

    @cached_property
    def newline(self) -> str:
        """The line ending of the first line that has one; ``\\n`` if none has."""
        return line_ending(self.lines[0]) or "\n"

    def line(self, number: int) -> str:
        """Return a line without its line ending."""
        line = self.lines[number]
        return line[: len(line) - len(line_ending(line))]

    def clamp(self, position: Position) -> Position:
        """Return the nearest place that exists: past the end of a line is its end (LSP 3.18)."""
        if position.line < 0:
            return Position(0, 0)
        if position.line >= len(self.lines):
            last = len(self.lines) - 1
            return Position(last, len(self.line(last)))
        return Position(position.line, min(max(position.column, 0), len(self.line(position.line))))

    def replace(self, start: Position, end: Position, text: str, version: int) -> "Document":
        """Return the document in which ``text`` stands where ``start`` to ``end`` stood.

        Places outside the document are clamped, and an inverted range is put in order.
        Costs one copy of the line table and of the lines touched, not of the text.
        """
        first, last = sorted((self.clamp(start), self.clamp(end)))
        top = first.line
        joined = self.lines[top][: first.column] + text + self.lines[last.line][last.column :]
        if joined.startswith("\n") and top > 0 and self.lines[top - 1].endswith("\r"):
            # The edit brings a "\r" and a "\n" together, which then are one line ending.
            top -= 1
            joined = self.lines[top] + joined
        middle = split_lines(joined)
        if last.line + 1 < len(self.lines) and not middle[-1]:
            middle = middle[:-1]
        lines = (*self.lines[:top], *middle, *self.lines[last.line + 1 :])
        return Document(self.uri, self.language, version, lines)


@dataclass(frozen=True)
class Cursor:
    """A place in one version of a document, where text shall be inserted."""

    document: Document
    position: Position

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.document.line(self.position.line)[: self.position.column]

    @property
    def line_after(self) -> str:
        """The cursor's line from the cursor on, without the line ending."""
        return self.document.line(self.position.line)[self.position.column :]


def split_lines(text: str) -> tuple[str, ...]:
    """Split into lines that keep their endings; a final line ending opens one more, empty line."""
    lines = tuple(_LINE.findall(text))
    return (*lines, "") if not lines or line_ending(lines[-1]) else lines


def line_ending(line: str) -> str:
    """Return the line ending that a line keeps: ``\\r\\n``, ``\\n``, ``\\r`` or nothing."""
    if line.endswith("\r\n"):
        return "\r\n"
    return line[-1] if line.endswith(("\n", "\r")) else ""


def indentation(line: str) -> str:
    """Return the blanks and tabs that a line starts with."""
    return line[: len(line) - len(line.lstrip(" \t"))]
