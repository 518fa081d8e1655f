"""The names of a document are those of its text, though they are found piece by piece."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.context import names
from dsc_lsp.context.names import names_in, texts_of
from dsc_lsp.context.near import around, near
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.repository.words import identifiers

LINES = st.lists(
    st.text(st.sampled_from("ab_1.🙂é ("), max_size=12) | st.sampled_from(["x._a", "self.b"]),
    max_size=600,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_names_are_those_of_the_whole_text(lines: list[str], ending: str) -> None:
    document = Document.of(ending.join(lines))
    found = names_in(document)
    asked = [
        name for it, name in re.findall(r"(\w+)\.([^\W\d]\w*)", document.text) if it != "self"
    ]
    assert found.identifiers == frozenset(identifiers(document.text))
    assert found.members == len(asked)
    assert found.private == sum(name.startswith("_") for name in asked)
    assert "".join(texts_of(document)) == document.text


def test_only_what_was_edited_is_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document.of("".join(f"name_{number}.of(it)\n" for number in range(5_000)))
    whole = names_in(document)
    at = Position(2_500, 0)
    edited = document.replace(at, at, "new_name.\n", version=1)
    read: list[int] = []

    def identifiers_in(text: str) -> list[str]:
        read.append(text.count("\n"))
        return identifiers(text)

    monkeypatch.setattr(names, "identifiers", identifiers_in)
    assert names_in(edited).identifiers == whole.identifiers | {"new_name"}
    assert sum(read) < 500


def test_a_line_of_many_characters_is_looked_through_at_its_beginning_only() -> None:
    document = Document.of("first " + "a." * 200_000 + "last\nnext\n")
    assert names_in(document).identifiers == {"first", "next"}
    assert max(map(len, texts_of(document))) < 100_000


def test_of_a_very_long_line_what_is_far_from_the_cursor_does_not_count() -> None:
    data = "x = [" + ", ".join(f'{{"a{number}": one({number})}}' for number in range(9_000)) + "]"
    document = Document.of(f"{data}\nx.\n{data}\n")
    below = near(Cursor(document, Position(1, 2)))
    assert below.last == "x"
    assert max(map(len, (below.text_before, below.text_after))) < 10_000
    within = near(Cursor(document, Position(2, len(data))))
    assert within.text_before.endswith('{"a8999": one(8999)}]')
    assert len(around(Cursor(document, Position(2, len(data))))) < 20_000
