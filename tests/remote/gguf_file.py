"""A Llama checkpoint as GGUF: ``python -m tests.remote.gguf_file CHECKPOINT FILE``.

Weights are written as float32, so that a server computes what the local engine computes.
llama.cpp's own converter is not a package; this one knows the DeepSeek-Coder family only.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter, RopeScalingType, TokenType
from numpy.typing import NDArray
from safetensors.torch import load_file

from dsc_lsp.models import BEGIN_OF_TEXT, END_OF_TEXT

_BLOCK_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_OTHER_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def write_gguf(checkpoint: Path, file: Path) -> Path:
    """Write a checkpoint directory (config.json, tokenizer.json, *.safetensors) as one file."""
    config: dict[str, Any] = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    writer = GGUFWriter(file, "llama")
    writer.add_name(checkpoint.name)
    _add_shape(writer, config)
    _add_tokenizer(writer, checkpoint / "tokenizer.json", config["vocab_size"])
    for shard in sorted(checkpoint.glob("*.safetensors")):
        for name, tensor in load_file(shard).items():
            writer.add_tensor(*_tensor(name, tensor.float().numpy(), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_shape(writer: GGUFWriter, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_rope_freq_base(rope.get("rope_theta") or config.get("rope_theta", 10_000.0))
    writer.add_vocab_size(config["vocab_size"])
    if rope.get("rope_type", rope.get("type")) == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def _add_tokenizer(writer: GGUFWriter, path: Path, size: int) -> None:
    description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    tokens = [f"[unused{number}]" for number in range(size)]
    kinds = [TokenType.UNUSED] * size
    for piece, token in description["model"]["vocab"].items():
        tokens[token], kinds[token] = piece, TokenType.NORMAL
    for entry in description["added_tokens"]:
        tokens[entry["id"]] = entry["content"]
        kinds[entry["id"]] = TokenType.CONTROL if entry["special"] else TokenType.USER_DEFINED
    merges = description["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-coder")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(tokens.index(BEGIN_OF_TEXT))
    writer.add_eos_token_id(tokens.index(END_OF_TEXT))
    writer.add_add_bos_token(True)


def _tensor(
    name: str, weights: NDArray[np.float32], config: dict[str, Any]
) -> tuple[str, NDArray[np.float32]]:
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name], weights
    _, _, block, module = name.removesuffix(".weight").split(".", 3)
    heads = config["num_attention_heads"]
    if module == "self_attn.q_proj":
        weights = _interleaved(weights, heads)
    if module == "self_attn.k_proj":
        weights = _interleaved(weights, config.get("num_key_value_heads", heads))
    return f"blk.{block}.{_BLOCK_NAMES[module]}.weight", weights


def _interleaved(weights: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder rows: transformers rotates halves of a head, llama.cpp neighbouring pairs."""
    rows, columns = weights.shape
    halves = weights.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    write_gguf(chosen.checkpoint, chosen.file)


if __name__ == "__main__":
    main()
