"""What is known of the files around a document.

What reads folders (an index, ignore rules, forms of secrets, parsers) is imported when it is first
needed: a server has answered ``initialize`` by then.
"""

import functools
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsc_lsp.document import Cursor, Document
from dsc_lsp.lookup import Asked, Continuations
from dsc_lsp.pauses import import_alone
from dsc_lsp.repository.paths import path_of, place_of
from dsc_lsp.repository.plan import Fit, Recent, Shown
from dsc_lsp.repository.reports import IndexReport, Report

if TYPE_CHECKING:
    from dsc_lsp.lookup.index import Index
    from dsc_lsp.repository.folders import Folders
    from dsc_lsp.repository.reader import Planner
    from dsc_lsp.repository.workspace import Workspace

__all__ = ["IndexReport", "Repository"]

_MOST_VIEWED = 8
_MOST_COPIED = 4
_MOST_REPORTED = 200
_MOST_TOLD_CHARACTERS = 500_000
_NOT_STARTED = (
    "The process that indexes the workspace could not be started, so other files are not looked"
    " at."
)


class Repository:
    """The open documents and the files of the workspace.

    The event loop tells of documents, the engine's thread asks. Without ``planner`` there is no
    context from other files.
    """

    def __init__(self, planner: "Planner | None" = None) -> None:
        self._planner = planner
        self._lock = threading.Lock()
        self._changed: dict[str, Document | None] = {}
        self._index: Index | None = None
        self._opened: dict[str, Document] = {}
        self._open: dict[str, Document] = {}
        self._unsaved: dict[str, Document] = {}
        self._folders: Folders | None = None
        self._workspace: Workspace | None = None
        self._open_keys: set[str] = set()
        self._asked_in = ""
        self._copied: deque[str] = deque(maxlen=_MOST_COPIED)
        self._reported: dict[str, tuple[tuple[int, str], ...]] = {}

    @property
    def index(self) -> "Index":
        """The texts of all files by URI; whoever reads files of the workspace tells it of them."""
        if self._index is not None:
            return self._index
        import_alone("numpy")
        from dsc_lsp.lookup.index import Index

        with self._lock:
            if self._index is None:
                self._index = Index()
            return self._index

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders whose files are known, or will be."""
        folders = self._folders
        return () if folders is None else folders.roots

    @property
    def is_planned(self) -> bool:
        """Whether what could help at the newest cursor asked about is known by now."""
        folders = self._folders
        return folders is None or folders.is_planned

    def open_folders(
        self, roots: Sequence[Path], report: Report, *, scan: bool, diff: bool = False
    ) -> None:
        """Know the files of these folders and of no others; not to be called twice at once.

        They are read in the background; starting and ending the process that does blocks for a
        moment. ``report`` is called on another thread; ``scan`` is whether to look for changes
        often, because nobody tells of them, ``diff`` whether to ask git what differs from the last
        commit.
        """
        if self._planner is None:
            return
        if not roots:
            self.close_folders()
            return
        from dsc_lsp.repository.folders import Folders

        folders = self._folders
        if folders is None:
            try:
                folders = Folders(
                    self._planner,
                    lambda: self.index,
                    self._is_open,
                    self._tell_unsaved,
                    report,
                )
            except OSError:
                report(IndexReport(problem=_NOT_STARTED))
                return
        folders.set_roots(roots, scan=scan, diff=diff)
        with self._lock:
            self._folders = folders
            opened = self._opened
            self._unsaved = {u: d for u, d in self._open.items() if d is not opened[u]}
            uris = list(self._open)
        for uri in uris:
            _read_near(folders, uri)

    def wait_until_known(self, timeout_seconds: float) -> bool:
        """Return whether the files of the folders are known within the time; blocking."""
        return self._folders is None or self._folders.wait(timeout_seconds)

    def read_folder(self, root: Path) -> None:
        """Bring a folder's index up to date here and now, and plan on the asking thread.

        The lookup is told of the files, too. For the command line and measurements, which have
        time.
        """
        from dsc_lsp.repository.indexing import finish, refresh
        from dsc_lsp.repository.learning import texts_of
        from dsc_lsp.repository.store import Store, index_path
        from dsc_lsp.repository.workspace import Workspace

        store = Store(index_path(root))
        for _ in refresh(root, store):
            pass
        finish(store)
        self.index.update_all(texts_of(root, store))
        self._workspace = Workspace(root, store)

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Read files anew that have changed on the disk, or forget them; returns at once.

        Documents that are open are known from the editor.
        """
        if self._folders is not None:
            closed = [path for path in paths if not self._is_open_path(path)]
            self._folders.files_changed(closed)

    def saved(self, uri: str) -> None:
        """Know that the disk has what the editor has; returns at once."""
        path = path_of(uri)
        if self._folders is not None and path is not None and path.is_absolute():
            with self._lock:
                self._unsaved.pop(uri, None)
            self._folders.files_changed([path])

    def copied(self, text: str) -> None:
        """Know a text that the user has copied or cut, the latest of a few."""
        with self._lock:
            self._copied.appendleft(text)

    def reported(self, uri: str, messages: Sequence[tuple[int, str]]) -> None:
        """Know what other tools say of a document's lines; replaces what they have said before."""
        with self._lock:
            self._reported.pop(uri, None)
            if messages:
                self._reported[uri] = tuple(messages[:_MOST_REPORTED])

    def forget_told(self) -> None:
        """Forget what was copied and reported."""
        with self._lock:
            self._copied.clear()
            self._reported.clear()

    def close_folders(self) -> None:
        """End what reads folders, and forget their files; blocks for a moment."""
        with self._lock:
            folders, self._folders = self._folders, None
            workspace, self._workspace = self._workspace, None
        if folders is not None:
            folders.close()
        if workspace is not None:
            workspace.store.close()

    def update(self, document: Document) -> None:
        """Know a document as the editor has it; it stands above what the disk says."""
        with self._lock:
            folders, is_new = self._folders, document.uri not in self._opened
            self._changed[document.uri] = document
            self._opened.setdefault(document.uri, document)
            self._open.pop(document.uri, None)  # so that it becomes the latest
            self._open[document.uri] = document
            self._open_keys.add(_key(document.uri))
            if self._folders is not None and document is not self._opened[document.uri]:
                self._unsaved[document.uri] = document
        if folders is not None and is_new:
            _read_near(folders, document.uri)

    def close(self, uri: str) -> None:
        """Know a document no longer from the editor, but as the disk has it."""
        path = path_of(uri)
        with self._lock:
            folders = self._folders
            self._open_keys.discard(_key(uri))
            self._opened.pop(uri, None)
            self._open.pop(uri, None)
            self._unsaved.pop(uri, None)
            self._reported.pop(uri, None)
            # What is in the workspace is read again, what is elsewhere is known no longer.
            if folders is not None and place_of(uri, folders.roots) is not None:
                self._changed.pop(uri, None)
            else:
                self._changed[uri] = None
        if folders is not None and path is not None and path.is_absolute():
            folders.files_changed([path])

    def shown(self, cursor: Cursor, fit: Fit[Shown], *, anew: bool = True) -> Shown | None:
        """Return what ``fit`` makes of the last plan for a document; returns at once.

        A plan is kept while somebody types, for it stands first in the prompt, unless a newer one
        is worth much more or the prompt begins ``anew``.

        Planning anew and fitting are done in the background, so a cursor's own plan is there a
        key or two later; ``None`` as long as there is none. With ``read_folder`` it is made here.
        """
        if self._workspace is not None and self._planner is not None:
            place = place_of(cursor.document.uri, (self._workspace.root,))
            if place is None:
                return None
            recent = self._recent(cursor.document.uri, (self._workspace.root,))
            return fit(self._planner(cursor, place[1], self._workspace, recent, None))
        folders = self._folders
        if folders is None:
            return None
        uri = cursor.document.uri
        if uri != self._asked_in:
            self._asked_in = uri
            _read_near(folders, uri)
        recent = self._recent(uri, folders.roots)
        return folders.shown(cursor, recent, fit, anew=anew)

    def continuations(self, cursor: Cursor) -> Continuations:
        """Return what followed, elsewhere, the text before a cursor.

        The cursor's own document is looked through as it stands; what has changed elsewhere
        since the last question is indexed now, on the asking thread, but for secret files and
        lines with secrets (``redacted`` has taken those of the cursor's document out).
        """
        from dsc_lsp.repository.secrets import is_secret_uri, without_secrets

        with self._lock:
            changed = [uri for uri in self._changed if uri != cursor.document.uri]
            documents = [(uri, self._changed.pop(uri)) for uri in changed]
        for uri, document in documents:
            if document is None or is_secret_uri(uri):
                self.index.remove(_key(uri))
            else:
                self.index.update(_key(uri), without_secrets(document.text))
        return Asked(lambda: self.index.at(_key(cursor.document.uri), *_halves(cursor)))

    def _is_open(self, uri: str) -> bool:
        with self._lock:
            return uri in self._open_keys

    def _is_open_path(self, path: Path) -> bool:
        return path.is_absolute() and self._is_open(path.as_uri())

    def _recent(self, uri: str, roots: Sequence[Path]) -> Recent:
        with self._lock:
            others = [d for d in reversed(self._open.values()) if d.uri != uri][:_MOST_VIEWED]
            opened = dict(self._opened)
            copied, reported = tuple(self._copied), self._reported.get(uri, ())
        viewed: list[str] = []
        edited: list[tuple[str, Document, int, int]] = []
        for document in others:
            place = place_of(document.uri, roots)
            if place is None:
                continue
            viewed.append(place[1])
            before = opened.get(document.uri, document)
            if before is not document:
                edited.append((place[1], document, *_changed_lines(before, document)))
        return Recent(tuple(viewed), tuple(edited), copied, reported)

    def _tell_unsaved(self) -> None:
        """Tell the index what editors have and the disk has not; the reader's thread.

        But for the document changed last: nobody asks for its text while it is being written.
        """
        with self._lock:
            folders = self._folders
            latest = next(reversed(self._open), None)
            told = [(uri, d) for uri, d in self._unsaved.items() if uri != latest]
            for uri, _ in told:
                del self._unsaved[uri]
        for uri, document in told:
            path = path_of(uri)
            if folders is None or path is None or place_of(uri, folders.roots) is None:
                continue
            if document.length <= _MOST_TOLD_CHARACTERS:
                folders.keep_unsaved(path, document.text)


@functools.lru_cache(maxsize=4096)
def _key(uri: str) -> str:
    """Return how the lookup knows a file: editors write the same path in more than one way."""
    path = path_of(uri)
    return uri if path is None or not path.is_absolute() else path.as_uri()


def _read_near(folders: "Folders", uri: str) -> None:
    """Have the files beside a document read first."""
    path = path_of(uri)
    if path is not None and path.is_absolute():
        folders.opened(path)


def _halves(cursor: Cursor) -> tuple[str, str]:
    """Return the text before a cursor and the text after it."""
    lines, (number, column) = cursor.document.lines, cursor.position
    before = "".join((*lines[:number], lines[number][:column]))
    return before, "".join((lines[number][column:], *lines[number + 1 :]))


def _changed_lines(before: Document, after: Document) -> tuple[int, int]:
    """Return the first line that differs, and the one after the last."""
    first, last = before.rows.alike_around(after.rows)
    return first, len(after.rows) - last
