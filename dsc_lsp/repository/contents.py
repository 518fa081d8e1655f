"""What the index holds of a file, made of its text without a look at the database.

Its text and words come first, because they are soon made: then it can be searched. What it defines
and imports needs a tree, which takes three times as long.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from dsc_lsp.repository import imports, outlines
from dsc_lsp.repository.imports import Import, imports_in
from dsc_lsp.repository.outlines import Definition, Outline, outline_in
from dsc_lsp.repository.texts import language_name
from dsc_lsp.repository.trees import matches, parse
from dsc_lsp.repository.words import plain, words

CHUNK_LINES = 20
"""Lines of a piece that is found by its words."""

MOST_CHUNKS = 4_096
"""Of a longer file only the first so many chunks are found by their words."""

_PART = 512
_LARGEST_WAITED_FOR = 200_000
# Both at once: to walk through a tree takes longer than to parse the text.
_QUERIES = {
    language: outlines.QUERIES.get(language, "") + imports.QUERIES.get(language, "")
    for language in {*outlines.QUERIES, *imports.QUERIES}
}


@dataclass(frozen=True, slots=True)
class Structure:
    """What a file defines and imports."""

    outline: Outline
    imports: tuple[Import, ...]


NO_STRUCTURE = Structure((), ())

StructureOf: TypeAlias = Callable[[str, str], Structure]
"""What a text defines and imports, by the file's path and the text."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A file as it is searched: its text compressed, and the words of each chunk."""

    text: bytes
    words: tuple[str, ...]


def contents_of(text: str) -> Contents:
    """Compress a text and list its words."""
    return Contents(zlib.compress(text.encode("utf-8", "replace"), 1), chunk_words(text))


def structure_of(path: str, text: str) -> Structure:
    """Return what a text defines and imports; 0.4 s for the longest files."""
    language = language_name(path)
    query = _QUERIES.get(language)
    if query is None:
        return NO_STRUCTURE
    root = parse(text, language)
    if root is None:
        return NO_STRUCTURE
    found = matches(root, language, query)
    try:
        return Structure(outline_in(found, text), imports_in(found, text, language))
    except RecursionError:  # nested as nobody nests: the process that indexes is not to end by it
        return NO_STRUCTURE


def is_slow_to_parse(characters: int) -> bool:
    """Return whether parsing so long a text takes longer than somebody should wait: 0.1 s."""
    return characters > _LARGEST_WAITED_FOR


def chunk_words(text: str) -> tuple[str, ...]:
    """Return the words of each chunk of a text, with blanks between; always the same ones."""
    return tuple(words(_chunks(text)))


def text_in(data: bytes) -> str:
    """Return the text of ``Contents.text``."""
    return zlib.decompress(data).decode()


def packed(structure: Structure) -> bytes:
    """Return a structure as it is kept."""
    parts = (structure.imports, *_in_parts(structure.outline))
    lines = (json.dumps(part, separators=(",", ":")) for part in parts)
    return zlib.compress("\n".join(lines).encode(), 1)


def type_names(outline: Outline) -> str:
    """Return how the types of an outline are called, ``plain``, each between blanks."""
    names = dict.fromkeys(plain(one.name) for one in outline if one.kind == "type")
    return f" {' '.join(names)} " if names else ""


def structure_in(data: bytes) -> Structure:
    """Return the structure that was ``packed``."""
    entries, *parts = map(json.loads, zlib.decompress(data).split(b"\n"))
    definitions = map(Definition._make, chain.from_iterable(parts))
    return Structure(tuple(definitions), tuple(map(Import._make, entries)))


def _in_parts(outline: Outline) -> Iterator[Outline]:
    """Yield an outline in parts, because to read one holds the interpreter's lock."""
    for start in range(0, len(outline), _PART):
        yield outline[start : start + _PART]


def _chunks(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for start in range(0, min(len(lines), MOST_CHUNKS * CHUNK_LINES), CHUNK_LINES):
        yield "\n".join(lines[start : start + CHUNK_LINES])
