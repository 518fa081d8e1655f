"""One folder of the workspace as the context reads it: its files, what they import, its text."""

import posixpath
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from cachetools import LRUCache

from dsc_lsp.repository.files import language_name
from dsc_lsp.repository.imports import Import, Paths, resolve
from dsc_lsp.repository.store import Hit, IndexedFile, Store, Structure, structure_of

_CACHED_FILES = 512
_LARGEST_PARSED = 200_000
_NO_STRUCTURE = Structure((), ())


class Workspace:
    """A folder's index and the questions that are asked of it; used by one thread.

    With ``parse`` a file's structure that the index lacks is made on the spot, which takes some
    milliseconds a file; without, the file has none until the index has it.
    """

    def __init__(self, root: Path, store: Store, *, parse: bool) -> None:
        self.root = root
        self.store = store
        self._parse = parse
        self._files: LRUCache[str, IndexedFile] = LRUCache(_CACHED_FILES)
        self._resolved: LRUCache[tuple[str, int], tuple[tuple[Import, tuple[str, ...]], ...]] = (
            LRUCache(_CACHED_FILES)
        )
        self._rarity: LRUCache[str, int] = LRUCache(20_000)

    @cached_property
    def paths(self) -> Paths:
        """The files there are, and what modules are looked up with."""
        aliases = self.store.fact("aliases")
        pairs = tuple(tuple(line.split("\t")) for line in aliases.split("\n")) if aliases else ()
        return Paths(
            self.store.paths(),
            self.root.name,
            tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2),
            self.store.fact("go_module"),
        )

    @cached_property
    def chunk_count(self) -> int:
        """How many chunks the index has."""
        return self.store.chunk_count()

    def file(self, path: str) -> IndexedFile | None:
        """Return a file with its text and structure; ``None`` if it is not in the index."""
        known = self._files.get(path)
        if known is not None:
            return known
        file = self.store.file(path)
        if file is None:
            return None
        if file.structure is None and self._parse and len(file.text) <= _LARGEST_PARSED:
            structure = structure_of(path, file.text)
            file = IndexedFile(path, file.number, file.changed_ns, file.text, structure)
        self._files[path] = file
        return file

    def structure(self, path: str) -> Structure:
        """Return what a file defines and imports, as far as it is known."""
        file = self.file(path)
        return (file.structure if file is not None else None) or _NO_STRUCTURE

    def imports_of(self, path: str) -> tuple[tuple[Import, tuple[str, ...]], ...]:
        """Return the imports of a file of the index with the files that they bring."""
        file = self.file(path)
        if file is None:
            return ()
        key = (path, file.number)
        if key not in self._resolved:
            self._resolved[key] = self.resolve(path, self.structure(path).imports)
        return self._resolved[key]

    def resolve(
        self, path: str, entries: tuple[Import, ...]
    ) -> tuple[tuple[Import, tuple[str, ...]], ...]:
        """Return imports with the files of this folder that they bring."""
        language = language_name(path)
        pairs = ((entry, resolve(entry, path, language, self.paths)) for entry in entries)
        return tuple((entry, files) for entry, files in pairs if files)

    def siblings(self, path: str) -> tuple[str, ...]:
        """Return the files in the same folder."""
        others = self.paths.by_folder.get(posixpath.dirname(path), ())
        return tuple(other for other in others if other != path)

    def search(self, words: Mapping[str, float], limit: int) -> list[Hit]:
        """Return the chunks that BM25 ranks highest."""
        return self.store.search(list(words), limit)

    def chunks_with(self, word: str) -> int:
        """Return how many chunks have a word, at least 1; words in very many count as half."""
        count = self._rarity.get(word)
        if count is None:
            most = max(1, self.chunk_count // 2)
            count = self._rarity[word] = max(1, self.store.chunks_with(word, most))
        return count
