"""Small checkpoints with random weights, made on the spot: real loading code, no downloads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from dsc_lsp.models import DEEPSEEK_CODER_BASE

if TYPE_CHECKING:
    import torch

    from dsc_lsp.engine.llama import Llama


def write_tokenizer(path: Path) -> None:
    """Write a byte-level tokenizer without merges: a token for each byte, and control tokens."""
    letters = sorted(ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(
        [
            AddedToken(name, special=False, normalized=False)
            for name in DEEPSEEK_CODER_BASE.control_tokens
        ]
    )
    tokenizer.save(str(path))


def make_checkpoint(
    directory: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    positions: int = 512,
    vocabulary: int = 256 + len(DEEPSEEK_CODER_BASE.control_tokens),
) -> Path:
    """Write config, weights and tokenizer of a tiny Llama model; returns the directory."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    directory.mkdir(parents=True, exist_ok=True)
    write_tokenizer(directory / "tokenizer.json")
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.3,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    assert json.loads((directory / "config.json").read_text())["model_type"] == "llama"
    return directory


def load_model(directory: Path, dtype: "torch.dtype") -> "Llama":
    """Return the model of a checkpoint as the engine holds it, on the CPU."""
    import torch

    from dsc_lsp.engine.config import read_config
    from dsc_lsp.engine.llama import Llama
    from dsc_lsp.engine.weights import load_weights

    config = read_config(directory / "config.json")
    return Llama(config, load_weights(directory, config, device=torch.device("cpu"), dtype=dtype))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: for models this small, threads only wait for each other."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        yield
    torch.set_num_threads(threads)
