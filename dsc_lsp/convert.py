"""LSP types to ours and back; every question of position encoding is answered here.

A position's ``character`` counts UTF-8 bytes, UTF-16 units or code points, as negotiated; our
columns are code points. Positions outside the document are clamped as LSP 3.18 ("Position") says,
and one inside a character is taken for its start.
"""

from collections.abc import Sequence
from itertools import accumulate

from lsprotocol import types

from dsc_lsp.document import Cursor, Document, Position

Encoding = types.PositionEncodingKind

_SUGGESTION_SORTS_LAST = "\uffff"
_LABEL_CHARACTERS = 60


def document_of(item: types.TextDocumentItem) -> Document:
    """Return the document that a ``didOpen`` brings."""
    return Document.of(item.text, uri=item.uri, language=item.language_id, version=item.version)


def changed(
    document: Document,
    changes: Sequence[types.TextDocumentContentChangeEvent],
    version: int,
    encoding: Encoding,
) -> Document:
    """Return the document after the changes of a ``didChange``, applied one after another."""
    for change in changes:
        if isinstance(change, types.TextDocumentContentChangePartial):
            start = position_of(document, change.range.start, encoding)
            end = position_of(document, change.range.end, encoding)
            document = document.replace(start, end, change.text, version)
        else:
            document = Document.of(
                change.text, uri=document.uri, language=document.language, version=version
            )
    return document


def cursor_at(document: Document, position: types.Position, encoding: Encoding) -> Cursor:
    """Return the cursor at a position of the protocol."""
    return Cursor(document, position_of(document, position, encoding))


def position_of(document: Document, position: types.Position, encoding: Encoding) -> Position:
    """Return the place that a position of the protocol means, clamped to the document."""
    if not 0 <= position.line < len(document.lines):
        return document.clamp(Position(position.line, 0))
    line = document.line(position.line)
    return Position(position.line, _column(line, max(0, position.character), encoding))


def lsp_position(document: Document, position: Position, encoding: Encoding) -> types.Position:
    """Return the position of the protocol for a place in the document."""
    before = document.line(position.line)[: position.column]
    return types.Position(position.line, _units(before, encoding))


def inline_item(cursor: Cursor, text: str, encoding: Encoding) -> types.InlineCompletionItem:
    """Return a suggestion as ghost text.

    Text of several lines must replace up to the end of the cursor's line, or editors do not show
    it; what stood there (at most blanks) is put back behind the text.
    """
    end = cursor.position
    if "\n" in text or "\r" in text:
        end = Position(end.line, end.column + len(cursor.line_after))
        text += cursor.line_after
    return types.InlineCompletionItem(
        insert_text=text, filter_text=text, range=_range(cursor, cursor.position, end, encoding)
    )


def completion_item(cursor: Cursor, text: str, encoding: Encoding) -> types.CompletionItem:
    """Return a suggestion as an item of the popup.

    The edit begins at the word before the cursor, because editors filter by that word.
    """
    word = _word_before(cursor)
    whole = word + text
    first, *more = whole.strip().splitlines()
    label = first[:_LABEL_CHARACTERS] + ("…" if more or len(first) > _LABEL_CHARACTERS else "")
    start = Position(cursor.position.line, cursor.position.column - len(word))
    edit = types.TextEdit(_range(cursor, start, cursor.position, encoding), whole)
    return types.CompletionItem(
        label=label,
        kind=types.CompletionItemKind.Text,
        detail="dsc-lsp",
        sort_text=_SUGGESTION_SORTS_LAST,
        filter_text=whole,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=edit,
    )


def _range(cursor: Cursor, start: Position, end: Position, encoding: Encoding) -> types.Range:
    return types.Range(
        lsp_position(cursor.document, start, encoding),
        lsp_position(cursor.document, end, encoding),
    )


def _word_before(cursor: Cursor) -> str:
    before = cursor.line_before
    start = len(before)
    while start and (before[start - 1].isalnum() or before[start - 1] == "_"):
        start -= 1
    return before[start:]


def _column(line: str, units: int, encoding: Encoding) -> int:
    if encoding is Encoding.Utf32 or line.isascii():
        return min(units, len(line))
    reached = 0
    for column, width in enumerate(accumulate(_width(letter, encoding) for letter in line)):
        if width > units:
            return column
        reached = column + 1
    return reached


def _units(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.Utf32 or text.isascii():
        return len(text)
    if encoding is Encoding.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _width(letter: str, encoding: Encoding) -> int:
    if encoding is Encoding.Utf8:
        code = ord(letter)
        return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
    return 2 if ord(letter) > 0xFFFF else 1
