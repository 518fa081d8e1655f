"""Graphs say what each operation by itself says, wherever they stand, and fail into it."""

import gc
import itertools
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine import graphs, llama, room, split_attention
from dsc_lsp.engine.base import GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.graphs import WIDEST, CudaGraphs, GraphSteps, bucket_of, steps_over
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.numpy_steps import NumPySteps
from dsc_lsp.engine.steps import EagerSteps
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from tests.checkpoints import load_model, make_checkpoint, one_thread
from tests.recorded_graphs import RecordedGraphs

CAPACITY = 100


@pytest.fixture(autouse=True)
def _short_buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(graphs, "SHORTEST", 16)
    with one_thread():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "deepseek-coder-tiny-base")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Llama:
    return load_model(checkpoint, torch.float64)


def cache_of(model: Llama) -> KVCache:
    return KVCache(model.config, CAPACITY, device=model.device, dtype=model.dtype)


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_over_random_edits_graphs_say_what_eager_runs_say(
    model: Llama, seed: int, monkeypatch: pytest.MonkeyPatch, *, is_split: bool
) -> None:
    chance = random.Random(seed)
    recorded = RecordedGraphs()
    ours, eager = GraphSteps(model, cache_of(model), recorded), EagerSteps(model, cache_of(model))
    monkeypatch.setattr(split_attention, "_LEAST_PART", 16)
    ours._is_split = is_split
    seen = set[tuple[int, int]]()
    for _ in range(80):
        kept = chance.randrange(len(eager.cache.ids) + 1) if chance.random() < 0.3 else None
        if kept is not None:
            ours.cache.crop(kept)
            eager.cache.crop(kept)
        room_left = CAPACITY - len(eager.cache.ids)
        width = min(room_left, chance.choice([1, 1, 2, 3, 4, 5, 6, 20]))
        if not width:
            continue
        ids = [chance.randrange(model.config.vocabulary) for _ in range(width)]
        rows = chance.randrange(1, width + 1)
        mine, expected = ours.run(ids, rows), eager.run(ids, rows)
        torch.testing.assert_close(mine.logits, expected.logits, atol=1e-9, rtol=1e-9)
        assert mine.best == expected.best
        assert mine.logprobs == pytest.approx(expected.logprobs, abs=1e-6)
        assert ours.cache.ids == eager.cache.ids
        if width <= WIDEST:
            seen.add((width, bucket_of(len(ours.cache.ids), ours.cache.rows)))
    assert ours.captured == seen
    assert recorded.captures == len(seen), "each is captured once, when it is first needed"


@pytest.mark.parametrize("seed", range(3))
def test_an_engine_with_graphs_says_what_one_without_says(
    checkpoint: Path, model: Llama, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    eager = engine_of(checkpoint, model)
    recorded = RecordedGraphs()
    monkeypatch.setattr(
        room, "steps_over", lambda model, cache, _how: GraphSteps(model, cache, recorded)
    )
    ours = engine_of(checkpoint, model)
    chance = random.Random(seed)
    ids = [chance.randrange(256) for _ in range(30)]
    for _ in range(12):
        at = chance.randrange(len(ids))
        new = [chance.randrange(256) for _ in range(chance.randrange(1, 9))]
        ids = chance.choice([[*ids, *new], [*ids[:at], *new, *ids[at:]], ids[: at + 1]])[-80:]
        if chance.random() < 0.3:
            cancelled_after(ours, ids, chance.randrange(3))
        assert said(ours, ids) == said(eager, ids)
    assert recorded.captures


def test_what_is_prepared_is_right_when_it_is_needed(model: Llama) -> None:
    recorded = RecordedGraphs()
    ours, eager = GraphSteps(model, cache_of(model), recorded), EagerSteps(model, cache_of(model))
    ours.prepare()
    assert ours.captured == {(width, ours.cache.rows) for width in range(1, WIDEST + 1)}
    assert ours.token_ms["whole"] > 0 < ours.token_ms["split"]
    for ids in ([7] * 70, [1], [2, 3], [4, 5, 6], [7, 8, 9, 1], [2, 3, 4, 5, 6]):
        mine, expected = ours.run(ids, 1), eager.run(ids, 1)
        torch.testing.assert_close(mine.logits, expected.logits, atol=1e-9, rtol=1e-9)
    assert recorded.captures == WIDEST + 2, "a token with either attention, to time them"


@pytest.mark.parametrize(("whole", "split"), [(2.0, 1.0), (1.0, 2.0)])
def test_the_attention_that_took_less_time_is_used(
    model: Llama, monkeypatch: pytest.MonkeyPatch, whole: float, split: float
) -> None:
    times = iter([whole, split])
    monkeypatch.setattr(graphs, "_least_ms", lambda *_how: next(times))
    ours = GraphSteps(model, cache_of(model), RecordedGraphs())
    ours.prepare()
    assert ours.token_ms == {"whole": whole, "split": split}
    assert ours._is_split == (split < whole)


@pytest.mark.parametrize("broken", ["not a number", "not there", ""])
def test_split_attention_that_is_not_right_or_not_there_is_not_used(
    model: Llama, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def spoilt(queries: torch.Tensor, *_more: object, **_how: object) -> torch.Tensor:
        if broken == "not there":
            raise NotImplementedError("abacus")
        return queries * torch.nan

    times = iter([2.0, 1.0])
    monkeypatch.setattr(graphs, "_least_ms", lambda _graphs, replay: replay() or next(times))
    monkeypatch.setattr(split_attention, "_LEAST_PART", 16)
    if broken:
        monkeypatch.setattr(llama, "split_attention", spoilt)
    ours, eager = (
        GraphSteps(model, cache_of(model), RecordedGraphs()),
        EagerSteps(model, cache_of(model)),
    )
    ours.prepare()
    assert ours._is_split == (not broken)
    assert ours.run([1, 2, 3], 1).best == eager.run([1, 2, 3], 1).best


@pytest.mark.parametrize(
    ("length", "kv_heads", "parts"),
    [
        (512, 32, 4),
        (2048, 32, 8),
        (2048, 8, 16),
        (16_384, 8, 32),
        (2112, 8, 12),
        (2112, 32, 6),
        (2048, 300, 1),
        (64, 8, 1),
    ],
)
def test_keys_are_cut_so_that_a_large_device_is_busy(
    length: int, kv_heads: int, parts: int
) -> None:
    assert split_attention.parts_of(length, kv_heads) == parts
    assert length % parts == 0


def test_adjustments_see_the_logits_of_their_own_step(model: Llama) -> None:
    """Logits stand in one buffer, and what is read of it must be the newest."""
    ours, eager = (
        GraphSteps(model, cache_of(model), RecordedGraphs()),
        EagerSteps(model, cache_of(model)),
    )
    for ids in ([1, 2, 3], [4], [5, 6], [7]):
        mine, expected = ours.run(ids, len(ids)), eager.run(ids, len(ids))
        torch.testing.assert_close(mine.logits, expected.logits, atol=1e-9, rtol=1e-9)
        assert mine.logits.argmax(-1).tolist() == list(mine.best)


def test_what_stands_behind_the_last_token_is_never_seen(model: Llama) -> None:
    ours = GraphSteps(model, cache_of(model), RecordedGraphs())
    before = ours.run([1, 2, 3, 4], 1)
    logits = before.logits.clone()
    ours.run([9] * 20, 1)
    ours.cache.crop(3)
    assert torch.equal(ours.run([4], 1).logits.argmax(), logits.argmax())
    ours.cache.crop(0)
    torch.testing.assert_close(ours.run([1, 2, 3, 4], 1).logits, logits, atol=0, rtol=0)


def test_a_step_that_looks_at_a_value_cannot_be_captured(
    model: Llama, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forward = Llama.forward

    def peeking(model: Llama, ids: torch.Tensor, *rest: object) -> torch.Tensor:
        assert int(ids[0]) >= 0
        return forward(model, ids, *rest)

    monkeypatch.setattr(Llama, "forward", peeking)
    falls_back(model, RecordedGraphs(), caplog)


def test_where_capturing_fails_everything_runs_eagerly(
    model: Llama, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(RecordedGraphs):
        def capture(self, work: Callable[[], None]) -> Callable[[], None]:
            self.captures += 1
            work()
            raise torch.OutOfMemoryError("CUDA out of memory in the middle of a capture")

    refusing = Refusing()
    falls_back(model, refusing, caplog)
    assert refusing.captures == 1, "it is not tried again at every token"


@pytest.mark.parametrize("fails", ["capture_begin", "capture_end"])
def test_after_a_capture_that_failed_garbage_is_collected_again(
    model: Llama, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """CUDA itself is played: its second error, at the end of a spoilt capture, is a real one's."""
    cuda = MagicMock()
    getattr(cuda.CUDAGraph.return_value, fails).side_effect = RuntimeError("capture invalidated")
    monkeypatch.setattr(torch, "cuda", cuda)
    collecting = list[bool]()
    with pytest.raises(RuntimeError, match="capture invalidated"):
        CudaGraphs(model.device).capture(lambda: collecting.append(gc.isenabled()))
    assert collecting in ([True], [True, False]), "none during the capture itself"
    assert gc.isenabled()


def falls_back(model: Llama, backend: RecordedGraphs, caplog: pytest.LogCaptureFixture) -> None:
    ours, eager = GraphSteps(model, cache_of(model), backend), EagerSteps(model, cache_of(model))
    with caplog.at_level(logging.WARNING):
        for ids in ([1, 2, 3], [4], [5, 6]):
            mine, expected = ours.run(ids, 1), eager.run(ids, 1)
            assert mine.best == expected.best
            assert ours.cache.ids == eager.cache.ids
    assert len(caplog.messages) == 1, "warned once"
    assert "no CUDA graphs" in caplog.messages[0]


def test_a_failed_run_leaves_the_cache_as_it_was(model: Llama) -> None:
    class Failing(RecordedGraphs):
        def capture(self, _work: Callable[[], None]) -> Callable[[], None]:
            def fail() -> None:
                raise RuntimeError("CUDA error")

            return fail

    ours = GraphSteps(model, cache_of(model), Failing())
    with pytest.raises(RuntimeError):
        ours.run([1, 2], 1)
    assert ours.cache.ids == []


@given(st.integers(1, 16_384), st.integers(128, 16_384))
def test_a_bucket_holds_the_tokens_and_there_are_few(length: int, capacity: int) -> None:
    if length > capacity:
        return
    bucket = bucket_of(length, capacity)
    assert length <= bucket <= capacity
    assert bucket == capacity or bucket & (bucket - 1) == 0
    assert bucket <= max(2 * length, graphs.SHORTEST)


@pytest.mark.parametrize("quantization", ["none", "int8", "nf4"])
def test_a_cpu_has_no_graphs(model: Llama, quantization: str) -> None:
    steps = NumPySteps if quantization == "none" else EagerSteps
    assert isinstance(steps_over(model, cache_of(model), quantization), steps)


def engine_of(checkpoint: Path, model: Llama) -> LocalEngine:
    return LocalEngine(
        name="tiny",
        family=DEEPSEEK_CODER_BASE,
        tokenizer=load_tokenizer(checkpoint / "tokenizer.json", DEEPSEEK_CODER_BASE),
        model=model,
        context_tokens=CAPACITY,
    )


def request(ids: Sequence[int]) -> GenerationRequest:
    return GenerationRequest(Prompt((PromptPart(tuple(ids), ""),)), 10)


def said(engine: LocalEngine, ids: Sequence[int]) -> list[int]:
    return [token.id for token in engine.generate(request(ids), CancelToken()).tokens]


def cancelled_after(engine: LocalEngine, ids: Sequence[int], tokens: int) -> None:
    cancel = CancelToken()
    generation = engine.generate(request(ids), cancel)
    list(itertools.islice(generation.tokens, tokens))
    cancel.cancel()
    with suppress(Cancelled):  # it may have been over by then
        list(generation.tokens)
