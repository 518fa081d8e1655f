"""Places in a real file at which real servers are asked."""

from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.measure.traces import shipped
from dsc_lsp.settings import Settings

CODE = max((trace.text for trace in shipped()), key=len)
"""Not our own source: a change of it must not turn a near tie."""

LOCAL = Settings(model="starter", device="cpu", max_new_tokens=16)


def cursor_at(text: str, line: int, column: int) -> Cursor:
    """Return a cursor in a document."""
    document = Document.of(text, uri="file:///code.py", language="python")
    return Cursor(document, Position(line, column))


def places() -> list[Cursor]:
    """Return cursors in the middle of some lines."""
    lines = CODE.splitlines()[:130]
    return [cursor_at(CODE, line, len(lines[line]) // 2) for line in range(10, len(lines), 12)]
