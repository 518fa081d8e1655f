"""Random weights of a real shape: speed does not depend on the values."""

from dsc_lsp.engine.config import parse_config
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.opening import residence_of
from dsc_lsp.engine.tokens import CheckpointTokenizer, load_tokenizer
from dsc_lsp.engine.weights import random_weights
from dsc_lsp.models import DEEPSEEK_CODER_BASE, SHAPES, STARTER_CHECKPOINT
from dsc_lsp.settings import Settings


def open_shape(shape: str, settings: Settings) -> LocalEngine:
    """Make an engine of random weights with the starter's tokenizer and DeepSeek's prompts.

    ``shape`` is a key of ``models.SHAPES``. What it says means nothing.

    Raises:
        EngineError: the device is not there.
    """
    model = random_model(shape, settings)
    return LocalEngine(
        name=f"{shape} (random)",
        family=DEEPSEEK_CODER_BASE,
        tokenizer=shape_tokenizer(),
        model=model,
        context_tokens=min(settings.context_tokens, model.config.positions),
        quantization=settings.quantization,
    )


def random_model(shape: str, settings: Settings) -> Llama:
    """Make random weights of a shape where, and in what, the settings say.

    Raises:
        EngineError: the device is not there.
    """
    residence = residence_of(
        device=settings.device, dtype=settings.dtype, quantization=settings.quantization
    )
    config = parse_config(SHAPES[shape].config())
    weights = random_weights(
        config, device=residence.device, dtype=residence.dtype, store=residence.store
    )
    return Llama(config, weights)


def shape_tokenizer() -> CheckpointTokenizer:
    """Return the tokenizer that goes with random weights."""
    return load_tokenizer(STARTER_CHECKPOINT / "tokenizer.json", DEEPSEEK_CODER_BASE)
