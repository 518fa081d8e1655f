"""From settings to a model in memory, ready to answer."""

import logging
from contextlib import suppress
from dataclasses import dataclass

import torch
from safetensors import SafetensorError

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import EngineChanged, EngineError, GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.checkpoint import Checkpoint, find_checkpoint
from dsc_lsp.engine.config import ModelConfig, read_config
from dsc_lsp.engine.devices import (
    available_bytes,
    choose_device,
    choose_dtype,
    describe,
    free_bytes,
    is_out_of_memory,
    use_cpu_for,
    use_cuda,
)
from dsc_lsp.engine.draft_model import DraftModel
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.memory import (
    Precision,
    gibibytes,
    share_of_checkpoint,
    weight_bytes,
    what_fits,
)
from dsc_lsp.engine.quantization import store_in
from dsc_lsp.engine.room import give_back
from dsc_lsp.engine.tokens import CheckpointTokenizer, load_tokenizer
from dsc_lsp.engine.weights import Store, WeightsMismatch, load_weights
from dsc_lsp.engine.worker import Report

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Residence:
    """Where and in what a model computes, and how its matrices are stored."""

    device: torch.device
    dtype: torch.dtype
    quantization: str
    store: Store

    @property
    def precision(self) -> Precision:
        """The same in numbers."""
        return Precision(self.dtype.itemsize, self.quantization)


def residence_of(*, device: str, dtype: str, quantization: str) -> Residence:
    """Return what the settings of these names ask for.

    Raises:
        EngineError: the device is not there or cannot do it; the message names the remedy.
    """
    where = choose_device(device)
    if where.type == "cuda":
        use_cuda()
    return Residence(
        where, choose_dtype(where, dtype), quantization, store_in(quantization, where)
    )


def open_local(
    model: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str = "none",
    context_tokens: int,
    draft_model: str = "",
    report: Report,
) -> LocalEngine:
    """Load the checkpoint that ``model`` names; blocking, seconds.

    What ``draft_model`` names guesses for it. Where that cannot be had the engine does without,
    and announces why.

    Raises:
        EngineError: there is no such checkpoint or device, or it does not fit.
    """
    residence = residence_of(device=device, dtype=dtype, quantization=quantization)
    where = residence.device
    _log.info("device %s, %s, quantization %s", where, residence.dtype, quantization)
    checkpoint = find_checkpoint(
        model, lambda: free_bytes(where), share_of_checkpoint(residence.precision)
    )
    report(f"Reading the tokenizer of {checkpoint.name}", 10)
    tokenizer = load_tokenizer(checkpoint.directory / "tokenizer.json", checkpoint.family)
    if where.type == "cpu":
        use_cpu_for(checkpoint.weight_bytes)
    config = read_config(checkpoint.directory / "config.json")
    if tokenizer.size > config.vocabulary:
        raise EngineError(
            f"The tokenizer in {checkpoint.directory} has {tokenizer.size} tokens, more than the"
            f" {config.vocabulary} of the model. Download the checkpoint again."
        )
    if context_tokens > config.positions:
        _log.warning("the model has %d positions, fewer than asked", config.positions)
    report(f"Reading the weights of {checkpoint.name}", 20)
    loaded = _load_model(checkpoint, config, residence)
    most = min(context_tokens, config.positions)
    helper, note = None, ""
    if draft_model:
        report(f"Reading the weights of {draft_model}, which guesses for {checkpoint.name}", 80)
        helper, note = _open_draft_model(draft_model, tokenizer, config, residence, most)
    engine = LocalEngine(
        name=checkpoint.name,
        family=checkpoint.family,
        tokenizer=tokenizer,
        model=loaded,
        context_tokens=most,
        quantization=quantization,
        draft_model=helper,
        note=note,
    )
    report(f"Warming {checkpoint.name} up", 90)
    _warm_up(engine)
    return engine


def _open_draft_model(
    name: str,
    tokenizer: CheckpointTokenizer,
    config: ModelConfig,
    residence: Residence,
    tokens: int,
) -> tuple[DraftModel | None, str]:
    """Return the model that guesses, or why there is none, for the user."""
    try:
        checkpoint = find_checkpoint(name, lambda: free_bytes(residence.device))
        own = load_tokenizer(checkpoint.directory / "tokenizer.json", checkpoint.family)
        smaller = read_config(checkpoint.directory / "config.json")
        if own.says_the_same_as(tokenizer) and smaller.vocabulary == config.vocabulary:
            model = _load_model(checkpoint, smaller, residence)
            room = min(tokens, smaller.positions)
            return DraftModel(model, room, residence.quantization), ""
        reason = (
            "it has another vocabulary than the model it should guess for. Choose a smaller"
            " checkpoint of the same family."
        )
    except EngineError as error:
        reason = str(error)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = "there is too little memory for it beside the model."
    give_back(residence.device)
    _log.warning("no draft model")
    return None, f"`dsc.draftModel` {name} is not used: {reason} Suggestions stay the same."


def _load_model(checkpoint: Checkpoint, config: ModelConfig, residence: Residence) -> Llama:
    try:
        weights = load_weights(
            checkpoint.directory,
            config,
            device=residence.device,
            dtype=residence.dtype,
            store=residence.store,
        )
        return Llama(config, weights)
    except WeightsMismatch as error:
        raise EngineError(
            f"{len(error.names)} weights are missing from {checkpoint.directory} or have another"
            " shape than config.json says. Download the checkpoint again."
        ) from error
    except (SafetensorError, OSError, RuntimeError, ValueError, MemoryError) as error:
        if not is_out_of_memory(error):
            _log.debug("loading failed", exc_info=True)
            raise EngineError(
                f"The weights in {checkpoint.directory} cannot be loaded"
                f" ({type(error).__name__}). Download the checkpoint again."
            ) from error
    # Not in the handler: the error's traceback holds what was loaded.
    raise _too_large(checkpoint.name, config, residence)


def _too_large(name: str, config: ModelConfig, residence: Residence) -> EngineError:
    """Return the message for weights that do not fit; what was loaded of them is free again."""
    give_back(residence.device)
    free = available_bytes(residence.device)
    needed = gibibytes(weight_bytes(config, residence.precision))
    return EngineError(
        f"{name} needs {needed} for its weights and {describe(residence.device)} has"
        f" {gibibytes(free)} free. {what_fits(config, residence.precision, free)}"
        " Or close other programs that use it."
    )


def _warm_up(engine: LocalEngine) -> None:
    """Run once, so that the first keystroke does not pay for lazy initialization."""
    bos = engine.tokenizer.control(engine.family.begin_of_text)
    prompt = Prompt((PromptPart((bos,) * 64, "", control=True),))
    while True:
        with suppress(EngineChanged):
            for _ in engine.generate(GenerationRequest(prompt, 2), CancelToken()).tokens:
                pass
            engine.forget()
            return
