"""What the repository says by itself, where it is surer of it than a small model."""

import dataclasses
import math
import time
from collections.abc import Sequence

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import Progress, complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.lookup import Continuation, Continuations
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.scripted import ScriptedEngine

BESIDE = dataclasses.replace(DEEPSEEK_CODER_BASE, lookup_margin=1.5)
CURSOR = Cursor(Document.of("value = \n", uri="file:///a.py", language="python"), Position(0, 8))
IN_BLOCK = Cursor(
    Document.of("def one():\n    \n", uri="file:///a.py", language="python"), Position(1, 4)
)


class Knowing(Repository):
    """Says ``copied`` and the end of the line, as surely as it is told."""

    def __init__(self, likelihood: float, *, size: int = 3_000) -> None:
        super().__init__()
        self.size = size
        self._likelihood = likelihood

    def continuations(self, cursor: Cursor) -> Continuations:  # noqa: ARG002 - the same anywhere
        return self

    def after(self, generated: str) -> Sequence[Continuation]:
        if generated == "":
            return (Continuation("copied\n", "copied", 9, self._likelihood),)
        return (Continuation("\n", "\n", 9, 1.0),)


class Slow(Knowing):
    """Says what a block does, and takes for ever to find one of its lexemes."""

    lexemes = ("one", "()", "\n    ", "two", "(", "\n    ", ")", "\n    ", "three", "()")

    def __init__(self, slow: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(0.0)
        self.asked = list[str]()
        self._slow, self._seconds = slow, 0.0
        monkeypatch.setattr(time, "thread_time", lambda: self._seconds)

    def after(self, generated: str) -> Sequence[Continuation]:  # noqa: ARG002 - asked in order
        if len(self.asked) == len(self.lexemes):
            return ()
        lexeme = self.lexemes[len(self.asked)]
        self.asked.append(lexeme)
        if len(self.asked) > self._slow:
            self._seconds += 1e6
        return (Continuation(lexeme, lexeme, 9, 0.9),)


def completed(
    repository: Repository,
    engine: ScriptedEngine,
    progress: Progress | None = None,
    *,
    rank: int = 0,
    cursor: Cursor = CURSOR,
) -> str:
    return complete(
        cursor, repository, Settings(), engine, CancelToken(), progress=progress, rank=rank
    ).text


def model(likelihood: float) -> ScriptedEngine:
    """Return an engine that says ``abc`` and a line's end, which are as likely together."""
    return ScriptedEngine("abc\nd", family=BESIDE, logprob=math.log(likelihood) / 2)


def test_the_surer_one_is_heard_and_the_model_has_to_be_surer_by_a_margin():
    assert completed(Knowing(0.3), model(0.6)) == "abc"
    assert completed(Knowing(0.3), model(0.4)) == "copied"


def test_a_model_is_asked_no_further_once_it_is_too_unsure():
    engine = model(0.01)
    assert completed(Knowing(0.3), engine) == "copied"
    assert engine.said == [b"abc"]


def test_a_model_that_cannot_be_sure_enough_is_not_asked():
    engine = model(1.0)
    assert completed(Knowing(0.7), engine) == "copied"
    assert not engine.requests


def test_what_the_repository_says_is_there_at_the_deadline():
    progress, parts = Progress(), list[str]()

    def look(_number: int) -> None:
        parts.append(progress.part.text if progress.part else "")

    engine = ScriptedEngine("abc\nd", family=BESIDE, before_token=look, logprob=-0.1)
    assert completed(Knowing(0.3), engine, progress) == "abc"
    assert parts[0] == "copied"


def test_the_models_own_answer_is_the_first_alternative():
    engine = ScriptedEngine(("abc\nd", "xyz\ng"), family=BESIDE)
    texts = [completed(Knowing(0.9), engine, rank=rank) for rank in range(3)]
    assert texts == ["copied", "abc", "xyz"]


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        (0, "abc"),
        (1, "abc"),
        (2, "one()"),
        (4, "one()"),
        (6, "one()"),
        (7, "one()\n    two(\n    )"),
        (10, "one()\n    two(\n    )\n    three()"),
    ],
)
def test_of_what_takes_too_long_it_is_whole_lines_and_without_one_the_model_decides(
    slow: int, expected: str, monkeypatch: pytest.MonkeyPatch
):
    repository = Slow(slow, monkeypatch)
    likelihood = 0.3 if expected == "abc" else 0.01
    assert completed(repository, model(likelihood), cursor=IN_BLOCK) == expected
    assert len(repository.asked) == min(slow + 1, 10)


def test_where_little_is_known_the_model_decides():
    assert completed(Knowing(0.9, size=2_999), model(0.1)) == "abc"


def test_other_models_are_heard_in_any_case():
    assert completed(Knowing(0.9), ScriptedEngine("abc\nd")) == "abc"
