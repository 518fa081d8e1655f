"""Training: model, optimizers, schedule and loop, on a CPU within a budget of steps and time.

Matrices are trained with Muon (https://kellerjordan.github.io/posts/muon/), everything else
with AdamW. The learning rate follows the fraction of the budget that is used, whichever of
steps and seconds is further, so that a slow machine still ends with a finished model.
"""

import ctypes
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from dsc_lsp.starter import examples, rows
from dsc_lsp.starter.vocabulary import Encoder

log = logging.getLogger(__name__)

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of the Llama model; embeddings are tied."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int = 2048


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train and on what: ``seconds`` or ``steps``, whichever ends first."""

    steps: int
    seconds: float
    rows: int
    row_tokens: int
    long_row_tokens: int
    threads: int
    matrix_rate: float
    other_rate: float
    bfloat16: bool = False  # for products, where the processor has it; weights stay float32
    long_share: float = 0.15  # of the budget, at its end, on long rows
    warm_up_share: float = 0.01  # of the budget, at its start
    save_seconds: float = 300.0
    probe_seconds: float = 1200.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: what it has used up, and its smoothed loss in nats a token."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0

    def share(self, budget: Budget) -> float:
        """Return the part of the budget that is used, 0 to 1."""
        return min(1.0, max(self.step / budget.steps, self.seconds / budget.seconds))


def create_model(shape: ModelShape, encoder: Encoder, seed: int) -> LlamaForCausalLM:
    """Return a new model with random weights."""
    torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
    config = LlamaConfig(
        vocab_size=encoder.vocabulary_size,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.positions,
        tie_word_embeddings=True,
        bos_token_id=encoder.begin_of_text,
        eos_token_id=encoder.end_of_text,
    )
    model = LlamaForCausalLM(config)
    # On a CPU this is faster than the fused kernel, at these lengths.
    model.set_attn_implementation("eager")
    return model


def train(
    model: LlamaForCausalLM,
    files: rows.Collection,
    encoder: Encoder,
    budget: Budget,
    seed: int,
    *,
    checkpoint: Path,
    report: Report,
    on_probe: Callable[[Progress], None],
) -> Progress:
    """Train ``model`` in place until the budget is used; go on from ``checkpoint`` if it exists.

    ``on_probe`` is called every ``budget.probe_seconds`` and its time counts, too. A step
    counts at most ten seconds, so that a stopped process loses none of its budget.
    """
    torch.set_num_threads(budget.threads)
    _keep_memory()
    precision = torch.bfloat16 if budget.bfloat16 else torch.float32
    matrices, others = _optimizers(model, budget, precision)
    progress = _resume(checkpoint, model, matrices, others) or Progress()
    if progress.step:
        report(f"resumed at step {progress.step}")
    saved = probed = started = time.monotonic()
    begun = progress
    model.train()
    while progress.share(budget) < 1:
        before = time.monotonic()
        tokens, weights = _batch(files, encoder, budget, progress=progress, seed=seed)
        rate = learning_rate(budget, progress)
        with torch.autocast("cpu", precision, enabled=budget.bfloat16):
            loss = weighted_loss(model, tokens, weights)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        nn.utils.clip_grad_norm_(others.param_groups[0]["params"], 1.0)
        others.param_groups[0]["lr"] = budget.other_rate * rate
        matrices.step(budget.matrix_rate * rate)
        others.step()
        model.zero_grad()
        now = time.monotonic()
        progress = _advance(progress, float(loss.detach()), tokens[:, 1:].numel(), now - before)
        if progress.step % 50 == 0 or progress.share(budget) >= 1:
            report(_status(progress, begun, budget, now - started))
        if now - saved > budget.save_seconds:
            _save(checkpoint, model, matrices, others, progress)
            saved = now
        if now - probed > budget.probe_seconds:
            model.eval()
            on_probe(progress)
            model.train()
            probed = time.monotonic()
            spent = progress.seconds + min(probed - now, 60.0)
            progress = Progress(progress.step, progress.tokens, spent, progress.loss)
    _save(checkpoint, model, matrices, others, progress)
    model.eval()
    return progress


def load_weights(model: LlamaForCausalLM, checkpoint: Path) -> None:
    """Take the model out of a checkpoint of ``train``."""
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    model.eval()


def learning_rate(budget: Budget, progress: Progress) -> float:
    """Return the factor of the learning rates: a warm-up, then linearly to zero."""
    share = progress.share(budget)
    # The first step must move, too.
    warm_up = min(1.0, max(share, 1 / budget.steps) / budget.warm_up_share)
    return warm_up * max(1.0 - share, 0.005)


def weighted_loss(model: Any, tokens: Tensor, weights: Tensor) -> Tensor:
    """Return the mean loss in nats of each token given those before it.

    ``tokens`` and ``weights`` have shape (rows, length); a weight belongs to the token at its
    place as a target.
    """
    hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
    total = torch.zeros(())
    for row in range(len(tokens)):  # A row of logits at a time stays in the processor's cache.
        logits = model.lm_head(hidden[row]).float()
        losses = nn.functional.cross_entropy(logits, tokens[row, 1:], reduction="none")
        total = total + (losses * weights[row, 1:]).sum()
    return total / weights[:, 1:].sum()


class Muon:
    """Momentum whose update is made orthogonal by a Newton-Schulz iteration.

    Matrices of one shape are stacked, which is much faster on a CPU than one at a time.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        precision: torch.dtype = torch.float32,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        self._groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            self._groups.setdefault(tuple(matrix.shape), []).append(matrix)
        self._momenta = {
            shape: torch.zeros(len(group), *shape) for shape, group in self._groups.items()
        }
        self._precision = precision
        self._momentum = momentum
        self._weight_decay = weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change every matrix with learning rate ``rate``."""
        for (height, width), group in self._groups.items():
            gradients = torch.stack([_gradient(matrix) for matrix in group])
            momenta = self._momenta[height, width]
            momenta.lerp_(gradients, 1 - self._momentum)
            nesterov = gradients.lerp_(momenta, self._momentum)
            updates = orthogonal(nesterov.to(self._precision)).to(nesterov.dtype)
            scale = -rate * max(1.0, height / width) ** 0.5
            for matrix, update in zip(group, updates, strict=True):
                matrix.mul_(1 - rate * self._weight_decay).add_(update, alpha=scale)

    def state_dict(self) -> dict[str, Any]:
        """Return the momenta, to be stored."""
        return {"momenta": self._momenta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over stored momenta."""
        self._momenta = dict(state["momenta"])


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return nearly the nearest matrices with equal singular values; shape (n, rows, columns)."""
    tall = matrices.shape[1] > matrices.shape[2]
    current = matrices.mT if tall else matrices
    current = current / (current.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = current @ current.mT
        mixed = -4.7750 * square + 2.0315 * (square @ square)
        current = 3.4445 * current + mixed @ current
    return current.mT if tall else current


def _optimizers(
    model: nn.Module, budget: Budget, precision: torch.dtype
) -> tuple[Muon, torch.optim.AdamW]:
    named = list(model.named_parameters())
    matrices = Muon([parameter for name, parameter in named if _is_matrix(name)], precision)
    others = torch.optim.AdamW(
        [parameter for name, parameter in named if not _is_matrix(name)],
        lr=budget.other_rate,
        betas=(0.9, 0.99),  # A word is rare in a batch this small: a longer memory than usual.
        weight_decay=0.0,
    )
    return matrices, others


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _is_matrix(name: str) -> bool:
    return name.endswith("_proj.weight")


def _batch(
    files: rows.Collection,
    encoder: Encoder,
    budget: Budget,
    *,
    progress: Progress,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Return the tokens and weights of one step; they depend on seed, step and row length."""
    is_long = progress.share(budget) >= 1 - budget.long_share
    length = budget.long_row_tokens if is_long else budget.row_tokens
    count = budget.rows * budget.row_tokens // length
    random = examples.seeded(f"{seed} {progress.step}")
    drawn = [rows.random_row(files, encoder, length + 1, random) for _ in range(count)]
    tokens = np.stack([row for row, _ in drawn]).astype(np.int64)
    return torch.from_numpy(tokens), torch.from_numpy(np.stack([weight for _, weight in drawn]))


def _advance(progress: Progress, loss: float, tokens: int, seconds: float) -> Progress:
    smooth = max(0.02, 1 / (progress.step + 1))
    return Progress(
        step=progress.step + 1,
        tokens=progress.tokens + tokens,
        seconds=progress.seconds + min(seconds, 10.0),
        loss=progress.loss + smooth * (loss - progress.loss),
    )


def _status(progress: Progress, begun: Progress, budget: Budget, seconds: float) -> str:
    share = progress.share(budget)
    speed = (progress.tokens - begun.tokens) / max(seconds, 1e-9)
    left = progress.seconds * (1 - share) / max(share, 1e-9)
    return (
        f"step {progress.step} loss {progress.loss:.3f} tokens {progress.tokens / 1e6:.2f}M "
        f"{speed:.0f} tokens/s, {share:.1%} done, {left / 60:.1f} min left"
    )


def _save(checkpoint: Path, model: Any, matrices: Muon, others: Any, progress: Progress) -> None:
    temporary = checkpoint.with_suffix(".new")
    state = {
        "model": model.state_dict(),
        "matrices": matrices.state_dict(),
        "others": others.state_dict(),
        "progress": (progress.step, progress.tokens, progress.seconds, progress.loss),
    }
    torch.save(state, temporary)
    temporary.replace(checkpoint)


def _resume(checkpoint: Path, model: Any, matrices: Muon, others: Any) -> Progress | None:
    if not checkpoint.exists():
        return None
    state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(state["model"])
    matrices.load_state_dict(state["matrices"])
    others.load_state_dict(state["others"])
    return Progress(*state["progress"])


def _keep_memory() -> None:
    """Tell glibc to keep freed memory: fresh pages for each step cost a fifth of the time."""
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
    try:
        c_library = ctypes.CDLL(None)
        c_library.mallopt(mmap_threshold, 1 << 30)
        c_library.mallopt(trim_threshold, (1 << 31) - 1)
        c_library.mallopt(top_pad, 1 << 28)
    except (OSError, AttributeError):  # Not glibc: slower, no worse.
        log.debug("mallopt is missing")
