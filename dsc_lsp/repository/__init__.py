"""What is known of the files around a document."""

import threading
from typing import TYPE_CHECKING

from dsc_lsp.document import Cursor, Document
from dsc_lsp.lookup import Continuations

if TYPE_CHECKING:
    from dsc_lsp.lookup.index import Index


class Repository:
    """The open documents and the files of the workspace.

    The event loop tells of documents, the engine's thread asks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: dict[str, Document | None] = {}
        self._index: Index | None = None

    @property
    def index(self) -> "Index":
        """The texts of all files by URI; whoever reads files of the workspace tells it of them."""
        from dsc_lsp.lookup.index import Index

        with self._lock:
            if self._index is None:
                self._index = Index()
            return self._index

    def update(self, document: Document) -> None:
        """Know a document as the editor has it; it stands above what the disk says."""
        with self._lock:
            self._changed[document.uri] = document

    def close(self, uri: str) -> None:
        """Know a document no longer from the editor."""
        with self._lock:
            self._changed[uri] = None

    def continuations(self, cursor: Cursor) -> Continuations:
        """Return what followed, elsewhere, the text before a cursor.

        The cursor's own document is looked through as it stands; what has changed elsewhere
        since the last question is indexed now, on the asking thread.
        """
        with self._lock:
            changed = [uri for uri in self._changed if uri != cursor.document.uri]
            documents = [(uri, self._changed.pop(uri)) for uri in changed]
        for uri, document in documents:
            if document is None:
                self.index.remove(uri)
            else:
                self.index.update(uri, document.text)
        document, position = cursor.document, cursor.position
        above = "".join(document.lines[: position.line])
        below = "".join(document.lines[position.line + 1 :])
        line = document.lines[position.line]
        before, after = line[: position.column], line[position.column :]
        return self.index.at(document.uri, above + before, after + below)
