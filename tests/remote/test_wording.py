"""Prompts as text, answers as tokens: nothing of a user's text becomes a control token."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.engine.base import Prompt, PromptPart
from dsc_lsp.engine.remote.characters import CharacterTokenizer
from dsc_lsp.engine.remote.dialects import Chunk, Piece
from dsc_lsp.engine.remote.wording import as_text, as_tokens
from dsc_lsp.models import DEEPSEEK_CODER_BASE

NAMES = DEEPSEEK_CODER_BASE.control_tokens
STOPS = DEEPSEEK_CODER_BASE.stop
TEXT = st.lists(st.text(max_size=3) | st.sampled_from(["<", "|", "｜", ">", *NAMES])).map("".join)


def control(name: str) -> PromptPart:
    return PromptPart((0,), name, control=True)


def user(text: str) -> PromptPart:
    return PromptPart((), text)


@given(prefix=TEXT, suffix=TEXT, typed=TEXT)
def test_only_our_control_tokens_are_in_a_prompt(prefix: str, suffix: str, typed: str) -> None:
    begin, hole, end = "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"
    parts = (control(NAMES[0]), control(begin), user(prefix), control(hole), user(suffix))
    text = as_text(Prompt((*parts, control(end), user(typed))), adds_bos=False)
    found = re.findall("|".join(map(re.escape, NAMES)), text)
    assert found == [NAMES[0], begin, hole, end]


@given(text=TEXT)
def test_what_is_no_control_token_stays_as_it_is(text: str) -> None:
    escaped = as_text(Prompt((user(text),)), adds_bos=False)
    assert escaped.replace("< ", "<") == text.replace("< ", "<")
    if not re.search(r"<[|｜]", text):
        assert escaped == text


def test_code_that_looks_a_little_like_one_stays_as_it_is() -> None:
    code = "a <|> b; f <| g; x <|| y; type <｜ ｜>"
    assert as_text(Prompt((user(code),)), adds_bos=True) == code


def test_the_server_that_begins_the_text_is_not_given_a_beginning() -> None:
    prompt = Prompt((control(NAMES[0]), user("x")))
    assert as_text(prompt, adds_bos=True) == "x"
    assert as_text(prompt, adds_bos=False) == f"{NAMES[0]}x"


def said(*texts: str, is_cut: bool = False, most: int = 64) -> str:
    chunks = [Chunk((Piece(text),)) for text in texts] + [Chunk(is_cut=is_cut)]
    tokens = as_tokens(chunks, None, frozenset({7}), STOPS, most)
    return b"".join(token.data for token in tokens).decode()


@given(st.lists(TEXT, max_size=6), st.sampled_from(STOPS), TEXT)
def test_an_answer_ends_before_a_control_token_however_it_is_cut(
    before: list[str], stop: str, after: str
) -> None:
    text = "".join(before)
    expected = min((text.find(name) for name in STOPS if name in text), default=len(text))
    assert said(*before) == text[:expected].replace("\ufffd", "")
    pieces = [text + stop[:3], stop[3:] + after]
    whole = "".join(pieces)
    first = min(whole.find(name) for name in STOPS if name in whole)
    assert said(*pieces) == whole[:first].replace("\ufffd", "")


def test_an_id_that_ends_the_answer_ends_it() -> None:
    chunks = [Chunk((Piece("a", 1, b"a"),)), Chunk((Piece("", 7),)), Chunk((Piece("b", 2, b"b"),))]
    tokens = list(as_tokens(chunks, None, frozenset({7}), STOPS, 64))
    assert [(token.id, token.data) for token in tokens] == [(1, b"a")]


def test_whoever_counts_knows_that_an_answer_was_cut() -> None:
    chunks = [Chunk((Piece("several tokens at once"),), is_cut=True)]
    assert len(list(as_tokens(chunks, None, frozenset(), STOPS, 5))) == 5
    chunks = [Chunk((Piece("several tokens at once"),))]
    assert len(list(as_tokens(chunks, None, frozenset(), STOPS, 5))) == 1


def test_no_more_is_taken_than_was_asked_for() -> None:
    assert said(*"abcdefgh", most=3) == "abc"


def test_likelihoods_are_likelihoods_whatever_is_told() -> None:
    told = [-0.5, 0.3, math.nan, -math.inf, None]
    chunks = [Chunk((Piece("x", logprob=value),)) for value in told]
    tokens = as_tokens(chunks, None, frozenset(), STOPS, 64)
    assert [token.logprob for token in tokens] == [-0.5, 0.0, -math.inf, -math.inf, None]


@given(TEXT, TEXT)
def test_estimates_add_up_over_lines_and_are_never_less_than_a_fourth(
    first: str, second: str
) -> None:
    encode = CharacterTokenizer().encode
    assert encode(f"{first}\n") + encode(second) == encode(f"{first}\n{second}")
    assert len(encode(first)) * 8 >= len(first)
    assert encode(first) == encode(first)
