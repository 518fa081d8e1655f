"""Typing traces: a file and the edits that were made to it, with their times, as JSON lines.

The first line is ``{"name", "language", "text"}``, each other ``{"ms", "start", "end", "text"}``:
milliseconds since the beginning, and line and column from 0 in code points, ``end`` exclusive.
The traces that ship are real changes of this repository's own files, typed by nobody: what was
written and where is known from git; the order of the keys and their times are made up
(``record``).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from dsc_lsp.document import Cursor, Document, Position

_Line = TypeVar("_Line")


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` takes the place of ``start`` to ``end``, so many ms after the beginning."""

    ms: int
    start: Position
    end: Position
    text: str

    @property
    def cursor(self) -> Position:
        """Where the cursor is afterwards: behind the text."""
        lines = self.text.split("\n")
        column = len(lines[-1]) + (self.start.column if len(lines) == 1 else 0)
        return Position(self.start.line + len(lines) - 1, column)


@dataclass(frozen=True, slots=True)
class Trace:
    """One editing session in one file."""

    name: str
    language: str
    text: str
    edits: tuple[Edit, ...]

    def document(self, folder: Path = Path("/")) -> Document:
        """Return the file, in a folder, before the first edit."""
        uri = (folder / self.name).as_uri()
        return Document.of(self.text, uri=uri, language=self.language, version=1)

    def cursors(self, folder: Path = Path("/")) -> Iterator[Cursor]:
        """Yield the cursor after each edit."""
        document = self.document(folder)
        for number, edit in enumerate(self.edits, 2):
            document = document.replace(edit.start, edit.end, edit.text, number)
            yield Cursor(document, edit.cursor)


class TraceError(Exception):
    """A trace that cannot be used; the message is for the user."""


def shipped() -> list[Trace]:
    """Return the traces that come with the package."""
    files = resources.files(__name__).iterdir()
    paths = sorted(Path(str(file)) for file in files if file.name.endswith(".jsonl"))
    return [read_trace(path) for path in paths]


def read_trace(path: Path) -> Trace:
    """Return the trace in a file.

    Raises:
        TraceError: the file is missing or damaged, with the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} cannot be read: {error}") from None
    if len(lines) < 2:
        raise TraceError(f"{path}: a trace has a line for the file and one for each edit")
    name, language, text = _read_line(path, 1, lines[0], _head)
    edits = tuple(
        _read_line(path, number, line, _edit) for number, line in enumerate(lines[1:], 2)
    )
    return Trace(name, language, text, edits)


def write_trace(trace: Trace, path: Path) -> None:
    """Write a trace that ``read_trace`` reads."""
    head = {"name": trace.name, "language": trace.language, "text": trace.text}
    edits = [
        {"ms": edit.ms, "start": edit.start, "end": edit.end, "text": edit.text}
        for edit in trace.edits
    ]
    lines = (json.dumps(line, ensure_ascii=False) for line in (head, *edits))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read_line(path: Path, number: int, line: str, read: Callable[[Any], _Line]) -> _Line:
    try:
        return read(json.loads(line))
    except (KeyError, TypeError, ValueError):
        raise TraceError(f"{path}, line {number}: not a line of a typing trace") from None


def _head(raw: Any) -> tuple[str, str, str]:
    return _string(raw["name"]), _string(raw["language"]), _string(raw["text"])


def _edit(raw: Any) -> Edit:
    (line, column), (last, end) = raw["start"], raw["end"]
    start, stop = Position(int(line), int(column)), Position(int(last), int(end))
    return Edit(int(raw["ms"]), start, stop, _string(raw["text"]))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
