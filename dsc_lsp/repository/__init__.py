"""What is known of the files around a document."""

from dsc_lsp.document import Cursor, Document
from dsc_lsp.lookup import Continuations


class Repository:
    """The open documents and the files of the workspace.

    The event loop tells of documents, the engine's thread asks.
    """

    def update(self, document: Document) -> None:
        """Know a document as the editor has it; it stands above what the disk says."""

    def close(self, uri: str) -> None:
        """Know a document no longer from the editor."""

    def continuations(self, _cursor: Cursor) -> Continuations | None:
        """Return what followed, elsewhere, the text before a cursor; ``None`` if not known."""
        return None
