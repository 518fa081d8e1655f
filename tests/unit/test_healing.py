"""In the middle of a word the model backs up to where the word begins, and writes it itself."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.engine.base import GenerationRequest, Prompt, PromptPart, Token
from dsc_lsp.engine.choice import choose
from dsc_lsp.engine.healing import (
    HealedContinuations,
    Vocabulary,
    beginning_with,
    healed,
    without_bytes,
)
from dsc_lsp.engine.opening import open_local
from dsc_lsp.lookup import Continuation
from dsc_lsp.models import DEEPSEEK_CODER_BASE, DEEPSEEK_CODER_INSTRUCT
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.checkpoints import make_checkpoint
from tests.documents import cursor_in
from tests.scripted import ScriptedEngine

TOKENS = [b"a", b"b", b"ab", b"abc", b"b c", b" ", b" a", b"abab", b"ba", b"<stop>", b"c", b""]
CONTROL = {9}


def bytes_of(token: int) -> bytes:
    return TOKENS[token]


@given(st.text("abc ", min_size=1, max_size=6).map(str.encode))
def test_the_tokens_that_agree_are_those_that_a_look_at_each_finds(wanted: bytes) -> None:
    found = Vocabulary(TOKENS, CONTROL).agreeing(wanted)
    expected = [
        token
        for token, data in enumerate(TOKENS)
        if data and token not in CONTROL and (data.startswith(wanted) or wanted.startswith(data))
    ]
    assert sorted(found) == expected


@given(
    wanted=st.text("abc ", min_size=1, max_size=6).map(str.encode),
    rows=st.lists(
        st.lists(st.floats(-5, 5), min_size=len(TOKENS), max_size=len(TOKENS)),
        min_size=8,
        max_size=8,
    ),
)
def test_whatever_the_model_likes_it_writes_the_word_first(
    wanted: bytes, rows: Sequence[Sequence[float]]
) -> None:
    adjust = beginning_with(wanted, Vocabulary(TOKENS, CONTROL), bytes_of)
    generated: list[int] = []
    for row in rows:
        token, logprob = choose(np.array(row), generated, [adjust])
        assert logprob <= 0
        generated.append(token)
    written = b"".join(map(bytes_of, generated))
    assert written.startswith(wanted) or wanted.startswith(written)
    held = [Token(token, bytes_of(token), 0.0) for token in generated]
    rest = b"".join(token.data for token in without_bytes(iter(held), len(wanted)))
    assert wanted + rest == written or len(written) < len(wanted)


def test_once_the_word_is_written_the_row_is_left_alone() -> None:
    adjust = beginning_with(b"ab", Vocabulary(TOKENS, CONTROL), bytes_of)
    row = np.zeros(len(TOKENS))
    assert adjust(row, [2]) is row
    assert adjust(row, [0, 1, 5]) is row


def part(text: str) -> PromptPart:
    return PromptPart(tuple(text.encode()), text)


def control(name: str) -> PromptPart:
    return PromptPart((300,), name, control=True)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("x = ave", b"ave"),
        ("x = ", b""),
        ("x = (", b""),
        ("x = a_1", b"a_1"),
        ("x = abcdefghij", b"efghij"),  # so many tokens at most
        ("größe", "röße".encode()),
    ],
)
def test_the_word_before_the_cursor_is_taken_off(text: str, taken: bytes) -> None:
    fim = DEEPSEEK_CODER_BASE.fim
    assert fim is not None
    begin, hole, end = control(fim.begin), control(fim.hole), control(fim.end)
    anchored = Prompt((control("bos"), begin, part("a\n"), hole, part("word"), end, part(text)))
    in_the_middle = Prompt((control("bos"), begin, part(text), hole, part("word"), end))
    left_to_right = Prompt((control("bos"), part(text)))
    for prompt, family in (
        (anchored, DEEPSEEK_CODER_BASE),
        (in_the_middle, DEEPSEEK_CODER_BASE),
        (left_to_right, DEEPSEEK_CODER_INSTRUCT),
    ):
        result = healed(prompt, family, lambda token: bytes([token % 256]))
        assert result.begins_with == taken
        assert result.tokens == len(taken)
        assert len(result.ids) == len(prompt.ids) - len(taken)


def test_something_is_left_to_read() -> None:
    fim = DEEPSEEK_CODER_BASE.fim
    assert fim is not None
    begin, hole, end = control(fim.begin), control(fim.hole), control(fim.end)
    anchored = Prompt((control("bos"), begin, part("a\n"), hole, part("b"), end, part("whole")))
    in_the_middle = Prompt((control("bos"), begin, part("whole"), hole, part("b"), end))
    left_to_right = Prompt((control("bos"), part("whole")))
    for prompt, family, taken in (
        (anchored, DEEPSEEK_CODER_BASE, b"whole"),
        (in_the_middle, DEEPSEEK_CODER_BASE, b"whole"),
        (left_to_right, DEEPSEEK_CODER_INSTRUCT, b""),
    ):
        result = healed(prompt, family, lambda token: bytes([token % 256]))
        assert result.begins_with == taken
        assert len(result.ids) == len(prompt.ids) - len(taken)


def test_continuations_are_those_of_the_cursor() -> None:
    class Known:
        def after(self, generated: str) -> Sequence[Continuation]:
            return [Continuation("rage" + generated, "rage", 4, 1.0)]

    followed = HealedContinuations(Known(), "ave")
    assert [one.text for one in followed.after("")] == ["average"]
    assert [one.text for one in followed.after("av")] == ["erage"]
    assert [one.text for one in followed.after("ave")] == ["rage"]
    assert [one.text for one in followed.after("ave(")] == ["rage("]
    assert followed.after("xx") == ()


def test_the_pipeline_asks_for_it_in_the_middle_of_a_word_only() -> None:
    for text, heal in (("x = av‸", True), ("x = ‸", False), ("x = f(‸", False), ("ö‸", True)):
        engine = ScriptedEngine("")
        complete(cursor_in(text), Repository(), Settings(), engine, CancelToken())
        assert engine.requests[0].heal is heal
    unhealed = dataclasses.replace(DEEPSEEK_CODER_BASE, heals=False)
    engine = ScriptedEngine("", family=unhealed)
    complete(cursor_in("x = av‸"), Repository(), Settings(), engine, CancelToken())
    assert not engine.requests[0].heal


def test_a_real_engine_does_not_say_the_word_again(tmp_path_factory: pytest.TempPathFactory):
    checkpoint = make_checkpoint(tmp_path_factory.mktemp("models") / "deepseek-coder-tiny-base")
    engine = open_local(
        str(checkpoint), device="cpu", context_tokens=200, report=lambda _text, _percent: None
    )
    prompt = Prompt(
        (
            PromptPart((engine.tokenizer.control(engine.family.begin_of_text),), "", control=True),
            PromptPart(engine.tokenizer.encode("x = ave"), "x = ave"),
        )
    )
    plain = engine.generate(GenerationRequest(prompt, 5), CancelToken())
    unhealed = [token.id for token in plain.tokens]
    # A token for each byte: the word is written as it stands, so the answer is the same.
    healed_ = engine.generate(GenerationRequest(prompt, 5, heal=True), CancelToken())
    assert healed_.prompt_tokens == plain.prompt_tokens - 3
    assert [token.id for token in healed_.tokens] == unhealed
    engine.close()
