"""One folder of the workspace as the context reads it: its files, what they import, its text."""

import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from cachetools import LRUCache

from dsc_lsp.repository.changes import Change
from dsc_lsp.repository.contents import (
    NO_STRUCTURE,
    Structure,
    StructureOf,
    is_slow_to_parse,
    structure_of,
)
from dsc_lsp.repository.imports import Import, Paths, resolve
from dsc_lsp.repository.store import Hit, Store
from dsc_lsp.repository.texts import language_name

Resolved: TypeAlias = tuple[tuple[Import, tuple[str, ...]], ...]
"""Imports with the files that they bring."""

_CACHED_FILES = 512
_CACHED_WORDS = 20_000
_CACHED_VERSIONS = 2


class Workspace:
    """A folder's index and the questions that are asked of it; used by one thread.

    What it says is of the moment when it was made or last told to ``renew``; what has been asked
    once costs little as long as the files are the same. ``parsed`` is who parses.
    """

    def __init__(self, root: Path, store: Store, parsed: StructureOf = structure_of) -> None:
        self.root = root
        self.store = store
        self._parsed = parsed
        self.paths = Paths(frozenset())
        self.chunk_count = 0
        self.changes: list[Change] = []
        self._numbers: Mapping[str, int] = {}
        self._facts: Mapping[str, str] = {}
        self._texts: LRUCache[int, tuple[str, ...]] = LRUCache(_CACHED_FILES)
        self._structures: LRUCache[int, Structure] = LRUCache(_CACHED_FILES)
        self._versions: LRUCache[tuple[str, str], Structure] = LRUCache(_CACHED_VERSIONS)
        self._resolved: LRUCache[int, Resolved] = LRUCache(_CACHED_FILES)
        self._chunks_with: LRUCache[str, int] = LRUCache(_CACHED_WORDS)
        self.renew()

    def renew(self) -> None:
        """Know what the index says now."""
        facts, numbers = self.store.facts(), self.store.numbers()
        if facts != self._facts or numbers.keys() != self._numbers.keys():
            self.paths = _paths(self.root, facts, numbers)
            self._resolved.clear()
            self._chunks_with.clear()
        self._facts, self._numbers = facts, numbers
        self.chunk_count = self.store.chunk_count()
        self.changes = self.store.changes()

    def number(self, path: str) -> int | None:
        """Return the number of a file, another one for another text; ``None`` if it is gone."""
        return self._numbers.get(path)

    def lines(self, path: str) -> tuple[str, ...]:
        """Return the lines of a file; none if it is gone."""
        number = self._numbers.get(path)
        if number is None:
            return ()
        known = self._texts.get(number)
        if known is None:
            text = self.store.text(path)
            known = self._texts[number] = () if text is None else tuple(text.split("\n"))
        return known

    def structure(self, path: str) -> Structure:
        """Return what a file defines and imports; one that is not parsed yet is parsed now.

        But for a very long one: until its turn comes in the index, nothing.
        """
        number = self._numbers.get(path)
        if number is None:
            return NO_STRUCTURE
        known = self._structures.get(number)
        if known is None:
            known = self.store.structure(path)
            if known is None:
                text = "\n".join(self.lines(path))
                if is_slow_to_parse(len(text)):
                    return NO_STRUCTURE
                known = self._parsed(path, text)
            self._structures[number] = known
        return known

    def structure_of(self, path: str, text: str) -> Structure:
        """Return what a file defines and imports where it has another text than in the index."""
        known = self._versions.get((path, text))
        if known is None:
            known = self._versions[path, text] = self._parsed(path, text)
        return known

    def imports_of(self, path: str) -> Resolved:
        """Return the imports of a file of the index with the files that they bring."""
        number = self._numbers.get(path)
        if number is None:
            return ()
        known = self._resolved.get(number)
        if known is None:
            known = self.resolve(path, self.structure(path).imports)
            if number in self._structures:
                self._resolved[number] = known
        return known

    def resolve(self, path: str, entries: Iterable[Import]) -> Resolved:
        """Return imports with the files of this folder that they bring."""
        language = language_name(path)
        pairs = ((entry, resolve(entry, path, language, self.paths)) for entry in entries)
        return tuple((entry, files) for entry, files in pairs if files)

    def siblings(self, path: str) -> tuple[str, ...]:
        """Return the files in the same folder."""
        others = self.paths.by_folder.get(posixpath.dirname(path), ())
        return tuple(other for other in others if other != path)

    def files_with_type(self, part: str, limit: int) -> list[tuple[str, str]]:
        """Return files with the names of their types, one of which has ``part`` in it."""
        return self.store.files_with_type(part, limit)

    def search(self, words: Iterable[str], limit: int) -> list[Hit]:
        """Return the chunks that BM25 ranks highest."""
        return self.store.search(list(words), limit)

    def chunks_with(self, words: Iterable[str]) -> dict[str, int]:
        """Return how many chunks have each of some words."""
        wanted = list(words)
        new = [word for word in wanted if word not in self._chunks_with]
        counted = self.store.chunks_with(new)
        for word in new:
            self._chunks_with[word] = counted.get(word, 0)
        return {word: self._chunks_with.get(word, 0) for word in wanted}


def _paths(root: Path, facts: Mapping[str, str], numbers: Mapping[str, int]) -> Paths:
    aliases = [line.split("\t") for line in facts.get("aliases", "").split("\n")]
    return Paths(
        frozenset(numbers),
        root.name,
        tuple((pair[0], pair[1]) for pair in aliases if len(pair) == 2),
        facts.get("go_module", ""),
    )
