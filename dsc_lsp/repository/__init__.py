"""What is known of the files around a document."""

import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsc_lsp.document import Cursor, Document
from dsc_lsp.lookup import Continuations
from dsc_lsp.repository.indexing import index_path, refresh
from dsc_lsp.repository.learning import Learning
from dsc_lsp.repository.plan import Plan, Recent
from dsc_lsp.repository.process import IndexerProcess
from dsc_lsp.repository.reader import Planner, Reader, path_of, place_of
from dsc_lsp.repository.secrets import without_secrets
from dsc_lsp.repository.store import Store
from dsc_lsp.repository.workspace import Workspace

if TYPE_CHECKING:
    from dsc_lsp.lookup.index import Index

_MOST_VIEWED = 8
_MOST_TOLD_CHARACTERS = 500_000


class Repository:
    """The open documents and the files of the workspace.

    The event loop tells of documents, the engine's thread asks. Without ``planner`` there is no
    context from other files.
    """

    def __init__(self, planner: Planner | None = None) -> None:
        self._planner = planner
        self._lock = threading.Lock()
        self._changed: dict[str, Document | None] = {}
        self._index: Index | None = None
        self._opened: dict[str, Document] = {}
        self._open: dict[str, Document] = {}
        self._unsaved: dict[str, Document | None] = {}
        self._reader: Reader | None = None
        self._indexer: IndexerProcess | None = None
        self._roots: tuple[Path, ...] = ()
        self._workspace: Workspace | None = None
        self._learning: Learning | None = None
        self._open_keys: set[str] = set()

    @property
    def index(self) -> "Index":
        """The texts of all files by URI; whoever reads files of the workspace tells it of them."""
        from dsc_lsp.lookup.index import Index

        with self._lock:
            if self._index is None:
                self._index = Index()
            return self._index

    def open_folders(
        self, roots: Sequence[Path], report: Callable[[dict[str, Any]], None], *, scan: bool
    ) -> None:
        """Index these folders in a process of its own, and no others; blocks for a moment.

        ``report`` is called on another thread with what that process says; ``scan`` is whether it
        shall look for changes by itself, because nobody tells of them.
        """
        if self._planner is None or not (roots or self._roots):
            return
        self._roots = tuple(roots)
        if self._indexer is None or self._reader is None:
            self._indexer = IndexerProcess(report)
            self._reader = Reader(self._planner, self._tell_unsaved)
        self._indexer.tell({"folders": [str(root) for root in roots], "scan": scan})
        self._reader.set_folders(self._roots)
        with self._lock:
            self._unsaved |= {uri: d for uri, d in self._open.items() if d.version > 0}

    def learn_folders(self, roots: Sequence[Path]) -> None:
        """Let the lookup know the files of these folders, and of no others; returns at once."""
        if self._learning is None and not roots:
            return
        if self._learning is None:
            self._learning = Learning(lambda: self.index, self._is_open)
        self._learning.set_folders(roots)

    def wait_until_learnt(self, timeout_seconds: float) -> bool:
        """Return whether the lookup knows all files within the time; blocking."""
        return self._learning is None or self._learning.wait(timeout_seconds)

    def read_folder(self, root: Path) -> None:
        """Bring a folder's index up to date here and now, and plan on the asking thread.

        For the command line and measurements, which have time.
        """
        store = Store(index_path(root))
        for _ in refresh(root, store):
            pass
        self._workspace = Workspace(root, store, parse=True)

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Read files anew that have changed on the disk, or forget them; blocks for a moment."""
        if self._indexer is not None:
            self._indexer.tell({"changed": [str(path) for path in paths]})
        if self._learning is not None:
            self._learning.files_changed(paths)

    def close_folders(self) -> None:
        """End the process and the threads that read folders."""
        if self._learning is not None:
            self._learning.close()
        if self._reader is not None:
            self._reader.close()
        if self._indexer is not None:
            self._indexer.close()
        if self._workspace is not None:
            self._workspace.store.close()

    def update(self, document: Document) -> None:
        """Know a document as the editor has it; it stands above what the disk says."""
        with self._lock:
            self._changed[document.uri] = document
            self._opened.setdefault(document.uri, document)
            self._open.pop(document.uri, None)  # so that it becomes the latest
            self._open[document.uri] = document
            self._open_keys.add(_key(document.uri))
            if document is not self._opened[document.uri]:
                self._unsaved[document.uri] = document

    def close(self, uri: str) -> None:
        """Know a document no longer from the editor."""
        with self._lock:
            # What is in the workspace is read again, what is elsewhere is known no longer.
            if self._learning is not None and self._learning.is_in_folders(uri):
                self._changed.pop(uri, None)
            else:
                self._changed[uri] = None
            self._open_keys.discard(_key(uri))
            self._opened.pop(uri, None)
            if self._open.pop(uri, None) is not None:
                self._unsaved[uri] = None
        if self._learning is not None:
            self._learning.closed_in_editor(_key(uri))

    def plan(self, cursor: Cursor) -> Plan | None:
        """Return what of other files could help, as planned last; plans anew in the background."""
        if self._workspace is not None and self._planner is not None:
            place = place_of(cursor.document.uri, (self._workspace.root,))
            if place is None:
                return None
            recent = self._recent(cursor.document.uri)
            return self._planner(cursor, place[1], self._workspace, recent, None)
        if self._reader is None:
            return None
        self._reader.ask(cursor, self._recent(cursor.document.uri))
        return self._reader.plan(cursor.document.uri)

    def continuations(self, cursor: Cursor) -> Continuations:
        """Return what followed, elsewhere, the text before a cursor.

        The cursor's own document is looked through as it stands; what has changed elsewhere
        since the last question is indexed now, on the asking thread, but for lines with secrets
        (``redacted`` has taken those of the cursor's document out).
        """
        with self._lock:
            changed = [uri for uri in self._changed if uri != cursor.document.uri]
            documents = [(uri, self._changed.pop(uri)) for uri in changed]
        for uri, document in documents:
            if document is None:
                self.index.remove(_key(uri))
            else:
                self.index.update(_key(uri), without_secrets(document.text))
        document, position = cursor.document, cursor.position
        above = "".join(document.lines[: position.line])
        below = "".join(document.lines[position.line + 1 :])
        line = document.lines[position.line]
        before, after = line[: position.column], line[position.column :]
        return self.index.at(_key(document.uri), above + before, after + below)

    def _is_open(self, uri: str) -> bool:
        with self._lock:
            return uri in self._open_keys

    def _recent(self, uri: str) -> Recent:
        with self._lock:
            others = [d for d in reversed(self._open.values()) if d.uri != uri][:_MOST_VIEWED]
            opened = dict(self._opened)
        viewed: list[str] = []
        edited: list[tuple[str, Document, int, int]] = []
        for document in others:
            place = place_of(document.uri, self._roots)
            if place is None:
                continue
            viewed.append(place[1])
            before = opened.get(document.uri, document)
            if before is not document:
                edited.append((place[1], document, *_changed_lines(before, document)))
        return Recent(tuple(viewed), tuple(edited))

    def _tell_unsaved(self) -> None:
        """Tell the index what editors have and the disk has not; the reader's thread."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        for uri, document in unsaved.items():
            path = path_of(uri)
            if self._indexer is None or path is None or place_of(uri, self._roots) is None:
                continue
            if document is None:
                self._indexer.tell({"closed": str(path)})
            elif document.length <= _MOST_TOLD_CHARACTERS:
                self._indexer.tell({"opened": str(path), "text": document.text})


@functools.lru_cache(maxsize=4096)
def _key(uri: str) -> str:
    """Return how the lookup knows a file: editors write the same path in more than one way."""
    path = path_of(uri)
    return uri if path is None or not path.is_absolute() else path.as_uri()


def _changed_lines(before: Document, after: Document) -> tuple[int, int]:
    """Return the first line that differs, and the one after the last."""
    old, new = before.rows, after.rows
    same = min(len(old), len(new))
    first = next((number for number in range(same) if old[number] != new[number]), same)
    same -= first
    last = next((n for n in range(same) if old[-1 - n] != new[-1 - n]), same)
    return first, len(new) - last
