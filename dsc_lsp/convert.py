"""LSP types to ours and back; every question of position encoding is answered here.

A position's ``character`` counts UTF-8 bytes, UTF-16 units or code points, as negotiated; our
columns are code points. Positions outside the document are clamped as LSP 3.18 ("Position") says,
and one inside a character is taken for its start.

Upstream: openlawlibrary/pygls#304 (positions in UTF-16); past the end of the last line pygls 2.1.1
still answers one too few.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from textwrap import dedent

from lsprotocol import types

from dsc_lsp.document import Cursor, Document, Position

Encoding = types.PositionEncodingKind

_SUGGESTION_SORTS_LAST = "\uffff"
_LABEL_CHARACTERS = 60
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def document_of(item: types.TextDocumentItem) -> Document:
    """Return the document that a ``didOpen`` brings."""
    text = _without_lone_surrogates(item.text)
    return Document.of(text, uri=item.uri, language=item.language_id, version=item.version)


def changed(
    document: Document,
    changes: Sequence[types.TextDocumentContentChangeEvent],
    version: int,
    encoding: Encoding,
) -> Document:
    """Return the document after the changes of a ``didChange``, applied one after another."""
    for change in changes:
        text = _without_lone_surrogates(change.text)
        if isinstance(change, types.TextDocumentContentChangePartial):
            start = position_of(document, change.range.start, encoding)
            end = position_of(document, change.range.end, encoding)
            document = document.replace(start, end, text, version)
        else:
            document = Document.of(
                text, uri=document.uri, language=document.language, version=version
            )
    return document


def cursor_at(document: Document, position: types.Position, encoding: Encoding) -> Cursor:
    """Return the cursor at a position of the protocol."""
    return Cursor(document, position_of(document, position, encoding))


def position_of(document: Document, position: types.Position, encoding: Encoding) -> Position:
    """Return the place that a position of the protocol means, clamped to the document."""
    if not 0 <= position.line < len(document.rows):
        return document.clamp(Position(position.line, 0))
    column = _column(document.parts(position.line), max(0, position.character), encoding)
    return document.clamp(Position(position.line, column))


def lsp_position(document: Document, position: Position, encoding: Encoding) -> types.Position:
    """Return the position of the protocol for a place in the document."""
    before = document.line(position.line)[: position.column]
    return types.Position(position.line, _units(before, encoding))


def with_selected(
    document: Document, selected: types.SelectedCompletionInfo, encoding: Encoding
) -> Cursor:
    """Return the cursor behind the item that is selected in the popup, as if it was inserted."""
    start = position_of(document, selected.range.start, encoding)
    end = position_of(document, selected.range.end, encoding)
    changed_ = document.replace(start, end, selected.text, document.version)
    lines = Document.of(selected.text).lines
    column = len(lines[-1]) + (start.column if len(lines) == 1 else 0)
    return Cursor(changed_, changed_.clamp(Position(start.line + len(lines) - 1, column)))


def inline_item(
    cursor: Cursor,
    text: str,
    encoding: Encoding,
    context: types.InlineCompletionContext | None = None,
) -> types.InlineCompletionItem:
    """Return a suggestion as ghost text.

    Text of several lines must replace up to the end of the cursor's line, or editors do not show
    it; what stood there is put back behind the text. Where the popup has an item selected, the
    cursor is behind that, and the text must begin with it, in its range (LSP 3.18,
    "SelectedCompletionInfo").
    """
    selected = context.selected_completion_info if context else None
    rest = len(cursor.line_after) if "\n" in text or "\r" in text else 0
    text += cursor.line_after[:rest]
    if selected is not None:
        units = _units(cursor.line_after[:rest], encoding)
        end = types.Position(selected.range.end.line, selected.range.end.character + units)
        place = types.Range(selected.range.start, end)
        text = selected.text + text
    else:
        last = Position(cursor.position.line, cursor.position.column + rest)
        place = _range(cursor, cursor.position, last, encoding)
    return types.InlineCompletionItem(insert_text=text, filter_text=text, range=place)


def completion_item(
    cursor: Cursor, text: str, encoding: Encoding, model: str
) -> types.CompletionItem:
    """Return a suggestion as an item of the popup.

    The edit begins at the word before the cursor, because editors filter by that word. The item
    sorts last: it stands beside those of the language server, not before them.
    """
    word = _word_before(cursor)
    whole = word + text
    first, *more = whole.strip().splitlines()
    label = first[:_LABEL_CHARACTERS] + ("…" if more or len(first) > _LABEL_CHARACTERS else "")
    start = Position(cursor.position.line, cursor.position.column - len(word))
    edit = types.TextEdit(_range(cursor, start, cursor.position, encoding), whole)
    kinds = types.CompletionItemKind
    return types.CompletionItem(
        label=label,
        kind=kinds.Snippet if more else kinds.Text,
        detail=f"dsc-lsp, {model}",
        sort_text=_SUGGESTION_SORTS_LAST,
        filter_text=whole,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=edit,
        data={"language": cursor.document.language},
    )


def with_documentation(item: types.CompletionItem) -> types.CompletionItem:
    """Return an item of ours with the whole snippet beside it, as code."""
    edit, data = item.text_edit, item.data
    if not isinstance(edit, types.TextEdit) or not isinstance(data, Mapping):
        return item
    fence = "`" * (1 + max([2, *map(len, re.findall("`+", edit.new_text))]))
    language = str(data.get("language", ""))
    code = dedent(edit.new_text.strip("\r\n"))
    item.documentation = types.MarkupContent(
        types.MarkupKind.Markdown, f"{fence}{language}\n{code}\n{fence}"
    )
    return item


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


def _column(parts: Sequence[str], units: int, encoding: Encoding) -> int:
    """Return how many code points whole fit into ``units``, in a line given by its parts."""
    if encoding is Encoding.Utf32:
        return units
    column = 0
    for part in parts[:-1]:
        width = _units_of_part(part, encoding)
        if units < width:
            return column + _column_in(part, units, encoding)
        units -= width
        column += len(part)
    return column + _column_in(parts[-1], units, encoding)


def _column_in(text: str, units: int, encoding: Encoding) -> int:
    text = text[:units]
    if text.isascii():
        return len(text)
    columns = range(len(text) + 1)
    return bisect_right(columns, units, key=lambda column: _units(text[:column], encoding)) - 1


@lru_cache(maxsize=1024)
def _units_of_part(part: str, encoding: Encoding) -> int:
    """Remember the width of parts of long lines: nearly all stay as they are from key to key."""
    return _units(part, encoding)


def _units(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.Utf32 or text.isascii():
        return len(text)
    if encoding is Encoding.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _without_lone_surrogates(text: str) -> str:
    """Return text that can be encoded; the replacement is as wide as what it stands for.

    JavaScript's strings may hold half a character, and JSON carries it through.
    """
    if text.isascii() or not _LONE_SURROGATE.search(text):
        return text
    return _LONE_SURROGATE.sub("\ufffd", text)
