"""From a trained model to the checkpoint directory that users load."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from dsc_lsp.engine import int8
from dsc_lsp.starter.files import write_json, write_whole

LARGEST_FILE = 15 * 2**20
"""Bytes of weights in one file: some ways to carry files have a limit of 16 MiB each."""


def export(model: LlamaForCausalLM, tokenizer: bytes, output: Path, storage: str) -> None:
    """Write config, tokenizer and weights as ``bfloat16`` or ``int8`` into ``output``.

    Each file appears whole or not at all.
    """
    weights = {
        name: tensor.detach().cpu()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the embeddings
    }
    if storage == "int8":
        stored = int8.compress(weights)
    else:
        stored = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    output.mkdir(parents=True, exist_ok=True)
    parts = shards(stored, LARGEST_FILE)
    kept = {_name(number, len(parts)) for number in range(len(parts))}
    for number, part in enumerate(parts):
        contiguous = {name: tensor.contiguous().clone() for name, tensor in part.items()}
        content = save(contiguous, metadata={"format": "pt"})
        write_whole(output / _name(number, len(parts)), content)
    for older in output.glob("*.safetensors"):
        if older.name not in kept:
            older.unlink()
    config = model.config.to_dict() | {
        "architectures": ["LlamaForCausalLM"],
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
    }
    config.pop("_attn_implementation_autoset", None)
    write_json(output / "config.json", config)
    write_whole(output / "tokenizer.json", tokenizer)


def load(checkpoint: Path) -> LlamaForCausalLM:
    """Read what ``export`` wrote, in float32, ready to evaluate."""
    config = LlamaConfig.from_pretrained(checkpoint)
    config.dtype = torch.float32
    model = LlamaForCausalLM(config)
    stored: dict[str, Tensor] = {}
    for file in sorted(checkpoint.glob("*.safetensors")):
        stored |= load_file(file)
    weights = {
        name: int8.read(name, stored, stored.__getitem__).float()
        for name in model.state_dict()
        if name in stored
    }
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights)
    return model.eval()


def shards(tensors: Mapping[str, Tensor], largest: int) -> list[dict[str, Tensor]]:
    """Deal tensors out, in their order, to files of at most ``largest`` bytes where possible."""
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        size += tensor.nbytes
        if size > largest and parts[-1]:
            parts.append({})
            size = tensor.nbytes
        parts[-1][name] = tensor
    return parts


def _name(number: int, count: int) -> str:
    if count == 1:
        return "model.safetensors"
    return f"model-{number + 1:05}-of-{count:05}.safetensors"
