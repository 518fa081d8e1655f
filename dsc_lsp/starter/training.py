"""Training: model, optimizers, schedule and loop, within a budget of steps and time.

Matrices are trained with Muon, everything else with AdamW. The learning rate follows the part
of the budget that is used, whichever of steps and seconds is further, so that a slow machine
still ends with a finished model.
"""

import copy
import ctypes
import dataclasses
import io
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from dsc_lsp.starter import examples, interruption, rows
from dsc_lsp.starter.files import write_whole
from dsc_lsp.starter.muon import Muon
from dsc_lsp.starter.progress import SECONDS, Report, watched
from dsc_lsp.starter.vocabulary import Encoder

log = logging.getLogger(__name__)

_UNTIMED_SHARE = 0.1  # of the timed steps go before, to choose kernels and take memory


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
    """How long to train and how: ``seconds`` or ``steps``, whichever ends first.

    A step has ``rows`` rows of ``row_tokens`` tokens, of which ``micro_rows`` are computed at a
    time. With ``bfloat16``, products are computed in it; weights stay in float32.
    """

    steps: int
    seconds: float
    rows: int
    micro_rows: int
    row_tokens: int
    long_row_tokens: int
    matrix_rate: float
    other_rate: float
    device: str = "cpu"
    threads: int = 1
    bfloat16: bool = False
    long_share: float = 0.15  # of the budget, at its end, on long rows
    warm_up_share: float = 0.01  # of the budget, at its start
    report_seconds: float = SECONDS
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
    return LlamaForCausalLM(config)


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
    counts at most ten seconds, so that a stopped process loses none of its budget. To be called
    on the main thread, which hears signals.

    Raises:
        Interruption: the process is to end; everything up to the last step is saved.
        OSError: the checkpoint cannot be written; the last one is whole.
    """
    optimizers = _prepare(model, budget)
    progress = _resume(checkpoint, model, optimizers) or Progress()
    if progress.step:
        report(f"resumed at step {progress.step}")
    shown = saved = probed = started = time.monotonic()
    begun = progress
    batch = _batch(files, encoder, budget, progress, seed)
    with interruption.held(report) as signal:
        while progress.share(budget) < 1 and signal.number is None:
            before = time.monotonic()
            loss = _train_step(model, optimizers, batch, budget, learning_rate(budget, progress))
            upcoming = dataclasses.replace(progress, step=progress.step + 1)
            size = batch[1][:, 1:].numel()
            batch = _batch(files, encoder, budget, upcoming, seed)  # while an accelerator computes
            value = float(loss)
            now = time.monotonic()
            progress = _advance(progress, value, size, now - before)
            if now - shown > budget.report_seconds:
                report(_status(progress, begun, budget, now - started))
                shown = now
            is_probed = now - probed > budget.probe_seconds and signal.number is None
            if is_probed or now - saved > budget.save_seconds:
                _save(checkpoint, model, optimizers, progress)
                saved = now
            if is_probed:
                probed, progress = _probe(model, progress, on_probe)
        _save(checkpoint, model, optimizers, progress)
        report(_status(progress, begun, budget, time.monotonic() - started))
    model.eval()
    if signal.number is not None:
        report(f"saved at step {progress.step}")
        raise interruption.Interruption(signal.number)
    return progress


def affordable_steps(
    model: LlamaForCausalLM,
    files: rows.Collection,
    encoder: Encoder,
    budget: Budget,
    *,
    report: Report,
    timed: int,
) -> int:
    """Time some steps on a copy of the model and return how many fit into nine tenths of the time.

    The rest is for longer rows, probes and checkpoints.
    """
    trial = copy.deepcopy(model)
    optimizers = _prepare(trial, budget)
    loss = torch.zeros(())
    untimed = int(_UNTIMED_SHARE * timed)
    started = 0.0
    for step in watched(range(timed + untimed), timed + untimed, "timing steps", report):
        if step == untimed:
            float(loss)  # waits for the accelerator
            started = time.monotonic()
        batch = _batch(files, encoder, budget, Progress(step=step), seed=0)
        loss = _train_step(trial, optimizers, batch, budget, 0.01)
    float(loss)
    seconds = (time.monotonic() - started) / timed
    return max(1, int(0.9 * budget.seconds / seconds))


def has_bfloat16(device: str) -> bool:
    """Whether a device computes in bfloat16; processors that only pretend to take ten times."""
    return device != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_weights(model: LlamaForCausalLM, checkpoint: Path) -> None:
    """Take the model out of a checkpoint of ``train``."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    model.eval()


def learning_rate(budget: Budget, progress: Progress) -> float:
    """Return the factor of the learning rates: a warm-up, then linearly to zero."""
    share = progress.share(budget)
    # The first step must move, too.
    warm_up = min(1.0, max(share, 1 / budget.steps) / budget.warm_up_share)
    return warm_up * max(1.0 - share, 0.005)


def weighted_loss(model: Any, tokens: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the losses in nats of each token given those before it.

    ``tokens`` and ``weights`` have shape (rows, length); a weight belongs to the token at its
    place as a target.
    """
    hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
    # On a CPU, a row of logits at a time stays in the processor's cache.
    at_once = 1 if tokens.device.type == "cpu" else len(tokens)
    total = torch.zeros((), device=tokens.device)
    for first in range(0, len(tokens), at_once):
        chosen = slice(first, first + at_once)
        logits = model.lm_head(hidden[chosen]).float().flatten(0, 1)
        targets = tokens[chosen, 1:].flatten()
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
        total = total + (losses * weights[chosen, 1:].flatten()).sum()
    return total


@dataclass(frozen=True, slots=True)
class _Optimizers:
    matrices: Muon
    others: torch.optim.AdamW


def _prepare(model: LlamaForCausalLM, budget: Budget) -> _Optimizers:
    """Move the model to its device, set the machine up and return the optimizers."""
    if budget.device == "cpu":
        torch.set_num_threads(budget.threads)
        _keep_memory()
        # At these lengths faster than the fused kernel.
        model.set_attn_implementation("eager")
    model.to(torch.device(budget.device))  # pyright: ignore[reportArgumentType]
    model.train()
    named = list(model.named_parameters())
    matrices = Muon(
        [parameter for name, parameter in named if _is_matrix(name)], _precision(budget)
    )
    others = torch.optim.AdamW(
        [parameter for name, parameter in named if not _is_matrix(name)],
        lr=budget.other_rate,
        betas=(0.9, 0.99),  # A word is rare in a batch this small: a longer memory than usual.
        weight_decay=0.0,
    )
    return _Optimizers(matrices, others)


def _precision(budget: Budget) -> torch.dtype:
    return torch.bfloat16 if budget.bfloat16 else torch.float32


def _train_step(
    model: Any,
    optimizers: _Optimizers,
    batch: tuple[Tensor, Tensor],
    budget: Budget,
    rate: float,
) -> Tensor:
    """Change the model once and return the weighted mean loss, which may still be computed."""
    device = torch.device(budget.device)
    tokens, weights = (part.to(device, non_blocking=True) for part in batch)
    whole = weights[:, 1:].sum()
    total = torch.zeros((), device=device)
    parts = zip(tokens.split(budget.micro_rows), weights.split(budget.micro_rows), strict=True)
    for some_tokens, some_weights in parts:
        with torch.autocast(device.type, _precision(budget), enabled=budget.bfloat16):
            loss = weighted_loss(model, some_tokens, some_weights) / whole
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        total += loss.detach()
    group = optimizers.others.param_groups[0]
    nn.utils.clip_grad_norm_(group["params"], 1.0)
    group["lr"] = budget.other_rate * rate
    optimizers.matrices.step(budget.matrix_rate * rate)
    optimizers.others.step()
    model.zero_grad()
    return total


def _is_matrix(name: str) -> bool:
    return name.endswith("_proj.weight")


def _batch(
    files: rows.Collection, encoder: Encoder, budget: Budget, progress: Progress, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the tokens and weights of one step; they depend on seed, step and row length."""
    is_long = progress.share(budget) >= 1 - budget.long_share
    length = budget.long_row_tokens if is_long else budget.row_tokens
    count = budget.rows * budget.row_tokens // length
    random = examples.seeded(f"{seed} {progress.step}")
    drawn = [rows.random_row(files, encoder, length + 1, random) for _ in range(count)]
    tokens = np.stack([row for row, _ in drawn]).astype(np.int64)
    return torch.from_numpy(tokens), torch.from_numpy(np.stack([weight for _, weight in drawn]))


def _probe(
    model: Any, progress: Progress, on_probe: Callable[[Progress], None]
) -> tuple[float, Progress]:
    """Return when the probe was done, and the progress with the time that it took, at most 60 s.

    What was trained is saved, so a signal ends it at once.
    """
    before = time.monotonic()
    model.eval()
    with interruption.raised():
        on_probe(progress)
    model.train()
    now = time.monotonic()
    return now, dataclasses.replace(progress, seconds=progress.seconds + min(now - before, 60.0))


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
        f"{speed:.0f} tokens/s, {share:.1%} done, {tqdm.format_interval(left)} left"
    )


def _save(checkpoint: Path, model: Any, optimizers: _Optimizers, progress: Progress) -> None:
    state = {
        "model": model.state_dict(),
        "matrices": optimizers.matrices.state_dict(),
        "others": optimizers.others.state_dict(),
        "progress": dataclasses.astuple(progress),
    }
    content = io.BytesIO()
    torch.save(state, content)  # to a full disk, it would raise less than an OSError
    write_whole(checkpoint, content.getvalue())


def _resume(checkpoint: Path, model: Any, optimizers: _Optimizers) -> Progress | None:
    if not checkpoint.exists():
        return None
    state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizers.matrices.load_state_dict(state["matrices"])
    optimizers.others.load_state_dict(state["others"])
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
