"""What the model writes becomes a suggestion. Cases: ``cases/postprocess``.

The whole pipeline runs with a scripted engine that says the ``raw`` block in tokens of a few
bytes. Options of ``raw``: ``capped`` (the model would go on, but the cap on tokens has stopped
it) and ``lines=N`` (the setting ``maxLines``). ``cases/parts``: what is complete while it writes.
"""

import dataclasses
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp import postprocess, syntax
from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import Completion, Progress, complete
from dsc_lsp.document import Cursor, Position
from dsc_lsp.postprocess import brackets
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests import documents
from tests.documents import Case, cursor_in
from tests.scripted import ScriptedEngine, byte_tokens


@pytest.mark.parametrize("case", documents.cases("postprocess"))
def test_suggestion(case: Case, *, update: bool) -> None:
    raw = case.block("raw")
    tokens = len(byte_tokens(raw.text)) + (0 if "capped" in raw.options else 1)
    suggestion = suggest(
        case.cursor(),
        raw.text,
        max_new_tokens=tokens,
        max_lines=int(raw.options.get("lines", Settings().max_lines)),
        multiline=raw.options.get("multiline", "auto"),
    )
    case.check(suggestion.text, update=update)


@pytest.mark.parametrize("case", documents.cases("parts"))
def test_what_is_complete_while_the_model_writes(case: Case, *, update: bool) -> None:
    part = part_of(case.cursor(), case.block("raw").text)
    case.check("" if part is None else part.text, update=update)


@given(st.text(st.sampled_from("a( )\n:{}'\"#="), max_size=40))
def test_a_part_leaves_no_bracket_open(raw: str) -> None:
    cursor = cursor_in("def f():\n    ‸\n", language="python")
    part = part_of(cursor, raw)
    if part is not None and part.text:
        assert part.is_part
        assert brackets.is_closed(syntax.code_of(cursor, part.text))


def part_of(cursor: Cursor, raw: str) -> Completion | None:
    """Return what is complete when the model has written so much and would go on."""
    progress, tokens = Progress(), len(byte_tokens(raw))
    complete(
        cursor,
        Repository(),
        Settings(max_new_tokens=max(1, tokens)),
        ScriptedEngine(raw),
        CancelToken(),
        progress=progress,
    )
    assert raw.startswith(progress.text)
    return progress.part


def suggest(cursor: Cursor, raw: str, **chosen: Any) -> Completion:
    settings = dataclasses.replace(Settings(max_new_tokens=512), **chosen)
    return complete(cursor, Repository(), settings, ScriptedEngine(raw), CancelToken())


def test_decoding_stops_as_soon_as_the_block_is_seen_to_end() -> None:
    engine = ScriptedEngine("\n    return 1\n\ndef g():\n    return 2\n")
    complete(
        cursor_in("def f():‸", language="python"), Repository(), Settings(), engine, CancelToken()
    )
    assert b"".join(engine.said).decode().startswith("\n    return 1\n\ndef ")
    assert len(b"".join(engine.said)) < len("\n    return 1\n\ndef g():\n")


def test_decoding_stops_at_the_end_of_a_single_line() -> None:
    engine = ScriptedEngine("1\ny = 2\nz = 3\n")
    complete(
        cursor_in("x = ‸", language="python"), Repository(), Settings(), engine, CancelToken()
    )
    assert b"".join(engine.said) == b"1\ny"


def test_what_a_suggestion_costs_is_counted() -> None:
    result = suggest(cursor_in("x = ‸", language="python"), "12345678")
    assert result.new_tokens == 4
    assert result.prompt_tokens == 1 + len("x = ")
    assert result.confidence == pytest.approx(math.exp(-0.5 * 4))
    assert 0 <= result.prompt_ms <= result.first_token_ms <= result.total_ms


def test_a_model_that_says_nothing_has_no_confidence() -> None:
    result = suggest(cursor_in("x = ‸", language="python"), "")
    assert (result.text, result.confidence, result.new_tokens) == ("", 0.0, 0)


def test_a_cancel_is_noticed_at_the_next_token() -> None:
    cancel = CancelToken()
    engine = ScriptedEngine(
        "a b c d e f", before_token=lambda number: cancel.cancel() if number == 2 else None
    )
    with pytest.raises(Cancelled):
        complete(cursor_in("x = ‸", language="python"), Repository(), Settings(), engine, cancel)
    assert len(engine.said) == 2


def test_a_context_too_small_for_the_answer_counts_as_a_cap() -> None:
    settings = Settings(max_new_tokens=512)
    engine = ScriptedEngine("\n    a = 1\n    b = 1234567890", context_tokens=16)
    result = complete(
        cursor_in("if x:‸", language="python"), Repository(), settings, engine, CancelToken()
    )
    assert engine.requests[0].max_new_tokens == 8
    assert result.text == "\n    a = 1"


def test_a_suggestion_that_the_model_is_not_sure_of_is_withheld_on_demand() -> None:
    shown = suggest(cursor_in("x = ‸", language="python"), "1\n", min_confidence=0.6)
    assert (shown.text, shown.withheld) == ("1", "")
    unsure = suggest(cursor_in("x = ‸", language="python"), "1\n", min_confidence=0.61)
    assert unsure.text == ""
    assert unsure.withheld == (
        "The model was not sure enough: 0.61 or less, and `dsc.minConfidence` is 0.61."
    )


@pytest.mark.parametrize(("least", "said"), [(0.0, 6), (0.2, 4), (0.4, 2), (1.0, 1)])
def test_a_model_that_is_not_sure_enough_is_asked_no_further(least: float, said: int) -> None:
    """Each token has a likelihood of 0.61, so all six together one of 0.05."""
    engine = ScriptedEngine("one, two, three")
    result = complete(
        cursor_in("x = ‸", language="python"),
        Repository(),
        Settings(min_confidence=least),
        engine,
        CancelToken(),
    )
    assert len(engine.said) == said
    assert bool(result.text) == (not least)
    if least:
        assert "not sure enough" in result.withheld


def test_of_what_follows_the_first_line_no_sureness_is_asked() -> None:
    engine = ScriptedEngine("\n    a = 1\n    b = 2\n    c = 3", logprob=-0.2)
    settings = Settings(min_confidence=0.4)
    cursor = cursor_in("if x:‸", language="python")
    result = complete(cursor, Repository(), settings, engine, CancelToken())
    assert result.text == "\n    a = 1\n    b = 2\n    c = 3"
    assert len(engine.said) > 4


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "The model had nothing to say here."),
        ("  \n", "The model had nothing to say here."),
        ("\u202e\n", "Nothing was left of what the model wrote (rule: invisible characters)."),
        ("b = 2\n", "Nothing was left of what the model wrote (rule: neighbouring lines)."),
    ],
)
def test_why_there_is_no_suggestion(raw: str, reason: str) -> None:
    assert suggest(cursor_in("a = 1\n‸\nb = 2\n", language="python"), raw).withheld == reason


_PIECES = ["ab", "_", *" ()[]{}\"':;,=\t\\éß日🙂\u2028\x0c\x85", "\n", "\r\n", "\r", "\r"]
_CODE = st.lists(st.sampled_from(_PIECES), max_size=25).map("".join)
_LINES = st.lists(
    st.sampled_from(["if a:", "  b", "}", "    c()", "", "\t{", "end", "  def f", "  @x"]),
    max_size=6,
)


@given(
    before=_CODE,
    after=_CODE | st.sampled_from(["", ")", '"', "\n}", "\r\n}\r\n"]),
    raw=_CODE | _LINES.map("\n".join) | _LINES.map("\r\n".join),
    language=st.sampled_from(["python", "c", "ruby", "shellscript", "plaintext"]),
    cap=st.integers(1, 40),
)
def test_a_suggestion_is_clean_text_of_the_model(
    before: str, after: str, raw: str, language: str, cap: int
) -> None:
    cursor = cursor_in(f"{before}{documents.CARET}{after}", language=language)
    newline = cursor.document.newline
    text = suggest(cursor, raw, max_new_tokens=cap).text
    plain = text.replace(newline, "\n")
    assert "\r" not in plain
    assert newline == "\n" or "\n" not in text.replace(newline, "")
    *lines, last = plain.split("\n")
    assert all(line == line.rstrip() for line in lines)
    assert last == last.rstrip() or (cursor.line_after.strip() and not last.strip())
    said = iter(raw)
    assert all(letter in said for letter in text if letter.isalnum())


@given(
    before=st.sampled_from(["  if a {‸", "  ‸", "‸", "  f(‸)", "  a;‸"]),
    text=_LINES.map("\n".join),
    cut=st.integers(0, 60),
    block=st.sampled_from([None, "", "  "]),
    accepted=st.booleans(),
    multiline=st.sampled_from(["auto", "never", "always"]),
)
def test_the_end_once_seen_stays_where_it_is(
    before: str, text: str, cut: int, block: str | None, multiline: str, *, accepted: bool
) -> None:
    cursor = cursor_in(before, language="c")
    extent = postprocess.extent_at(
        cursor, block, 4, after_acceptance=accepted, multiline=multiline
    )
    end = postprocess.end_of(text[:cut], extent)
    assert end is None or end == postprocess.end_of(text, extent)


_BRACKETS = st.lists(
    st.sampled_from(["(", ")", "[", "]", "{", "}", "f", "a, ", "\n", "\n    ", '"', '"(", ', ";"]),
    max_size=12,
).map("".join)


@given(
    before=_BRACKETS,
    after=_BRACKETS,
    raw=_BRACKETS,
    language=st.sampled_from(["python", "typescript", "java", "rust", "go", "lua", "plaintext"]),
    cap=st.integers(1, 40),
)
def test_a_suggestion_never_makes_brackets_less_balanced(
    before: str, after: str, raw: str, language: str, cap: int
) -> None:
    cursor = cursor_in(f"{before}{documents.CARET}{after}", language=language)
    text = suggest(cursor, raw, max_new_tokens=cap, multiline="always").text
    if syntax.code_before(cursor) is None:
        return
    was = lonely_brackets(cursor, "")
    assert lonely_brackets(cursor, text) <= was


@given(
    before=_BRACKETS,
    after=_BRACKETS,
    raw=_BRACKETS,
    language=st.sampled_from(["python", "typescript", "java", "rust", "go", "lua"]),
)
def test_behind_a_string_that_it_closes_it_does_not_either(
    before: str, after: str, raw: str, language: str
) -> None:
    cursor = cursor_in(f'{before}"a{documents.CARET}\n{after}', language=language)
    text = suggest(cursor, f'b"{raw}', multiline="always").text
    if syntax.code_before(cursor) is not None or syntax.ends_in_text(cursor, text):
        return
    code = syntax.code_before_with(cursor, text), syntax.code_of(cursor, text)
    below = syntax.code_after(cursor)
    assert count_lonely(code[0] + code[1] + below) <= count_lonely(code[0] + below)


def lonely_brackets(cursor: Cursor, text: str) -> int:
    """Count brackets without a partner, by striking pairs out until none is left."""
    end = cursor.position
    behind = cursor.document.replace(end, end, text, 2)
    at = len(text.split("\n"))
    lines = text.split("\n")
    column = len(lines[-1]) + (end.column if at == 1 else 0)
    code = syntax.code_before(cursor) + syntax.code_of(cursor, text)
    code += syntax.code_after(Cursor(behind, Position(end.line + at - 1, column)))
    return count_lonely(code)


def count_lonely(code: str) -> int:
    code = re.sub(r"[^()\[\]{}]", "", code)
    while (fewer := re.sub(r"\(\)|\[\]|\{\}", "", code)) != code:
        code = fewer
    return len(code)
