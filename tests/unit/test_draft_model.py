"""A smaller model that guesses: answers stay the same, in fewer runs, and only where it pays."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine import draft_model
from dsc_lsp.engine.base import Effort, GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.draft_model import DraftModel
from dsc_lsp.engine.drafts import MODEL, MOST_DRAFTED, Thrift
from dsc_lsp.engine.graphs import GraphSteps
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.opening import open_local
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from tests.checkpoints import load_model, make_checkpoint, one_thread
from tests.recorded_graphs import RecordedGraphs

TEXT = "def f(a, b):\n    return a + b\n\n\nx = ave"
TOKENS = 24


class Keen(Thrift):
    """Believes in the draft model and in nobody else."""

    def worth(self, source: str) -> int:
        return MOST_DRAFTED if source == MODEL else 0

    def gain(self, source: str) -> float:
        return float(source == MODEL)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("large") / "tiny-base", layers=3)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("small") / "tinier-base", seed=1, layers=1)


def engine_of(
    large: Path, draft: Path | None, thrift: Thrift | None = None, tokens: int = 256
) -> LocalEngine:
    helper = None if draft is None else DraftModel(load_model(draft, torch.float64), tokens)
    engine = LocalEngine(
        name="tiny",
        family=DEEPSEEK_CODER_BASE,
        tokenizer=load_tokenizer(large / "tokenizer.json", DEEPSEEK_CODER_BASE),
        model=load_model(large, torch.float64),
        context_tokens=256,
        draft_model=helper,
    )
    if thrift is not None:
        engine._thrift = thrift
    return engine


def ask(engine: LocalEngine, text: str = TEXT, **more: Any) -> tuple[list[int], Effort]:
    prompt = Prompt((PromptPart(engine.tokenizer.encode(text), text),))
    generation = engine.generate(GenerationRequest(prompt, TOKENS, **more), CancelToken())
    return [token.id for token in generation.tokens], generation.effort


def prompts() -> Sequence[str]:
    """Typing, deleting, going elsewhere: each leaves another beginning in both caches."""
    return (TEXT, TEXT + "r", TEXT + "rage(", TEXT, TEXT[:20], "é" + TEXT, TEXT[:-1])


@pytest.mark.parametrize("heal", [False, True])
@pytest.mark.parametrize("rank", [0, 1])
def test_answers_are_the_same_whatever_it_guesses(
    large: Path, small: Path, rank: int, *, heal: bool
) -> None:
    plain = engine_of(large, None)
    good, bad = engine_of(large, large, Keen()), engine_of(large, small, Keen())
    for text in prompts():
        expected, without = ask(plain, text, heal=heal, rank=rank)
        (same, right), (also, wrong) = (
            ask(engine, text, heal=heal, rank=rank) for engine in (good, bad)
        )
        assert same == also == expected
        behind_the_end = right.drafted - right.accepted
        assert right.accepted > 0
        assert behind_the_end <= MOST_DRAFTED, "the very same model is always right"
        assert right.steps < without.steps / 2 or without.steps < 8
        assert wrong.drafted > wrong.accepted


def test_answers_are_the_same_with_graphs(
    large: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [ask(engine_of(large, None), text)[0] for text in prompts()]
    recorded: Any = lambda model, cache, _how: GraphSteps(model, cache, RecordedGraphs())  # noqa: E731
    monkeypatch.setattr(draft_model, "steps_over", recorded)
    monkeypatch.setattr("dsc_lsp.engine.room.steps_over", recorded)
    engine = engine_of(large, small, Keen())
    assert [ask(engine, text)[0] for text in prompts()] == expected


def test_it_is_asked_only_while_it_pays() -> None:
    thrift = Thrift(model_share=0.1)
    for width in range(1, MOST_DRAFTED + 2):
        thrift.took(width, 0.010 + 0.0001 * width)
    thrift.paid(4, 0.004)
    for _ in range(40):
        thrift.held(MODEL, 4, 4)
    assert thrift.worth(MODEL) == MOST_DRAFTED
    for _ in range(40):
        thrift.held(MODEL, 1, 0)
    worth = [thrift.worth(MODEL) for _ in range(100)]
    assert worth.count(0) > 90
    assert any(worth), "it is tried again now and then"
    for _ in range(40):
        thrift.held(MODEL, 4, 3)
    assert thrift.worth(MODEL) > 0
    for _ in range(60):
        thrift.paid(4, 0.1)
    assert thrift.worth(MODEL) == 0, "as dear as the model itself"


def test_a_bad_one_is_left_alone_in_earnest(large: Path, small: Path) -> None:
    engine = engine_of(large, small, Thrift(model_share=0.9))
    efforts = [ask(engine, TEXT + str(number))[1] for number in range(12)]
    late = efforts[6:]
    assert sum(one.drafted for one in late) < sum(one.steps for one in late)


def test_what_it_has_no_room_for_it_does_not_guess(large: Path) -> None:
    expected = ask(engine_of(large, None))[0]
    answer, effort = ask(engine_of(large, large, Keen(), tokens=len(TEXT) + 10))
    assert answer == expected
    assert 0 < effort.drafted <= 12


def test_a_cancel_is_noticed_while_it_reads(large: Path) -> None:
    engine = engine_of(large, large, Keen())
    cancel = CancelToken()
    prompt = Prompt((PromptPart(engine.tokenizer.encode(TEXT), TEXT),))
    tokens = engine.generate(GenerationRequest(prompt, TOKENS), cancel).tokens
    next(tokens)
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(tokens)
    assert ask(engine)[0] == ask(engine_of(large, None))[0]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), MemoryError()])
def test_out_of_memory_ends_it_and_not_the_answer(
    large: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_arguments: Any, **_where: Any) -> Any:
        raise error

    engine = engine_of(large, large, Keen())
    helper = engine._draft_model
    assert helper is not None
    monkeypatch.setattr(helper._steps, "run", fail)
    assert ask(engine)[0] == ask(engine_of(large, None))[0]
    assert not helper.is_there
    assert ask(engine)[1].drafted == 0


def open_with(large: Path, draft: str) -> tuple[LocalEngine, list[str]]:
    told: list[str] = []
    engine = open_local(
        str(large),
        device="cpu",
        context_tokens=256,
        draft_model=draft,
        report=lambda _what, _percent: None,
    )
    engine.announce_to(told.append)
    return engine, told


def test_it_is_loaded_beside_the_model(large: Path, small: Path) -> None:
    engine, told = open_with(large, str(small))
    assert engine._draft_model is not None
    assert told == []
    assert ask(engine)[0]


def test_another_vocabulary_is_told_and_done_without(
    large: Path, tmp_path: Path, small: Path
) -> None:
    other = make_checkpoint(tmp_path / "other-base", layers=1)
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(
        text.replace('"a": ', '"#": ', 1).replace('"b": ', '"a": ', 1).replace('"#": ', '"b": ', 1)
    )
    padded = make_checkpoint(tmp_path / "padded-base", layers=1, vocabulary=300)
    for draft in (other, padded):
        engine, told = open_with(large, str(draft))
        assert engine._draft_model is None
        [said] = told
        assert "another vocabulary" in said
        assert "Choose a smaller checkpoint of the same family" in said
        assert ask(engine)[0]


def test_one_that_is_not_there_or_does_not_fit_is_told_and_done_without(
    large: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, [said] = open_with(large, str(tmp_path / "nowhere"))
    assert said.startswith("`dsc.draftModel` ")
    assert "does not exist" in said

    def fail(*_arguments: Any, **_where: Any) -> Any:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(draft_model, "KVCache", fail)
    engine, [said] = open_with(large, str(small))
    assert "too little memory" in said
    assert ask(engine)[0]
