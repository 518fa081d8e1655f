"""Drafts: guesses that make answers faster and never change them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Effort, GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.drafts import MOST_DRAFTED, Draft, Drafting, Thrift, guesses
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.lookup import Continuation
from dsc_lsp.models import STARTER
from tests.checkpoints import load_model, make_checkpoint, one_thread

TEXT = "def f(a, b):\n    return a + b\n\n\nclass Average:\n    pass\n" * 2


class Always(Thrift):
    """Checks as much as it can."""

    def worth(self, source: str) -> int:
        return MOST_DRAFTED if source else 0


class Never(Thrift):
    """Checks nothing."""

    def worth(self, _source: str) -> int:
        return 0


@dataclass
class Followed:
    """The same text everywhere."""

    text: str
    size: int = 9_000

    def after(self, generated: str) -> Sequence[Continuation]:
        rest = self.text[len(generated) :]
        if not rest or not self.text.startswith(generated):
            return ()
        return (Continuation(rest, rest[:1], 9, 0.3), Continuation("q", "q", 3, 0.1))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module", params=[torch.float64, torch.float32])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LocalEngine:
    path = make_checkpoint(tmp_path_factory.mktemp("models") / "dsc-starter-tiny")
    return LocalEngine(
        name="tiny",
        family=STARTER,
        tokenizer=load_tokenizer(path / "tokenizer.json", STARTER),
        model=load_model(path, request.param),
        context_tokens=256,
    )


def said(engine: LocalEngine, thrift: Thrift, **more: object) -> tuple[list[int], Effort]:
    engine._thrift = thrift
    engine.forget()
    return again(engine, **more)


def again(
    engine: LocalEngine, *, text: str = TEXT + "x = ave", most: int = 24, **more: object
) -> tuple[list[int], Effort]:
    prompt = Prompt((PromptPart(engine.tokenizer.encode(text), text),))
    request = GenerationRequest(prompt, most, **more)  # type: ignore[arg-type]
    generation = engine.generate(request, CancelToken())
    return [token.id for token in generation.tokens], generation.effort


@pytest.mark.parametrize("heal", [False, True])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("followed", [None, "rage(first)", "q", "\n    return ö"])
def test_the_answer_is_the_same_with_and_without(
    engine: LocalEngine, followed: str | None, rank: int, *, heal: bool
) -> None:
    known = None if followed is None else Followed(followed)
    plain, effort = said(engine, Never(), heal=heal, rank=rank, continuations=known)
    assert not effort.drafted
    drafted, effort = said(engine, Always(), heal=heal, rank=rank, continuations=known)
    assert drafted == plain
    assert effort.drafted >= effort.accepted
    # With what was said last to draft from.
    twice, effort = again(engine, heal=heal, rank=rank, continuations=known)
    assert twice == plain
    assert effort.accepted


def test_right_guesses_save_runs_and_wrong_ones_do_not_stay(engine: LocalEngine) -> None:
    plain, without = said(engine, Never())
    _, effort = said(engine, Always())
    twice, effort = again(engine)
    assert twice == plain
    assert effort.steps <= without.steps - effort.accepted
    assert effort.steps < without.steps / 2
    # The next prompt goes on otherwise than the drafts in the cache did.
    for text in (TEXT + "x = ave(", TEXT + "x = a", TEXT):
        here, _ = again(engine, text=text)
        assert here == said(engine, Never(), text=text)[0]
        engine._thrift = Always()


@pytest.mark.parametrize("typed", [0, 2, 5])
def test_who_types_the_last_answer_along_has_all_of_it_guessed(
    engine: LocalEngine, typed: int
) -> None:
    plain, _ = said(engine, Always())
    ids = (*engine.tokenizer.encode(TEXT + "x = ave"), *plain[:typed])
    request = GenerationRequest(Prompt((PromptPart(ids, ""),)), len(plain) - typed)
    generation = engine.generate(request, CancelToken())
    assert [token.id for token in generation.tokens] == plain[typed:]
    assert generation.effort.drafted == generation.effort.accepted
    assert generation.effort.steps <= len(plain[typed:]) / (MOST_DRAFTED + 1)


def test_the_last_answer_is_guessed_as_long_as_this_one_agrees() -> None:
    guess = guesses(Letters().encode("xaz"), None, Letters(), Letters().encode("abcdefg"))
    [begun] = guess(Letters().encode("ab"))
    assert (bytes(begun.ids), begun.source) == (b"cdef", "last answer")
    [otherwise] = guess(Letters().encode("aba"))
    assert otherwise.source == "prompt, 1"
    [behind] = guess(Letters().encode("abcdefg"))
    assert behind.source == ""


@pytest.mark.parametrize("most", range(1, 9))
def test_no_more_is_said_than_wanted(engine: LocalEngine, most: int) -> None:
    plain, _ = said(engine, Never(), most=most)
    said(engine, Always(), most=8)
    assert again(engine, most=most)[0] == plain
    assert len(plain) == most


class Letters:
    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def bytes_of(self, token: int) -> bytes:
        return bytes([token])


@given(st.text("ab", max_size=40), st.text("ab", min_size=1, max_size=10))
def test_a_guess_is_what_followed_the_longest_match(before: str, generated: str) -> None:
    guess = guesses(Letters().encode(before), None, Letters())
    [draft] = guess(Letters().encode(generated))
    text = before + generated
    best: tuple[int, int] | None = None
    for end in range(1, len(text)):
        length = 0
        while length < min(end, 8) and text[end - 1 - length] == text[-1 - length]:
            length += 1
        if length >= 1 and (best is None or (length, end) >= best):
            best = (length, end)
    expected = "" if best is None else text[best[1] : best[1] + MOST_DRAFTED]
    assert "".join(map(chr, draft.ids)) == expected
    assert draft.source == ("" if best is None else f"prompt, {best[0]}")


def test_who_has_been_right_most_often_is_believed() -> None:
    thrift = Always()
    drafting = Drafting(guesses(Letters().encode("abxqa"), Followed("xyz"), Letters()), thrift)
    elsewhere = Draft(Letters().encode("yz"), "repository, 0.3")
    assert drafting.best(Letters().encode("x"), 4) == elsewhere
    thrift.held(elsewhere.source, 4, 0)
    assert drafting.best(Letters().encode("x"), 4).source == "prompt, 1"
    assert drafting.best(Letters().encode("b"), 4).source == "prompt, 2"
    assert drafting.best(Letters().encode("w"), 4) == Draft()


def test_guesses_are_checked_as_long_as_they_pay() -> None:
    thrift = Thrift()
    assert thrift.worth("prompt") == 0, "nothing is known of what a run costs"
    for width in range(1, MOST_DRAFTED + 2):
        thrift.took(width, 0.010 * (1 + 0.1 * width))
    for _ in range(50):
        thrift.held("prompt", 4, 4)
        thrift.held("repository", 1, 0)
    assert thrift.worth("prompt") == MOST_DRAFTED
    worth = [thrift.worth("repository") for _ in range(100)]
    assert worth.count(0) > 90
    assert any(worth), "they are tried again now and then"


def test_a_run_that_waited_for_the_processor_is_not_taken_for_the_rule() -> None:
    thrift = Thrift()
    for _ in range(5):
        thrift.took(1, 0.010)
        thrift.took(2, 0.011)
        thrift.held("prompt", 1, 1)
    thrift.took(2, 1.0)
    assert thrift.worth("prompt") >= 1


@pytest.mark.parametrize("thrift", [Always(), Never()], ids=["with drafts", "without"])
def test_tokens_are_counted_where_they_were_written(engine: LocalEngine, thrift: Thrift) -> None:
    for text in (TEXT + "x = ave", TEXT + "x = aver"):
        tokens, effort = said(engine, thrift, text=text)
        assert effort.steps - 1 <= effort.written < len(tokens), "the end is not counted"
