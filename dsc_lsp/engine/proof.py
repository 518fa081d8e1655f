"""That the engine computes on a device what it should: with random weights, in seconds."""

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Effort
from dsc_lsp.engine.config import ModelConfig, parse_config, read_config
from dsc_lsp.engine.decode import Decoding, generate
from dsc_lsp.engine.devices import choose_device, use_cuda
from dsc_lsp.engine.graphs import WIDEST, GraphSteps, steps_over
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.split_attention import HIDDEN, parts_of, split_attention
from dsc_lsp.engine.steps import EagerSteps, causal_mask
from dsc_lsp.engine.weights import load_weights, random_weights
from dsc_lsp.models import Shape

_CAPACITY = 1200
_SMALL = Shape(256, 512, 3, 8, 2, vocabulary=1024, positions=2048)
_CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}
_RUNS, _PROMPTS, _NEW_TOKENS = 120, 12, 16


@dataclass(frozen=True, slots=True)
class Proof:
    """How many of the things compared were equal, and by how much logits differed at most."""

    name: str
    compared: int
    equal: int
    largest_gap: float


def proofs(device: str) -> list[Proof]:
    """Compare graphs with eager runs, and our forward with transformers', on a device.

    In float64 all must be equal, and in float32 but for a tie in some thousand tokens. In
    bfloat16 a tie between two tokens may fall either way.

    Raises:
        EngineError: the device is not there.
    """
    where = choose_device(device)
    if where.type == "cuda":
        use_cuda()
    exact, half = torch.float32, torch.bfloat16
    return [
        _split_against_whole(where, exact),
        _split_against_whole(where, half),
        _graphs_against_eager(where, exact),
        _graphs_against_eager(where, half),
        _answers_against_eager(where),
        _drafts_against_eager(where),
        _forward_against_transformers(where),
    ]


def _split_against_whole(device: torch.device, dtype: torch.dtype) -> Proof:
    """Attend random keys in parts and at once, some parts hidden from all queries."""
    name = f"attention in parts against at once, {str(dtype).removeprefix('torch.')}"
    generator = torch.Generator("cpu").manual_seed(0)

    def random_numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    compared, equal, gap = 0, 0, 0.0
    for kv_heads, group, dim in ((8, 7, 128), (16, 1, 128), (3, 1, 64)):
        for length, seen in ((512, 40), (1024, 1024), (2112, 1500)):
            for tokens in (1, WIDEST):
                rows = (length, 2, 1, kv_heads, dim)
                keys, values = random_numbers(*rows).permute(1, 2, 3, 0, 4).unbind()
                queries = random_numbers(1, kv_heads, tokens * group, dim)
                positions = torch.arange(seen - tokens, seen, device=device)
                columns = torch.arange(length, device=device)
                mask = causal_mask(positions, columns, dtype, HIDDEN)
                mask = mask.repeat_interleave(group, dim=0)
                parts = parts_of(length, kv_heads)
                split = split_attention(queries, keys, values, mask, scale=dim**-0.5, parts=parts)
                whole = F.scaled_dot_product_attention(queries, keys, values, mask)
                compared += 1
                equal += torch.allclose(split, whole, rtol=0, atol=_CLOSE[dtype])
                gap = max(gap, _gap(split, whole))
    return Proof(name, compared, equal, gap)


def _graphs_against_eager(device: torch.device, dtype: torch.dtype) -> Proof:
    """Run both over random edits in all widths of a step, each answer forced on both."""
    model = _model(parse_config(_SMALL.config()), device, dtype)
    ours, eager = steps_over(model, _cache(model), "none"), EagerSteps(model, _cache(model))
    chance, equal, gap, compared = random.Random(0), 0, 0.0, 0
    for _ in range(_RUNS):
        if chance.random() < 0.3:
            kept = chance.randrange(len(eager.cache.ids) + 1)
            ours.cache.crop(kept)
            eager.cache.crop(kept)
        width = chance.choice([*range(1, WIDEST + 1), 40])
        if len(eager.cache.ids) + width > _CAPACITY:
            ours.cache.crop(0)
            eager.cache.crop(0)
        ids = [chance.randrange(model.config.vocabulary) for _ in range(width)]
        mine, expected = ours.run(ids, width), eager.run(ids, width)
        compared += width
        equal += sum(a == b for a, b in zip(mine.likeliest(), expected.likeliest(), strict=True))
        gap = max(gap, _gap(mine.logits, expected.logits))
    how = "CUDA graphs" if isinstance(ours, GraphSteps) and ours.captured else "no graphs here"
    name = f"{how} against eager runs, {str(dtype).removeprefix('torch.')}, likeliest tokens"
    return Proof(name, compared, equal, gap)


def _answers_against_eager(device: torch.device) -> Proof:
    """Write whole answers with both, over one cache each that goes from prompt to prompt."""
    model = _model(parse_config(_SMALL.config()), device, torch.float32)
    ours, eager = steps_over(model, _cache(model), "none"), EagerSteps(model, _cache(model))
    equal = sum(
        _answer(ours, ids) == _answer(eager, ids) for ids in _prompts(model.config.vocabulary)
    )
    return Proof("answers with graphs against eager ones, float32", _PROMPTS, equal, 0.0)


def _drafts_against_eager(device: torch.device) -> Proof:
    """Check guesses, right for a while and then wrong, in one step as drafts are checked."""
    model = _model(parse_config(_SMALL.config()), device, torch.float32)
    ours, eager = steps_over(model, _cache(model), "none"), EagerSteps(model, _cache(model))
    chance, equal = random.Random(2), 0
    for ids in _prompts(model.config.vocabulary):
        expected = _answer(eager, ids)
        ours.cache.crop(0)
        said = [ours.run(ids, 1).likeliest()[0]]
        while len(said) < len(expected):
            draft = expected[len(said) : len(said) + WIDEST - 1]
            wrong = chance.randrange(2 * len(draft))
            draft = [(token + (at == wrong)) % _SMALL.vocabulary for at, token in enumerate(draft)]
            before = len(ours.cache.ids)
            best = ours.run([said[-1], *draft], 1 + len(draft)).likeliest()
            right = [*map(int.__eq__, best, draft), False].index(False)
            said += best[: right + 1]
            ours.cache.crop(before + 1 + right)
        equal += said[: len(expected)] == expected
    return Proof("drafts checked in one step against eager answers, float32", _PROMPTS, equal, 0.0)


def _forward_against_transformers(device: torch.device) -> Proof:
    """Compare in float64, where no tie is near, if the device knows it."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    torch.manual_seed(0)
    dtype = torch.float64 if device.type in {"cpu", "cuda"} else torch.float32
    reference: Any = LlamaForCausalLM(LlamaConfig(**_SMALL.config()))
    reference.to(dtype).eval()
    with tempfile.TemporaryDirectory() as folder:
        reference.save_pretrained(folder)
        config = read_config(Path(folder) / "config.json")
        weights = load_weights(Path(folder), config, device=device, dtype=dtype)
    model = Llama(config, weights)
    reference.to(device)
    steps, equal, gap = EagerSteps(model, _cache(model)), 0, 0.0
    for ids in _prompts(config.vocabulary):
        steps.cache.crop(0)
        mine = steps.run(ids, len(ids)).logits
        with torch.inference_mode():
            expected = reference(torch.tensor([ids], device=device)).logits[0]
        equal += torch.equal(mine.argmax(-1), expected.argmax(-1))
        gap = max(gap, _gap(mine, expected))
    name = f"our forward against transformers', {str(dtype).removeprefix('torch.')}, whole prompts"
    return Proof(name, _PROMPTS, equal, gap)


def _answer(steps: Any, ids: Sequence[int]) -> list[int]:
    cache: KVCache = steps.cache
    cache.crop(min(cache.common_prefix(ids), len(ids) - 1))
    tokens = generate(steps, ids, Decoding(_NEW_TOKENS, ()), CancelToken(), Effort())
    return [token for token, _ in tokens]


def _prompts(vocabulary: int) -> list[list[int]]:
    chance = random.Random(1)
    prompts = [[chance.randrange(vocabulary) for _ in range(400)]]
    while len(prompts) < _PROMPTS:
        before = prompts[-1]
        typed = [chance.randrange(vocabulary) for _ in range(chance.randrange(1, 8))]
        prompts.append([*before[: chance.randrange(1, len(before))], *typed])
    return prompts


def _model(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> Llama:
    return Llama(config, random_weights(config, device=device, dtype=dtype))


def _cache(model: Llama) -> KVCache:
    return KVCache(model.config, _CAPACITY, device=model.device, dtype=model.dtype)


def _gap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.float() - other.float()).abs().max())
