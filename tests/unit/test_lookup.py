"""The index of what followed elsewhere: cases as documents, and what must hold for any text."""

import re
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsc_lsp.lookup import Continuation, index, lexemes, segment
from dsc_lsp.lookup.features import Describer
from dsc_lsp.lookup.index import Index
from dsc_lsp.lookup.lexemes import Bytes, boundaries, lexeme_at
from dsc_lsp.lookup.occurrences import (
    ELSEWHERE,
    Search,
    Source,
    Sources,
    Surroundings,
)
from dsc_lsp.lookup.scoring import OF_OCCURRENCE, UNITS
from dsc_lsp.lookup.segment import LONGEST, Segment, Text, plain
from tests.documents import Case, cases

HERE = "file:///src/here.py"
NO_SOURCES = Sources((), Text.of({}))


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


@given(changes, st.just("file:///src/cursor") | paths, texts, texts)
def test_changes_lead_to_the_index_that_is_built_anew(
    made: list[tuple[str, str | None]], asked_in: str, before: str, after: str
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_FRESH_BYTES", 0)
        patch.setattr(index, "_PAUSE_SECONDS", 0)
        changed = Index()
        current: dict[str, str] = {}
        # What changed last is not sorted, and sampled otherwise than what is.
        for path, text in [*made, ("file:///src/last", "")]:
            if text is None:
                changed.remove(path)
                current.pop(path, None)
            else:
                changed.update(path, text)
                changed.settle()
                current[path] = text
            # What is remembered for a question is of no use after a change.
            answers(changed, asked_in, before, after)
    anew = Index()
    anew.update_all(current.items())
    assert len(changed) == len(anew) == len(current)
    assert answers(changed, asked_in, before, after) == answers(anew, asked_in, before, after)


def answers(known: Index, asked_in: str, before: str, after: str) -> dict[str, tuple[int, object]]:
    found = known.at(asked_in, before, after).after("")
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


def places_in(text: Bytes) -> list[int]:
    return [place for piece in boundaries(text) for place in piece.tolist()]


@given(st.text(alphabet="ab (=\n\té日😀", max_size=60))
def test_lexemes_tile_a_text_and_begin_at_its_boundaries(text: str):
    data = text.encode()
    pieces: list[bytes] = []
    while (at := len(b"".join(pieces))) < len(data):
        pieces.append(lexeme_at(data, at))
        pieces[-1].decode()
    starts = [len(b"".join(pieces[:number])) for number in range(1, len(pieces))]
    array = Text.of({"a": data}).array[LONGEST : LONGEST + len(data)]
    assert places_in(array) == starts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexemes, "_PIECE", 3)
        assert places_in(array) == starts


@given(st.lists(texts, min_size=1, max_size=5), texts)
def test_the_nearest_places_of_a_segment_are_those_of_a_search_through_all(
    files: list[str], before: str
):
    whole = Segment.of(Text.of({str(number): text.encode() for number, text in enumerate(files)}))
    wanted = b"\0" + before.encode()
    every = [agreed(whole.text, place, wanted) for place in whole.places.tolist()]
    nearest = [agreed(whole.text, place, wanted) for place in whole.nearest(wanted, 4)]
    if every:
        assert max(nearest) == max(every)


@given(st.lists(texts, min_size=1, max_size=5))
def test_places_are_sorted_by_the_bytes_before_them(files: list[str]):
    named = {str(number): text.encode() for number, text in enumerate(files)}
    text = Text.of(named)
    begins = [place for place in places_in(text.array) if text.data[place]]
    expected = sorted(begins, key=lambda place: text.data[place - 24 : place][::-1])
    assert Segment.of(Text.of(named)).places.tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "_SORTED_AT_ONCE", 2)
        assert Segment.of(Text.of(named)).places.tolist() == expected


@given(st.integers(17, 200), st.integers(1, 16))
def test_of_many_places_that_agree_an_even_sample_is_taken(count: int, most: int):
    file = b"the same line, again and again\n" * count
    whole = Segment.of(Text.of({"a": file}))
    found = whole.nearest(file[: -len(b"again\n")], most)
    assert len(set(found)) == len(found) == most
    assert all(whole.text.data[place : place + 6] == b"again\n" for place in found)


@given(st.lists(texts, max_size=4), texts, texts)
def test_lines_are_found_alike_as_when_read_one_by_one(files: list[str], before: str, after: str):
    around = Surroundings.of("cursor", before, after)
    joined = Segment.of(Text.of({str(n): text.encode() for n, text in enumerate(files)}))
    source = Source(joined, bytes([ELSEWHERE]) * len(files), joined.text.size)
    found = Search(around, Sources((source,), Text.of({}))).occurrences(b"")
    rows = np.array(Describer(around, UNITS).describe(found, b"").scores)
    columns = [OF_OCCURRENCE.index(name) for name in LINE_COLUMNS]
    expected = [lines_alike(one.data, one.place, before.encode(), after.encode()) for one in found]
    assert [row[columns].astype(bool).tolist() for row in rows] == expected


LINE_COLUMNS = (
    "the next line is the same",
    "the next line begins alike",
    "the line before is the same",
    "indented as deep",
)


def lines_alike(data: bytes, place: int, before: bytes, after: bytes) -> list[bool]:
    """What ``LINE_COLUMNS`` say, by cutting out the file and every line, of 300 bytes at most."""
    start = data.rindex(0, 0, place) + 1
    file, at = data[start : data.index(0, place)], place - start
    begin = file.rfind(b"\n", max(0, at - 300), at) + 1
    end = file.find(b"\n", at, at + 300)
    line = file[begin : len(file) if end < 0 else end]
    last = file[:begin].rstrip().rpartition(b"\n")[2].strip()
    following = re.match(rb"\s*([^\n]*)", file[end + 1 :]) if end >= 0 else None
    there = following[1].strip() if following else b""
    wanted = re.match(rb"[^\n]*\n\s*([^\n]*)", after)
    wanted_line = wanted[1].strip() if wanted else b""
    here = before.rpartition(b"\n")[2]
    last_here = before[: len(before) - len(here)].rstrip().rpartition(b"\n")[2].strip(b" \t")
    is_next = there == wanted_line != b""
    return [
        is_next,
        not is_next and bool(wanted_line) and there.startswith(lexeme_at(wanted_line, 0)),
        last == last_here != b"",
        indentation(line) == indentation(here),
    ]


def indentation(line: bytes) -> int:
    return len(line) - len(line.lstrip(b" \t"))


@given(texts, texts, st.integers(1, 5), st.integers(0, 60), st.integers(0, 5))
@example("xab yab yab yab yab", "xab", 2, 0, 2)
def test_a_scan_finds_the_longest_matches(
    text: str, before: str, most: int, near: int, shortest: int
):
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
    long = [length for length in longest if length >= shortest]
    with pytest.MonkeyPatch.context() as patch:
        for few in (0, 48):
            patch.setattr(segment, "_FEW", few)
            places = whole.scan(wanted, most, LONGEST + near)
            with pytest.MonkeyPatch.context() as nearer:
                nearer.setattr(segment, "_REACH", 1)
                assert whole.scan(wanted, most, LONGEST + near) == places
            found = [min(agreed(whole, place, wanted), many) for place in places]
            assert sorted(found, reverse=True)[:most] == longest
            assert len(found) <= max(2 * most, few)
            places = whole.scan(wanted, most, LONGEST + near, shortest)
            found = [min(agreed(whole, place, wanted), many) for place in places]
            assert sorted(found, reverse=True)[: len(long)] == long
            assert len(found) <= max(2 * most, few)


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
    places = text.scan(b"\0two", 10, LONGEST)
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


def test_of_equal_matches_the_nearest_come_first():
    line = "\na\nb\ntotal = price * "
    known = Index()
    known.update("file:///other/far.py", f"\n{line}far\n")
    known.update("file:///src/beside.py", f"\n{line}beside\n")
    before, after = f"x\n{line}above\n{line}nearer\n{line}", f"\n{line}below\n"
    around = Surroundings.of(HERE, before, after)
    words = next_words(around, known.at(HERE, before, after).sources)
    assert words[:5] == [b"nearer", b"above", b"below", b"beside", b"far"]


def next_words(around: Surroundings, sources: Sources) -> list[bytes]:
    return [lexeme_at(one.data, one.place) for one in Search(around, sources).occurrences(b"")]


def test_of_matches_as_near_those_in_what_was_edited_last_come_first():
    line = "\na\nb\ntotal = price * "
    known = Index()
    known.update_all([("file:///other/known.py", f"\n{line}known_from_the_start\n")])
    known.update("file:///other/edited.py", f"\n{line}edited_before\n")
    known.update("file:///other/earlier.py", f"\n{line}edited_earlier\n")
    known.update("file:///other/edited.py", f"\n{line}edited_last\n")
    before, after = f"x\n{line}", "\n"
    around = Surroundings.of(HERE, before, after)
    words = next_words(around, known.at(HERE, before, after).sources)
    assert words[:3] == [b"edited_last", b"edited_earlier", b"known_from_the_start"]


def test_of_many_equal_matches_in_the_file_those_near_the_cursor_are_looked_at():
    line = "\n" + "# as long as matches are told apart " * 2 + "\ntotal = price * "
    before = "x" + "".join(f"{line}above_{number}" for number in range(40)) + line
    after = "".join(f"{line}below_{number}" for number in range(40)) + "\n"
    words = next_words(Surroundings.of(HERE, before, after), NO_SOURCES)
    assert words[:2] == [b"above_39", b"above_38"]
    above = before.removesuffix(line).encode()
    whole = Text.of({HERE: above + after.encode()})
    middle = LONGEST + len(above)
    nearest = whole.scan((before + "\0")[:-1].encode(), 3, middle)
    words = [lexeme_at(whole.data, at) for at in nearest]
    assert words == [b"above_37", b"above_38", b"above_39", b"below_0", b"below_1", b"below_2"]


def test_neither_the_line_at_the_cursor_nor_the_end_of_the_file_followed_anything():
    before, after = "first()\n\nlast()\n", "rest()\nlast()\n"
    around = Surroundings.of(HERE, before, after)
    assert next_words(around, NO_SOURCES) == [b"\n", b"last", b"last"]


def test_line_breaks_are_all_the_same():
    assert plain("a\r\nb\rc\n") == b"a\nb\nc\n"
    known = Index()
    known.update("file:///src/windows.py", "import os\r\nimport sys\r\n")
    longest = max(
        known.at(HERE, "import os\r\n", "").after("import "), key=lambda one: one.matched
    )
    assert longest.text == "sys\n"


@pytest.mark.parametrize("sorted_before", [True, False])
def test_the_file_at_the_cursor_is_known_from_the_cursor_not_from_the_index(
    *, sorted_before: bool
):
    known, other = Index(), "file:///src/other.py"
    known.update_all([(other, "value = other_text\n")])
    before, after = "value = new_text\nvalue = ", "\n"
    size = known.at(HERE, before, after).size
    if sorted_before:
        known.update_all([(HERE, "value = old_text\n")])
    else:
        known.update(HERE, "value = old_text\n")
    here = known.at(HERE, before, after)
    assert {one.text for one in here.after("")} >= {"new_text\n", "other_text\n"}
    assert not any("old_text" in one.text for one in here.after(""))
    assert here.size == size, "nothing counts twice"
    assert "old_text\n" in {one.text for one in known.at(other, before, after).after("")}


def test_files_that_change_while_others_are_sorted_keep_their_newest_text(
    monkeypatch: pytest.MonkeyPatch,
):
    known = Index()
    sort = Segment.of

    def change_meanwhile(text: Text) -> Segment:
        monkeypatch.undo()
        known.update("file:///src/a.py", "name = new_text\n")
        known.remove("file:///src/b.py")
        return sort(text)

    monkeypatch.setattr(Segment, "of", staticmethod(change_meanwhile))
    known.update_all(
        [("file:///src/a.py", "name = old_text\n"), ("file:///src/b.py", "gone = 1\n")]
    )
    found = [one.text for one in known.at(HERE, "name = ", "").after("")]
    assert "new_text\n" in found
    assert not any(re.search("old_text|gone", text) for text in found)
    assert len(known) == 1


def test_of_a_file_that_comes_twice_at_once_the_later_text_is_known():
    known = Index()
    path = "file:///src/a.py"
    known.update_all([(path, "name = old_text\n"), (path, "name = new_text\n")])
    found = [one.text for one in known.at(HERE, "name = ", "").after("")]
    assert found[0] == "new_text\n"
    assert not any("old_text" in text for text in found)
    assert len(known) == 1


def test_what_is_sorted_at_once_stays_small(monkeypatch: pytest.MonkeyPatch):
    """Sorting takes memory several times that of its text."""
    sort, sizes = Segment.of, list[int]()

    def sized(text: Text) -> Segment:
        sizes.append(len(text.data))
        return sort(text)

    monkeypatch.setattr(Segment, "of", staticmethod(sized))
    monkeypatch.setattr(index, "_SEGMENT_BYTES", 1_000)
    known = Index()
    for number in range(40):
        known.update_all([(f"file:///src/{number}", f"name_{number} = 1\n" * (number % 25))])
    assert len(known) == 40
    assert any(size > 500 for size in sizes), "small ones are merged"
    assert max(sizes) <= 1_000


def test_what_is_typed_in_a_large_file_is_not_sorted_until_another_changes():
    """Else it would be sorted at each key."""
    known = Index()
    for key in range(3):
        known.update("file:///src/large", "large_name = 1\n" * 5_000 + "x" * key)
        known.settle()
        assert not known.at(HERE, "", "").sources.each
    known.update(HERE, "")
    known.settle()
    assert len(known.at(HERE, "", "").sources.each) == 1
    assert known.at(HERE, "large_", "").after("")[0].text == "name = 1\n"


def test_what_was_sorted_bit_by_bit_is_searched_at_once():
    known = Index()
    for number in range(4):
        known.update_all([(f"file:///src/{number}", f"name_{number} = 1\n")])
    assert len(known.at(HERE, "", "").sources.each) == 1
