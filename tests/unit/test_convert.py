"""Positions in the three encodings, edits of the protocol, and suggestions as its items."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dsc_lsp import convert
from dsc_lsp.document import Cursor, Document, Position
from tests.documents import cursor_in
from tests.unit.test_document import TEXTS

Encoding = types.PositionEncodingKind
CODECS = {Encoding.Utf8: "utf-8", Encoding.Utf16: "utf-16-le", Encoding.Utf32: "utf-32-le"}
UNIT_BYTES = {Encoding.Utf8: 1, Encoding.Utf16: 2, Encoding.Utf32: 4}
ENCODINGS = st.sampled_from(list(CODECS))


@given(text=TEXTS, encoding=ENCODINGS)
def test_every_place_goes_out_and_comes_back(text: str, encoding: Encoding) -> None:
    document = Document.of(text)
    for line in range(len(document.lines)):
        for column in range(len(document.line(line)) + 1):
            place = Position(line, column)
            outside = convert.lsp_position(document, place, encoding)
            assert outside == types.Position(line, _units(document.line(line)[:column], encoding))
            assert convert.position_of(document, outside, encoding) == place


@given(text=TEXTS, encoding=ENCODINGS, line=st.integers(0, 50), character=st.integers(0, 99))
def test_every_position_means_the_last_place_not_behind_it(
    text: str, encoding: Encoding, line: int, character: int
) -> None:
    document = Document.of(text)
    place = convert.position_of(document, types.Position(line, character), encoding)
    if line >= len(document.lines):
        last = len(document.lines) - 1
        assert place == (last, len(document.line(last)))
        return
    content = document.line(line)
    fitting = [n for n in range(len(content) + 1) if _units(content[:n], encoding) <= character]
    assert place == (line, max(fitting))


@pytest.mark.parametrize(
    ("encoding", "character", "column"),
    [
        (Encoding.Utf8, 1, 1),
        (Encoding.Utf8, 2, 1),
        (Encoding.Utf8, 4, 1),
        (Encoding.Utf8, 5, 2),
        (Encoding.Utf8, 6, 3),
        (Encoding.Utf16, 1, 1),
        (Encoding.Utf16, 2, 1),
        (Encoding.Utf16, 3, 2),
        (Encoding.Utf16, 4, 3),
        (Encoding.Utf16, 5, 3),
        (Encoding.Utf32, 2, 2),
        (Encoding.Utf32, 99, 3),
    ],
)
def test_a_position_inside_a_character_is_its_start(
    encoding: Encoding, character: int, column: int
) -> None:
    document = Document.of("a🙂b\r\n")
    place = convert.position_of(document, types.Position(0, character), encoding)
    assert place == (0, column)


_CHANGES = st.lists(
    st.tuples(
        st.none()
        | st.tuples(
            st.tuples(st.integers(0, 12), st.integers(0, 30)),
            st.tuples(st.integers(0, 12), st.integers(0, 30)),
        ),
        TEXTS,
    ),
    max_size=6,
)


@given(text=TEXTS, changes=_CHANGES, encoding=ENCODINGS)
def test_edits_of_the_protocol_are_splicing(
    text: str,
    changes: list[tuple[tuple[tuple[int, int], tuple[int, int]] | None, str]],
    encoding: Encoding,
) -> None:
    document = Document.of(text, uri="file:///a.py", language="python", version=1)
    events: list[types.TextDocumentContentChangeEvent] = []
    for span, inserted in changes:
        if span is None:
            events.append(types.TextDocumentContentChangeWholeDocument(inserted))
            text = inserted
        else:
            start, end = sorted(span)
            where = types.Range(types.Position(*start), types.Position(*end))
            events.append(types.TextDocumentContentChangePartial(where, inserted))
            first, last = (_offset(text, place, encoding) for place in (start, end))
            text = text[:first] + inserted + text[last:]
    changed = convert.changed(document, events, 7, encoding)
    assert changed == Document.of(
        text, uri="file:///a.py", language="python", version=7 if events else 1
    )


@given(text=TEXTS, encoding=ENCODINGS, character=st.integers(0, 80))
def test_long_lines_have_the_same_positions(text: str, encoding: Encoding, character: int) -> None:
    end = text.replace("\n", "").replace("\r", "")
    line = "é🙂b" * 8_000 + end
    document = Document.of(f"{line}\r\n")
    start = _units("é🙂b" * 8_000, encoding)
    place = convert.position_of(document, types.Position(0, start + character), encoding)
    fitting = [n for n in range(len(end) + 1) if _units(end[:n], encoding) <= character]
    assert place == (0, 24_000 + max(fitting))
    assert convert.lsp_position(document, place, encoding).character == start + _units(
        end[: max(fitting)], encoding
    )


def test_half_a_surrogate_pair_takes_the_place_of_a_letter() -> None:
    item = types.TextDocumentItem("file:///a", "python", 1, "a\ud83db")
    document = convert.document_of(item)
    assert document.text == "a\ufffdb"
    insert = types.TextDocumentContentChangePartial(
        types.Range(types.Position(0, 2), types.Position(0, 2)), "\ude00"
    )
    assert convert.changed(document, [insert], 2, Encoding.Utf16).text == "a\ufffd\ufffdb"


def test_an_opened_document_keeps_what_the_editor_says() -> None:
    item = types.TextDocumentItem("file:///a.py", "python", 3, "a\r\nb")
    assert convert.document_of(item) == Document.of(
        "a\r\nb", uri="file:///a.py", language="python", version=3
    )


def test_ghost_text_of_one_line_replaces_nothing() -> None:
    item = convert.inline_item(cursor_in("x = 🙂‸ )"), "foo(", Encoding.Utf16)
    assert item.insert_text == item.filter_text == "foo("
    assert item.range == _range(0, 6, 6)


def test_ghost_text_of_several_lines_replaces_the_rest_of_the_line() -> None:
    item = convert.inline_item(cursor_in("if 🙂:‸  \nx"), "\n  a()\n  b()", Encoding.Utf8)
    assert item.insert_text == item.filter_text == "\n  a()\n  b()  "
    assert item.range == _range(0, 8, 10)


def test_a_popup_item_begins_at_the_word() -> None:
    item = convert.completion_item(cursor_in("x = größe.wi‸"), "dth(1)", Encoding.Utf8, "starter")
    assert item.label == item.filter_text == "width(1)"
    assert item.text_edit == types.TextEdit(_range(0, 12, 14), "width(1)")


def test_a_popup_item_is_labeled_with_its_first_line() -> None:
    block = convert.completion_item(
        cursor_in("if a:‸"), "\n  b()\n  c()", Encoding.Utf16, "starter"
    )
    assert block.label == "b()…"
    long = convert.completion_item(cursor_in("x = ‸"), "a" * 99, Encoding.Utf16, "starter")
    assert long.label == "a" * 60 + "…"


@given(
    text=TEXTS,
    suggestion=TEXTS.map(str.rstrip).filter(bool),
    encoding=ENCODINGS,
    data=st.data(),
)
def test_what_an_item_does_is_what_inserting_does(
    text: str, suggestion: str, encoding: Encoding, data: st.DataObject
) -> None:
    document = Document.of(text)
    line = data.draw(st.integers(0, len(document.lines) - 1))
    column = data.draw(st.integers(0, len(document.line(line))))
    cursor = Cursor(document, Position(line, column))
    expected = document.replace(cursor.position, cursor.position, suggestion, 1).text
    inline = convert.inline_item(cursor, suggestion, encoding)
    popup = convert.completion_item(cursor, suggestion, encoding, "starter").text_edit
    assert isinstance(popup, types.TextEdit)
    assert isinstance(inline.insert_text, str)
    assert inline.range is not None
    for where, inserted in ((inline.range, inline.insert_text), (popup.range, popup.new_text)):
        assert where.start.line == where.end.line == line
        change = types.TextDocumentContentChangePartial(where, inserted)
        assert convert.changed(document, [change], 1, encoding).text == expected


def _range(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))


def _units(text: str, encoding: Encoding) -> int:
    return len(text.encode(CODECS[encoding])) // UNIT_BYTES[encoding]


def _offset(text: str, place: tuple[int, int], encoding: Encoding) -> int:
    """Find the offset of a position the naive way: letter by letter from the start."""
    line, character = place
    offset = 0
    for _ in range(line):
        while offset < len(text) and text[offset] not in "\r\n":
            offset += 1
        if offset == len(text):
            return offset
        offset += 2 if text[offset : offset + 2] == "\r\n" else 1
    while offset < len(text) and text[offset] not in "\r\n":
        character -= _units(text[offset], encoding)
        if character < 0:
            break
        offset += 1
    return offset
