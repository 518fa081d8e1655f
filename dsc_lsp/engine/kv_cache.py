"""Keys and values of the last prompt, kept so that the next one reads only what is new."""

from collections.abc import Iterator, Sequence

import torch

from dsc_lsp.engine.config import ModelConfig

_ROWS = 64


class KVCache:
    """Static storage for the keys and values of ``capacity`` tokens, and the ids it stands for.

    ``ids`` holds only tokens whose forward completed: ``extend`` is called after it, so that a
    cancel or an error leaves rows behind that nobody counts and the next tokens overwrite.
    The storage never moves, because CUDA graphs know its address. It has ``rows`` rows: a few
    more than the capacity, so that fused attention need not pad its masks. Engine thread only.
    """

    def __init__(
        self, config: ModelConfig, capacity: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        width = config.kv_heads * config.head_dim
        # Keys and values of a token stand side by side, as the fused projection gives them.
        # Zeros: graphs look at rows behind the last, too, with weight 0, and NaN would stay NaN.
        self.rows = -(-capacity // _ROWS) * _ROWS
        storage = torch.zeros((config.layers, self.rows, 2 * width), device=device, dtype=dtype)
        heads = storage.view(config.layers, self.rows, 2, 1, config.kv_heads, config.head_dim)
        self._rows = tuple(storage.unbind())
        self._keys = heads[:, :, 0].permute(0, 2, 3, 1, 4)
        self._values = heads[:, :, 1].permute(0, 2, 3, 1, 4)
        self.capacity = capacity
        self.bytes = storage.nbytes
        self.ids: list[int] = []

    def layers(self, length: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield each layer's rows to write into, and the first ``length`` keys and values.

        Rows have shape (rows, 2 * kv_heads * head_dim), keys and values
        (1, kv_heads, length, head_dim).
        """
        keys = self._keys.narrow(3, 0, length).unbind()
        values = self._values.narrow(3, 0, length).unbind()
        yield from zip(self._rows, keys, values, strict=True)

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

    def extend(self, ids: Sequence[int]) -> None:
        """Count tokens in whose forward has completed in the rows behind the last."""
        assert len(self.ids) + len(ids) <= self.capacity, "the caller looks at the capacity"
        self.ids.extend(ids)
