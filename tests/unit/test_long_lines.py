"""A cursor in a very long line, or beside one: the same suggestions, and no more work for them.

Lengths are those around the limits: what is parsed of a document, what is shown of a line, and
where a document keeps a line in parts.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.languages import LANGUAGES, PLAIN, Language
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from dsc_lsp.shortening import shortened
from tests.scripted import ScriptedEngine

LENGTHS = (4_096, 4_097, 16_385, 31_999, 32_000, 32_001)
UNITS = ("f(a, 'b')[1] + ", "'😀' + é['ü'] + ", 'g({"k": [1]}) + ')


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_at_the_end_of_a_long_line(length: int, unit: str, newline: str) -> None:
    line = f"    x = h({_filled(unit, length - 10)}"
    document = Document.of(f"if a:{newline}{line}{newline}y = 1{newline}", language="python")

    text, prompt = _suggested(document, Position(1, len(line)), "total, 2))\n    z = 3\n")

    assert text == "total, 2)", "the bracket opened at the start of the line is closed, no other"
    assert line[-1_000:] in prompt


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("unit", UNITS)
def test_in_the_middle_of_a_long_line(length: int, unit: str) -> None:
    before = f"x = {_filled(unit, length // 2)}h("
    after = f") + {_filled(unit, length - length // 2)}0"
    document = Document.of(f"a = 1\n{before}{after}\ny = 1\n", language="python")

    text, _ = _suggested(document, Position(1, len(before)), f"total{after[:12]}")

    assert text == "total", "what stands behind the cursor is not said again"


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("unit", UNITS)
def test_at_the_start_of_a_long_line(length: int, unit: str) -> None:
    document = Document.of(f"a = 1\n{_filled(unit, length)}0\n", language="python")

    text, _ = _suggested(document, Position(1, 0), f"x = {unit[:9]}")

    assert text == "x ="


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("below", [False, True])
def test_beside_a_long_line(length: int, unit: str, *, below: bool) -> None:
    long = f"x = {_filled(unit, length)}0\n"
    text = f"def f():\n\n{long}" if below else f"{long}def f():\n\n"
    document = Document.of(text, language="python")

    suggested, _ = _suggested(document, Position(1 + (not below), 0), "    return 1\n\nx = 2\n")

    assert suggested == "    return 1"


@pytest.mark.parametrize("length", LENGTHS)
def test_a_block_opened_by_a_long_line_is_as_deep_as_the_line(length: int) -> None:
    line = f"    if {_filled('f(a) or ', length)}b:"
    document = Document.of(f"def f():\n{line}\n", language="python")

    suggested, _ = _suggested(
        document, Position(1, len(line)), "\n        g()\n        h()\n    return 1\n"
    )

    assert suggested == "\n        g()\n        h()"


@pytest.mark.parametrize("language", [*LANGUAGES, PLAIN], ids=lambda row: row.name)
@pytest.mark.parametrize("unit", ["😀é'\"(", "(", '"', "\t", "<a ", "\ud83d"])
def test_noise_in_one_line_does_no_harm(language: Language, unit: str) -> None:
    line = _filled(unit, 40_000)
    document = Document.of(f"a\n{line}\nb\n", language=language.name)

    for column in (0, 20_000, 40_000):
        _suggested(document, Position(1, column), "value\n")


@given(
    st.integers(3_000, 20_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    st.sampled_from(["", "  ", "\t", " " * 900]),
    st.sampled_from(["\n", "\r\n", "\r", ""]),
)
def test_what_stands_next_to_the_cursor_is_kept(
    place: tuple[int, int], indent: str, ending: str
) -> None:
    length, column = place
    line = indent + _filled("a😀b", length - len(indent))
    cursor = Cursor(Document.of(f"one\n{line}{ending}"), Position(1, column))

    short = shortened(cursor)

    assert len(short.document.line(1)) < 6_000
    assert short.line_before[-1_024:] == cursor.line_before[-1_024:]
    assert short.line_after[:1_024] == cursor.line_after[:1_024]
    assert short.document.newline == cursor.document.newline
    assert short.document.lines[0] == "one\n"
    assert short.document.lines[2:] == cursor.document.lines[2:]
    assert short.line_before.startswith(cursor.line_before[: len(indent)][:200])
    if length <= 4_096:
        assert short is cursor


def test_the_prompt_is_continued_while_a_long_line_is_typed() -> None:
    line = _filled("f(a) + ", 50_000)
    document = Document.of(f"x = 1\n{line}\n", language="python")
    engine, prompts, place = ScriptedEngine("\n"), Prompts(), Position(1, 20_000)
    for key in "total + price":
        document = document.replace(place, place, key, document.version + 1)
        place = place._replace(column=place.column + 1)
        cursor = Cursor(document, place)
        complete(cursor, Repository(), Settings(), engine, CancelToken(), prompts=prompts)

    first, *others = [
        "".join(part.text for part in request.prompt.parts) for request in engine.requests
    ]
    assert all(other.startswith(first) for other in others)


def _filled(unit: str, length: int) -> str:
    """Return text of whole units, of at most so many characters and blanks behind them."""
    return (unit * (length // len(unit))).ljust(length)


def _suggested(document: Document, at: Position, raw: str) -> tuple[str, str]:
    engine = ScriptedEngine(raw)
    result = complete(Cursor(document, at), Repository(), Settings(), engine, CancelToken())
    prompts = ["".join(part.text for part in one.prompt.parts) for one in engine.requests]
    return result.text, "".join(prompts)
