"""The index of one folder in a SQLite file: texts, outlines, imports, and words to search them by.

Texts in it are free of secrets. One process writes (``indexer``), any number reads; the file is a
cache that is thrown away when it is broken or of another version.
"""

import json
import logging
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from dsc_lsp.repository.files import FileState, language_name
from dsc_lsp.repository.imports import Import
from dsc_lsp.repository.outlines import Definition, Outline
from dsc_lsp.repository.words import words

CHUNK_LINES = 20
"""Lines of a piece that is found by its words."""

UNSAVED = -1
"""``changed_ns`` of a text that an editor has and the disk has not."""

_VERSION = 2
_BUSY_SECONDS = 5.0
_BUSY_PAUSE_SECONDS = 0.01
_ROWS = 256
_SCHEMA = f"""
CREATE TABLE files (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
  changed_ns INTEGER NOT NULL, text BLOB, structure BLOB);
CREATE TABLE chunks (id INTEGER PRIMARY KEY, file INTEGER NOT NULL, first_line INTEGER NOT NULL);
CREATE INDEX chunks_file ON chunks (file);
CREATE TABLE definitions (name TEXT NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (name, file))
  WITHOUT ROWID;
CREATE INDEX definitions_file ON definitions (file);
CREATE VIRTUAL TABLE words USING fts5 (
  content_words, tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_VERSION};
"""
_DEFINED = re.compile(
    r"\b(?:def|class|func|fn|function|struct|interface|enum|trait|type|module|record|union|const"
    r"|let|var|static|void|int|bool|string|String|public|private|protected|macro_rules!|#define)"
    r"\s+(?:\([^()\n]*\)\s*)?([^\W\d]\w{2,})"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Structure:
    """What a file defines and imports."""

    outline: Outline
    imports: tuple[Import, ...]


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file in the index; ``text`` may enter a prompt. ``structure`` may not be known yet.

    ``number`` is another one whenever the file has been read anew.
    """

    path: str
    number: int
    changed_ns: int
    text: str
    structure: Structure | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that has some of the words sought: its file, first line and rank (low is good)."""

    path: str
    first_line: int
    rank: float


class Store:
    """One folder's index; used by one thread, closed by ``close``."""

    def __init__(self, path: Path | None) -> None:
        self._database = _open(path)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def version(self) -> int:
        """A number that changes when another process has written."""
        return self._database.execute("PRAGMA data_version").fetchone()[0]

    def states(self) -> dict[str, FileState]:
        """Return the files in the index as they were when they were read."""
        rows = self._database.execute("SELECT path, size, changed_ns FROM files")
        return {path: FileState(path, size, changed) for path, size, changed in rows}

    def paths(self) -> frozenset[str]:
        """Return the paths of the files that have a text."""
        rows = self._database.execute("SELECT path FROM files WHERE text IS NOT NULL")
        return frozenset(path for (path,) in rows)

    def put(self, files: Iterable[tuple[FileState, str | None]]) -> None:
        """Know files anew, in one transaction; one without a text is known not to be of use."""
        with self._database:
            for state, text in files:
                self._remove(state.path)
                self._insert(state, text)

    def remove(self, paths: Iterable[str]) -> None:
        """Forget files."""
        with self._database:
            for path in paths:
                self._remove(path)

    def set_structures(self, structures: Iterable[tuple[str, int, Structure]]) -> None:
        """Know what files (a path and its ``changed_ns``) define and import."""
        with self._database:
            for path, changed, structure in structures:
                self._database.execute(
                    "UPDATE files SET structure = ? WHERE path = ? AND changed_ns = ?",
                    (_packed(structure), path, changed),
                )

    def without_structure(self, limit: int) -> list[str]:
        """Return some of the paths whose structure is not known."""
        rows = self._database.execute(
            "SELECT path FROM files WHERE structure IS NULL AND text IS NOT NULL LIMIT ?",
            (limit,),
        )
        return [path for (path,) in rows]

    def file(self, path: str) -> IndexedFile | None:
        """Return a file of the index."""
        row = self._database.execute(
            "SELECT id, changed_ns, text, structure FROM files"
            " WHERE path = ? AND text IS NOT NULL",
            (path,),
        ).fetchone()
        if row is None:
            return None
        number, changed, text, structure = row
        return IndexedFile(
            path,
            number,
            changed,
            zlib.decompress(text).decode(),
            _unpacked(structure) if structure else None,
        )

    def added_after(self, number: int) -> Iterator[tuple[int, str, str]]:
        """Yield number, path and text of the files that were put in after a number."""
        # Rows of a moment only: the writer may go on while they are used.
        query = "SELECT id, path, text FROM files WHERE id > ? ORDER BY id LIMIT ?"
        while rows := self._database.execute(query, (number, _ROWS)).fetchall():
            number = rows[-1][0]
            for place, path, text in rows:
                if text is not None:
                    yield place, path, zlib.decompress(text).decode()

    def search(self, sought: Sequence[str], limit: int) -> list[Hit]:
        """Return the chunks that BM25 ranks highest for any of the words, best first."""
        if not sought:
            return []
        query = " OR ".join(f'"{word}"' for word in sought if '"' not in word)
        try:
            rows = self._database.execute(
                "SELECT path, first_line, rank FROM (SELECT rowid AS chunk, rank FROM words"
                " WHERE words MATCH ? ORDER BY rank LIMIT ?)"
                " JOIN chunks ON chunks.id = chunk JOIN files ON files.id = chunks.file"
                " ORDER BY rank",
                (query, limit),
            ).fetchall()
        except sqlite3.OperationalError as error:
            _log.warning("the index could not be searched (%s)", type(error).__name__)
            return []
        return [Hit(*row) for row in rows]

    def chunks_with(self, word: str, most: int) -> int:
        """Return how many chunks have a word, counted up to ``most``."""
        return self._database.execute(
            "SELECT count(*) FROM (SELECT rowid FROM words WHERE words MATCH ? LIMIT ?)",
            (f'"{word}"', most),
        ).fetchone()[0]

    def chunk_count(self) -> int:
        """Return how many chunks there are."""
        return self._database.execute("SELECT count(*) FROM chunks").fetchone()[0]

    def defining(self, name: str, limit: int) -> list[str]:
        """Return the files that seem to define a name."""
        rows = self._database.execute(
            "SELECT path FROM definitions JOIN files ON files.id = file WHERE name = ? LIMIT ?",
            (name, limit),
        )
        return [path for (path,) in rows]

    def fact(self, name: str) -> str:
        """Return something kept about the folder; empty if it is not known."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return "" if row is None else row[0]

    def set_fact(self, name: str, value: str) -> None:
        """Keep something about the folder."""
        with self._database:
            self._database.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _insert(self, state: FileState, text: str | None) -> None:
        blob = None if text is None else zlib.compress(text.encode("utf-8", "replace"), 1)
        file = self._database.execute(
            "INSERT INTO files (path, size, changed_ns, text) VALUES (?, ?, ?, ?)",
            (state.path, state.size, state.changed_ns, blob),
        ).lastrowid
        if text is None:
            return
        chunks = list(_chunks(text))
        first = self._database.execute("SELECT ifnull(max(id), 0) + 1 FROM chunks").fetchone()[0]
        self._database.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?)",
            ((first + number, file, number * CHUNK_LINES) for number in range(len(chunks))),
        )
        self._database.executemany(
            "INSERT INTO words (rowid, content_words) VALUES (?, ?)",
            enumerate(words(chunks), first),
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO definitions VALUES (?, ?)",
            ((name, file) for name in set(_DEFINED.findall(text))),
        )

    def _remove(self, path: str) -> None:
        row = self._database.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        if row is None:
            return
        self._database.execute(
            "DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE file = ?)", row
        )
        for table in ("chunks", "definitions"):
            self._database.execute(f"DELETE FROM {table} WHERE file = ?", row)  # noqa: S608
        self._database.execute("DELETE FROM files WHERE id = ?", row)


def _chunks(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for start in range(0, len(lines), CHUNK_LINES):
        yield "\n".join(lines[start : start + CHUNK_LINES])


def _open(path: Path | None) -> sqlite3.Connection:
    """Open the file, anew if it is no index of this version; in memory if there is none."""
    if path is None:
        return _connected(":memory:")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _connected(str(path))
    except sqlite3.OperationalError:
        raise  # the disk's or another process's doing, not the file's
    except sqlite3.DatabaseError as error:
        _log.warning("the index is begun anew (%s)", error)
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        file.unlink(missing_ok=True)
    return _connected(str(path))


def _connected(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        _begin_file(database)
        version = database.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError:
        database.close()
        raise
    if version == _VERSION:
        return database
    database.close()
    raise sqlite3.DatabaseError(f"version {version}")


def _begin_file(database: sqlite3.Connection) -> None:
    """Make the tables if there are none; another process may be doing the same."""
    _patiently(database, "PRAGMA journal_mode = WAL")
    # A cache: after a power cut the last transactions may be gone, and are made anew.
    database.execute("PRAGMA synchronous = NORMAL")
    if database.execute("PRAGMA user_version").fetchone()[0]:
        return
    _patiently(database, "BEGIN IMMEDIATE")
    is_still_empty = database.execute("PRAGMA user_version").fetchone()[0] == 0
    for statement in _SCHEMA.split(";") if is_still_empty else ():
        database.execute(statement)
    database.commit()


def _patiently(database: sqlite3.Connection, statement: str) -> None:
    """Execute a statement that SQLite gives up at once while another process has the file."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return


def _packed(structure: Structure) -> bytes:
    rows = (
        [astuple(definition) for definition in structure.outline],
        [astuple(entry) for entry in structure.imports],
    )
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 1)


def _unpacked(data: bytes) -> Structure:
    definitions, imports = json.loads(zlib.decompress(data))
    return Structure(
        tuple(Definition(*row) for row in definitions), tuple(Import(*row) for row in imports)
    )


def structure_of(path: str, text: str) -> Structure:
    """Parse a text and return what it defines and imports."""
    from dsc_lsp.repository.imports import imports
    from dsc_lsp.repository.outlines import outline

    language = language_name(path)
    return Structure(outline(text, language), imports(text, language))
