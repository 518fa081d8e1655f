"""Small models on a CPU: few tokens with as few calls as possible, many with ``llama``'s forward.

Where a product takes microseconds, calling it is what costs, and a call of NumPy's costs a third
of torch's. So NumPy does what is small, over the memory in which torch's fused operators do the
rest (docs/log.md). The forward is the one of ``llama``; the tests hold both against transformers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it

from dsc_lsp.engine.config import ModelConfig
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import DenseProjection, LayerWeights, Llama, Projection
from dsc_lsp.engine.pace import Pace
from dsc_lsp.engine.products import Numbers, Product, product_with
from dsc_lsp.engine.steps import EagerSteps, Rows

SMALL_MODEL_PARAMETERS = 16_000_000
"""Larger ones gain more from torch's threads than they lose by its calls."""

_MOST_TOKENS = 16


def suits_numpy(model: Llama) -> bool:
    """Whether few tokens are computed faster with NumPy."""
    return (
        model.device.type == "cpu"
        and model.dtype in (torch.float32, torch.float64)
        and model.config.parameters_per_token <= SMALL_MODEL_PARAMETERS
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """Norms, products with the matrices, and the cache's rows."""

    attention_norm: Numbers
    qkv: Product
    attention_out: Product
    mlp_norm: Numbers
    gate_up: Product
    down: Product
    rows: Numbers


class _Scratch:
    """Where the states of so many tokens stand on their way through a layer.

    Each name is a part of one of three pieces of memory, as whoever looks at it needs it:
    ``queries`` has shape (1, kv_heads, tokens, group, head_dim), ``turned`` (the queries and keys)
    (tokens, heads, head_dim). ``mask`` hides later new tokens from earlier ones in its last
    columns, and is ``None`` for a single token.
    """

    def __init__(self, config: ModelConfig, tokens: int, rows: int, dtype: torch.dtype) -> None:
        wide, group = config.heads * config.head_dim, config.heads // config.kv_heads
        all_heads = config.heads + 2 * config.kv_heads
        self.qkv = torch.empty((tokens, all_heads * config.head_dim), dtype=dtype)
        grouped = (1, tokens, config.kv_heads, group, config.head_dim)
        self.queries = self.qkv[:, :wide].view(grouped).transpose(1, 2)
        heads = self.qkv.numpy().reshape(tokens, -1, config.head_dim)
        self.turned: Numbers = heads[:, : config.heads + config.kv_heads]
        self.kept: Numbers = self.qkv.numpy()[:, wide:]
        self.gate_up = torch.empty((tokens, 2 * config.intermediate), dtype=dtype)
        self.gate, self.up = self.gate_up.chunk(2, dim=-1)
        self.added = torch.empty((tokens, config.hidden), dtype=dtype)
        self.added_numbers: Numbers = self.added.numpy()
        self.mask = None if tokens == 1 else _mask(tokens, group, rows, dtype)


class NumPySteps:
    """Runs few tokens with NumPy, and leaves longer runs to torch alone; engine thread only."""

    def __init__(self, model: Llama, cache: KVCache) -> None:
        self.cache = cache
        self._eager = EagerSteps(model, cache)
        self._config = model.config
        self._dtype = model.dtype
        weights = model.weights
        self._embedding: Numbers = weights.embedding.numpy()
        self._layers = tuple(
            _layer_of(layer, rows)
            for layer, (rows, _, _) in zip(weights.layers, cache.layers(cache.rows), strict=True)
        )
        self._norm: Numbers = weights.norm.numpy()
        self._head = _product(weights.head)
        cosine, sine = model.rotary_tables
        self._cosine: Numbers = cosine.numpy()[:, None]
        self._sine: Numbers = sine.numpy()[:, None]
        self._scale = 1 / math.sqrt(model.config.head_dim)
        self._scratch: dict[int, _Scratch] = {}

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a run of few tokens reads."""
        norms = sum(one.attention_norm.nbytes + one.mlp_norm.nbytes for one in self._layers)
        products = (
            product
            for one in self._layers
            for product in (one.qkv, one.attention_out, one.gate_up, one.down)
        )
        matrices = sum(product.nbytes for product in products)
        return matrices + norms + self._norm.nbytes + self._head.nbytes

    @property
    def pace(self) -> Pace:
        """How many tokens of a prompt are read in one run."""
        return self._eager.pace

    @torch.inference_mode()
    def run(self, ids: Sequence[int], rows: int) -> Rows:
        """Read tokens and return what follows the last ``rows`` of them, unchosen."""
        if len(ids) > _MOST_TOKENS:
            return self._eager.run(ids, rows)
        states = self._forward(ids)[len(ids) - rows :]
        logits = torch.empty((rows, self._config.vocabulary), dtype=self._dtype)
        self._head.into(states, logits)
        self.cache.extend(ids)
        return Rows(logits)

    def _forward(self, ids: Sequence[int]) -> Numbers:
        """Return the last layer's normalized states, shape (tokens, hidden)."""
        tokens, start = len(ids), len(self.cache.ids)
        end = start + tokens
        scratch = self._scratch_for(tokens)
        cosine, sine = self._cosine[start:end], self._sine[start:end]
        mask = None if scratch.mask is None else scratch.mask[:, -end:]
        states = self._embedding[list(ids)]
        kept = self.cache.layers(end)
        for layer, (_, keys, values) in zip(self._layers, kept, strict=True):
            layer.qkv.into(self._normalized(states, layer.attention_norm), scratch.qkv)
            self._rotate(scratch.turned, cosine, sine)
            layer.rows[start:end] = scratch.kept
            layer.attention_out.into(self._attended(scratch, keys, values, mask), scratch.added)
            states += scratch.added_numbers
            layer.gate_up.into(self._normalized(states, layer.mlp_norm), scratch.gate_up)
            opened = torch.mul(F.silu(scratch.gate, inplace=True), scratch.up)
            layer.down.into(opened.numpy(), scratch.added)
            states += scratch.added_numbers
        return self._normalized(states, self._norm)

    def _scratch_for(self, tokens: int) -> _Scratch:
        scratch = self._scratch.get(tokens)
        if scratch is None:
            scratch = _Scratch(self._config, tokens, self.cache.rows, self._dtype)
            self._scratch[tokens] = scratch
        return scratch

    def _normalized(self, states: Numbers, weight: Numbers) -> Numbers:
        squares = np.vecdot(states, states)[:, None]
        scales = np.sqrt(squares / self._config.hidden + self._config.norm_epsilon)
        return states / scales * weight

    def _rotate(self, turned: Numbers, cosine: Numbers, sine: Numbers) -> None:
        """Turn queries and keys in place."""
        half = self._config.head_dim // 2
        swapped = np.concatenate((turned[..., half:], turned[..., :half]), axis=-1)
        swapped *= sine
        turned *= cosine
        turned += swapped

    def _attended(
        self,
        scratch: _Scratch,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> Numbers:
        """Return what the queries take from the values, shape (tokens, heads * head_dim)."""
        _, kv_heads, tokens, group, head_dim = scratch.queries.shape
        queries = scratch.queries.flatten(2, 3)
        attended = F.scaled_dot_product_attention(queries, keys, values, mask, scale=self._scale)
        by_token = attended.numpy().reshape(kv_heads, tokens, group, head_dim).swapaxes(0, 1)
        return by_token.reshape(tokens, -1)


def _layer_of(layer: LayerWeights, rows: torch.Tensor) -> _Layer:
    return _Layer(
        layer.attention_norm.numpy(),
        _product(layer.qkv),
        _product(layer.attention_out),
        layer.mlp_norm.numpy(),
        _product(layer.gate_up),
        _product(layer.down),
        rows.numpy(),
    )


def _product(projection: Projection) -> Product:
    assert isinstance(projection, DenseProjection), "nothing else is stored on a CPU"
    return product_with(projection.weight)


def _mask(tokens: int, group: int, rows: int, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to the scores of new tokens, shape (tokens * group, rows)."""
    mask = torch.zeros((tokens, rows), dtype=dtype)
    hidden = torch.full((tokens, tokens), -math.inf, dtype=dtype).triu(1)
    mask[:, -tokens:] = hidden
    return mask.repeat_interleave(group, dim=0)
