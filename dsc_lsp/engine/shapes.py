"""Random weights of a real shape: speed does not depend on the values."""

from typing import Any

import torch

from dsc_lsp.engine.devices import choose_device, fastest_dtype
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE, SHAPES, STARTER_CHECKPOINT
from dsc_lsp.settings import Settings


def open_shape(shape: str, settings: Settings) -> LocalEngine:
    """Make an engine of random weights with the starter's tokenizer and DeepSeek's prompts.

    ``shape`` is a key of ``models.SHAPES``. What it says means nothing.

    Raises:
        EngineError: the device is not there.
    """
    device = choose_device(settings.device)
    return LocalEngine(
        name=f"{shape} (random)",
        family=DEEPSEEK_CODER_BASE,
        tokenizer=load_tokenizer(STARTER_CHECKPOINT / "tokenizer.json", DEEPSEEK_CODER_BASE),
        model=random_model(shape, device),
        context_tokens=min(settings.context_tokens, SHAPES[shape].positions),
    )


def random_model(shape: str, device: torch.device, seed: int = 0) -> Any:
    """Return transformers' Llama of a shape, made on the device, in its fastest type."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(fastest_dtype(device))
    try:
        with device:
            return LlamaForCausalLM(LlamaConfig(**SHAPES[shape].config())).eval()
    finally:
        torch.set_default_dtype(before)
