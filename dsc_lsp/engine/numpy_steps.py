"""Small models on a CPU: few tokens with NumPy, many with torch, over the same keys and values.

Where a product takes microseconds, calling it is what costs, and a call of NumPy's costs a third
of torch's (docs/log.md). The forward is the one of ``llama``; the tests hold both against
transformers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import DenseProjection, LayerWeights, Llama, Projection
from dsc_lsp.engine.pace import Pace
from dsc_lsp.engine.steps import EagerSteps, Rows

Numbers: TypeAlias = npt.NDArray[Any]

SMALL_MODEL_PARAMETERS = 16_000_000
"""Larger ones gain more from torch's threads than they lose by its calls."""

_MOST_TOKENS = 16
_COLUMNS = 64
"""Matrices are stored in blocks of about so many columns, each of which stands together. A product
of few rows goes through a matrix column by column of its registers' width: without blocks it jumps
from row to row in main memory, which takes twice as long where the caches are cold, as they are
between two keys (docs/log.md). And OpenBLAS packs what is not small, reading it twice."""


def suits_numpy(model: Llama) -> bool:
    """Whether few tokens are computed faster with NumPy."""
    return (
        model.device.type == "cpu"
        and model.dtype in (torch.float32, torch.float64)
        and model.config.parameters_per_token <= SMALL_MODEL_PARAMETERS
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """Matrices are in blocks, see ``_times``; rows, keys and values are views of the cache's."""

    attention_norm: Numbers
    qkv: Numbers
    attention_out: Numbers
    mlp_norm: Numbers
    gate_up: Numbers
    down: Numbers
    rows: Numbers
    keys: Numbers
    values: Numbers


class NumPySteps:
    """Runs few tokens with NumPy, and leaves longer runs to torch; engine thread only."""

    def __init__(self, model: Llama, cache: KVCache) -> None:
        self.cache = cache
        self._eager = EagerSteps(model, cache)
        self._config = config = model.config
        weights = model.weights
        self._embedding: Numbers = weights.embedding.numpy()
        self._layers = tuple(
            _layer_of(layer, *kept)
            for layer, kept in zip(weights.layers, cache.layers(cache.rows), strict=True)
        )
        self._norm: Numbers = weights.norm.numpy()
        self._head = _blocks(weights.head)
        cosine, sine = model.rotary_tables
        self._cosine: Numbers = cosine.numpy()[:, None]
        self._sine: Numbers = sine.numpy()[:, None]
        self._scale = self._embedding.dtype.type(1 / math.sqrt(config.head_dim))
        self._masks = [
            _mask(tokens, config.heads // config.kv_heads, self._embedding.dtype)
            for tokens in range(_MOST_TOKENS + 1)
        ]

    @property
    def pace(self) -> Pace:
        """How many tokens of a prompt are read in one run."""
        return self._eager.pace

    def run(self, ids: Sequence[int], rows: int) -> Rows:
        """Read tokens and return what follows the last ``rows`` of them."""
        if len(ids) > _MOST_TOKENS:
            return self._eager.run(ids, rows)
        # A gate far below zero is closed, whatever its exponential overflows to.
        with np.errstate(over="ignore"):
            states = self._forward(ids)[len(ids) - rows :]
            logits = _times(states, self._head)
            best = logits.argmax(axis=1)
            highest = logits.max(axis=1)
            total = np.exp(logits - highest[:, None]).sum(axis=1)
        self.cache.extend(ids)
        return Rows(
            torch.from_numpy(logits), tuple(best.tolist()), tuple((-np.log(total)).tolist())
        )

    def _forward(self, ids: Sequence[int]) -> Numbers:
        """Return the last layer's normalized states, shape (tokens, hidden)."""
        config, tokens, start = self._config, len(ids), len(self.cache.ids)
        end, queries = start + tokens, config.heads * config.head_dim
        cosine, sine = self._cosine[start:end], self._sine[start:end]
        states = self._embedding[list(ids)]
        for layer in self._layers:
            qkv = _times(self._normalized(states, layer.attention_norm), layer.qkv)
            self._rotate(qkv.reshape(tokens, -1, config.head_dim), cosine, sine)
            layer.rows[start:end] = qkv[:, queries:]
            keys, values = layer.keys[:, :end], layer.values[:, :end]
            attended = self._attended(qkv[:, :queries], keys, values)
            states += _times(attended, layer.attention_out)
            gate_up = _times(self._normalized(states, layer.mlp_norm), layer.gate_up)
            gate, up = gate_up[:, : config.intermediate], gate_up[:, config.intermediate :]
            up *= gate / (1 + np.exp(-gate))
            states += _times(up, layer.down)
        return self._normalized(states, self._norm)

    def _normalized(self, states: Numbers, weight: Numbers) -> Numbers:
        squares = np.vecdot(states, states)[:, None]
        scales = np.sqrt(squares / self._config.hidden + self._config.norm_epsilon)
        return states / scales * weight

    def _rotate(self, qkv: Numbers, cosine: Numbers, sine: Numbers) -> None:
        """Turn queries and keys in place; ``qkv`` has shape (tokens, all heads, head_dim)."""
        config, half = self._config, self._config.head_dim // 2
        turned = qkv[:, : config.heads + config.kv_heads]
        swapped = np.concatenate((turned[..., half:], turned[..., :half]), axis=-1)
        swapped *= sine
        turned *= cosine
        turned += swapped

    def _attended(self, queries: Numbers, keys: Numbers, values: Numbers) -> Numbers:
        """Return what the queries take from the values, shape (tokens, heads * head_dim)."""
        config, tokens = self._config, queries.shape[0]
        grouped = (tokens, config.kv_heads, -1, config.head_dim)
        rows = (queries * self._scale).reshape(grouped).swapaxes(0, 1)
        scores = rows.reshape(config.kv_heads, -1, config.head_dim) @ keys.swapaxes(1, 2)
        if tokens > 1:
            scores[:, :, -tokens:] += self._masks[tokens]
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        attended = scores @ values / scores.sum(axis=-1, keepdims=True)
        by_token = attended.reshape(config.kv_heads, tokens, -1, config.head_dim).swapaxes(0, 1)
        return by_token.reshape(tokens, -1)


def _layer_of(
    layer: LayerWeights, rows: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> _Layer:
    return _Layer(
        layer.attention_norm.numpy(),
        _blocks(layer.qkv),
        _blocks(layer.attention_out),
        layer.mlp_norm.numpy(),
        _blocks(layer.gate_up),
        _blocks(layer.down),
        rows.numpy(),
        keys[0].numpy(),
        values[0].numpy(),
    )


def _blocks(projection: Projection) -> Numbers:
    """Return a copy of a projection's matrix in blocks of columns, shape (blocks, in, columns)."""
    assert isinstance(projection, DenseProjection), "nothing else is stored on a CPU"
    matrix: Numbers = projection.weight.t().numpy()
    wide, out = matrix.shape
    columns = max(width for width in range(1, _COLUMNS + 1) if out % width == 0)
    return np.ascontiguousarray(matrix.reshape(wide, -1, columns).swapaxes(0, 1))


def _times(states: Numbers, blocks: Numbers) -> Numbers:
    """Return states, shape (tokens, in), times a matrix in blocks: shape (tokens, out), fresh."""
    return (states @ blocks).swapaxes(0, 1).reshape(states.shape[0], -1)


def _mask(tokens: int, group: int, dtype: npt.DTypeLike) -> Numbers:
    """Return what hides later new tokens, shape (tokens * group, tokens)."""
    hidden = np.triu(np.full((tokens, tokens), -np.inf), 1)
    return np.repeat(hidden, group, axis=0).astype(dtype)
