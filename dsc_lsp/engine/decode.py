"""Prefill and decode over a cache that outlives the request, with drafts that change nothing."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine import pace
from dsc_lsp.engine.base import Effort
from dsc_lsp.engine.choice import Adjustment, Branch, choose
from dsc_lsp.engine.drafts import MOST_DRAFTED, Draft, Drafting
from dsc_lsp.engine.steps import Rows, Steps

PREFILL_CHUNK = pace.MOST
"""The most tokens read between two looks at the cancel token; the pace may say fewer."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a generation goes on: at most so many tokens, none after one of ``stop``."""

    max_new_tokens: int
    stop: Collection[int]
    adjustments: Sequence[Adjustment] = ()
    branch: Branch | None = None
    drafting: Drafting | None = None


def generate(
    steps: Steps,
    ids: Sequence[int],
    decoding: Decoding,
    cancel: CancelToken,
    effort: Effort,
) -> Iterator[tuple[int, float]]:
    """Yield the likeliest tokens after ``ids`` with their natural log likelihoods.

    The steps' cache must stand for a prefix of ``ids`` that is shorter than ``ids``. Ends at a
    token of ``decoding.stop``, which is not yielded. The cache is right at every point where the
    caller may leave the iteration, so the next request can build on it. ``effort`` counts along.
    """
    generated: list[int] = []
    rows, draft = _begin(steps, ids, decoding, cancel, effort)
    while True:
        accepted = 0
        for index in range(len(draft.ids) + 1):
            token, logprob = chosen(rows, index, generated, decoding.adjustments, decoding.branch)
            if token in decoding.stop:
                return
            generated.append(token)
            is_right = index < len(draft.ids) and token == draft.ids[index]
            accepted += is_right
            effort.accepted += is_right
            effort.written += effort.steps > 0
            yield token, logprob
            if len(generated) == decoding.max_new_tokens:
                return
            if not is_right:
                break
        _learn(decoding.drafting, draft, accepted)
        cancel.check()
        # What was drafted and not chosen stands behind; the cache is right about that, too.
        steps.cache.crop(len(ids) + len(generated) - 1)
        draft = _draft(generated, decoding)
        rows = _step(steps, generated[-1], draft, decoding.drafting, effort)


def _begin(
    steps: Steps, ids: Sequence[int], decoding: Decoding, cancel: CancelToken, effort: Effort
) -> tuple[Rows, Draft]:
    """Read the prompt and, where only its last tokens are new, what is guessed to follow it."""
    new = len(ids) - len(steps.cache.ids)
    draft = _draft((), decoding, MOST_DRAFTED + 1 - new) if new <= MOST_DRAFTED else Draft()
    if not draft.ids:
        return prefill(steps, ids, cancel, effort), draft
    cancel.check()
    began = time.perf_counter()
    rows = steps.run([*ids[-new:], *draft.ids], len(draft.ids) + 1)
    effort.prefill_ms += (time.perf_counter() - began) * 1000
    effort.drafted += len(draft.ids)
    return rows, draft


def _draft(generated: Sequence[int], decoding: Decoding, most: int = MOST_DRAFTED) -> Draft:
    """Return as much of a guess as is worth checking and may still be said."""
    if decoding.drafting is None:
        return Draft()
    most = min(most, decoding.max_new_tokens - len(generated) - 1)
    return decoding.drafting.best(generated, most) if most > 0 else Draft()


def _step(
    steps: Steps, token: int, draft: Draft, drafting: Drafting | None, effort: Effort
) -> Rows:
    """Read a token and what is guessed to follow; returns what follows each of them."""
    began = time.perf_counter()
    rows = steps.run([token, *draft.ids], len(draft.ids) + 1)
    seconds = time.perf_counter() - began
    effort.decode_ms += seconds * 1000
    effort.steps += 1
    effort.drafted += len(draft.ids)
    if drafting is not None:
        drafting.thrift.took(len(draft.ids) + 1, seconds)
    return rows


def _learn(drafting: Drafting | None, draft: Draft, accepted: int) -> None:
    if drafting is not None and draft.ids:
        checked = min(accepted + 1, len(draft.ids))
        drafting.thrift.held(draft.source, checked, accepted)


def prefill(steps: Steps, ids: Sequence[int], cancel: CancelToken, effort: Effort) -> Rows:
    """Read what the cache does not stand for yet; returns the row after the last token.

    Raises:
        Cancelled: between two chunks; what has been read stays in the cache.
    """
    rows = None
    while (start := len(steps.cache.ids)) < len(ids):
        cancel.check()
        chunk = ids[start : start + min(steps.pace.width, PREFILL_CHUNK)]
        began = time.perf_counter()
        rows = steps.run(chunk, 1)
        seconds = time.perf_counter() - began
        steps.pace.took(len(chunk), seconds)
        effort.prefill_ms += seconds * 1000
    assert rows is not None, "at least one token must be new"
    return rows


def score(steps: Steps, ids: Sequence[int], answer: Sequence[int]) -> float:
    """Return the natural log likelihood of ``answer`` after ``ids``; the cache must be empty."""
    if len(ids) > 1:
        prefill(steps, ids[:-1], CancelToken(), Effort())
    total = 0.0
    asked = [*ids[-1:], *answer[:-1]]
    for start in range(0, len(answer), PREFILL_CHUNK):
        part = answer[start : start + PREFILL_CHUNK]
        rows = steps.run(asked[start : start + len(part)], len(part))
        chosen = torch.tensor(part, device=rows.logits.device).unsqueeze(1)
        total += float(torch.log_softmax(rows.logits.float(), dim=-1).gather(1, chosen).sum())
    return total


def chosen(
    rows: Rows,
    index: int,
    generated: Sequence[int],
    adjustments: Sequence[Adjustment],
    branch: Branch | None,
) -> tuple[int, float]:
    """Return the choice in a row; without adjustments the model's run may have made it already."""
    if rows.best and not adjustments and branch is None:
        return rows.best[index], rows.logprobs[index]
    return choose(rows.row(index), generated, adjustments, branch)
