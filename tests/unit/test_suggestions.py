"""Typing along a suggestion needs no model, and gives the text that accepting it would give."""

from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.suggestions import (
    Suggestion,
    Suggestions,
    as_accepted,
    is_taken,
    loose_rest_of,
    rest_of,
)

TEXT = st.text(st.sampled_from("ab(é😀 \n"), max_size=12)


def cursor(before: str, after: str, *, uri: str = "file:///a.py", version: int = 1) -> Cursor:
    lines = before.split("\n")
    document = Document.of(before + after, uri=uri, version=version)
    return Cursor(document, Position(len(lines) - 1, len(lines[-1])))


@given(TEXT, TEXT, TEXT, st.integers(0, 12))
def test_every_beginning_of_a_suggestion_leads_to_its_rest(
    before: str, offered: str, after: str, typed: int
):
    made = Suggestion(cursor(before, after), offered)
    now = cursor(before + offered[:typed], after, version=2)
    assert rest_of(made, now) == (offered[typed:] or None)


@given(TEXT, TEXT, TEXT, TEXT)
def test_what_was_deleted_comes_back_before_the_suggestion(
    before: str, deleted: str, offered: str, after: str
):
    made = Suggestion(cursor(before + deleted, after), offered + "!")
    assert rest_of(made, cursor(before, after, version=2)) == deleted + offered + "!"


@given(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
def test_a_rest_is_only_offered_where_it_gives_the_same_text_as_before(
    before: str, after: str, offered: str, new_before: str, new_after: str, extra: str
):
    made = Suggestion(cursor(before, after), offered)
    for now_before, now_after in ((new_before, new_after), (before + extra, new_after)):
        rest = rest_of(made, cursor(now_before, now_after, version=2))
        if rest is not None:
            assert now_before + rest + now_after == before + offered + after


def test_something_else_typed_or_changed_elsewhere_is_no_typing_along():
    made = Suggestion(cursor("x = ", "\ny = 2\n"), "foo(1)")
    assert rest_of(made, cursor("x = b", "\ny = 2\n")) is None
    assert rest_of(made, cursor("x = f", "\ny = 3\n")) is None
    assert rest_of(made, cursor("z = f", "\ny = 2\n")) is None
    assert rest_of(made, cursor("x = foo(1)", "\ny = 2\n")) is None
    assert rest_of(made, cursor("x = fo", "\ny = 2\n")) == "o(1)"


def test_the_newest_suggestion_that_fits_is_found_in_its_own_document():
    known = Suggestions()
    known.remember(cursor("x = ", "\n"), "foo(1)")
    known.remember(cursor("x = f", "\n", version=2), "ive")
    known.remember(cursor("x = f", "\n", uri="file:///b.py"), "other")
    assert known.find(cursor("x = fi", "\n", version=3)) == ("ve",)
    assert known.find(cursor("x = fo", "\n", version=3)) == ("o(1)",)
    assert known.find(cursor("x = fu", "\n", version=3)) == ()
    known.forget("file:///a.py")
    assert known.find(cursor("x = fi", "\n", version=3)) == ()
    assert known.find(cursor("x = f", "\n", uri="file:///b.py")) == ("other",)


def test_only_so_many_are_remembered_and_empty_ones_never():
    known = Suggestions(remembered=2)
    known.remember(cursor("", "\n"), "")
    assert known.find(cursor("", "\n")) == ()
    for version, offered in enumerate(("one", "two", "three")):
        known.remember(cursor("", "\n", version=version), offered)
    assert known.find(cursor("o", "\n", version=9)) == ()
    assert known.find(cursor("tw", "\n", version=9)) == ("o",)


def test_what_was_found_last_is_forgotten_last():
    known = Suggestions(remembered=2)
    known.remember(cursor("a", "\n"), "one")
    known.remember(cursor("b", "\n", version=2), "two")
    assert known.find(cursor("ao", "\n", version=3)) == ("ne",)
    known.remember(cursor("c", "\n", version=4), "three")
    assert known.find(cursor("b", "\n", version=5)) == ()
    assert known.find(cursor("a", "\n", version=6)) == ("one",)


@given(TEXT, TEXT, TEXT, st.integers(0, 12))
def test_typing_along_and_accepting_gives_the_text_that_accepting_gave(
    before: str, offered: str, after: str, typed: int
):
    made = Suggestion(cursor(before, after), offered)
    known = Suggestions()
    known.remember(made.cursor, offered)
    now = cursor(before + offered[:typed], after, version=2)
    rests = known.find(now)
    if not rests:
        assert offered[typed:] == ""
        return
    [rest] = rests
    taken = as_accepted(Suggestion(now, rest))
    assert taken.document.text == as_accepted(made).document.text == before + offered + after
    assert taken.position == as_accepted(made).position
    assert is_taken(made, taken.document)


def test_several_suggestions_of_a_place_are_followed_together():
    known = Suggestions()
    known.remember(cursor("x = ", "\n"), "total(1)", "", "tall", "sum(1)")
    assert known.find(cursor("x = ", "\n")) == ("total(1)", "tall", "sum(1)")
    assert known.find(cursor("x = t", "\n", version=2)) == ("otal(1)", "all")
    assert known.find(cursor("x = s", "\n", version=2)) == ("um(1)",)
    assert known.find(cursor("x =", "\n", version=2)) == (" total(1)", " tall", " sum(1)")
    known.remember(cursor("x = ", "\n"), "other")
    assert known.find(cursor("x = ", "\n")) == ("other",)


def test_the_rest_of_what_was_shown_comes_before_what_would_follow_it():
    known = Suggestions()
    known.remember(cursor("def ar", "\n"), "ea(w):")
    known.remember(cursor("def area(w):", "\n"), "\n    return w")
    assert known.find(cursor("def area", "\n", version=2)) == ("(w):",)
    assert known.find(cursor("def area(w):", "\n", version=2)) == ("\n    return w",)
    assert known.find(cursor("def a", "\n", version=2))[0].startswith("r")


def test_blanks_typed_otherwise_are_followed():
    for offered, typed, rest in (
        ("foo(a, b)", "foo(a,b", ")"),
        ("a = [1, 2]", "a=[1,", " 2]"),
        ("a = [1, 2]", "a=[1, ", "2]"),
        ("\n    return x\n    y", "\n        ret", "urn x\n    y"),
        ("foo bar", "foobar", None),
        ("a+b", "a + c", None),
    ):
        made = Suggestion(cursor("x ", "\n"), offered)
        assert loose_rest_of(made, cursor("x " + typed, "\n", version=2)) == rest, typed


def test_signs_that_the_editor_closes_are_followed():
    for offered, typed, closed, rest in (
        ("foo(a)", "foo(", ")", "a"),
        ("f(a[1])", "f(a[", "])", "1"),
        ('"text"', '"', '"', "text"),
        ("foo(a) + 1", "foo(", ")", None),
        ("foo(a)", "foo(", "x", None),
    ):
        made = Suggestion(cursor("x = ", "\n"), offered)
        assert loose_rest_of(made, cursor("x = " + typed, closed + "\n", version=2)) == rest
