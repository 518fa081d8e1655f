"""Prefill and greedy decode with a Llama model and a cache that outlives the request."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.choice import Adjustment, choose
from dsc_lsp.engine.kv_cache import KVCache

PREFILL_CHUNK = 256
"""Tokens read between two looks at the cancel token."""


def greedy(
    model: Any,
    cache: KVCache,
    ids: Sequence[int],
    *,
    max_new_tokens: int,
    stop: frozenset[int],
    cancel: CancelToken,
    adjustments: Sequence[Adjustment] = (),
) -> Iterator[tuple[int, float]]:
    """Yield the likeliest tokens after ``ids`` with their natural log likelihoods.

    The cache must stand for a prefix of ``ids`` that is shorter than ``ids``. Ends at a token of
    ``stop``, which is not yielded. The cache is right at every point where the caller may leave
    the iteration, so the next request can build on it.
    """
    logits = _prefill(model, cache, ids, cancel)
    generated: list[int] = []
    for left in range(max_new_tokens - 1, -1, -1):
        token, logprob = choose(logits, generated, adjustments)
        if token in stop:
            return
        generated.append(token)
        yield token, logprob
        if not left:
            return
        cancel.check()
        logits = _forward(model, cache, [token])


def score(model: Any, ids: Sequence[int], answer: Sequence[int]) -> float:
    """Return the natural log likelihood of ``answer`` after ``ids``."""
    with torch.inference_mode():
        logits = model(
            input_ids=torch.tensor([[*ids, *answer]], device=model.device),
            use_cache=False,
            logits_to_keep=len(answer) + 1,
        ).logits[0, :-1]
        chosen = torch.tensor([list(answer)], device=model.device).T
        return float(torch.log_softmax(logits.float(), dim=-1).gather(1, chosen).sum())


def _prefill(model: Any, cache: KVCache, ids: Sequence[int], cancel: CancelToken) -> torch.Tensor:
    logits = None
    for start in range(len(cache.ids), len(ids), PREFILL_CHUNK):
        cancel.check()
        logits = _forward(model, cache, ids[start : start + PREFILL_CHUNK])
    assert logits is not None, "at least one token must be new"
    return logits


def _forward(model: Any, cache: KVCache, ids: Sequence[int]) -> torch.Tensor:
    """Run the model over new tokens; returns the logits after the last, shape (vocabulary,)."""
    with torch.inference_mode():
        output = model(
            input_ids=torch.tensor([list(ids)], device=model.device),
            past_key_values=cache.past_key_values,
            use_cache=True,
            logits_to_keep=1,
        )
    cache.ids.extend(ids)
    return output.logits[0, -1]
