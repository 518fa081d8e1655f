"""The engine that runs a checkpoint: the same tokens as transformers, whatever came before."""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.engine import decode, graphs
from dsc_lsp.engine.base import EngineError, Generation, GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.numpy_steps import NumPySteps
from dsc_lsp.engine.opening import open_local
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.checkpoints import load_model, make_checkpoint, one_thread
from tests.documents import cursor_in

CONTEXT = 160
STOP = frozenset(range(256, 256 + len(DEEPSEEK_CODER_BASE.control_tokens)))
"""The control tokens of the tiny checkpoint stand behind its bytes."""

Expected: TypeAlias = Callable[..., list[int]]
TEXT = "def f(a, b):\n    return a + b\n\n\nclass A:\n    pass\n" * 4


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "deepseek-coder-tiny-base")


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> Any:
    return LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float64).eval()


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Llama:
    return load_model(checkpoint, torch.float64)


@pytest.fixture(params=["numpy", "torch"])
def engine(
    request: pytest.FixtureRequest,
    checkpoint: Path,
    model: Llama,
    monkeypatch: pytest.MonkeyPatch,
) -> LocalEngine:
    """Few tokens are computed with one or the other."""
    monkeypatch.setattr(graphs, "suits_numpy", lambda _model: request.param == "numpy")
    return LocalEngine(
        name="tiny",
        family=DEEPSEEK_CODER_BASE,
        tokenizer=load_tokenizer(checkpoint / "tokenizer.json", DEEPSEEK_CODER_BASE),
        model=model,
        context_tokens=CONTEXT,
    )


@pytest.fixture(scope="module")
def expected(reference: Any) -> Expected:
    """What transformers says after some ids, up to a control token."""

    @cache
    def generated(ids: tuple[int, ...], most: int) -> list[int]:
        prompt = torch.tensor([list(ids)])
        output = reference.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=min(most, CONTEXT - len(ids)),
            do_sample=False,
            eos_token_id=sorted(STOP),
            pad_token_id=0,
        )
        new = output[0, len(ids) :].tolist()
        return list(itertools.takewhile(lambda token: token not in STOP, new))

    return lambda ids, most: generated(tuple(ids), most)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 64, 140])
@pytest.mark.parametrize("chunk", [1, 7, 256])
def test_a_fresh_engine_says_what_generate_says(
    engine: LocalEngine,
    expected: Expected,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    chunk: int,
) -> None:
    monkeypatch.setattr(decode, "PREFILL_CHUNK", chunk)
    ids = engine.tokenizer.encode(TEXT)[:length]
    assert say(engine, ids, 12) == expected(ids, 12)


@pytest.mark.parametrize("seed", range(4))
def test_over_edits_cancels_and_failures_it_says_what_generate_says(
    engine: LocalEngine, expected: Expected, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(decode, "PREFILL_CHUNK", chance.choice([3, 7, 256]))
    ids = list(engine.tokenizer.encode(TEXT)[:40])
    for _ in range(15):
        ids = edited(ids, chance)
        known = list(engine._room.cache.ids)
        disturb = chance.choice([None, leave_early, cancel_midway, fail_in_a_layer])
        if disturb is not None:
            disturb(engine, ids, chance)
            known = list(engine._room.cache.ids)
        generation, cancel = start(engine, ids, 8)
        assert generation.reused_tokens == min(common_prefix(known, ids), len(ids) - 1)
        assert generation.prompt_tokens == len(ids)
        assert not cancel.cancelled
        assert [token.id for token in generation.tokens] == expected(ids, 8)


def test_the_prompt_that_is_known_is_read_again_in_its_last_token_only(
    engine: LocalEngine,
) -> None:
    ids = engine.tokenizer.encode(TEXT)[:50]
    first = say(engine, ids, 4)
    assert start(engine, ids, 4)[0].reused_tokens == 49
    typed = (*ids, *first[:2], 1)
    assert reused(engine, typed) == 49, "an answer that is not listened to computes nothing"
    say(engine, ids, 4)
    assert reused(engine, typed) == 52, "what the model said itself is known, too"
    assert reused(engine, (0, *ids)) == 0


def test_a_cancel_is_noticed_between_chunks_and_what_was_read_is_kept(
    engine: LocalEngine, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "PREFILL_CHUNK", 10)
    ids = engine.tokenizer.encode(TEXT)[:60]
    generation, cancel = start(engine, ids, 4)
    with (
        hooked(engine, lambda call: cancel.cancel() if call == 2 else None),
        pytest.raises(Cancelled),
    ):
        list(generation.tokens)
    assert reused(engine, ids) == 30
    assert say(engine, ids, 4) == expected(ids, 4)


def test_after_a_cancel_no_further_step_is_run(engine: LocalEngine) -> None:
    generation, cancel = start(engine, [1, 2, 3], 8)
    steps: list[int] = []
    with hooked(engine, steps.append):
        next(generation.tokens)
        cancel.cancel()
        run = len(steps)
        with pytest.raises(Cancelled):
            next(generation.tokens)
    assert len(steps) == run > 0


def test_a_cancel_is_noticed_before_the_first_token(engine: LocalEngine) -> None:
    generation, cancel = start(engine, [1, 2, 3], 4)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(generation.tokens)


def test_a_token_has_its_bytes_and_its_likelihood(engine: LocalEngine, reference: Any) -> None:
    ids = engine.tokenizer.encode(TEXT)[:20]
    (token,) = start(engine, ids, 1)[0].tokens
    with torch.inference_mode():
        logits = reference(torch.tensor([ids])).logits[0, -1].float()
    assert token.id == int(logits.argmax())
    assert token.logprob == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-4)
    assert token.data == engine.tokenizer.bytes_of(token.id)
    assert math.exp(token.logprob) <= 1


@pytest.mark.parametrize("most", [1, 2, 9])
def test_no_more_tokens_than_wanted(engine: LocalEngine, most: int) -> None:
    ids = engine.tokenizer.encode(TEXT)[:20]
    assert len(say(engine, ids, most)) == most


def test_the_context_is_filled_and_not_passed(engine: LocalEngine) -> None:
    ids = engine.tokenizer.encode(TEXT)[: CONTEXT - 3]
    assert len(say(engine, ids, 50)) == 3
    assert len(engine._room.cache.ids) <= CONTEXT


@pytest.mark.parametrize("length", [CONTEXT, CONTEXT + 1])
def test_a_prompt_that_leaves_no_room_is_refused(
    engine: LocalEngine, expected: Expected, length: int
) -> None:
    with pytest.raises(EngineError, match=r"contextTokens") as caught:
        start(engine, [1] * length, 1)
    assert str(length) in str(caught.value)
    assert say(engine, [1, 2, 3], 2) == expected([1, 2, 3], 2)


def test_an_empty_prompt_is_refused(engine: LocalEngine) -> None:
    with pytest.raises(EngineError):
        start(engine, [], 1)


def test_control_tokens_end_the_answer(engine: LocalEngine, checkpoint: Path) -> None:
    ids = engine.tokenizer.encode(TEXT)[:20]
    said = say(engine, ids, 12)
    third = said.index(said[3])
    engine._stop = frozenset({said[3]})
    engine.forget()
    assert say(engine, ids, 12) == said[:third]


def test_likelihoods_of_an_answer_are_those_of_its_tokens(engine: LocalEngine) -> None:
    ids = engine.tokenizer.encode(TEXT)[:20]
    tokens = list(start(engine, ids, 6)[0].tokens)
    answer = tuple(token.id for token in tokens)
    total = engine.log_likelihood(prompt_of(ids), answer)
    assert total == pytest.approx(sum(token.logprob for token in tokens), abs=1e-4)


def test_a_checkpoint_is_opened(checkpoint: Path, expected: Expected) -> None:
    told: list[tuple[str, int]] = []
    engine = open_tiny(checkpoint, told)
    assert engine.name == "deepseek-coder-tiny-base"
    assert engine.family is DEEPSEEK_CODER_BASE
    assert engine.context_tokens == 128
    assert [percent for _, percent in told] == sorted(percent for _, percent in told)
    assert not engine._room.cache.ids, "the warm-up leaves nothing behind"
    ids = engine.tokenizer.encode(TEXT)[:20]
    assert say(engine, ids, 5) == expected(ids, 5)
    engine.close()


def test_the_context_is_no_longer_than_the_models_positions(checkpoint: Path) -> None:
    engine = open_local(
        str(checkpoint), device="cpu", context_tokens=100_000, report=lambda _what, _percent: None
    )
    assert engine.context_tokens == 512


@pytest.mark.parametrize(
    "text",
    ["‸", "‸def f():\n    pass\n", "x = 1\n" * 2000 + "y‸ = 2\n", "x" * 9000 + "‸", "\n\n‸"],
)
def test_odd_documents_are_answered_and_the_next_one_too(engine: LocalEngine, text: str) -> None:
    """Nothing, a suffix only, and more than the context holds."""
    for document in (text, "def f(a):\n    ‸"):
        settings = Settings(max_new_tokens=4, context_tokens=100_000)
        answer = complete(cursor_in(document), Repository(), settings, engine, CancelToken())
        assert answer.prompt_tokens + answer.new_tokens <= CONTEXT
        assert answer.text or answer.withheld


def test_missing_weights_are_counted(tmp_path: Path) -> None:
    damaged = make_checkpoint(tmp_path / "model")
    weights = load_file(damaged / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, damaged / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineError, match=r"1 weights are missing.*Download the checkpoint again"):
        open_tiny(damaged)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    damaged = make_checkpoint(tmp_path / "model")
    config = damaged / "config.json"
    config.write_text(
        config.read_text().replace('"intermediate_size": 64', '"intermediate_size": 96')
    )
    with pytest.raises(EngineError, match=r"(?s)cannot be loaded|another shape") as caught:
        open_tiny(damaged)
    assert "Download the checkpoint again" in str(caught.value)


@pytest.mark.parametrize("kept", [0, 5, 1_000, 20_000])
def test_weights_that_are_cut_off_are_refused(tmp_path: Path, kept: int) -> None:
    damaged = make_checkpoint(tmp_path / "model")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(EngineError, match=r"cannot be loaded.*Download the checkpoint again"):
        open_tiny(damaged)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "model", vocabulary=200)
    with pytest.raises(EngineError, match=r"tokenizer.*Download the checkpoint again"):
        open_tiny(other)


def test_a_broken_tokenizer_is_told_before_the_weights_are_read(tmp_path: Path) -> None:
    damaged = make_checkpoint(tmp_path / "model")
    (damaged / "tokenizer.json").unlink()
    (damaged / "model.safetensors").write_bytes(b"")
    with pytest.raises(EngineError, match=r"tokenizer\.json is missing"):
        open_tiny(damaged)


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "", "meta"])
def test_a_device_that_is_not_there_is_refused(checkpoint: Path, device: str) -> None:
    with pytest.raises(EngineError, match=r"Set `dsc\.device`"):
        open_local(
            str(checkpoint), device=device, context_tokens=128, report=lambda _what, _percent: None
        )


def prompt_of(ids: Sequence[int]) -> Prompt:
    return Prompt((PromptPart(tuple(ids), ""),))


def start(engine: LocalEngine, ids: Sequence[int], most: int) -> tuple[Generation, CancelToken]:
    cancel = CancelToken()
    return engine.generate(GenerationRequest(prompt_of(ids), most), cancel), cancel


def say(engine: LocalEngine, ids: Sequence[int], most: int) -> list[int]:
    return [token.id for token in start(engine, ids, most)[0].tokens]


def reused(engine: LocalEngine, ids: Sequence[int]) -> int:
    return start(engine, ids, 1)[0].reused_tokens


def edited(ids: list[int], chance: random.Random) -> list[int]:
    """Type, delete, change, cut or put something in front."""
    at = chance.randrange(len(ids))
    new = [chance.randrange(256) for _ in range(chance.randrange(1, 9))]
    kinds = [[*ids, *new], [*ids[:at], *new, *ids[at:]], ids[: at + 1], [*ids[:at], *new], ids]
    return chance.choice(kinds)[-100:]


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    pairs = zip(left, right, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def leave_early(engine: LocalEngine, ids: list[int], chance: random.Random) -> None:
    tokens = start(engine, ids, 8)[0].tokens
    list(itertools.islice(tokens, chance.randrange(4)))


def cancel_midway(engine: LocalEngine, ids: list[int], chance: random.Random) -> None:
    generation, cancel = start(engine, ids, 8)
    last = chance.randrange(4)
    try:
        for number, _ in enumerate(generation.tokens):
            if number == last:
                cancel.cancel()
    except Cancelled:
        pass


def fail_in_a_layer(engine: LocalEngine, ids: list[int], chance: random.Random) -> None:
    last = chance.randrange(4)

    def fail(call: int) -> None:
        if call == last:
            raise ZeroDivisionError

    with hooked(engine, fail), suppress(ZeroDivisionError):
        say(engine, ids, 8)


@contextmanager
def hooked(engine: LocalEngine, before: Callable[[int], None]) -> Iterator[None]:
    """Call a function before each run of the last layer, when the first has run already."""
    calls = itertools.count()
    layers = engine._model.config.layers

    def hooked_(attention: Callable[..., Any]) -> Callable[..., Any]:
        def hooked_attention(*arguments: Any) -> Any:
            forward, layer = divmod(next(calls), layers)
            if layer == layers - 1:
                before(forward)
            return attention(*arguments)

        return hooked_attention

    steps = engine._room.steps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine._model, "_attention", hooked_(engine._model._attention))
        if isinstance(steps, NumPySteps):
            patch.setattr(steps, "_attended", hooked_(steps._attended))
        yield


def open_tiny(directory: Path, told: list[tuple[str, int]] | None = None) -> LocalEngine:
    def report(what: str, percent: int) -> None:
        if told is not None:
            told.append((what, percent))

    return open_local(str(directory), device="cpu", context_tokens=128, report=report)
