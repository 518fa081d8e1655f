"""The index of one folder in a SQLite file: texts, outlines, imports, and words to search them by.

Texts in it are free of secrets. One process writes (``indexer``), any number reads; the file is a
cache that is thrown away when it is broken or of another version.
"""

import hashlib
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import platformdirs

from dsc_lsp.repository.changes import Change
from dsc_lsp.repository.contents import (
    CHUNK_LINES,
    MOST_CHUNKS,
    Contents,
    Structure,
    chunk_words,
    structure_in,
    text_in,
)
from dsc_lsp.repository.paths import FileState

UNSAVED = -1
"""``changed_ns`` of a text that an editor has and the disk has not."""

_VERSION = 14
"""Of the schema, and of how words are cut, secrets told and definitions found."""

_BUSY_SECONDS = 5.0
_BUSY_PAUSE_SECONDS = 0.01
_ROWS = 256
_PAGES_MERGED = 32
# A chunk's number is that of its file times MOST_CHUNKS, and its place in the file.
# ``chunks`` is null for a file that is known not to be of use. ``words`` keeps no copy of what it
# was given: to take a file out, its words are made anew from its text. That takes longer than to
# put a new text in, so a file that is ``gone`` is only noted, and forgotten by ``sweep``.
# A file is ``unparsed`` until its structure is there. The segments of ``words`` are merged by
# ``sweep``, too, else one save in fifty would wait 20 ms for that.
_SCHEMA = """
CREATE TABLE files (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
  changed_ns INTEGER NOT NULL, chunks INTEGER);
CREATE TABLE contents (file INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE gone (file INTEGER PRIMARY KEY);
CREATE TABLE unparsed (file INTEGER PRIMARY KEY);
CREATE TABLE structures (file INTEGER PRIMARY KEY, structure BLOB NOT NULL);
CREATE TABLE types (file INTEGER PRIMARY KEY, names TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (
  content_words, content = '', tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
INSERT INTO words (words, rank) VALUES ('automerge', 0);
CREATE TABLE changes (path TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
_log = logging.getLogger(__name__)


def index_path(root: Path) -> Path:
    """Return where the index of a folder is kept: in the user's cache, by the folder's path."""
    name = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return platformdirs.user_cache_path("dsc-lsp") / "index" / f"{name[:24]}.sqlite"


class Hit(NamedTuple):
    """A chunk that has some of the words sought: its file, first line and rank (low is good)."""

    path: str
    first_line: int
    rank: float


class Unparsed(NamedTuple):
    """A file without a structure: its number, and its text as it is kept."""

    file: int
    path: str
    text: bytes


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

    def state(self, path: str) -> FileState | None:
        """Return a file as it was when it was read."""
        query = "SELECT size, changed_ns FROM files WHERE path = ?"
        row = self._database.execute(query, (path,)).fetchone()
        return None if row is None else FileState(path, *row)

    def numbers(self) -> dict[str, int]:
        """Return a number for each file that has a text; another text has another one."""
        rows = self._database.execute("SELECT path, id FROM files WHERE chunks IS NOT NULL")
        return dict(rows.fetchall())

    def paths(self) -> frozenset[str]:
        """Return the paths of the files that have a text."""
        return frozenset(self.numbers())

    def has_below(self, folder: str) -> bool:
        """Whether there are files in a folder, by its path."""
        query = "SELECT 1 FROM files WHERE path > ? AND path < ? LIMIT 1"
        below = (f"{folder}/", f"{folder}0")  # what follows the slash
        return self._database.execute(query, below).fetchone() is not None

    def put(self, files: Iterable[tuple[FileState, Contents | None]]) -> None:
        """Know files anew, in one transaction; one without contents is known to be of no use."""
        with self._database:
            for state, contents in files:
                self._remove(state.path)
                self._insert(state, contents)

    def remove(self, paths: Iterable[str]) -> None:
        """Forget files."""
        with self._database:
            for path in paths:
                self._remove(path)

    def sweep(self) -> bool:
        """Do a little of what may wait; false if there is nothing.

        What is still kept of files that were put anew or removed is freed, the index of words is
        put in order. Only the count of words that ``chunks_with`` tells is changed by it.
        """
        row = self._database.execute(
            "SELECT file, text FROM gone JOIN contents USING (file) LIMIT 1"
        ).fetchone()
        if row is None:
            return self._merge()
        file, text = row
        with self._database:
            self._database.executemany(
                "INSERT INTO words (words, rowid, content_words) VALUES ('delete', ?, ?)",
                enumerate(chunk_words(text_in(text)), file * MOST_CHUNKS),
            )
            self._database.execute("DELETE FROM contents WHERE file = ?", (file,))
            self._database.execute("DELETE FROM gone WHERE file = ?", (file,))
        return True

    def _merge(self) -> bool:
        before = self._database.total_changes
        with self._database:
            self._database.execute(
                "INSERT INTO words (words, rank) VALUES ('merge', ?)", (_PAGES_MERGED,)
            )
        return self._database.total_changes - before > 1  # 1: of the question itself

    def text(self, path: str) -> str | None:
        """Return a file's text, which may enter a prompt."""
        row = self._database.execute(
            "SELECT text FROM files JOIN contents ON file = id WHERE path = ?", (path,)
        ).fetchone()
        return None if row is None else text_in(row[0])

    def structure(self, path: str) -> Structure | None:
        """Return what a file defines and imports; ``None`` as long as it is unparsed."""
        row = self._database.execute(
            "SELECT structure FROM files JOIN structures ON file = id WHERE path = ?", (path,)
        ).fetchone()
        return None if row is None else structure_in(row[0])

    def unparsed(self, after: int, limit: int) -> list[Unparsed]:
        """Return files that have no structure yet, those that were put in after a number."""
        rows = self._database.execute(
            "SELECT file, path, text FROM unparsed JOIN contents USING (file) JOIN files"
            " ON id = file WHERE file > ? ORDER BY file LIMIT ?",
            (after, limit),
        )
        return list(map(Unparsed._make, rows.fetchall()))

    def unparsed_count(self) -> int:
        """Return how many files have no structure yet."""
        return self._database.execute("SELECT count(*) FROM unparsed").fetchone()[0]

    def files_with_type(self, part: str, limit: int) -> list[tuple[str, str]]:
        """Return files with the types that they define (``type_names``), one with ``part`` in it.

        Which of more than ``limit`` is not said.
        """
        rows = self._database.execute(
            "SELECT path, names FROM types JOIN files ON file = id WHERE instr(names, ?) LIMIT ?",
            (part, limit),
        )
        return rows.fetchall()

    def put_structures(self, structures: Iterable[tuple[int, bytes, str]]) -> None:
        """Keep the structures of files by their numbers, where these are still ``unparsed``.

        With each go the names of its types (``type_names``).
        """
        with self._database:
            for file, structure, names in structures:
                if names:
                    self._database.execute(
                        "INSERT INTO types SELECT file, ? FROM unparsed WHERE file = ?",
                        (names, file),
                    )
                self._database.execute(
                    "INSERT INTO structures SELECT file, ? FROM unparsed WHERE file = ?",
                    (structure, file),
                )
                self._database.execute("DELETE FROM unparsed WHERE file = ?", (file,))

    def added_after(self, number: int) -> Iterator[tuple[int, str, str]]:
        """Yield number, path and text of the files that were put in after a number."""
        # Rows of a moment only: the writer may go on while they are used.
        query = (
            "SELECT id, path, text FROM files JOIN contents ON file = id"
            " WHERE id > ? ORDER BY id LIMIT ?"
        )
        while rows := self._database.execute(query, (number, _ROWS)).fetchall():
            number = rows[-1][0]
            for place, path, text in rows:
                yield place, path, text_in(text)

    def search(self, sought: Sequence[str], limit: int) -> list[Hit]:
        """Return the chunks that BM25 ranks highest for any of the words, best first."""
        if not sought:
            return []
        query = " OR ".join(f'"{word}"' for word in sought if '"' not in word)
        try:
            rows = self._database.execute(
                "SELECT path, (chunk % ?) * ?, rank FROM (SELECT rowid AS chunk, rank FROM words"
                " WHERE words MATCH ? ORDER BY rank LIMIT ?) JOIN files ON id = chunk / ?"
                " ORDER BY rank",
                (MOST_CHUNKS, CHUNK_LINES, query, limit, MOST_CHUNKS),
            ).fetchall()
        except sqlite3.OperationalError as error:
            _log.warning("the index could not be searched (%s)", type(error).__name__)
            return []
        return list(map(Hit._make, rows))

    def chunks_with(self, words: Iterable[str]) -> dict[str, int]:
        """Return how many chunks have each of some words; words in none are left out."""
        query = "SELECT doc FROM vocabulary WHERE term = ?"
        rows = ((word, self._database.execute(query, (word,)).fetchone()) for word in words)
        return {word: row[0] for word, row in rows if row is not None}

    def chunk_count(self) -> int:
        """Return how many chunks there are."""
        return self._database.execute("SELECT ifnull(sum(chunks), 0) FROM files").fetchone()[0]

    def facts(self) -> Mapping[str, str]:
        """Return what is kept about the folder as a whole."""
        return dict(self._database.execute("SELECT name, value FROM facts").fetchall())

    def set_fact(self, name: str, value: str) -> None:
        """Keep something about the folder."""
        with self._database:
            self._database.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    def changes(self) -> list[Change]:
        """Return the lines that differ from the last commit, as far as somebody has asked."""
        rows = self._database.execute("SELECT path, start, end FROM changes ORDER BY rowid")
        return list(map(Change._make, rows.fetchall()))

    def set_changes(self, changes: Sequence[Change]) -> None:
        """Know which lines differ from the last commit."""
        if list(changes) == self.changes():
            return
        with self._database:
            self._database.execute("DELETE FROM changes")
            self._database.executemany("INSERT INTO changes VALUES (?, ?, ?)", changes)

    def _insert(self, state: FileState, contents: Contents | None) -> None:
        chunks = None if contents is None else len(contents.words)
        file = self._database.execute(
            "INSERT INTO files (path, size, changed_ns, chunks) VALUES (?, ?, ?, ?)",
            (state.path, state.size, state.changed_ns, chunks),
        ).lastrowid
        if contents is None or file is None:
            return
        self._database.execute("INSERT INTO contents VALUES (?, ?)", (file, contents.text))
        self._database.execute("INSERT INTO unparsed VALUES (?)", (file,))
        self._database.executemany(
            "INSERT INTO words (rowid, content_words) VALUES (?, ?)",
            enumerate(contents.words, file * MOST_CHUNKS),
        )

    def _remove(self, path: str) -> None:
        row = self._database.execute(
            "SELECT id, chunks FROM files WHERE path = ?", (path,)
        ).fetchone()
        if row is None:
            return
        file, chunks = row
        self._database.execute("DELETE FROM files WHERE id = ?", (file,))
        if chunks is not None:
            self._database.execute("INSERT INTO gone VALUES (?)", (file,))
            self._database.execute("DELETE FROM unparsed WHERE file = ?", (file,))
            self._database.execute("DELETE FROM structures WHERE file = ?", (file,))
            self._database.execute("DELETE FROM types WHERE file = ?", (file,))


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
    statements = (*_SCHEMA.split(";"), f"PRAGMA user_version = {_VERSION}")
    for statement in statements if is_still_empty else ():
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
