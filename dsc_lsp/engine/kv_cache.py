"""Keys and values of the last prompt, kept so that the next one reads only what is new."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

_BUCKET = 256
"""Storage grows by this many tokens at a time, so that most steps copy nothing old."""


class KVCache:
    """The cache that the model's forward fills, with the token ids that it stands for.

    ``ids`` holds only tokens whose forward completed: after an error or a cancel between two
    layers, ``crop`` brings the layers back to it. Engine thread only.
    """

    def __init__(self, layer_count: int) -> None:
        self._layers = [_Layer() for _ in range(layer_count)]
        self.past_key_values = Cache(layers=list(self._layers))
        self.ids: list[int] = []

    def common_prefix(self, ids: Sequence[int]) -> int:
        """Return how many first tokens of ``ids`` the cache stands for already."""
        count = min(len(ids), len(self.ids))
        for index in range(count):
            if ids[index] != self.ids[index]:
                return index
        return count

    def crop(self, length: int) -> None:
        """Keep the first ``length`` tokens; more than there are is an error of the caller."""
        assert length <= len(self.ids), "the cache cannot grow by cropping"
        del self.ids[length:]
        for layer in self._layers:
            layer.keep(length)


class _Layer(DynamicLayer):
    """One layer's keys and values of shape (1, kv_heads, tokens, head_dim), in growing storage.

    ``DynamicLayer`` copies everything at every token (``torch.cat``); here ``keys`` and ``values``
    are views of the filled part of a larger buffer, and its other methods go by their shape.
    """

    def __init__(self) -> None:
        super().__init__()
        self._key_storage: Any = None
        self._value_storage: Any = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values of shape (1, kv_heads, new_tokens, head_dim); return all."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        self._key_storage = _with_room(self._key_storage, key_states, start, end)
        self._value_storage = _with_room(self._value_storage, value_states, start, end)
        self._key_storage[..., start:end, :] = key_states
        self._value_storage[..., start:end, :] = value_states
        self.is_initialized = True
        self._show(end)
        return self.keys, self.values  # pyright: ignore[reportReturnType]

    def keep(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        if self.is_initialized:
            self._show(length)

    def _show(self, length: int) -> None:
        self.keys = self._key_storage[..., :length, :]
        self.values = self._value_storage[..., :length, :]


def _with_room(storage: Any, states: torch.Tensor, used: int, needed: int) -> Any:
    if storage is not None and storage.shape[-2] >= needed:
        return storage
    batch, heads, _, head_dim = states.shape
    capacity = -(-needed // _BUCKET) * _BUCKET
    grown = states.new_empty((batch, heads, capacity, head_dim))
    if storage is not None:
        grown[..., :used, :] = storage[..., :used, :]
    return grown
