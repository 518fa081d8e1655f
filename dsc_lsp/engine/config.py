"""The numbers that make a Llama model, from its ``config.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsc_lsp.engine.base import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The sizes of a Llama model. ``rope_factor`` is that of linear scaling, 1 without."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    positions: int
    rope_theta: float
    rope_factor: float
    norm_epsilon: float
    tied: bool

    @property
    def parameters(self) -> int:
        """How many numbers the weights are, a tied head counted once."""
        vocabularies = 1 if self.tied else 2
        return self.parameters_per_token + (vocabularies - 1) * self.vocabulary * self.hidden

    @property
    def parameters_per_token(self) -> int:
        """How many of them each token reads: all but the input embeddings, if those are apart."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.layers * layer + self.vocabulary * self.hidden + self.hidden

    @property
    def kv_numbers_per_token(self) -> int:
        """How many numbers keys and values of one token are."""
        return self.layers * 2 * self.kv_heads * self.head_dim


def read_config(path: Path) -> ModelConfig:
    """Return what a ``config.json`` describes.

    Raises:
        EngineError: it lacks a number, or asks for what this forward does not compute.
    """
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parsed = parse_config(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise EngineError(
            f"{path} does not describe a Llama model ({type(error).__name__}: {error})."
            " Download the checkpoint again."
        ) from error
    unsupported = _unsupported(config)
    if unsupported:
        raise EngineError(
            f"{path} asks for {unsupported}, which this server does not compute."
            " Choose a DeepSeek-Coder checkpoint in `dsc.model`."
        )
    return parsed


def parse_config(config: Mapping[str, Any]) -> ModelConfig:
    """Return what the object in a ``config.json`` says, in its old or new names.

    Raises:
        KeyError, TypeError, ValueError, ZeroDivisionError: a number is missing or is none.
    """
    heads = int(config["num_attention_heads"])
    rope = _rope(config)
    return ModelConfig(
        vocabulary=int(config["vocab_size"]),
        hidden=int(config["hidden_size"]),
        intermediate=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or config["hidden_size"] // heads),
        positions=int(config["max_position_embeddings"]),
        rope_theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
        rope_factor=float(rope.get("factor") or 1.0) if _rope_type(rope) == "linear" else 1.0,
        norm_epsilon=float(config["rms_norm_eps"]),
        tied=bool(config.get("tie_word_embeddings", False)),
    )


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rotary embedding's numbers: ``rope_parameters`` in new files, else scaling."""
    return config.get("rope_parameters") or config.get("rope_scaling") or {}


def _rope_type(rope: Mapping[str, Any]) -> str:
    return str(rope.get("rope_type") or rope.get("type") or "default")


def _unsupported(config: Mapping[str, Any]) -> str:
    rope_type = _rope_type(_rope(config))
    if rope_type not in {"default", "linear"}:
        return f"rotary embeddings of type {rope_type!r}"
    for name in ("attention_bias", "mlp_bias"):
        if config.get(name):
            return f"`{name}`"
    activation = config.get("hidden_act", "silu")
    return "" if activation == "silu" else f"the activation {activation!r}"
