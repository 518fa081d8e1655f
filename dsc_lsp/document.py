"""Frozen text: documents, cursors in them, and edits that make new documents.

Lines end where the protocol says they do (``\\n``, ``\\r\\n`` or ``\\r`` and nothing else: LSP
3.18, "Text Documents"); ``str.splitlines`` knows eight more breaks and would drift.
Columns are code points from 0; ``convert`` knows the encodings of the protocol.

Upstream: that pygls's documents use ``str.splitlines`` and are copied at each edit is reported
nowhere that we know of (openlawlibrary/pygls#612 is about the copies' surroundings).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias, cast

from dsc_lsp.rows import Rows

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_ENDS_FOR_PYTHON = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What ``str.splitlines`` takes for the end of a line, and no editor does."""
_BREAK = re.compile(r"[\r\n]")
_LONG = 16_384
_PART = 4_096


class Position(NamedTuple):
    """A place in a document: line and column from 0, the column in code points."""

    line: int
    column: int


@dataclass(frozen=True)
class LongLine:
    """A line too long to be copied at each key, in parts of some thousand code points.

    A line ending is never cut in two: it stands whole in the last part.
    """

    parts: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """The whole line."""
        return "".join(self.parts)

    @cached_property
    def length(self) -> int:
        """The code points of the line, its ending included."""
        return sum(map(len, self.parts))

    def replace(self, start: int, end: int, text: str) -> "LongLine":
        """Return the line in which ``text``, without breaks, stands at these columns.

        ``end`` is no further than the start of the line ending. Costs the copy of a part.
        """
        first, before = self._part_at(start)
        last, before_last = self._part_at(end)
        joined = self.parts[first][: start - before] + text + self.parts[last][end - before_last :]
        if len(joined) < _PART // 4 and last + 1 < len(self.parts):
            last += 1
            joined += self.parts[last]
        return LongLine((*self.parts[:first], *_cut(joined), *self.parts[last + 1 :]))

    def _part_at(self, column: int) -> tuple[int, int]:
        """Return which part a column is in, and how many code points stand before that part."""
        before = 0
        for number, part in enumerate(self.parts[:-1]):
            if column < before + len(part):
                return number, before
            before += len(part)
        return len(self.parts) - 1, before


Row: TypeAlias = str | LongLine
"""A line with its line ending."""


@dataclass(frozen=True)
class Document:
    """One version of a text, as lines that keep their line endings; there is always a last line.

    ``language`` is the identifier that the editor gave (``python``, ``typescriptreact`` …).
    ``long_rows`` counts the rows that are kept in parts, ``length`` is in code points; both are
    kept up with each change, because counting them takes longer than the change.
    """

    uri: str
    language: str
    version: int
    rows: Rows[Row]
    long_rows: int
    length: int

    @staticmethod
    def of(text: str, *, uri: str = "", language: str = "", version: int = 0) -> "Document":
        """Return the document that holds ``text``."""
        rows = _rows(split_lines(text))
        return Document(uri, language, version, Rows.of(rows), _count_long(rows), len(text))

    @cached_property
    def lines(self) -> Rows[str]:
        """The lines with their line endings."""
        if not self.long_rows:
            return cast("Rows[str]", self.rows)
        return self.rows.each(_text)

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)

    @cached_property
    def newline(self) -> str:
        """The line ending of the first line that has one; ``\\n`` if none has."""
        return line_ending(self.parts(0)[-1]) or "\n"

    def line(self, number: int) -> str:
        """Return a line without its line ending."""
        line = _text(self.rows[number])
        return line[: len(line) - len(line_ending(line))]

    def parts(self, number: int) -> tuple[str, ...]:
        """Return the pieces that a line with its ending consists of: one, unless it is long."""
        row = self.rows[number]
        return (row,) if isinstance(row, str) else row.parts

    def clamp(self, position: Position) -> Position:
        """Return the nearest place that exists: past the end of a line is its end (LSP 3.18)."""
        if position.line < 0:
            return Position(0, 0)
        if position.line >= len(self.rows):
            last = len(self.rows) - 1
            return Position(last, self._width(last))
        return Position(position.line, min(max(position.column, 0), self._width(position.line)))

    def replace(self, start: Position, end: Position, text: str, version: int) -> "Document":
        """Return the document in which ``text`` stands where ``start`` to ``end`` stood.

        Places outside the document are clamped, and an inverted range is put in order.
        Costs a copy of the lines touched and of a piece of the line table, not of the text; of a
        long line only the parts touched are copied, unless lines are split or joined.
        """
        first, last = sorted((self.clamp(start), self.clamp(end)))
        top = first.line
        row = self.rows[top]
        if isinstance(row, LongLine) and top == last.line and not _BREAK.search(text):
            longer = row.replace(first.column, last.column, text)
            if longer.length > _LONG:
                return self._with_rows(top, top + 1, (longer,), version)
        joined = _text(row)[: first.column] + text + _text(self.rows[last.line])[last.column :]
        if joined.startswith("\n") and top > 0 and self.parts(top - 1)[-1].endswith("\r"):
            # The edit brings a "\r" and a "\n" together, which then are one line ending.
            top -= 1
            joined = _text(self.rows[top]) + joined
        middle = split_lines(joined)
        if last.line + 1 < len(self.rows) and not middle[-1]:
            middle = middle[:-1]
        return self._with_rows(top, last.line + 1, _rows(middle), version)

    def without(self, lines: Collection[int]) -> "Document":
        """Return the document in which these lines are empty; all others stay what they are."""
        removed = [self.rows[number] for number in set(lines)]
        rows = self.rows.with_rows({n: line_ending(self.parts(n)[-1]) for n in lines})
        length = self.length - sum(_length(row) - len(line_ending(_last(row))) for row in removed)
        long_rows = self.long_rows - _count_long(tuple(removed))
        return Document(self.uri, self.language, self.version, rows, long_rows, length)

    def _with_rows(self, start: int, end: int, rows: tuple[Row, ...], version: int) -> "Document":
        old = self.rows[start:end]
        long_rows = self.long_rows - _count_long(old) + _count_long(rows)
        length = self.length - sum(map(_length, old)) + sum(map(_length, rows))
        edited = self.rows.replaced(start, end, rows)
        return Document(self.uri, self.language, version, edited, long_rows, length)

    def _width(self, number: int) -> int:
        """Return the code points of a line without its ending."""
        return _length(self.rows[number]) - len(line_ending(self.parts(number)[-1]))


@dataclass(frozen=True)
class Cursor:
    """A place in one version of a document, where text shall be inserted."""

    document: Document
    position: Position

    @cached_property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.document.line(self.position.line)[: self.position.column]

    @cached_property
    def line_after(self) -> str:
        """The cursor's line from the cursor on, without the line ending."""
        return self.document.line(self.position.line)[self.position.column :]


def split_lines(text: str) -> tuple[str, ...]:
    """Split into lines that keep their endings; a final line ending opens one more, empty line."""
    if any(sign in text for sign in _ENDS_FOR_PYTHON):
        lines = tuple(_LINE.findall(text))
    else:
        lines = tuple(text.splitlines(keepends=True))  # in a fifth of the time
    return (*lines, "") if not lines or line_ending(lines[-1]) else lines


def line_ending(line: str) -> str:
    """Return the line ending that a line keeps: ``\\r\\n``, ``\\n``, ``\\r`` or nothing."""
    if line.endswith("\r\n"):
        return "\r\n"
    return line[-1] if line.endswith(("\n", "\r")) else ""


def indentation(line: str) -> str:
    """Return the blanks and tabs that a line starts with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


class TreeEdit(NamedTuple):
    """A change in the words of ``tree_sitter.Tree.edit``: UTF-8 bytes, and (row, byte) points."""

    start_byte: int
    old_end_byte: int
    new_end_byte: int
    start_point: tuple[int, int]
    old_end_point: tuple[int, int]
    new_end_point: tuple[int, int]


def tree_edit(document: Document, start: Position, end: Position, text: str) -> TreeEdit:
    """Return what ``document.replace(start, end, text)`` means for a tree of the whole text.

    tree-sitter's rows end at ``\\n`` only, so they are counted here and not taken from the lines.
    Costs a look at the text before ``end``.
    """
    first, last = sorted((document.clamp(start), document.clamp(end)))
    before = _before(document, first)
    old, new = _before(document, last), before + text.encode()
    return TreeEdit(len(before), len(old), len(new), _point(before), _point(old), _point(new))


def _before(document: Document, position: Position) -> bytes:
    whole = "".join(document.lines[: position.line])
    return (whole + document.lines[position.line][: position.column]).encode()


def _point(before: bytes) -> tuple[int, int]:
    return before.count(b"\n"), len(before) - 1 - before.rfind(b"\n")


def _rows(lines: tuple[str, ...]) -> tuple[Row, ...]:
    if max(map(len, lines), default=0) <= _LONG:
        return lines
    return tuple(LongLine(_cut(line)) if len(line) > _LONG else line for line in lines)


def _cut(text: str) -> tuple[str, ...]:
    """Cut into parts, none of them empty, of which the last one has the whole line ending."""
    ends = [*range(_PART, len(text) - 1, _PART), len(text)]
    return tuple(text[start:end] for start, end in zip([0, *ends], ends, strict=False) if end)


def _count_long(rows: tuple[Row, ...]) -> int:
    return sum(isinstance(row, LongLine) for row in rows)


def _text(row: Row) -> str:
    return row if isinstance(row, str) else row.text


def _last(row: Row) -> str:
    return row if isinstance(row, str) else row.parts[-1]


def _length(row: Row) -> int:
    return len(row) if isinstance(row, str) else row.length
