"""Documents against plain strings: whatever the edit, the text is what splicing gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.document import (
    Cursor,
    Document,
    Position,
    indentation,
    line_ending,
    split_lines,
)

# Letters of one to four UTF-8 bytes, combining characters, and every kind of line break: those of
# the protocol, and those that only str.splitlines knows.
LETTERS = "ab \té日🙂e\u0301\u200d\ufeff"
BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
TEXTS = st.lists(st.sampled_from([*LETTERS, *BREAKS]), max_size=40).map("".join)


@given(text=TEXTS)
def test_lines_are_the_text(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    assert Document.of(text).text == text


@given(text=TEXTS)
def test_lines_end_where_the_protocol_says(text: str) -> None:
    *whole, last = split_lines(text)
    assert all(line_ending(line) in ("\n", "\r\n", "\r") for line in whole)
    assert not line_ending(last)
    assert [line.removesuffix(line_ending(line)) for line in (*whole, last)] == (
        text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )


@given(text=TEXTS, data=st.data())
def test_replace_is_splicing(text: str, data: st.DataObject) -> None:
    document = Document.of(text, uri="file:///a", language="python", version=1)
    for version in range(2, 6):
        start, end = sorted((data.draw(_positions(document)), data.draw(_positions(document))))
        inserted = data.draw(TEXTS)
        expected = _spliced(document.text, start, end, inserted)
        document = document.replace(start, end, inserted, version)
        assert document == Document.of(
            expected, uri="file:///a", language="python", version=version
        )


@given(text=TEXTS, data=st.data())
def test_an_inverted_range_is_put_in_order(text: str, data: st.DataObject) -> None:
    document = Document.of(text)
    start, end = data.draw(_positions(document)), data.draw(_positions(document))
    assert document.replace(start, end, "x", 1) == document.replace(end, start, "x", 1)


@pytest.mark.parametrize(
    ("text", "start", "end", "inserted", "lines"),
    [
        ("a\rb\n", (1, 0), (1, 1), "", ("a\r\n", "")),
        ("a\rb", (1, 0), (1, 0), "\n", ("a\r\n", "b")),
        ("a\n", (0, 1), (0, 1), "\r", ("a\r\n", "")),
        ("a\r\nb", (0, 1), (1, 0), "\r", ("a\r", "b")),
        ("a\r\nb", (0, 1), (1, 0), "", ("ab",)),
        ("a", (0, 1), (0, 1), "\n", ("a\n", "")),
        ("a\nb\nc", (0, 0), (2, 1), "", ("",)),
        ("", (0, 0), (0, 0), "a\nb", ("a\n", "b")),
    ],
)
def test_line_breaks_join_and_part(
    text: str,
    start: tuple[int, int],
    end: tuple[int, int],
    inserted: str,
    lines: tuple[str, ...],
) -> None:
    changed = Document.of(text).replace(Position(*start), Position(*end), inserted, 1)
    assert tuple(changed.lines) == lines


@pytest.mark.parametrize("length", [16_383, 16_384, 16_385, 20_480, 100_000])
@pytest.mark.parametrize("newline", ["", "\n", "\r\n", "\r"])
def test_long_lines_are_edited_like_others(length: int, newline: str) -> None:
    text = "x = 1\n" + ("0123456789" * (length // 10 + 1))[:length] + newline + "y"
    document = Document.of(text)
    for start, end, inserted in [
        ((1, 0), (1, 0), "a"),
        ((1, length), (1, length), "🙂"),
        ((1, 4_096), (1, 4_097), ""),
        ((1, 4_000), (1, 12_500), "b"),
        ((1, 5_000), (1, 5_000), "c\r\nd"),
        ((1, 5_001), (2, 0), ""),
        ((0, 5), (1, 0), ""),
        ((0, 0), (9, 0), "z"),
    ]:
        first, last = (document.clamp(Position(*place)) for place in (start, end))
        expected = _spliced(document.text, first, last, inserted)
        document = document.replace(Position(*start), Position(*end), inserted, 1)
        assert document.text == expected
        assert tuple(document.lines) == split_lines(expected)
        assert document.length == len(expected)


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ((0, 99), (0, 2)),
        ((1, 99), (1, 1)),
        ((2, 0), (2, 0)),
        ((2, 1), (2, 0)),
        ((99, 0), (2, 0)),
        ((-1, 1), (0, 0)),
        ((0, -1), (0, 0)),
    ],
)
def test_places_outside_are_clamped(place: tuple[int, int], nearest: tuple[int, int]) -> None:
    assert Document.of("ab\r\nc\n").clamp(Position(*place)) == nearest


@pytest.mark.parametrize(
    ("text", "newline"),
    [("a", "\n"), ("", "\n"), ("a\r\nb\n", "\r\n"), ("a\rb\n", "\r"), ("a\nb\r\n", "\n")],
)
def test_the_first_line_ending_counts(text: str, newline: str) -> None:
    assert Document.of(text).newline == newline


def test_a_cursor_cuts_its_line_without_the_line_ending() -> None:
    cursor = Cursor(Document.of("x\r\nab🙂cd\r\ny"), Position(1, 3))
    assert (cursor.line_before, cursor.line_after) == ("ab🙂", "cd")


def test_indentation_is_blanks_and_tabs_only() -> None:
    assert indentation(" \t \x0c\u00a0x") == " \t "
    assert indentation("   ") == "   "


def _positions(document: Document) -> st.SearchStrategy[Position]:
    return st.integers(0, len(document.lines) - 1).flatmap(
        lambda line: st.builds(Position, st.just(line), st.integers(0, len(document.line(line))))
    )


def _spliced(text: str, start: Position, end: Position, inserted: str) -> str:
    return text[: _offset(text, start)] + inserted + text[_offset(text, end) :]


def _offset(text: str, position: Position) -> int:
    """Count breaks letter by letter, as a reader of the protocol would."""
    offset, line = 0, 0
    while line < position.line:
        offset += 2 if text[offset : offset + 2] == "\r\n" else 1
        line += text[offset - 1] in "\r\n"
    return offset + position.column
