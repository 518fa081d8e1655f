"""What the repository says by itself, where it is surer of it than a small model."""

import dataclasses
import math
from collections.abc import Sequence

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


def completed(
    repository: Repository,
    engine: ScriptedEngine,
    progress: Progress | None = None,
    *,
    rank: int = 0,
) -> str:
    return complete(
        CURSOR, repository, Settings(), engine, CancelToken(), progress=progress, rank=rank
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


def test_where_little_is_known_the_model_decides():
    assert completed(Knowing(0.9, size=2_999), model(0.1)) == "abc"


def test_other_models_are_heard_in_any_case():
    assert completed(Knowing(0.9), ScriptedEngine("abc\nd")) == "abc"
