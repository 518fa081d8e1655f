"""What fits into a device's memory: arithmetic over sizes, and words for the user."""

from collections.abc import Iterator
from dataclasses import dataclass

from dsc_lsp.engine.config import ModelConfig, parse_config
from dsc_lsp.models import SHAPES

LEAST_CONTEXT_TOKENS = 256
"""With fewer tokens of context than this a model is given up rather than shrunk further."""

_BYTES_PER_NUMBER = {"int8": 1.0, "nf4": 0.5 + 4 / 64}
"""Of quantized matrices: nf4 has a float32 scale for each 64 numbers."""

_WORKING_BYTES = 512 * 2**20
"""What a run needs beside weights, keys and values: states, logits, the libraries' workspaces."""

_UNQUANTIZED_SHARE = 0.1
"""At most this share of DeepSeek-Coder's weights is embeddings, which are never quantized."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How many bytes a number of the computation has, and how matrices are stored."""

    itemsize: int
    quantization: str = "none"


def weight_bytes(config: ModelConfig, precision: Precision) -> int:
    """Return the bytes that the weights of a model take."""
    vocabularies = (1 if config.tied else 2) * config.vocabulary * config.hidden
    matrices = config.parameters - vocabularies
    stored = _BYTES_PER_NUMBER.get(precision.quantization, precision.itemsize)
    return int(matrices * stored + vocabularies * precision.itemsize)


def bytes_per_position(config: ModelConfig, precision: Precision) -> int:
    """Return the bytes of keys and values of one token."""
    return config.kv_numbers_per_token * precision.itemsize


def share_of_checkpoint(precision: Precision) -> float:
    """Return how large weights in memory are, measured by a checkpoint in 16 bits on the disk."""
    stored = _BYTES_PER_NUMBER.get(precision.quantization)
    if stored is None:
        return precision.itemsize / 2
    return (1 - _UNQUANTIZED_SHARE) * stored / 2 + _UNQUANTIZED_SHARE * precision.itemsize / 2


def fitting_context(config: ModelConfig, precision: Precision, free_bytes: int) -> int:
    """Return how many tokens fit where weights and all else must, no more than the positions."""
    left = free_bytes - weight_bytes(config, precision) - _WORKING_BYTES
    return max(0, min(config.positions, left // bytes_per_position(config, precision)))


def what_fits(config: ModelConfig, precision: Precision, free_bytes: int) -> str:
    """Return what of this family would fit, in a sentence for the user."""
    fitting = list(_fitting(config, precision, free_bytes))
    if not fitting:
        return "No DeepSeek-Coder fits there; `starter` does."
    return f"What would fit: {', or '.join(fitting)}."


def gibibytes(number: float) -> str:
    """Return bytes as people read them."""
    return f"{number / 2**30:.1f} GiB"


def _fitting(config: ModelConfig, precision: Precision, free_bytes: int) -> Iterator[str]:
    tokens = fitting_context(config, precision, free_bytes)
    if tokens >= LEAST_CONTEXT_TOKENS:
        yield f"this model with `dsc.contextTokens` {tokens}"
    for quantization in _BYTES_PER_NUMBER:
        smaller = Precision(precision.itemsize, quantization)
        tokens = fitting_context(config, smaller, free_bytes)
        if precision.quantization == "none" and tokens >= LEAST_CONTEXT_TOKENS:
            yield f"this model with `dsc.quantization` {quantization} (up to {tokens} tokens)"
    for name, shape in SHAPES.items():
        other = parse_config(shape.config())
        tokens = fitting_context(other, precision, free_bytes)
        is_smaller = other.parameters < config.parameters
        if name.startswith("deepseek") and is_smaller and tokens >= LEAST_CONTEXT_TOKENS:
            yield f"{name} (up to {tokens} tokens)"
