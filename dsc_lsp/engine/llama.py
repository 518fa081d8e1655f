"""The Llama forward, lean: fused weights, few operations a layer, nothing but torch.

One function computes prefill, decode and the check of drafts, eagerly or while it is captured
into a CUDA graph: it reads and writes tensors only, never the host. The tests hold it against
transformers token by token.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it

from dsc_lsp.engine.config import ModelConfig
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.split_attention import split_attention


class Projection(Protocol):
    """A matrix of shape (out, in) in whatever form it is stored."""

    @property
    def nbytes(self) -> int:
        """The bytes that it takes and each product reads."""
        ...

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Return ``states``, shape (tokens, in), times the matrix: shape (tokens, out)."""
        ...

    def added_to(self, residual: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Return the product added to ``residual``, shape (tokens, out)."""
        ...


class DenseProjection:
    """A matrix as it is."""

    __slots__ = ("_transposed", "weight")

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight = weight
        self._transposed = weight.t()

    @property
    def nbytes(self) -> int:
        """The bytes of the matrix."""
        return self.weight.nbytes

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Return ``states`` times the matrix."""
        return torch.mm(states, self._transposed)

    def added_to(self, residual: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Return the product added to ``residual``: one operation for both."""
        return torch.addmm(residual, states, self._transposed)


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer; what reads the same states stands one above the other and is one product."""

    attention_norm: torch.Tensor
    qkv: Projection
    attention_out: Projection
    mlp_norm: torch.Tensor
    gate_up: Projection
    down: Projection


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of a model, on one device; ``embedding`` has shape (vocabulary, hidden)."""

    embedding: torch.Tensor
    layers: tuple[LayerWeights, ...]
    norm: torch.Tensor
    head: Projection

    @property
    def bytes_per_token(self) -> int:
        """The bytes that each token reads: all but the input embeddings, where those are apart."""
        matrices = sum(
            layer.qkv.nbytes
            + layer.attention_out.nbytes
            + layer.gate_up.nbytes
            + layer.down.nbytes
            for layer in self.layers
        )
        norms = sum(layer.attention_norm.nbytes + layer.mlp_norm.nbytes for layer in self.layers)
        return matrices + norms + self.norm.nbytes + self.head.nbytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where new tokens stand; tensors have shape (tokens,).

    ``positions`` are those of the text, ``slots`` the rows of the cache that keep the tokens. They
    look at the first ``length`` rows, where ``mask`` of shape (tokens, length), added to the
    scores, allows it; in more than one of ``parts`` as ``split_attention`` does.
    """

    positions: torch.Tensor
    slots: torch.Tensor
    length: int
    mask: torch.Tensor | None
    parts: int = 1


class Llama:
    """Weights with the tables of their rotary embedding; holds no state between calls."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.device = weights.embedding.device
        self.dtype = weights.embedding.dtype
        self.weights = weights
        self.rotary_tables = _rotary_tables(config, self.device, self.dtype)
        self._scale = 1 / math.sqrt(config.head_dim)

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that each token reads."""
        return self.weights.bytes_per_token

    @torch.inference_mode()
    def forward(self, ids: torch.Tensor, place: Place, cache: KVCache) -> torch.Tensor:
        """Return the last layer's normalized states of new tokens, shape (tokens, hidden)."""
        tokens = ids.shape[0]
        config, weights = self.config, self.weights
        rotation = self._rotation(place.positions)
        group = config.heads // config.kv_heads
        mask = place.mask
        if mask is not None and group > 1:
            mask = mask.unsqueeze(1).expand(-1, group, -1).reshape(tokens * group, -1)
        states = weights.embedding.index_select(0, ids)
        kept = cache.layers(place.length)
        for layer, (rows, keys, values) in zip(weights.layers, kept, strict=True):
            qkv = layer.qkv(self._normalized(states, layer.attention_norm))
            self._rotate(qkv.view(tokens, -1, config.head_dim), rotation)
            rows.index_copy_(0, place.slots, qkv[:, config.heads * config.head_dim :])
            attended = self._attention(qkv, keys, values, mask, place.parts)
            states = layer.attention_out.added_to(states, attended)
            gate, up = layer.gate_up(self._normalized(states, layer.mlp_norm)).chunk(2, dim=-1)
            states = layer.down.added_to(states, F.silu(gate).mul_(up))
        return self._normalized(states, weights.norm)

    @torch.inference_mode()
    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits after tokens with these states: shape (tokens, vocabulary)."""
        return self.weights.head(states)

    def _normalized(self, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(states, (self.config.hidden,), weight, self.config.norm_epsilon)

    def _rotation(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosines and signed sines of shape (tokens, 1, head_dim)."""
        cosines, sines = self.rotary_tables
        cosine = cosines.index_select(0, positions).unsqueeze(1)
        return cosine, sines.index_select(0, positions).unsqueeze(1)

    def _rotate(self, qkv: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Turn queries and keys in place; ``qkv`` has shape (tokens, all heads, head_dim).

        The halves of a head change places and the signs stand in the sines, so that this takes
        three operations.
        """
        cosine, sine = rotation
        turned = qkv[:, : self.config.heads + self.config.kv_heads]
        swapped = turned.roll(self.config.head_dim // 2, -1)
        turned.mul_(cosine).addcmul_(swapped, sine)

    def _attention(
        self,
        qkv: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor | None,
        parts: int,
    ) -> torch.Tensor:
        """Return what the queries take from the values, shape (tokens, heads * head_dim).

        The query heads that share keys are rows of one product, so that keys are never repeated.
        """
        config, tokens = self.config, qkv.shape[0]
        wide = config.heads * config.head_dim
        grouped = (tokens, config.kv_heads, config.heads // config.kv_heads, config.head_dim)
        queries = qkv[:, :wide].view(grouped).transpose(0, 1).flatten(1, 2).unsqueeze(0)
        if parts > 1 and mask is not None:
            attended = split_attention(queries, keys, values, mask, scale=self._scale, parts=parts)
        else:
            attended = F.scaled_dot_product_attention(
                queries, keys, values, mask, scale=self._scale
            )
        by_token = attended.view(config.kv_heads, tokens, -1, config.head_dim).transpose(0, 1)
        return by_token.reshape(tokens, wide)


def _rotary_tables(
    config: ModelConfig, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and signed sines, (positions, head_dim); computed in float32 everywhere."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = 1.0 / (config.rope_theta**exponents) / config.rope_factor
    angles = torch.outer(torch.arange(config.positions, dtype=torch.float32), frequencies)
    cosine, sine = angles.cos(), angles.sin()
    cosines = torch.cat((cosine, cosine), dim=-1)
    return cosines.to(device, dtype), torch.cat((-sine, sine), dim=-1).to(device, dtype)
