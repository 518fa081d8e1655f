"""Which of several suggestions comes first, and which is none of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.postprocess import Candidate, breaks_code, distinct, ranked
from tests.documents import cursor_in


@pytest.mark.parametrize(
    ("language", "marked", "text", "breaks"),
    [
        ("python", "x = ‸", "a", False),
        ("python", "x = ‸", "a b", True),
        ("python", "x = foo(‸", "a, b)", False),
        ("python", "x = foo(‸", "a, b", False),
        ("python", "x = foo(‸)", "a b", True),
        ("python", "if a:\n    ‸", "return a", False),
        ("python", "if a:\n    ‸", "return a ==", False),
        ("python", "if a:\n    ‸", "return return", True),
        ("python", "def f():\n    ‸", '"""What it does', False),
        ("python", "‸", "@decorated", False),
        ("lua", "‸", "local function f(a)", False),
        ("c", "‸", "#if !defined(A)", False),
        ("go", "func f() {\n\t‸\n}", "// what it does", False),
        ("python", "‸", "if a = b:", True),
        ("python", "total = su‸", "m(items)", False),
        ("python", "# a comment ‸", "about x y z", False),
        ("python", "x = 1 1 (\ny = ‸", "2", False),
        ("typescript", "const x = list.map((a) => {‸", "\n  return a;\n})", False),
        ("typescript", "const x = ‸", "a b;", True),
        ("go", "func f() {\n\t‸\n}", "return 1", False),
        ("go", "func f() {\n\t‸\n}", "x := := 1", True),
        ("plaintext", "what ‸", "ever ( this", False),
    ],
)
def test_what_breaks_the_code(language: str, marked: str, text: str, *, breaks: bool) -> None:
    assert breaks_code(cursor_in(marked, language=language), text) is breaks


_CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.sampled_from(["a", "b", "a b", "ab ", "c\n d"]),
        st.none() | st.floats(0, 1),
        st.booleans(),
    ),
    max_size=6,
)


@given(_CANDIDATES)
def test_ranking_loses_nothing_and_repeats_nothing(candidates: list[Candidate]) -> None:
    texts = ranked(candidates)
    assert len({"".join(text.split()) for text in texts}) == len(texts)
    said = {"".join(one.text.split()) for one in candidates}
    assert {"".join(text.split()) for text in texts} == said


def test_sound_code_comes_before_likely_code() -> None:
    assert ranked(
        [
            Candidate("likely but broken", 0.9, breaks_code=True),
            Candidate("less likely", 0.2, breaks_code=False),
            Candidate("likelier", 0.4, breaks_code=False),
            Candidate("unknown", None, breaks_code=False),
        ]
    ) == ("likelier", "less likely", "unknown", "likely but broken")


def test_of_two_that_differ_in_blanks_the_first_is_kept() -> None:
    assert distinct(["f(a, b)", "f(a,b)", "g", "f( a, b )"]) == ("f(a, b)", "g")
