"""Holes that need a name of another file.

A line's rest is missing, and with it a name that stands nowhere else in its file but is defined
elsewhere in the same repository. In Python by the ``ast`` module, in JavaScript and TypeScript by
a walk over the tree (``context_facts``), and not by what the product asks of files, so that what
is measured does not measure itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.languages import identifier_of
from dsc_lsp.measure.context_facts import Facts
from dsc_lsp.measure.python_facts import python_facts
from dsc_lsp.measure.script_facts import script_facts

_LEAST_LETTERS = 4
_OPENS_A_NAME = re.compile(
    r"\s*(?:import|from|def|class|export\s*[*{]|export\s.*\sfrom\s|(?:const|let|var)\s.*\brequire\()"
)
"""Lines that bring or define names, so that whoever writes them knows more than the file says."""


@dataclass(frozen=True, slots=True)
class ContextHole:
    """A place before a name: ``imported`` if one of the files that define it is imported."""

    path: str
    cursor: Cursor
    gold: str
    rest: str
    imported: bool


def context_holes(
    root: Path, texts: Mapping[str, str], *, seed: int, limit: int
) -> list[ContextHole]:
    """Return at most ``limit`` holes of each kind, by the seed; ``texts`` are by path."""
    facts = _facts(root, texts)
    definitions: dict[str, set[str]] = {}
    for path, known in facts.items():
        for name in known.defined:
            definitions.setdefault(name, set()).add(path)
    found = [
        hole
        for path, known in sorted(facts.items())
        for hole in _holes(path, texts[path], known, definitions)
    ]
    random = Random(f"{seed}:{root.name}")
    chosen: list[ContextHole] = []
    for imported in (True, False):
        kind = [hole for hole in found if hole.imported == imported]
        chosen += random.sample(kind, min(limit, len(kind)))
    return chosen


def imported_files(root: Path, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Return for each file those that it imports, in the order of imports."""
    return {path: list(known.imported) for path, known in _facts(root, texts).items()}


def _facts(root: Path, texts: Mapping[str, str]) -> dict[str, Facts]:
    return python_facts(root.name, texts) | script_facts(texts)


def _holes(
    path: str, text: str, facts: Facts, definitions: Mapping[str, set[str]]
) -> Iterator[ContextHole]:
    language = identifier_of(Path(path))
    document = Document.of(text, uri=f"file:///{path}", language=language)
    lines_of: dict[str, set[int]] = {}
    for number in range(len(document.lines)):
        for name in re.findall(r"[^\W\d]\w*", document.line(number)):
            lines_of.setdefault(name, set()).add(number)
    taken: set[int] = set()
    for name, number, near in facts.used:
        origins = definitions.get(name, set()) - {path}
        if not origins or len(name) < _LEAST_LETTERS or number in taken:
            continue
        if lines_of.get(name) != {number}:
            continue
        line = document.line(number)
        column = _found_at(line, name, near)
        if column is None or _OPENS_A_NAME.match(line):
            continue
        taken.add(number)
        hole = document.replace(
            Position(number, column), Position(number, len(line)), "", version=1
        )
        yield ContextHole(
            path,
            Cursor(hole, Position(number, column)),
            name,
            line[column:],
            not origins.isdisjoint(facts.imported),
        )


def _found_at(line: str, name: str, column: int) -> int | None:
    """Return the column in code points of a name near a column in bytes."""
    found = [match.start() for match in re.finditer(rf"\b{re.escape(name)}\b", line)]
    return min(found, key=lambda place: abs(place - column), default=None)
