"""Does a block open at the cursor, and how deep is what opens it? Cases: ``cases/syntax``."""

import re
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Tree

from dsc_lsp import languages, parsing, syntax
from dsc_lsp.languages import LANGUAGES, Language
from dsc_lsp.parsing import tree_of
from tests import documents
from tests.documents import CARET, Case, cursor_in


@pytest.mark.parametrize("case", documents.cases("syntax"))
def test_opened_block(case: Case, *, update: bool) -> None:
    block = syntax.opened_block(case.cursor())
    actual = "no block" if block is None else f'block under "{block}"'
    case.check(actual, update=update)


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_row_names_its_grammar_and_its_nodes(language: Language) -> None:
    from tree_sitter import Language as GrammarLanguage

    assert language.grammar is not None
    assert syntax.has_grammar(language.grammar)
    parser = syntax._parser(language.grammar)
    assert parser is not None
    grammar = parser.language
    assert isinstance(grammar, GrammarLanguage)
    unknown = [name for name in language.opaque if grammar.id_for_node_kind(name, True) is None]
    assert not unknown, f"{language.name} has no such nodes: {unknown}"


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_a_language_is_found_by_identifier_and_by_file_name(language: Language) -> None:
    for identifier in language.identifiers:
        assert languages.language_of(identifier) is language
    for suffix in language.suffixes:
        assert languages.language_of("", f"file:///a/B{suffix.upper()}") is language


def test_rows_do_not_share_identifiers_or_suffixes() -> None:
    identifiers = [name for row in LANGUAGES for name in row.identifiers]
    suffixes = [suffix for row in LANGUAGES for suffix in row.suffixes]
    assert len(set(identifiers)) == len(identifiers)
    assert len(set(suffixes)) == len(suffixes)


def test_a_language_without_a_grammar_package_is_served_by_its_patterns() -> None:
    absent = languages.Grammar("tree_sitter_of_no_language")
    assert not syntax.has_grammar(absent)


def test_a_file_of_many_lines_is_parsed_around_the_cursor_only() -> None:
    above = "x = 1\n" * 5_000
    cursor = cursor_in(f"{above}def f():‸\n{above}", language="python")
    assert syntax.opened_block(cursor) == ""


def test_php_in_the_middle_of_a_long_file_is_code() -> None:
    above = "<?php\n" + "$x = 1;\n" * 500
    opens = cursor_in(above + "function f() { // so\n‸", language="php")
    comment = cursor_in(above + "// function f() {‸", language="php")
    assert syntax.opened_block(opens) == ""
    assert syntax.opened_block(comment) is None


def test_half_a_surrogate_pair_does_no_harm() -> None:
    cursor = cursor_in('x = "\ud83d"\nif x:‸', language="python")
    assert syntax.opened_block(cursor) == ""


def test_other_threads_go_on_while_a_text_is_parsed() -> None:
    grammar = languages.language_of("python").grammar
    parser = syntax._parser(grammar) if grammar else None
    assert parser is not None
    turns, over = 0, False

    def take_turns() -> None:
        nonlocal turns
        while not over:
            turns += 1
            time.sleep(0)

    other = threading.Thread(target=take_turns)
    other.start()
    before = turns
    tree = tree_of(b"value = [1, 2]\n" * 20_000, None, parser, seconds=60.0)
    taken = turns - before
    over = True
    other.join()

    assert not tree.root_node.has_error
    assert taken > 3


def test_code_that_takes_too_long_to_parse_is_read_by_patterns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "".join(f"if '{number}'[0]:\n" for number in range(3_000))
    cursor = cursor_in(text + "‸", language="python")
    masked = syntax.code_before(cursor)
    assert masked is not None
    assert "'" not in masked
    syntax._masked.cache_clear()
    syntax._PARSED.clear()
    monkeypatch.setattr(syntax, "_PARSING_SECONDS", -1.0)

    assert syntax.code_before(cursor) == masked
    assert syntax.count_errors(cursor, ")") == 0
    monkeypatch.setattr(syntax, "_WHOLE_SECONDS", -1.0)
    assert syntax.has_errors(cursor.document) is None

    syntax._masked.cache_clear()
    monkeypatch.setattr(syntax, "_PARSING_SECONDS", 60.0)
    short = cursor_in("if '1':\n    x = '‸", language="python")
    assert syntax.code_before(short) is None, "the parser is none the worse for it"


def test_errors_are_seen_where_there_is_a_grammar() -> None:
    assert syntax.has_errors(cursor_in("def f(:‸", language="python").document) is True
    assert syntax.has_errors(cursor_in("def f(): pass‸", language="python").document) is False
    assert syntax.has_errors(cursor_in("def f(:‸", language="nim").document) is None


def test_parsing_begins_at_the_left_margin_so_that_long_docstrings_do_not_invert_the_code() -> (
    None
):
    method = '    def f(self):\n        """Sum.\n\n        So:\n' + "\n" * 7 + '        """\n'
    for above in range(30, 45):
        code = "class A:\n" + method * above
        assert (
            syntax.opened_block(cursor_in(f"{code}    def g(self):‸", language="python")) == "    "
        )
        inside = cursor_in(f'{code}    def g(self):\n        """Note:‸', language="python")
        assert syntax.opened_block(inside) is None


_PIECES = [
    *"(){}[]\"'`#/* \n\\:;=<>x1é😀",
    *("/*", "*/", "//", '"""', "${", "<!--", "-->", 'f"', 'r#"', '"#', "<<EOF\n", "<a>", "</a>"),
    *("def f():\n    ", "return a", "let x = 1;", "# so\n"),
]


@given(
    language=st.sampled_from(LANGUAGES),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 3), st.sampled_from(_PIECES)), max_size=12
    ),
)
def test_a_text_that_was_edited_is_read_as_if_it_was_new(
    language: Language, edits: list[tuple[float, int, str]]
) -> None:
    text = 'x = "a" # b\n' * 30
    masked = syntax._masked.__wrapped__
    read: list[tuple[str, tuple[str, bool]]] = []
    for share, deleted, piece in edits:
        place = round(share * len(text))
        text = text[:place] + piece + text[place + deleted :]
        read.append((text, masked(text, language, language.preamble)))
    for text, was in read:
        syntax._PARSED.clear()
        assert masked(text, language, language.preamble) == was


_ROWS = [
    "# said é\n" * 40,
    "    # said\n" * 40,
    "\t# é (\n    #\r\n" * 20,
    ("# a\n" * 5 + "\n") * 8,
]
_LINES = [
    *("x = 1\n", "def f(a):\n    y = 2\n", "class A:\n", "    z = 3\n", "\n", "# so\n"),
    *("f(a,\n", "    b)\n", "x = [1,\n", "if a\n", "@one\n", "x = (1]\n", ")\n", "else:\n"),
    *("'''Say:\n", "Done.'''\n", "x = 'a'  # it's\n", "x = 'a \\\n", "import\n", "x = 1 +\\\n"),
]
_LAST_LINES = ["", "x = ", "    # on ", "    f(a, 'b", "    for x in y:", '"""', "x = {'a': 1, "]


@given(
    lines=st.lists(st.sampled_from(_LINES), max_size=6),
    rows=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(_ROWS)), min_size=1, max_size=3),
    last=st.sampled_from(_LAST_LINES),
)
def test_long_rows_of_comments_change_nothing(
    lines: list[str], rows: list[tuple[int, str]], last: str
) -> None:
    for place, row in rows:
        lines[place:place] = [row]
    cursor = cursor_in("".join(lines) + last + CARET, language="python")

    def read() -> tuple[object, ...]:
        for known in (syntax._PARSED, syntax._WINDOWS):
            known.clear()
        syntax._masked.cache_clear()
        return (
            syntax.code_before(cursor),
            syntax.in_comment(cursor),
            syntax.opened_block(cursor),
            bool(syntax.count_errors(cursor, "x")),
        )

    found = read()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parsing, "_LONG_ROW", 1_000)
        assert found == read()


def test_long_rows_of_comments_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def noting(source: bytes, *rest: Any) -> Tree:
        parsed.append(source)
        return tree_of(source, *rest)

    monkeypatch.setattr(syntax, "tree_of", noting)
    row = "# said é\n" * 60
    code = syntax.code_before(cursor_in(f"x = 1\n{row}\n{row}y = ‸", language="python"))
    assert parsed[0].count(b"#") == 1
    assert code == re.sub("#.*", lambda comment: " " * len(comment[0]), f"x = 1\n{row}\n{row}y = ")


@pytest.mark.parametrize(
    ("language", "before", "is_comment"),
    [
        ("python", "x = 1  # the ", True),
        ("python", "x = 1 ", False),
        ("python", "# above\n", False),
        ("python", 'x = "# no comment ', False),
        ("python", 'def f():\n    """Return ', False),
        ("typescript", "let x = 1; // the ", True),
        ("typescript", "/* the\n * ", True),
        ("typescript", "let x = '/* ", False),
        ("html", "<p>the ", False),
        ("html", "<!-- the ", True),
        ("ruby", "=begin\nthe ", True),
        ("lua", "-- the ", True),
        ("plaintext", "# the ", False),
    ],
)
def test_a_comment_is_told_from_a_string_and_from_code(
    language: str, before: str, *, is_comment: bool
) -> None:
    assert syntax.in_comment(cursor_in(before + CARET, language=language)) is is_comment
