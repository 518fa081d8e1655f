"""The same checkpoint through transformers' ``generate``, to compare with."""

from collections.abc import Iterator
from typing import Any

import torch

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Generation, GenerationRequest, Token
from dsc_lsp.engine.checkpoint import find_checkpoint
from dsc_lsp.engine.devices import choose_device, choose_dtype, free_bytes, use_cpu_for
from dsc_lsp.engine.shapes import shape_tokenizer
from dsc_lsp.engine.tokens import CheckpointTokenizer, load_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE, SHAPES, ModelFamily
from dsc_lsp.settings import Settings


class GenerateEngine:
    """Answers each request from scratch with ``generate``, greedily; one thread at a time.

    Nothing is kept between requests, and all tokens come at once. ``logprob`` is always 0: asking
    for likelihoods would make ``generate`` slower.
    """

    def __init__(
        self, *, name: str, family: ModelFamily, tokenizer: CheckpointTokenizer, model: Any
    ) -> None:
        self.name = name
        self.family = family
        self.tokenizer = tokenizer
        self.context_tokens = int(model.config.max_position_embeddings)
        self._model = model
        self._stop = [tokenizer.control(token) for token in family.stop]

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Start a generation; ``cancel`` is looked at before it, ``generate`` does not."""
        cancel.check()
        return Generation(len(request.prompt.ids), 0, self._tokens(request))

    def close(self) -> None:
        """Give the memory back."""
        del self._model

    def _tokens(self, request: GenerationRequest) -> Iterator[Token]:
        ids = torch.tensor([request.prompt.ids], device=self._model.device)
        with torch.inference_mode():
            output = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=request.max_new_tokens,
                do_sample=False,
                eos_token_id=self._stop,
                pad_token_id=self._stop[0],
            )
        for token in output[0, ids.shape[1] :].tolist():
            if token in self._stop:
                return
            yield Token(token, self.tokenizer.bytes_of(token), 0.0)


def open_reference(settings: Settings, *, shape: str | None = None) -> GenerateEngine:
    """Load the checkpoint of the settings, or random weights of a shape, into transformers.

    Raises:
        EngineError: there is no such checkpoint or device, or it does not fit.
    """
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    device = choose_device(settings.device)
    dtype = choose_dtype(device, settings.dtype)
    if shape is not None:
        return GenerateEngine(
            name=shape,
            family=DEEPSEEK_CODER_BASE,
            tokenizer=shape_tokenizer(),
            model=_random_model(shape, device, dtype),
        )
    checkpoint = find_checkpoint(settings.model, lambda: free_bytes(device))
    if device.type == "cpu":
        use_cpu_for(checkpoint.weight_bytes)
    model: Any = LlamaForCausalLM.from_pretrained(
        checkpoint.directory, dtype=dtype, local_files_only=True
    )
    return GenerateEngine(
        name=checkpoint.name,
        family=checkpoint.family,
        tokenizer=load_tokenizer(checkpoint.directory / "tokenizer.json", checkpoint.family),
        model=model.to(device).eval(),
    )


def _random_model(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    """Return transformers' Llama of a shape, made on the device."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return LlamaForCausalLM(LlamaConfig(**SHAPES[shape].config())).eval()
    finally:
        torch.set_default_dtype(before)
