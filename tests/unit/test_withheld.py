"""What was written and not shown: typing the word on says nothing again, without the model."""

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import Completion, complete
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, Prompt, PromptPart, Token
from dsc_lsp.measure import bench
from dsc_lsp.measure.traces import shipped
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from dsc_lsp.withheld import Withheld
from tests.documents import cursor_in
from tests.scripted import ScriptedEngine

SETTINGS = Settings(min_confidence=0.2)
UNSURE = (-0.01, -3.0)
"""The log likelihoods of an answer that is given up at its second token."""


class Unsure(ScriptedEngine):
    """Says the first tokens with these log likelihoods, and the others as it does."""

    def __init__(self, *answers: str, logprobs: tuple[float | None, ...] = UNSURE, **more: Any):
        super().__init__(*answers, **more)
        self.logprobs = logprobs

    def _tokens(self, *arguments: Any) -> Iterator[Token]:
        tokens = super()._tokens(*arguments)
        for token, logprob in itertools.zip_longest(tokens, self.logprobs):
            if token is None:
                return
            yield token if logprob is None else dataclasses.replace(token, logprob=logprob)


class Typist:
    """Asks at one place after the other, as the server does."""

    def __init__(self, engine: Engine, settings: Settings = SETTINGS) -> None:
        self.engine, self.settings = engine, settings
        self.prompts, self.withheld = Prompts(), Withheld()

    def at(self, text: str, **more: Any) -> Completion:
        return complete(
            cursor_in(text),
            Repository(),
            more.pop("settings", self.settings),
            self.engine,
            CancelToken(),
            prompts=self.prompts,
            withheld=self.withheld,
            **more,
        )


def test_typing_the_word_on_asks_no_model_until_nothing_is_known():
    engine = Unsure("rmat(x)\n")  # in tokens: "rma", "t", "(x", …
    typist = Typist(engine)
    texts = ["fo‸\n", "for‸\n", "form‸\n", "forma‸\n", "format‸\n"]
    results = [typist.at(text) for text in texts]
    assert [result.text for result in results] == [""] * 5
    assert len(engine.requests) == 2
    [first, *_, before_last, _] = results
    assert before_last.raw == "t"
    assert before_last.withheld.startswith("The model was not sure enough: 0.05")
    assert (first.reused_tokens, before_last.effort.steps) == (0, 0)


@pytest.mark.parametrize(
    "then", ["foo‸\n", "for ‸\n", "for‸)\n", "x\nfor‸\n", "for‸\nx\n", "fo‸\n", "f‸\n"]
)
def test_what_else_is_typed_or_changed_is_asked(then: str):
    engine = Unsure("rmat(x)\n")
    typist = Typist(engine)
    typist.at("fo‸\n")
    typist.at(then)
    assert len(engine.requests) == 2


def test_a_rest_that_is_likely_by_itself_is_asked_and_shown():
    engine = Unsure("rmat\n", "mat\n", logprobs=(-3.0,))
    typist = Typist(engine)
    assert typist.at("fo‸\n").text == ""
    engine.logprobs = ()
    assert typist.at("for‸\n").text == "mat"


def test_what_was_shown_is_not_withheld():
    engine = ScriptedEngine("rmat\n", "at\n", logprob=-0.01)
    typist = Typist(engine)
    assert typist.at("fo‸\n").text == "rmat"
    assert typist.at("form‸\n").text == "at"


def test_an_answer_of_which_nothing_is_left_is_not_asked_again():
    engine = ScriptedEngine("rmat(x)\n", logprob=-0.01)
    typist = Typist(engine)
    results = [typist.at(text) for text in ("fo‸\nformat(x)\n", "for‸\nformat(x)\n")]
    assert [result.text for result in results] == ["", ""]
    assert all(result.withheld.startswith("Nothing was left") for result in results)
    assert len(engine.requests) == 1


def test_an_alternative_and_another_model_are_asked():
    engine = Unsure("rmat(x)\n")
    typist = Typist(engine)
    typist.at("fo‸\n")
    typist.at("for‸\n", rank=1)
    assert [request.rank for request in engine.requests] == [0, 1]
    engine.name = "another"
    typist.at("for‸\n")
    assert len(engine.requests) == 3


def test_who_wants_to_see_less_likely_ones_is_shown_them():
    engine = Unsure("rmat(x)\n", "mat(x)\n")
    typist = Typist(engine)
    typist.at("fo‸\n")
    assert typist.at("for‸\n", settings=Settings(min_confidence=0.0)).text == "mat(x)"


def test_a_family_that_reads_half_words_is_asked():
    engine = Unsure("rmat(x)\n", family=dataclasses.replace(DEEPSEEK_CODER_BASE, heals=False))
    typist = Typist(engine)
    typist.at("fo‸\n")
    typist.at("for‸\n")
    assert len(engine.requests) == 2


def test_characters_that_a_token_splits_are_found_again():
    """ "é" is two bytes, of which the first token has one."""
    withheld, prompt = Withheld(), Prompt((PromptPart((), "x"),))
    tokens = [Token(1, "né".encode()[:2], -1.0), Token(2, "né".encode()[2:] + b"e", -2.0)]
    withheld.remember("m", prompt, tokens)
    rest = withheld.rest_at("m", Prompt((PromptPart((), "xné"),)))
    assert [(token.data, token.logprob) for token in rest] == [(b"e", 0.0)]
    assert withheld.rest_at("m", Prompt((PromptPart((), "xn"),)))[0].data == b"\xc3"


def test_the_starter_shows_the_same_whether_it_is_asked_or_not():
    """The beginning of a shipped trace, in which it is not sure for the length of a few words."""
    settings = Settings(model="starter", device="cpu")
    trace = dataclasses.replace(shipped()[0], edits=shipped()[0].edits[:20])
    with closing(open_engine(settings, lambda *_: None)) as engine:
        keys = list(bench.replay([trace], settings, engine))
        engine.forget()
        shown, prompts = list[str](), Prompts()
        for key in keys:
            if key.completion is not None:
                cancel = CancelToken()
                again = complete(
                    key.cursor, Repository(), settings, engine, cancel, prompts=prompts
                )
                shown.append(again.text)
    assert shown == [key.offered for key in keys if key.completion is not None]
    assert sum(key.completion is not None and key.request is None for key in keys) >= 3
