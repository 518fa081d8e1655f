"""Documents with lines so long that they are kept in parts, and edits for tree-sitter."""

import itertools

import pytest
import tree_sitter_python
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from tree_sitter import Language, Parser

from dsc_lsp import convert, document
from dsc_lsp.document import Document, LongLine, Position

LETTERS = st.sampled_from(list("abc é価😀\u2028"))
TEXTS = st.text(st.one_of(LETTERS, st.sampled_from("\r\n")), max_size=60)
LINES = st.text(LETTERS, min_size=20, max_size=80)
POSITIONS = st.tuples(st.integers(0, 5), st.integers(0, 90))


@pytest.fixture(scope="module", autouse=True)
def short_parts() -> object:
    """Keep lines of more than 12 code points in parts of 4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_LONG", 12)
        patch.setattr(document, "_PART", 4)
        yield


def offset(lines: tuple[str, ...], position: Position) -> int:
    return sum(map(len, lines[: position.line])) + position.column


@given(
    st.lists(st.one_of(TEXTS, LINES), max_size=4).map("".join),
    st.lists(st.tuples(POSITIONS, POSITIONS, st.one_of(TEXTS, LINES)), max_size=8),
)
def test_long_lines_are_edited_like_others(
    text: str, edits: list[tuple[tuple[int, int], tuple[int, int], str]]
) -> None:
    current = Document.of(text)
    for start, end, new in edits:
        first, last = sorted((current.clamp(Position(*start)), current.clamp(Position(*end))))
        before, lines = current.text, document.split_lines(current.text)
        current = current.replace(Position(*start), Position(*end), new, 1)
        expected = before[: offset(lines, first)] + new + before[offset(lines, last) :]
        assert current.text == expected
        assert tuple(current.lines) == document.split_lines(expected)
        assert current.length == len(expected)
        long_rows = [row for row in current.rows if isinstance(row, LongLine)]
        assert current.long_rows == len(long_rows)
        for row in long_rows:
            assert all(row.parts)
            assert document.line_ending(row.parts[-1]) == document.line_ending(row.text)


@given(st.one_of(TEXTS, LINES), st.integers(0, 300), st.sampled_from(types.PositionEncodingKind))
def test_positions_in_long_lines(
    text: str, character: int, encoding: types.PositionEncodingKind
) -> None:
    whole = Document.of(text)
    line = whole.line(0)
    widths = [len(letter.encode(codec(encoding))) // unit(encoding) for letter in line]
    expected = sum(total <= character for total in itertools.accumulate(widths))
    position = types.Position(0, character)
    assert convert.position_of(whole, position, encoding) == Position(0, expected)


@given(TEXTS, POSITIONS, POSITIONS, TEXTS)
def test_an_edit_for_tree_sitter_says_what_has_happened(
    text: str, start: tuple[int, int], end: tuple[int, int], new: str
) -> None:
    old = Document.of(text)
    edit = document.tree_edit(old, Position(*start), Position(*end), new)
    before, after = old.text.encode(), old.replace(Position(*start), Position(*end), new, 1)
    spliced = before[: edit.start_byte] + new.encode() + before[edit.old_end_byte :]
    assert spliced == after.text.encode()
    for data, place, point in (
        (before, edit.start_byte, edit.start_point),
        (before, edit.old_end_byte, edit.old_end_point),
        (spliced, edit.new_end_byte, edit.new_end_point),
    ):
        lines = data[:place].split(b"\n")
        assert point == (len(lines) - 1, len(lines[-1]))


def test_tree_sitter_takes_the_edit() -> None:
    parser = Parser(Language(tree_sitter_python.language()))
    old = Document.of("größe = 1\n\n\ndef f():\n    return größe\n")
    tree = parser.parse(old.text.encode())
    start, end = Position(4, 11), Position(4, 16)
    new = old.replace(start, end, "(größe +\n 2)", 2)
    tree.edit(**document.tree_edit(old, start, end, "(größe +\n 2)")._asdict())
    again = parser.parse(new.text.encode(), tree)
    assert again.root_node.end_byte == len(new.text.encode())
    assert str(again.root_node) == str(parser.parse(new.text.encode()).root_node)


def codec(encoding: types.PositionEncodingKind) -> str:
    return {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding.value]


def unit(encoding: types.PositionEncodingKind) -> int:
    return {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding.value]
