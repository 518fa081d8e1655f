"""The index of what followed elsewhere: cases as documents, and what must hold for any text."""

import re
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.lookup import Continuation, index, lexemes
from dsc_lsp.lookup.index import Index, plain
from dsc_lsp.lookup.lexemes import boundaries, lexeme_at
from dsc_lsp.lookup.segment import LONGEST, Segment, Text
from tests.documents import Case, cases

HERE = "file:///src/here.py"


@pytest.mark.parametrize("case", cases("lookup"))
def test_case(case: Case, *, update: bool):
    """The ``file`` blocks are other files, named; expected are the likeliest continuations."""
    known = Index()
    for block in case.blocks:
        if block.kind == "file":
            known.update(f"file:///src/{block.options['name']}", block.text)
    cursor = case.cursor()
    lines = cursor.document.lines
    number, column = cursor.position
    before = "".join(lines[:number]) + lines[number][:column]
    after = lines[number][column:] + "".join(lines[number + 1 :])
    found = known.at(HERE, before, after).after(case.code.options.get("generated", ""))
    case.check("\n".join(best_of_each_lexeme(found)[:3]), update=update)


def best_of_each_lexeme(found: Iterable[Continuation]) -> list[str]:
    best: dict[bytes, str] = {}
    for one in found:
        best.setdefault(lexeme_at(one.text.encode(), 0), one.text.replace("\n", "⏎"))
    return list(best.values())


# Words that repeat, so that there are matches to be found.
words = st.sampled_from(
    ["a", "ab", "self", "=", " ", "    ", "(", "((", ")", "\n", "é", "日本", "😀"]
)
texts = st.lists(words, max_size=12).map("".join)
paths = st.sampled_from([f"file:///src/{name}" for name in ("a", "b", "c", "deep/d")])
changes = st.lists(st.tuples(paths, st.none() | texts), max_size=25)


@given(changes, texts, texts)
def test_changes_lead_to_the_index_that_is_built_anew(
    made: list[tuple[str, str | None]], before: str, after: str
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_FRESH_BYTES", 2 * LONGEST)
        changed = Index()
        current: dict[str, str] = {}
        for path, text in made:
            if text is None:
                changed.remove(path)
                current.pop(path, None)
            else:
                changed.update(path, text)
                changed.settle()
                current[path] = text
    anew = Index()
    anew.update_all(current.items())
    assert len(changed) == len(anew) == len(current)
    assert answers(changed, before, after) == answers(anew, before, after)


def answers(known: Index, before: str, after: str) -> dict[str, tuple[int, float]]:
    found = known.at("file:///src/cursor", before, after).after("")
    return {one.text: (one.matched, pytest.approx(one.weight, rel=1e-3)) for one in found}


@given(st.dictionaries(paths, texts), texts, texts, texts)
def test_weights_are_likelihoods_and_texts_really_followed(
    files: dict[str, str], before: str, after: str, generated: str
):
    known = Index()
    for path, text in files.items():
        known.update(path, text)
    found = known.at("file:///src/a", before, after).after(generated)
    assert sum(one.weight for one in found) <= 1.0001
    everywhere = [text for path, text in files.items() if path != "file:///src/a"]
    for one in found:
        assert 0 < one.weight <= 1
        assert one.text
        assert any(one.text.rstrip("\n") in text for text in (before, after, *everywhere))


@given(st.text(alphabet="ab (=\n\té日😀", max_size=60))
def test_lexemes_tile_a_text_and_begin_at_its_boundaries(text: str):
    data = text.encode()
    pieces: list[bytes] = []
    while (at := len(b"".join(pieces))) < len(data):
        pieces.append(lexeme_at(data, at))
        pieces[-1].decode()
    starts = [len(b"".join(pieces[:number])) for number in range(1, len(pieces))]
    array = Text.of({"a": data}).array[LONGEST : LONGEST + len(data)]
    assert boundaries(array).tolist() == starts if len(data) else not pieces
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexemes, "_PIECE", 3)
        assert boundaries(array).tolist() == starts if len(data) else not pieces


@given(st.lists(texts, min_size=1, max_size=5), texts)
def test_the_nearest_places_of_a_segment_are_those_of_a_search_through_all(
    files: list[str], before: str
):
    segment = Segment.of({str(number): text.encode() for number, text in enumerate(files)})
    wanted = b"\0" + before.encode()
    every = [agreed(segment.text, place, wanted) for place in segment.places.tolist()]
    nearest = [agreed(segment.text, place, wanted) for place in segment.nearest(wanted, 4)]
    if every:
        assert max(nearest) == max(every)


@given(texts, texts, st.integers(1, 5))
def test_a_scan_finds_the_longest_matches(text: str, before: str, most: int):
    whole = Text.of({"a": text.encode()})
    wanted = b"\0" + before.encode()
    blank = wanted[-1:] in b" \t"
    every = [
        agreed(whole, place, wanted)
        for place in range(LONGEST, LONGEST + len(text.encode()) + 1)
        if not (blank and whole.data[place] == wanted[-1])
    ]
    many = 24  # that agree in more are all the same
    longest = sorted((min(length, many) for length in every if length), reverse=True)[:most]
    found = [min(agreed(whole, place, wanted), many) for place in whole.scan(wanted, most)]
    assert sorted(found, reverse=True) == longest


def agreed(text: Text, place: int, before: bytes) -> int:
    """How many bytes before a place are those that ``before`` ends with, looked at one by one."""
    return next(
        (
            length
            for length in range(min(LONGEST, len(before)))
            if text.data[place - 1 - length] != before[-1 - length]
        ),
        min(LONGEST, len(before)),
    )


def test_a_place_matches_as_far_back_as_it_agrees():
    text = Text.of({"a": b"one two", "b": b"two two"})
    places = text.scan(b"\0two", 10)
    lengths = sorted(agreed(text, place, b"\0two") for place in places)
    assert lengths == [1, 3, 3, 4]  # "o|ne", "two|" twice, and where a file begins
    files = (np.searchsorted(text.starts, places, side="right") - 1).tolist()
    assert [text.paths[number] for number in files].count("b") == 2
    assert [text.file(0), text.file(1)] == [b"one two", b"two two"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\0\0\0",
        "x" * 300_000,
        "x = 1; " * 50_000,
        "\x7fELF\x02\x01\ufffd\x00" * 1_000,
        "é" * 1_000,
        "\ud800 = 1\n",
    ],
    ids=["empty", "break", "zeros", "giant word", "giant line", "binary", "unicode", "surrogate"],
)
def test_odd_texts_are_texts(text: str):
    known = Index()
    known.update("file:///src/odd", text)
    known.update_all([("file:///src/odd too", text)])
    for before in (text, "", "x = 1; x"):
        for found in known.at(HERE, before, text).after("x"):
            assert found.text
            assert len(found.text) <= 200
    known.remove("file:///src/odd")
    known.remove("never known")
    assert len(known) == 1


def test_an_empty_index_knows_nothing():
    assert list(Index().at(HERE, "", "").after("")) == []
    assert list(Index().at(HERE, "x", "y").after("z")) == []


def test_line_breaks_are_all_the_same():
    assert plain("a\r\nb\rc\n") == b"a\nb\nc\n"
    known = Index()
    known.update("file:///src/windows.py", "import os\r\nimport sys\r\n")
    longest = max(
        known.at(HERE, "import os\r\n", "").after("import "), key=lambda one: one.matched
    )
    assert longest.text == "sys\n"


def test_the_file_at_the_cursor_is_known_from_the_cursor_not_from_the_index():
    known = Index()
    known.update(HERE, "value = old_text\n")
    assert not any("old_text" in one.text for one in known.at(HERE, "value = ", "\n").after(""))
    other = known.at("file:///src/other.py", "value = ", "\n").after("")
    assert any("old_text" in one.text for one in other)


def test_files_that_change_while_others_are_sorted_keep_their_newest_text(
    monkeypatch: pytest.MonkeyPatch,
):
    known = Index()
    sort = Segment.of

    def change_meanwhile(files: dict[str, bytes]) -> Segment:
        monkeypatch.undo()
        known.update("file:///src/a.py", "name = new_text\n")
        known.remove("file:///src/b.py")
        return sort(files)

    monkeypatch.setattr(Segment, "of", staticmethod(change_meanwhile))
    known.update_all(
        [("file:///src/a.py", "name = old_text\n"), ("file:///src/b.py", "gone = 1\n")]
    )
    found = [one.text for one in known.at(HERE, "name = ", "").after("")]
    assert "new_text\n" in found
    assert not any(re.search("old_text|gone", text) for text in found)
    assert len(known) == 1
