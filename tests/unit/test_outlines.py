"""What a file defines. Cases: ``cases/outlines``; ``expect`` has a definition a line.

Each line is the kind, the lines from 1, and the header, indented by how deep it stands.
"""

from collections import defaultdict
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Query, QueryCursor

from dsc_lsp import parsing
from dsc_lsp.languages import language_of
from dsc_lsp.repository import imports, trees
from dsc_lsp.repository.contents import structure_of
from dsc_lsp.repository.outlines import QUERIES, Outline, outline
from tests import documents
from tests.documents import CARET, Case


@pytest.mark.parametrize("case", documents.cases("outlines"))
def test_outline(case: Case, *, update: bool) -> None:
    found = outline(case.code.text, language_of(case.code.kind).name)
    case.check("\n".join(_shown(found)), update=update)


@pytest.mark.parametrize("text", ["", "def (", "class A(\n  def", "\ud800 = 1", "}\n" * 50])
@pytest.mark.parametrize("language", ["python", "typescript", "rust", "cpp", "ruby", "klingon"])
def test_broken_code_gives_less_and_never_fails(text: str, language: str) -> None:
    assert len(outline(text, language)) <= 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", "x = " + "a +\n" * 5_000 + "b;\nfunction f() {}\n"),
        ("a.py", "x = " + "[\n" * 5_000 + "]\n" * 5_000 + "def f(): pass\n"),
        ("a.c", "int x = " + "(\n" * 5_000 + "1" + ")\n" * 5_000 + ";\nint f() {}\n"),
    ],
)
def test_what_is_nested_thousands_deep_has_an_outline(path: str, text: str) -> None:
    assert "f" in [entry.name for entry in structure_of(path, text).outline]


def test_imports_nested_thousands_deep_are_left_out() -> None:
    assert structure_of("a.rs", f"use {'a::{' * 5_000}b{'}' * 5_000};\n").imports == ()


def test_half_a_surrogate_pair_moves_nothing() -> None:
    found = outline("x = '\ud83d'\n\n\ndef total(prices):\n    return 1\n", "python")
    assert [entry.header for entry in found] == ["x = '?'", "def total(prices):"]


def test_what_takes_too_long_to_parse_has_no_outline(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"def f_{number}(): pass\n" for number in range(2_000))
    assert len(outline(text, "python")) == 2_000

    monkeypatch.setattr(trees, "_PARSING_SECONDS", -1.0)
    assert outline(text, "python") == ()

    monkeypatch.setattr(trees, "_PARSING_SECONDS", 60.0)
    assert len(outline(text, "python")) == 2_000, "the parser is none the worse for it"


def test_twenty_thousand_lines_of_comments_in_a_row_hide_nothing() -> None:
    rows = "# said of the next\n" * 10_000
    text = f"x = 1\n{rows}\nclass A:\n    y = 2\n{rows}\n    def f(self): pass\n"
    assert [entry.name for entry in outline(text, "python")] == ["x", "A", "y", "f"]


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    x = 1\n{row}    return x\n\n\ny = 2\n",
        "class A:\n{row}    x = 1\n\n{row}    def f(self):\n{row}        self.z = 1\n",
        "x = [\n{row}    1]\n{row}y = 2\n",
        'x = """\n{row}  # its end: """\n{row}y = 2\n{row}',
        "x = '''{row}'''\ny = 2\n",
        "@one\n{row}def f(\n{row}    a,\n): pass\n",
    ],
)
@pytest.mark.parametrize("row", ["    # said\n" * 40, "# said\n" * 40, "\t# é said\n    #\n" * 20])
def test_rows_of_comments_change_nothing(
    text: str, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outline(text.format(row=row), "python")
    monkeypatch.setattr(parsing, "_LONG_ROW", 1_000)
    assert found == outline(text.format(row=row), "python")


def _shown(found: Outline) -> list[str]:
    lines: list[str] = []
    depths: list[int] = []
    for entry in found:
        depths.append(0 if entry.parent < 0 else depths[entry.parent] + 1)
        header = " ⏎ ".join(line.strip() for line in entry.header.split("\n"))
        place = f"{entry.first_line + 1}-{entry.last_line + 1}"
        lines.append(f"{entry.kind:8} {place:6} {'  ' * depths[-1]}{header}")
    return lines


@cache
def _snippets() -> dict[str, list[str]]:
    """Return the code of the cases by the language's name, as whole lines."""
    found: dict[str, list[str]] = defaultdict(list)
    for stage in ("outlines", "imports", "syntax"):
        for case in documents.cases(stage):
            [code] = [value.code for value in case.values if isinstance(value, Case)]
            text = code.text.replace(CARET, "") + "\n"
            found[language_of(code.kind).name].append(text)
    return found


@pytest.mark.parametrize("language", sorted({*QUERIES, *imports.QUERIES}))
@settings(max_examples=8)
@given(
    chosen=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=8, max_size=30),
    piece=st.integers(16, 400),
)
def test_what_is_searched_in_pieces_is_found_as_in_one(
    language: str, chosen: list[tuple[int, int]], piece: int
) -> None:
    known = _snippets()[language]
    text = "".join(_without_line(known[number % len(known)], line) for number, line in chosen)

    def found(piece_bytes: int) -> tuple[object, ...]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(trees, "_PIECE_BYTES", piece_bytes)
            return outline(text, language), imports.imports(text, language)

    assert found(piece) == found(1 << 30)


def _without_line(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:number] + lines[number + 1 :])


def test_a_long_text_is_searched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = "".join(
        f"    def method_{n}(self, a):\n        self.field_{n} = {n}\n\n" for n in range(400)
    )
    functions = "".join(f"def function_{n}(a, b):\n    return {n}\n\n\n" for n in range(400))
    text = f"import shop\n\n\nclass Long(shop.Base):\n{methods}\n{functions}"
    searched: list[tuple[int, int]] = []

    class Noting:
        def __init__(self, query: Query) -> None:
            self._cursor = QueryCursor(query)
            self.matches = self._cursor.matches

        def set_byte_range(self, start: int, end: int) -> None:
            searched.append((start, end))
            self._cursor.set_byte_range(start, end)

    monkeypatch.setattr(trees, "QueryCursor", Noting)
    in_pieces = structure_of("long.py", text)
    assert max(end - start for start, end in searched) < 10_000, "else others wait for it"
    assert len(in_pieces.outline) == 1 + 400 + 400 + 400
    assert [entry.module for entry in in_pieces.imports] == ["shop"]
