"""Out of memory, at load and at run: fewer tokens, then a message, and the next request works."""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import Completion, complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import graphs, opening
from dsc_lsp.engine.base import EngineChanged, EngineError, GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.numpy_steps import NumPySteps
from dsc_lsp.engine.opening import open_local
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.checkpoints import make_checkpoint

ASKED = 2048
CODE = "def area(width, height):\n    return width * height\n\n\n" * 60


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "deepseek-coder-tiny-base"
    return make_checkpoint(directory, layers=1, positions=4096)


@contextmanager
def memory_for(tokens: int) -> Iterator[None]:
    """A device whose memory holds the keys and values of so many tokens and no more."""
    real = KVCache.__init__

    def allocate(cache: KVCache, config: Any, capacity: int, **where: Any) -> None:
        if capacity > tokens:
            raise torch.OutOfMemoryError("Tried to allocate")
        real(cache, config, capacity, **where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KVCache, "__init__", allocate)
        yield


@contextmanager
def forward_fails(engine_or_class: Any, when: Callable[[int], bool]) -> Iterator[None]:
    """Run out of memory in a forward pass over so many tokens, counted from the first, if."""
    forward = Llama.forward

    def fail(model: Llama, ids: torch.Tensor, place: Any, cache: KVCache) -> torch.Tensor:
        if when(place.length):
            raise torch.OutOfMemoryError("Tried to allocate")
        return forward(model, ids, place, cache)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_or_class, "forward", fail)
        yield


def opened(checkpoint: Path, told: list[str] | None = None) -> LocalEngine:
    engine = open_local(
        str(checkpoint), device="cpu", context_tokens=ASKED, report=lambda _what, _percent: None
    )
    engine.announce_to((told if told is not None else []).append)
    return engine


def ask(engine: LocalEngine) -> Completion:
    """Ask for a suggestion behind more text than any context here holds."""
    document = Document.of(CODE, uri="file:///a.py", language="python", version=1)
    cursor = Cursor(document, Position(len(document.lines) - 1, 0))
    chosen = Settings(context_tokens=ASKED, max_new_tokens=8)
    return complete(cursor, Repository(), chosen, engine, CancelToken())


def say(engine: LocalEngine, tokens: int, most: int) -> list[int]:
    prompt = Prompt((PromptPart(tuple(range(1, tokens + 1)), ""),))
    request = GenerationRequest(prompt, most)
    return [token.id for token in engine.generate(request, CancelToken()).tokens]


@pytest.mark.parametrize(("fits", "used"), [(ASKED, ASKED), (1500, 1024), (300, 256)])
def test_at_load_tokens_are_halved_until_they_fit(checkpoint: Path, fits: int, used: int) -> None:
    told: list[str] = []
    with memory_for(fits):
        engine = opened(checkpoint, told)
    assert engine.context_tokens == used
    assert engine._room.cache.capacity == used
    assert ask(engine).prompt_tokens <= used
    assert len(told) == (used < ASKED), "warned once"
    assert all("too little memory for `dsc.contextTokens` 2048" in text for text in told)


def test_at_load_below_the_floor_it_is_told_what_would_fit(checkpoint: Path) -> None:
    with memory_for(255), pytest.raises(EngineError) as caught:
        opened(checkpoint)
    assert "ran out of memory with 256 tokens of context" in str(caught.value)
    assert "fit" in str(caught.value)


def test_at_load_weights_that_do_not_fit(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any, **_how: Any) -> None:
        raise torch.OutOfMemoryError("Tried to allocate")

    monkeypatch.setattr(opening, "load_weights", fail)
    monkeypatch.setattr(opening, "available_bytes", lambda _device: 3 * 2**30)
    with pytest.raises(EngineError) as caught:
        opened(checkpoint)
    assert "deepseek-coder-tiny-base needs 0.0 GiB for its weights and" in str(caught.value)
    assert "has 3.0 GiB free. What would fit: this model with" in str(caught.value)
    assert caught.value.__context__ is None, "what was loaded must not hang on the traceback"


def test_while_it_warms_up_tokens_are_halved(checkpoint: Path) -> None:
    failures = iter([True, True])
    with forward_fails(Llama, lambda _length: next(failures, False)):
        engine = opened(checkpoint)
    assert engine.context_tokens == ASKED // 4
    assert ask(engine).new_tokens > 0


def test_at_run_the_prompt_is_made_again_for_fewer_tokens(checkpoint: Path) -> None:
    told: list[str] = []
    engine = opened(checkpoint, told)
    with forward_fails(Llama, lambda length: length > 600):
        result = ask(engine)
    assert 0 < result.prompt_tokens <= 512
    assert result.new_tokens > 0
    assert engine.context_tokens == 512
    assert len(told) == 1, "warned once"
    assert ask(engine).prompt_tokens <= 512


def test_at_run_below_the_floor_it_is_told_and_the_next_request_works(checkpoint: Path) -> None:
    engine = opened(checkpoint)
    with forward_fails(Llama, lambda _length: True), pytest.raises(EngineError) as caught:
        ask(engine)
    assert "ran out of memory with 256 tokens of context" in str(caught.value)
    assert "What would fit: this model with `dsc.contextTokens`" in str(caught.value)
    assert engine.context_tokens == 256
    assert ask(engine).new_tokens > 0


def test_at_run_after_the_first_token_the_next_request_works(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "suits_numpy", lambda _model: False)
    engine = opened(checkpoint)
    expected = say(engine, 20, 6)
    engine.forget()
    with (
        forward_fails(Llama, lambda length: length > 22),
        pytest.raises(EngineError, match=r"The next one looks at 1024 tokens"),
    ):
        say(engine, 20, 6)
    assert say(engine, 20, 6) == expected


def test_where_numpy_runs_out_of_memory_the_prompt_is_made_again(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(checkpoint)
    expected = say(engine, 20, 6)
    engine.forget()
    forward, failures = NumPySteps._forward, iter([False, True])

    def fail(steps: NumPySteps, ids: Any) -> Any:
        if next(failures, False):
            raise MemoryError
        return forward(steps, ids)

    monkeypatch.setattr(NumPySteps, "_forward", fail)
    with pytest.raises(EngineError, match=r"The next one looks at 1024 tokens"):
        say(engine, 20, 6)
    assert say(engine, 20, 6) == expected
    failures = iter([True])
    with pytest.raises(EngineChanged):
        say(engine, 5, 2)
    assert ask(engine).new_tokens > 0


def test_before_the_first_token_the_engine_has_changed(checkpoint: Path) -> None:
    engine = opened(checkpoint)
    with forward_fails(Llama, lambda _length: True), pytest.raises(EngineChanged):
        say(engine, 20, 6)
    assert len(say(engine, 20, 6)) <= 6


def test_memory_that_is_gone_meanwhile_is_asked_for_again(checkpoint: Path) -> None:
    """Another program takes what the cache gave back: the floor is reached without a cache."""
    engine = opened(checkpoint)
    with (
        memory_for(10),
        forward_fails(Llama, lambda _length: True),
        pytest.raises(EngineError, match="ran out of memory with 256 tokens"),
    ):
        ask(engine)
    with memory_for(10), pytest.raises(EngineError, match="ran out of memory"):
        ask(engine)
    assert ask(engine).new_tokens > 0


def test_other_failures_are_not_taken_for_it(checkpoint: Path) -> None:
    engine = opened(checkpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Llama, "forward", _bug)
        with pytest.raises(RuntimeError, match="shape mismatch"):
            ask(engine)
    assert engine.context_tokens == ASKED
    assert ask(engine).new_tokens > 0


def test_a_closed_engine_leaves_nothing_in_memory(checkpoint: Path) -> None:
    """Also without the garbage collector, from which the server hides what loading made."""
    engine = opened(checkpoint)
    ask(engine)
    kept = [
        weakref.ref(engine._model.weights.embedding),
        weakref.ref(engine._room.cache),
        weakref.ref(engine._model),
    ]
    gc.disable()
    try:
        engine.close()
        assert [one() for one in kept] == [None] * 3
    finally:
        gc.enable()


def _bug(*_arguments: Any) -> torch.Tensor:
    raise RuntimeError("shape mismatch")
